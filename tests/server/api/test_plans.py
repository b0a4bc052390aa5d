"""Features and plans over HTTP."""

from typing import Any

import httpx
import pytest

from orbdo_server.api.plans import (
    NET_TERMS_DAYS_MAX,
    PLAN_FEATURES_MAX,
    PLAN_PRICES_MAX,
    NewFeatureBody,
    NewPlanBody,
    PlanChange,
    PlanFeatureBody,
    PlanFeaturesBody,
    PlanPriceBody,
)
from tests.support.bodies import is_taken, wrong_fields
from tests.support.shop import JsonObject, post

pytestmark = pytest.mark.anyio

FEE: JsonObject = {"name": "Fee", "cadence": "monthly", "model_type": "unit", "unit_config": {"unit_amount": "10.00"}}
PRO: JsonObject = {"name": "Pro", "currency": "USD", "prices": []}


@pytest.fixture
async def fee(client: httpx.AsyncClient) -> JsonObject:
    """A fixed fee of an item that exists."""
    item = await post(client, "/items", {"name": "Seats"})
    return {**FEE, "item_id": item["id"], "fixed_price_quantity": 1}


async def test_a_feature_is_found_by_id_and_key(client: httpx.AsyncClient) -> None:
    """Without a name it is called by its key, without a type it is a switch."""
    made = await post(client, "/features", {"key": "sso"})
    assert made == {
        "id": made["id"],
        "key": "sso",
        "name": "sso",
        "type": "boolean",
        "created_at": made["created_at"],
        "metadata": {},
    }
    for name in (made["id"], "sso"):
        assert (await client.get(f"/features/{name}")).json() == made
    assert (await client.get("/features")).json()["data"] == [made]
    again = await client.post("/features", json={"key": "sso"})
    assert (again.json()["code"], again.json()["problems"][0]["field"]) == ("duplicate_resource_creation", "key")
    assert (await client.get("/features/unknown")).status_code == 404


@pytest.mark.parametrize(
    ("key", "is_good"),
    [
        ("a", True),
        ("a.b-c_9", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("9a", False),
        ("Sso", False),
        ("a b", False),
        ("a\n", False),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", False),
    ],
)
def test_a_key_is_a_plain_word(key: str, is_good: bool) -> None:
    """It stands in code and in addresses."""
    assert is_taken(NewFeatureBody, {"key": key}) is is_good


async def test_a_plan_is_answered_with_all_it_has(client: httpx.AsyncClient, fee: JsonObject) -> None:
    """New prices are in the plan's currency unless they say so themselves; features show their key and type."""
    known = await post(client, "/prices", {**fee, "currency": "USD"})
    feature = await post(client, "/features", {"key": "calls", "type": "limit"})
    metric = await post(client, "/metrics", {"name": "Calls", "sql": "SELECT count(*) FROM events"})
    granted = {"key": "calls", "limit": "100.0", "metric_id": metric["id"]}
    made = await post(
        client,
        "/plans",
        {
            **PRO,
            "prices": [{"price": fee}, {"price_id": known["id"]}],
            "features": [granted],
            "external_plan_id": "pro",
            "description": "All",
            "net_terms": 30,
            "default_invoice_memo": "Thank you",
            "metadata": {"a": "b"},
        },
    )
    assert made["id"].startswith("plan_")
    assert [price["currency"] for price in made["prices"]] == ["USD", "USD"]
    assert made["prices"][1] == known
    assert made["features"] == [
        {
            "feature_id": feature["id"],
            "key": "calls",
            "type": "limit",
            "enabled": True,
            "limit": "100.0",
            "value": None,
            "metric_id": metric["id"],
        }
    ]
    assert (made["status"], made["net_terms"], made["default_invoice_memo"]) == ("active", 30, "Thank you")
    assert (made["description"], made["metadata"], made["invoicing_currency"]) == ("All", {"a": "b"}, "USD")
    for path in (f"/plans/{made['id']}", "/plans/external_plan_id/pro"):
        assert (await client.get(path)).json() == made
    assert (await client.get("/plans")).json()["data"] == [made]


async def test_a_plan_is_changed_by_either_id(client: httpx.AsyncClient) -> None:
    """What is not named stays, and null names nothing."""
    made = await post(client, "/plans", {**PRO, "external_plan_id": "pro", "description": "All"})
    one = await client.put(f"/plans/{made['id']}", json={"name": "Team", "description": None})
    assert one.json() == {**made, "name": "Team", "product": {**made["product"], "name": "Team"}}
    other = await client.put("/plans/external_plan_id/pro", json={"external_plan_id": "team"})
    assert other.json()["external_plan_id"] == "team"
    assert (await client.get("/plans/external_plan_id/pro")).status_code == 404


async def test_a_draft_becomes_active_and_never_again_a_draft(client: httpx.AsyncClient) -> None:
    """From then on it can be subscribed to."""
    made = await post(client, "/plans", {**PRO, "status": "draft"})
    assert made["status"] == "draft"
    active = await client.put(f"/plans/{made['id']}", json={"status": "active"})
    assert active.json() == {**made, "status": "active"}
    assert (await client.put(f"/plans/{made['id']}", json={})).json()["status"] == "active"
    assert wrong_fields(PlanChange, {"status": "draft"}) == ["status"]


async def test_features_of_a_plan_are_set_as_a_whole(client: httpx.AsyncClient) -> None:
    """Also to none."""
    feature = await post(client, "/features", {"key": "sso"})
    made = await post(client, "/plans", PRO)
    path = f"/plans/{made['id']}/features"
    granted = await client.put(path, json={"features": [{"feature_id": feature["id"], "enabled": False}]})
    assert [(entry["key"], entry["enabled"]) for entry in granted.json()["features"]] == [("sso", False)]
    assert (await client.put(path, json={"features": []})).json() == made
    unknown = await client.put(path, json={"features": [{"key": "unknown"}]})
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"prices": None}, ["prices"]),
        ({"prices": [{}]}, ["prices[0]"]),
        ({"prices": [{"price_id": "a", "price": {**FEE, "item_id": "b"}}]}, ["prices[0]"]),
        ({"prices": [{"price": {"name": "x"}}]}, ["prices[0].price.item_id", "prices[0].price.cadence"]),
        ({"features": [{}]}, ["features[0]"]),
        ({"features": [{"key": "a", "feature_id": "b"}]}, ["features[0]"]),
        ({"features": [{"key": "a", "value": "x" * 1001}]}, ["features[0].value"]),
        ({"features": [{"key": "a", "limit": 1.5}]}, ["features[0].limit"]),
        ({"status": "archived"}, ["status"]),
        ({"net_terms": -1}, ["net_terms"]),
        ({"net_terms": NET_TERMS_DAYS_MAX + 1}, ["net_terms"]),
        ({"net_terms": 1.5}, ["net_terms"]),
        ({"description": "x" * 2001}, ["description"]),
        ({"prices": [{"price_id": "a"}] * (PLAN_PRICES_MAX + 1)}, ["prices"]),
        ({"features": [{"key": "a"}] * (PLAN_FEATURES_MAX + 1)}, ["features"]),
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any], fields: list[str]) -> None:
    """With its place in the body."""
    assert wrong_fields(NewPlanBody, {**PRO, **changes})[: len(fields)] == fields


def test_fields_fit_at_their_bounds() -> None:
    """The longest and the most of each."""
    assert (PLAN_PRICES_MAX, PLAN_FEATURES_MAX, NET_TERMS_DAYS_MAX) == (200, 500, 365)
    features = [{"key": "a", "value": "x" * 1000}] * PLAN_FEATURES_MAX
    prices = [{"price_id": "x" * 64}] * PLAN_PRICES_MAX
    assert is_taken(NewPlanBody, {**PRO, "prices": prices, "features": features, "net_terms": 365})
    assert is_taken(NewPlanBody, {**PRO, "net_terms": 0, "description": "x" * 2000})
    assert is_taken(PlanFeaturesBody, {"features": features})
    assert wrong_fields(PlanFeaturesBody, {"features": [*features, {"key": "a"}]}) == ["features"]
    assert is_taken(PlanFeatureBody, {"key": "x" * 64})
    assert not is_taken(PlanFeatureBody, {"key": "x" * 65})
    assert not is_taken(PlanPriceBody, {"price_id": "x" * 65})
