"""Entitlement snapshots over HTTP, and how little asking again costs."""

import httpx
import pytest

from tests.support.shop import JsonObject, post

pytestmark = pytest.mark.anyio

SQL = "SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'"


@pytest.fixture
async def snapshot(client: httpx.AsyncClient) -> httpx.Response:
    """What Ada may do on a plan with a feature of each kind."""
    customer = await post(
        client, "/customers", {"name": "Ada", "email": "a@example.com", "external_customer_id": "ada"}
    )
    metric = await post(client, "/metrics", {"name": "Tokens", "sql": SQL})
    for key, kind in [("tokens", "limit"), ("seats", "limit"), ("region", "config"), ("sso", "boolean")]:
        await post(client, "/features", {"key": key, "type": kind})
    features = [
        {"key": "tokens", "limit": "100.50", "metric_id": metric["id"]},
        {"key": "seats"},
        {"key": "region", "value": "eu"},
        {"key": "sso", "enabled": False},
    ]
    plan = await post(client, "/plans", {"name": "Pro", "currency": "USD", "prices": [], "features": features})
    subscribed = {"customer_id": customer["id"], "plan_id": plan["id"], "start_date": "2023-11-01"}
    await post(client, "/subscriptions", subscribed)
    answer = await client.get("/entitlements/ada")
    assert answer.status_code == 200
    return answer


async def test_a_snapshot_says_everything(snapshot: httpx.Response) -> None:
    """One entry a feature: limits with what was used of them in the period, values, switches."""
    said: JsonObject = snapshot.json()
    assert (said["external_customer_id"], said["as_of"]) == ("ada", 0)
    entitlements = said["entitlements"]
    assert list(entitlements) == ["region", "seats", "sso", "tokens"]
    tokens = entitlements["tokens"]
    assert (tokens["type"], tokens["enabled"], tokens["limit"], tokens["used"]) == ("limit", True, "100.5", "0")
    assert tokens["period_start"] < said["generated_at"] < tokens["period_end"]
    assert (entitlements["seats"]["limit"], entitlements["seats"]["metric_id"]) == (None, None)
    assert (entitlements["region"]["value"], entitlements["region"]["period_start"]) == ("eu", None)
    assert entitlements["sso"]["enabled"] is False


async def test_either_id_names_the_customer(client: httpx.AsyncClient, snapshot: httpx.Response) -> None:
    """The caller's own, or ours."""
    said = snapshot.json()
    other = (await client.get(f"/entitlements/{said['customer_id']}")).json()
    assert {**other, "generated_at": ""} == {**said, "generated_at": ""}


async def test_a_customer_without_a_plan_has_an_empty_snapshot(client: httpx.AsyncClient) -> None:
    """That is an answer too; an unknown customer has none."""
    await post(client, "/customers", {"name": "Bob", "email": "b@example.com", "external_customer_id": "bob"})
    assert (await client.get("/entitlements/bob")).json()["entitlements"] == {}
    assert (await client.get("/entitlements/nobody")).status_code == 404


@pytest.mark.parametrize("form", ["{0}", "W/{0}", '"other", {0}', '"other",W/{0}', "*"])
async def test_a_known_version_is_not_sent_again(
    client: httpx.AsyncClient, snapshot: httpx.Response, form: str
) -> None:
    """However the version is written, a cache in between included."""
    etag = snapshot.headers["etag"]
    assert etag == f'"{snapshot.json()["version"]}"'
    again = await client.get("/entitlements/ada", headers={"If-None-Match": form.format(etag)})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert again.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("form", ['"other"', "", "other", 'W/"other"'])
async def test_another_version_is_answered_in_full(
    client: httpx.AsyncClient, snapshot: httpx.Response, form: str
) -> None:
    """Whatever stands there instead."""
    again = await client.get("/entitlements/ada", headers={"If-None-Match": form})
    assert again.status_code == 200
    assert again.json()["entitlements"] == snapshot.json()["entitlements"]


async def test_usage_changes_the_version(client: httpx.AsyncClient, snapshot: httpx.Response) -> None:
    """An event that counts is news, and the snapshot says of which position in the log it is."""
    event = {
        "event_name": "llm_request",
        "idempotency_key": "one",
        "timestamp": snapshot.json()["generated_at"],
        "external_customer_id": "ada",
        "properties": {"tokens": 42},
    }
    await post(client, "/ingest", {"events": [event]})
    answer = await client.get("/entitlements/ada", headers={"If-None-Match": snapshot.headers["etag"]})
    assert answer.status_code == 200
    assert (answer.json()["entitlements"]["tokens"]["used"], answer.json()["as_of"]) == ("42", 1)
