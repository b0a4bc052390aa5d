"""Tenants never see each other: whatever is another tenant's is answered exactly as what does not exist."""

from typing import Any

import httpx
import pytest

from orbdo_server.api.ingest import INGEST
from orbdo_server.api.lists import ListQuery
from orbdo_server.api.routes import ENDPOINTS
from orbdo_server.app import OrbdoApp
from tests.support.every_endpoint import EVERY_ENDPOINT, UNKNOWN, Asked, Ids, one_of_everything
from tests.support.knocking import knock
from tests.support.shop import post

pytestmark = pytest.mark.anyio

LISTS = [endpoint.path for endpoint in ENDPOINTS if issubclass(endpoint.query, ListQuery)]


def told(answer: httpx.Response, *ids: str) -> tuple[int, Any]:
    """What an answer says, but for the number of its request and the ids that were asked for."""
    text = answer.text
    for identifier in ids:
        text = text.replace(identifier, "ID")
    said = answer.__class__(answer.status_code, text=text).json()
    said.pop("request_id", None)
    return answer.status_code, said


def is_denied(status: int, said: Any) -> bool:
    """Whether nothing was shown or done: not found, an empty list, or events that were not taken."""
    if status == 200:
        return said in ({"data": []}, {"data": [], "pagination_metadata": {"has_more": False, "next_cursor": None}})
    if said.get("detail") == "external_customer_id: is not the customer of the event, which stays":
        # Whose the name is or whether it is anybody's makes no difference to that.
        return status == 400
    return status == 404 or (status == 400 and len(said["validation_failed"]) == 1)


def test_every_endpoint_is_asked() -> None:
    """A new endpoint has to be added to the requests of these tests, and a new list is found by its query."""
    assert len(LISTS) == 10
    asked = {(asked.method, asked.path) for asked in EVERY_ENDPOINT}
    assert asked == {(endpoint.method, endpoint.path) for endpoint in (*ENDPOINTS, INGEST)}


@pytest.mark.parametrize("by", ["header", "own key"])
async def test_another_tenants_ids_name_nothing(app: OrbdoApp, by: str) -> None:
    """In the path, in the query and in the body, for every endpoint and each of its ids by itself.

    The same request with ids of one's own succeeds, so that it is the foreign id that fails; and at the end everything
    of the other tenant is as it was.
    """
    async with knock(app) as account, knock(app, agent="rival") as rival:
        theirs = await one_of_everything(account, "account")
        ours = await one_of_everything(rival, "rival")
        key = await post(rival, "/api_keys", {"name": "admin", "kind": "admin"})
        before = await listed(account)
    async with knock(app, agent="rival") if by == "header" else knock(app, key=key["secret"]) as caller:
        for asked in EVERY_ENDPOINT:
            for name in asked.names:
                await check(caller, asked, name, ours=ours, theirs=theirs)
            answer = await asked.send(caller, ours)
            assert answer.status_code == 200, (asked, answer.text)
    async with knock(app) as account:
        assert await listed(account) == before


async def listed(client: httpx.AsyncClient) -> dict[str, Any]:
    """Everything a tenant has, list by list; drafts are left out, which are computed anew each time."""
    answers = {path: await client.get(path) for path in LISTS}
    return {path: answer.json()["data"] for path, answer in answers.items()}


async def check(client: httpx.AsyncClient, asked: Asked, name: str, *, ours: Ids, theirs: Ids) -> None:
    """One id of a request is another tenant's, then nobody's: the answers are the same and say no."""
    foreign = told(await asked.send(client, {**ours, name: theirs[name]}), theirs[name])
    unknown = told(await asked.send(client, {**ours, name: UNKNOWN[name]}), UNKNOWN[name])
    assert foreign == unknown, (asked, name)
    assert is_denied(*foreign), (asked, name, foreign)


async def test_nothing_of_another_tenant_is_listed(app: OrbdoApp) -> None:
    """The lists of a new agent are empty whatever the account has."""
    async with knock(app) as account, knock(app, agent="rival") as rival:
        await one_of_everything(account, "account")
        assert [path for path, rows in (await listed(account)).items() if rows == []] == []
        assert [path for path, rows in (await listed(rival)).items() if rows != []] == []


async def test_a_cursor_is_good_for_its_tenant_and_its_list_only(app: OrbdoApp) -> None:
    """Anywhere else it is refused, as any other text."""
    async with knock(app) as account, knock(app, agent="rival") as rival:
        for client in (account, rival):
            for name in ("one", "two"):
                await post(client, "/items", {"name": name})
        page = (await account.get("/items", params={"limit": 1})).json()
        cursor = page["pagination_metadata"]["next_cursor"]
        assert (await account.get("/items", params={"cursor": cursor})).status_code == 200
        for client, path in [(rival, "/items"), (account, "/metrics")]:
            refused = told(await client.get(path, params={"cursor": cursor}))
            assert refused == told(await client.get(path, params={"cursor": "nonsense"}))
            assert refused[0] == 400
            assert refused[1]["problems"] == [{"field": "cursor", "message": "is not a cursor of this list"}]


async def test_an_idempotency_key_is_the_tenants_own(app: OrbdoApp) -> None:
    """Another tenant's answer is not replayed, and its key is not in the way."""
    headers = {"Idempotency-Key": "same"}
    async with knock(app) as account, knock(app, agent="rival") as rival:
        theirs = await account.post("/items", json={"name": "Tokens"}, headers=headers)
        ours = await rival.post("/items", json={"name": "Tokens"}, headers=headers)
        assert (theirs.status_code, ours.status_code) == (200, 200)
        assert theirs.json()["id"] != ours.json()["id"]
        assert "idempotent-replayed" not in ours.headers


async def test_a_key_opens_its_own_tenant(app: OrbdoApp) -> None:
    """An agent's key sees the agent's data and cannot turn to another agent."""
    async with knock(app, agent="a") as agent:
        item = await post(agent, "/items", {"name": "Tokens"})
        secret = (await post(agent, "/api_keys", {"name": "own", "kind": "admin"}))["secret"]
    async with knock(app, key=secret) as own, knock(app, key=secret, agent="b") as other:
        assert (await own.get(f"/items/{item['id']}")).status_code == 200
        refused = await other.get("/items")
    assert refused.status_code == 400
    assert refused.json()["problems"][0]["field"] == "Orbdo-Agent"
