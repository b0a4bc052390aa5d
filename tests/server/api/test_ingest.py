"""Ingest over HTTP: what is counted, what is not, and what is said about it."""

import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, cast

import httpx
import msgspec
import pytest
from anyio import to_thread

from orbdo_server.app import OrbdoApp
from orbdo_server.identifiers import utc_now
from orbdo_server.storage.event_log import Append, Appended, EventLog
from tests.support.knocking import ADMIN_KEY, knock

pytestmark = pytest.mark.anyio

NOVEMBER = "2023-11-01T00:00:00Z"
DECEMBER = "2023-12-01T00:00:00Z"


def event(key: str, **fields: Any) -> dict[str, Any]:
    """An event of a minute ago, unless told."""
    at = utc_now() - timedelta(minutes=1)
    customer = {} if "customer_id" in fields else {"external_customer_id": "acme"}
    plain = {"event_name": "call", "timestamp": at.isoformat(), "properties": {"tokens": 1}, **customer}
    return {**plain, "idempotency_key": key, **fields}


async def ingest(client: httpx.AsyncClient, *events: dict[str, Any], **query: str) -> httpx.Response:
    """The answer to a batch."""
    return await client.post("ingest", json={"events": events}, params={"debug": "true", **query})


async def test_debug_tells_new_keys_from_known_and_conflicting_ones(client: httpx.AsyncClient) -> None:
    """The same event again is a duplicate; another under its key is one too, and named as a conflict."""
    first = event("a")
    answer = await ingest(client, first, first, event("b"))
    assert answer.json() == {
        "validation_failed": [],
        "debug": {"duplicate": ["a"], "ingested": ["a", "b"], "conflict": []},
    }
    again = await ingest(client, first, event("b", properties={"tokens": 2}), event("c"))
    assert again.json()["debug"] == {"duplicate": ["a", "b"], "ingested": ["c"], "conflict": ["b"]}


async def test_without_debug_only_what_failed_is_told(client: httpx.AsyncClient) -> None:
    """As Orb answers."""
    answer = await client.post("ingest", json={"events": [event("a")]})
    assert (answer.status_code, answer.json()) == (200, {"validation_failed": [], "debug": None})


async def test_invalid_events_are_named_and_the_others_are_in(client: httpx.AsyncClient) -> None:
    """400 with the key, the place and the reason of each; the same batch again finds the valid one known."""
    batch = [event("old", timestamp="2020-01-01T00:00:00Z"), event("good"), event("nested", properties={"a": {}})]
    answer = await ingest(client, *batch)
    told = answer.json()
    assert answer.status_code == 400
    assert [failed["idempotency_key"] for failed in told["validation_failed"]] == ["old", "nested"]
    assert [problem["field"] for problem in told["problems"]] == ["events[0]", "events[2]"]
    assert told["debug"]["ingested"] == ["good"]
    assert told["detail"] == "2 events are not valid and were not taken; the other 1 are in."
    assert (await ingest(client, *batch)).json()["debug"]["duplicate"] == ["good"]


async def test_an_id_of_ours_must_exist_and_an_external_one_may_come(client: httpx.AsyncClient) -> None:
    """An event for an unknown customer of ours is refused at its place, with its repeats; others are in."""
    customer = (await client.post("customers", json={"name": "A", "email": "a@b.example"})).json()["id"]
    stranger = event("stranger", customer_id="cus_unknown")
    answer = await ingest(client, event("ours", customer_id=customer), event("later"), stranger, stranger)
    told = answer.json()
    assert answer.status_code == 400
    assert told["problems"] == [{"field": "events[2]", "message": "customer_id: no customer has the id cus_unknown"}]
    assert told["debug"] == {"duplicate": [], "ingested": ["ours", "later"], "conflict": []}
    assert (await ingest(client, event("known", customer_id=customer))).json()["debug"]["ingested"] == ["known"]


async def test_as_many_events_as_the_bound_are_taken_and_one_more_is_not(app: OrbdoApp) -> None:
    """413 names the bound, and nothing of the batch is in."""
    bound = app.stores.settings.ingest_events_max
    body = {"events": [event(f"key-{number}") for number in range(bound + 1)]}
    async with knock(app) as client:
        refused = await client.post("ingest", content=msgspec.json.encode(body))
        assert refused.status_code == 413
        assert f"at most {bound}" in refused.json()["detail"]
        assert app.stores.log.position() == 0
        body["events"].pop()
        assert (await client.post("ingest", content=msgspec.json.encode(body))).status_code == 200
        assert app.stores.log.position() == bound


@pytest.mark.parametrize(("query", "field"), [({"debug": "yes"}, "debug"), ({"backfil_id": "x"}, "backfil_id")])
async def test_a_misspelt_option_is_named(client: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    """It is never ignored: the events would go elsewhere than the caller thinks."""
    answer = await client.post("ingest", json={"events": []}, params=query)
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, field)


async def test_ingest_needs_its_scope(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """A key that may only read cannot send."""
    secret = (await client.post("api_keys", json={"name": "r", "kind": "read"})).json()["secret"]
    answer = await client.post("ingest", json={"events": []}, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403


async def test_an_event_may_be_as_old_as_the_open_month(client: httpx.AsyncClient) -> None:
    """The first instant of the month that was open twelve hours ago is taken, the instant before it is not."""
    open_since = (utc_now() - timedelta(hours=12)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = open_since - timedelta(microseconds=1)
    answer = await ingest(
        client, event("first", timestamp=open_since.isoformat()), event("before", timestamp=before.isoformat())
    )
    assert answer.json()["debug"]["ingested"] == ["first"]
    assert [failed["idempotency_key"] for failed in answer.json()["validation_failed"]] == ["before"]


class SpentKeys:
    """A log in which the events of some keys were deprecated."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def append(self, batches: Sequence[Append]) -> list[Appended]:
        """Take the others."""
        return [self._append([one.idempotency_key for one in batch.events]) for batch in batches]

    def _append(self, keys: list[str]) -> Appended:
        return Appended(
            position=1,
            ingested=[key for key in keys if key not in self._keys],
            duplicates=[],
            conflicts=[],
            deprecated=[key for key in keys if key in self._keys],
        )

    def close(self) -> None:
        """There is nothing to let go of."""


async def test_the_key_of_a_deprecated_event_is_spent(app: OrbdoApp) -> None:
    """Such an event is named with its place among the invalid, with or without debug, and the rest is in."""
    log = cast("EventLog", SpentKeys("gone", "gone too"))
    other = OrbdoApp(dataclasses.replace(app.stores, log=log), keys=(ADMIN_KEY,))
    batch = [event("a"), event("bad", event_name=""), event("gone"), event("gone too")]
    batch += [batch[0], batch[2]]
    async with knock(other) as client:
        answer = await ingest(client, *batch)
        plain = await client.post("ingest", json={"events": [event("gone")]})
    await to_thread.run_sync(other.ingest.close)
    told = answer.json()
    assert answer.status_code == 400
    reason = "idempotency_key: is that of an event that was deprecated; send the event again under another key"
    assert told["validation_failed"] == [
        {"idempotency_key": "bad", "validation_errors": ["event_name: has 0 characters; expected 1 to 255"]},
        {"idempotency_key": "gone", "validation_errors": [reason]},
        {"idempotency_key": "gone too", "validation_errors": [reason]},
    ]
    assert [problem["field"] for problem in told["problems"]] == ["events[1]", "events[2]", "events[3]"]
    assert told["detail"] == "3 events are not valid and were not taken; the other 1 are in."
    assert told["debug"] == {"duplicate": ["a"], "ingested": ["a"], "conflict": []}
    assert (plain.status_code, plain.json()["debug"]) == (400, None)
    assert plain.json()["validation_failed"] == [{"idempotency_key": "gone", "validation_errors": [reason]}]


async def test_a_body_in_several_pieces_is_read_whole(client: httpx.AsyncClient) -> None:
    """Whether or not it says how long it will be, as soon as the server knows the tenant, and before."""
    for number in range(2):
        for stated in (True, False):
            key = f"{number} {stated}"
            body = json.dumps({"events": [event(key)]}).encode()

            async def pieces(body: bytes = body) -> AsyncIterator[bytes]:
                yield body[:40]
                yield body[40:]

            headers = {"Content-Length": str(len(body))} if stated else {}
            answer = await client.post("ingest?debug=true", content=pieces(), headers=headers)
            assert answer.json()["debug"]["ingested"] == [key]


async def test_a_body_that_is_read_at_once_finds_its_place_taken(app: OrbdoApp, client: httpx.AsyncClient) -> None:
    """While others hold all the room there is for bodies, 429 says when to come back."""
    await client.post("ingest", json={"events": [event("a")]})
    held = app.door.bodies.held
    with held.body() as other:
        other.take(app.stores.settings.ingest_bodies_bytes_max)
        answer = await client.post("ingest", json={"events": [event("b")]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert (await client.post("ingest", json={"events": [event("b")]})).status_code == 200
