"""What all endpoints share: bodies and queries with bounds, one transaction, keys that make a repetition harmless."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from orbdo_server.api.dispatch import IDEMPOTENCY_KEY_LENGTH_MAX, QUERY_VALUES_MAX
from orbdo_server.app import OrbdoApp
from orbdo_server.engine.audit import first_broken_entry
from orbdo_server.engine.keys import ENVIRONMENT_KEY_ID
from orbdo_server.storage import audit_entries
from orbdo_server.storage.audit_entries import AuditEntry
from tests.support.shop import post

pytestmark = pytest.mark.anyio

TOKENS = {"name": "Tokens"}


def problem(answer: httpx.Response, status: int = 400) -> dict[str, str]:
    """The one field that is wrong."""
    assert answer.status_code == status, answer.text
    [wrong] = answer.json()["problems"]
    return {wrong["field"]: wrong["message"]}


async def items(client: httpx.AsyncClient) -> list[Any]:
    """Every item there is."""
    rows: list[Any] = (await client.get("/items", params={"limit": 100})).json()["data"]
    return rows


async def trail(app: OrbdoApp) -> list[AuditEntry]:
    """The audit trail."""

    def read() -> list[AuditEntry]:
        with app.stores.database.read() as connection:
            return audit_entries.read_all(connection)

    return await anyio.to_thread.run_sync(read)


async def test_a_body_has_a_bound(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """At the bound it is read, one byte past it is not, whether or not its length was announced."""
    bound = app.stores.settings.body_bytes_max
    assert bound == 1 << 20
    body = json.dumps(TOKENS).encode().ljust(bound)

    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    for content in (body, chunks(body)):
        assert (await client.post("/items", content=content)).status_code == 200
    for content in (body + b" ", chunks(body + b" ")):
        answer = await client.post("/items", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
        assert answer.json()["detail"] == "The body may have at most 1048576 bytes."
    assert len(await items(client)) == 2


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "gzip, identity", "nonsense"])
async def test_a_compressed_body_is_refused(client: httpx.AsyncClient, encoding: str) -> None:
    """Small requests are sent as they are; what would be unpacked could be anything."""
    answer = await client.post("/items", json=TOKENS, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert (await client.post("/items", json=TOKENS, headers={"Content-Encoding": "Identity"})).status_code == 200


@pytest.mark.parametrize("content", [b"", b"  \n", b"{}"])
async def test_an_endpoint_without_a_body_takes_an_empty_one(client: httpx.AsyncClient, content: bytes) -> None:
    """Or an object without fields, as Orb's clients send it."""
    item = await post(client, "/items", TOKENS)
    assert (await client.post(f"/items/{item['id']}/archive", content=content)).status_code == 200
    assert (await client.request("GET", "/items", content=content)).status_code == 200


async def test_an_endpoint_without_a_body_takes_no_other(client: httpx.AsyncClient) -> None:
    """What would be ignored is refused."""
    assert problem(await client.request("GET", "/items", content=b'{"limit": 1}')) == {"limit": "is not a known field"}
    assert problem(await client.request("GET", "/items", content=b"[]")) == {"body": "must be a JSON object"}


async def test_a_query_is_checked_as_a_body_is(client: httpx.AsyncClient) -> None:
    """Unknown names, repeated ones, and values that do not fit."""
    twice = "is given twice; a list is written name[]=a&name[]=b"
    assert problem(await client.get("/items?limits=1")) == {"limits": "is not a known field"}
    assert problem(await client.get("/items?limit=1&limit=2")) == {"limit": twice}
    assert problem(await client.get("/items?limit[]=1")) == {"limit[]": "is not a known field"}
    assert problem(await client.get("/items?=1")) == {"query": "is not a known field"}
    assert problem(await client.get("/items?cursor=%00")) == {"query": "contains a NUL character"}
    assert problem(await client.get("/items?%00=1")) == {"query": "contains a NUL character"}
    assert problem(await client.get("/metrics?status=gone")) == {"status": "Input should be 'active' or 'archived'"}


async def test_a_list_in_a_query_is_written_with_brackets(client: httpx.AsyncClient) -> None:
    """Once or several times."""
    for query in ("customer_id[]=a", "customer_id[]=a&customer_id[]=b"):
        assert (await client.get(f"/subscriptions?{query}")).json()["data"] == []
    answer = await client.get("/subscriptions", params={"customer_id[]": ["a"] * 101})
    assert list(problem(answer)) == ["customer_id[]"]


async def test_a_query_has_a_bound(client: httpx.AsyncClient) -> None:
    """In the number of its values."""
    at_the_bound = await client.get("/subscriptions", params={"customer_id[]": ["a"] * QUERY_VALUES_MAX})
    assert list(problem(at_the_bound)) == ["customer_id[]"]
    past_it = await client.get("/subscriptions", params={"customer_id[]": ["a"] * (QUERY_VALUES_MAX + 1)})
    assert problem(past_it) == {"query": "has more than 200 values"}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "1e1"])
async def test_a_page_has_a_bound(client: httpx.AsyncClient, limit: str) -> None:
    """From one to a hundred rows."""
    assert list(problem(await client.get("/items", params={"limit": limit}))) == ["limit"]
    for good in ("1", "100"):
        assert (await client.get("/items", params={"limit": good})).status_code == 200


async def test_pages_follow_each_other(client: httpx.AsyncClient) -> None:
    """Newest first, twenty unless told, until there are no more."""
    made = [(await post(client, "/items", {"name": f"{number}"}))["id"] for number in range(21)]
    first = (await client.get("/items")).json()
    assert [row["id"] for row in first["data"]] == made[:0:-1]
    assert first["pagination_metadata"]["has_more"] is True
    cursor = first["pagination_metadata"]["next_cursor"]
    last = (await client.get("/items", params={"cursor": cursor})).json()
    assert [row["id"] for row in last["data"]] == made[:1]
    assert last["pagination_metadata"] == {"has_more": False, "next_cursor": None}


@pytest.mark.parametrize("external_id", ["a/b", "a%2Fb", "?x=1#y", "..", "a b+c", "\N{EURO SIGN}", "%", "a;b,c@d:e"])
async def test_an_id_may_have_any_character(client: httpx.AsyncClient, external_id: str) -> None:
    """It comes back by an address in which it is written as addresses are."""
    person = {"name": "Ada", "email": "a@example.com", "external_customer_id": external_id}
    made = await post(client, "/customers", person)
    quoted = "".join(f"%{byte:02X}" for byte in external_id.encode())
    found = await client.get(f"/customers/external_customer_id/{quoted}")
    assert found.json() == made
    assert (await client.get(f"/entitlements/{quoted}")).json()["customer_id"] == made["id"]


@pytest.mark.parametrize("part", ["%00", "a%0Ab", "%7F"])
async def test_an_address_has_no_control_characters(client: httpx.AsyncClient, part: str) -> None:
    """No id has any, so that nothing is there."""
    answer = await client.get(f"/items/{part}")
    assert (answer.status_code, answer.json()["code"]) == (404, "url_not_found")


async def test_a_repeated_request_is_answered_again(client: httpx.AsyncClient) -> None:
    """Byte for byte, and nothing is done a second time; the answer says that it is a repetition."""
    headers = {"Idempotency-Key": "once"}
    first = await client.post("/items", json=TOKENS, headers=headers)
    again = await client.post("/items", json=TOKENS, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["content-type"] == "application/json"
    assert [answer.headers["idempotency-key"] for answer in (first, again)] == ["once", "once"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert len(await items(client)) == 1


async def test_a_key_belongs_to_one_request(client: httpx.AsyncClient) -> None:
    """Another body, another address or another query is another request."""
    item = await post(client, "/items", TOKENS)
    headers = {"Idempotency-Key": "once"}
    await client.post("/items", json=TOKENS, headers=headers)
    others = [
        client.post("/items", json={"name": "Words"}, headers=headers),
        client.post("/items", content=b'{"name":  "Tokens"}', headers=headers),
        client.post(f"/items/{item['id']}/archive", headers=headers),
    ]
    for other in others:
        answer = await other
        assert (answer.status_code, answer.json()["code"]) == (409, "resource_conflict")
        assert answer.json()["detail"] == "The Idempotency-Key 'once' was used for another request."
    assert len(await items(client)) == 2


async def test_a_failure_is_not_remembered(client: httpx.AsyncClient) -> None:
    """The same key is good for the corrected request, whatever went wrong."""
    headers = {"Idempotency-Key": "once"}
    for body in ({"nme": "x"}, {"name": "Tokens", "sql": "x", "item_id": "item_unknown"}):
        answer = await client.post("/metrics", json=body, headers=headers)
        assert answer.status_code in {400, 404}
    metric = {"name": "Tokens", "sql": "SELECT count(*) FROM events"}
    assert (await client.post("/metrics", json=metric, headers=headers)).status_code == 200


async def test_two_requests_at_once_are_done_once(client: httpx.AsyncClient) -> None:
    """Both get the one answer, however many there are."""
    answers: list[httpx.Response] = []

    async def create() -> None:
        answers.append(await client.post("/items", json=TOKENS, headers={"Idempotency-Key": "once"}))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(create)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 7
    assert len(await items(client)) == 1


async def test_a_key_has_a_bound(client: httpx.AsyncClient) -> None:
    """255 characters; an empty one is none."""
    longest = "k" * IDEMPOTENCY_KEY_LENGTH_MAX
    assert len(longest) == 255
    for _ in range(2):
        assert (await client.post("/items", json=TOKENS, headers={"Idempotency-Key": longest})).status_code == 200
    for wrong in (longest + "k", ""):
        answer = await client.post("/items", json=TOKENS, headers={"Idempotency-Key": wrong})
        assert problem(answer) == {"Idempotency-Key": "must have 1 to 255 characters"}
    assert len(await items(client)) == 1


async def test_a_put_needs_no_key(client: httpx.AsyncClient) -> None:
    """Doing it twice is doing it once, so that the key is not looked at, but for its bound."""
    item = await post(client, "/items", TOKENS)
    for name in ("Words", "Letters"):
        answer = await client.put(f"/items/{item['id']}", json={"name": name}, headers={"Idempotency-Key": "same"})
        assert answer.json()["name"] == name
    too_long = await client.put(f"/items/{item['id']}", json={}, headers={"Idempotency-Key": "k" * 256})
    assert list(problem(too_long)) == ["Idempotency-Key"]


async def test_every_change_is_on_record(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """Who, what, which, from where: one entry a change, none for reading, failing or repeating."""
    headers = {"Idempotency-Key": "once"}
    first = await client.post("/items", json=TOKENS, headers=headers)
    item = first.json()
    await client.post("/items", json=TOKENS, headers=headers)
    await client.post("/items", json={})
    await client.get("/items")
    changed = await client.put(f"/items/{item['id']}", json={"name": "Words"})
    entries = await trail(app)
    assert [(entry.actor, entry.action, entry.resource_id, entry.request_id, entry.address) for entry in entries] == [
        (ENVIRONMENT_KEY_ID, "POST /items", item["id"], first.headers["x-request-id"], "127.0.0.1"),
        (ENVIRONMENT_KEY_ID, "PUT /items/{item_id}", item["id"], changed.headers["x-request-id"], "127.0.0.1"),
    ]
    assert {entry.tenant for entry in entries} == {"main"}
    assert first_broken_entry(entries) is None


async def test_a_change_that_fails_leaves_nothing(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """A plan that brings a wrong price along brings no price at all, and no record of it."""
    item = await post(client, "/items", TOKENS)
    price = {"name": "Fee", "cadence": "monthly", "model_type": "unit", "unit_config": {"unit_amount": "1"}}
    good = {**price, "item_id": item["id"], "fixed_price_quantity": 1}
    plan = {"name": "Pro", "currency": "USD", "prices": [{"price": good}, {"price": {**good, "currency": "EUR"}}]}
    answer = await client.post("/plans", json=plan)
    assert problem(answer) == {"prices[1].currency": "is in EUR, the plan in USD"}
    assert (await client.get("/prices")).json()["data"] == []
    assert len(await trail(app)) == 1
