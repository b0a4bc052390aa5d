"""Corrections of events over HTTP: what they take, what they refuse, and what they come to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from orbdo_server.identifiers import utc_now

pytestmark = pytest.mark.anyio

AT = (utc_now() - timedelta(minutes=5)).isoformat()


async def ingest(client: httpx.AsyncClient, key: str, tokens: object, **fields: object) -> httpx.Response:
    """The answer to one event of so many tokens, of five minutes ago unless told."""
    event = {
        "event_name": "call",
        "idempotency_key": key,
        "timestamp": AT,
        "properties": {"tokens": tokens},
        "external_customer_id": "acme",
        **fields,
    }
    query = {"debug": "true"}
    if "backfill_id" in event:
        query["backfill_id"] = str(event.pop("backfill_id"))
    return await client.post("ingest", json={"events": [event]}, params=query)


async def amend(client: httpx.AsyncClient, key: str, **fields: object) -> httpx.Response:
    """The answer to an amendment, to two tokens unless told."""
    body = {
        "event_name": "call",
        "timestamp": AT,
        "properties": {"tokens": 2},
        "external_customer_id": "acme",
        **fields,
    }
    return await client.put(f"events/{quote(key, safe='')}", json=body)


async def used(client: httpx.AsyncClient, customer: str = "acme") -> str:
    """How many tokens the customer used in the last hour."""
    found = (await client.get("metrics")).json()["data"]
    if not found:
        item = (await client.post("items", json={"name": "Tokens"})).json()["id"]
        body = {"name": "tokens", "description": None, "item_id": item, "sql": "SELECT sum(tokens) FROM events"}
        found = [(await client.post("metrics", json=body)).json()]
        await client.post("customers", json={"name": "Acme", "email": "a@b.example", "external_customer_id": customer})
    hour = {"start": (utc_now() - timedelta(hours=1)).isoformat(), "end": utc_now().isoformat()}
    query = {"external_customer_id": customer, "metric_id": found[0]["id"], **hour}
    (row,) = (await client.get("usage", params=query)).json()["data"]
    return str(row["quantity"])


def problems(answer: httpx.Response) -> Mapping[str, str]:
    """What is wrong, by field."""
    return {one["field"]: one["message"] for one in answer.json()["problems"]}


async def test_an_event_is_amended_deprecated_and_both_undone(client: httpx.AsyncClient) -> None:
    """Each is answered with the id of the event, which may have any characters, and counts at once."""
    key = "a/b ü?#.."
    address = f"events/{quote(key, safe='')}"
    await ingest(client, key, 1)
    steps = [
        (await amend(client, key)).json(),
        await used(client),
        (await client.put(f"{address}/deprecate")).json(),
        await used(client),
        (await client.post(f"{address}/undo")).json(),
        await used(client),
        (await client.post(f"{address}/undo")).json(),
        await used(client),
    ]
    assert steps == [{"amended": key}, "2", {"deprecated": key}, "0", {"undone": key}, "2", {"undone": key}, "1"]
    again = await client.post(f"{address}/undo")
    assert (again.status_code, again.json()["detail"]) == (400, f"The event {key!r} has no correction to undo.")


async def test_no_digit_of_an_amendment_is_lost(client: httpx.AsyncClient) -> None:
    """A number that a double cannot hold is kept exactly, as it is when it is sent first."""
    await ingest(client, "a", 1)
    body = (
        f'{{"event_name": "call", "timestamp": "{AT}", "external_customer_id": "acme",'
        ' "properties": {"tokens": 12345678901234567890.000000000123}}'
    )
    answer = await client.put("events/a", content=body, headers={"Content-Type": "application/json"})
    assert answer.json() == {"amended": "a"}
    assert await used(client) == "12345678901234567890.000000000123"


@pytest.mark.parametrize("act", ["amend", "deprecate", "undo"])
async def test_an_event_that_never_came_is_not_found(client: httpx.AsyncClient, act: str) -> None:
    """Neither is one that is in a backfill which is open, for nobody sees it yet."""
    opened = {"timeframe_start": "2023-11-01", "timeframe_end": "2023-12-01"}
    backfill = (await client.post("events/backfills", json=opened)).json()["id"]
    await ingest(client, "hidden", 1, timestamp="2023-11-05T00:00:00Z", backfill_id=backfill)
    for key in ("unknown", "hidden"):
        if act == "amend":
            answer = await amend(client, key)
        elif act == "deprecate":
            answer = await client.put(f"events/{key}/deprecate")
        else:
            answer = await client.post(f"events/{key}/undo")
        assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")
        assert answer.json()["detail"] == f"Could not find a resource of type Event with identifier: {key}"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"timestamp": "2026-01-01T00:00:00Z"}, {"timestamp": f"is not that of the event, {AT}, which stays"}),
        ({"external_customer_id": "other"}, {"external_customer_id": "is not the customer of the event, which stays"}),
        (
            {"external_customer_id": None, "customer_id": "cus_1"},
            {"customer_id": "is not the customer of the event, which stays"},
        ),
        (
            {"customer_id": "cus_1"},
            {"customer_id": "found both; expected exactly one of customer_id and external_customer_id"},
        ),
        (
            {"external_customer_id": None},
            {"customer_id": "found neither; expected exactly one of customer_id and external_customer_id"},
        ),
        ({"event_name": ""}, {"event_name": "has 0 characters; expected 1 to 255"}),
        (
            {"properties": {"a": {"b": 1}, "": 2}, "event_name": "x" * 256},
            {
                "event_name": "has 256 characters; expected 1 to 255",
                "properties": "a name has 0 characters; expected 1 to 255",
                "properties.a": "found an object; expected a number, a string, a boolean or null",
            },
        ),
    ],
)
async def test_each_field_of_an_amendment_that_is_wrong_is_named(
    client: httpx.AsyncClient, fields: dict[str, Any], expected: dict[str, str]
) -> None:
    """What an event cannot be, and what is not this one's time or customer; nothing is corrected."""
    await ingest(client, "a", 1)
    answer = await amend(client, "a", **fields)
    assert (answer.status_code, problems(answer)) == (400, expected)
    assert await used(client) == "1"


async def test_a_customer_may_be_named_by_either_id(client: httpx.AsyncClient) -> None:
    """The event keeps the name that it came with, so that it is counted where it was."""
    created = await client.post(
        "customers", json={"name": "Acme", "email": "a@b.example", "external_customer_id": "acme"}
    )
    await ingest(client, "a", 1)
    own = {"external_customer_id": None, "customer_id": created.json()["id"]}
    assert (await amend(client, "a", **own)).json() == {"amended": "a"}
    await ingest(client, "b", 1, **own)
    assert (await amend(client, "b")).json() == {"amended": "b"}
    assert await used(client) == "4"


async def test_a_correction_said_twice_is_one(client: httpx.AsyncClient) -> None:
    """So that a client that had no answer may ask again; one undo takes it back."""
    await ingest(client, "a", 1)
    for _ in range(2):
        assert (await amend(client, "a", properties={"tokens": 2.0})).json() == {"amended": "a"}
    for _ in range(2):
        assert (await client.put("events/a/deprecate")).json() == {"deprecated": "a"}
    await client.post("events/a/undo")
    await client.post("events/a/undo")
    assert await used(client) == "1"
    assert (await client.post("events/a/undo")).status_code == 400


async def test_an_undo_is_repeated_with_an_idempotency_key(client: httpx.AsyncClient) -> None:
    """The same request again takes back nothing more."""
    await ingest(client, "a", 1)
    await amend(client, "a")
    await amend(client, "a", properties={"tokens": 3})
    for _ in range(2):
        answer = await client.post("events/a/undo", headers={"Idempotency-Key": "once"})
        assert answer.json() == {"undone": "a"}
    assert await used(client) == "2"


async def test_a_deprecated_event_takes_nothing_but_an_undo(client: httpx.AsyncClient) -> None:
    """An amendment of it is refused, and so is the event when it is sent again."""
    await ingest(client, "a", 1)
    await client.put("events/a/deprecate")
    answer = await amend(client, "a")
    assert (answer.status_code, answer.json()["code"]) == (400, "constraint_violation")
    assert answer.json()["detail"] == "The event 'a' is deprecated; undo that first."
    await ingest(client, "a", 1)
    assert await used(client) == "0"


async def test_an_old_event_is_corrected_by_a_backfill(client: httpx.AsyncClient) -> None:
    """One of a period that is billed can be neither amended, nor deprecated, nor undone."""
    opened = {"timeframe_start": "2023-11-01", "timeframe_end": "2023-12-01"}
    backfill = (await client.post("events/backfills", json=opened)).json()["id"]
    await ingest(client, "old", 1, timestamp="2023-11-05T00:00:00Z", backfill_id=backfill)
    await client.post(f"events/backfills/{backfill}/close")
    answers = [
        await amend(client, "old", timestamp="2023-11-05T00:00:00Z"),
        await client.put("events/old/deprecate"),
        await client.post("events/old/undo"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (400, "constraint_violation")
        assert answer.json()["detail"].startswith("The event is of 2023-11-05T00:00:00+00:00; single events are")


async def test_of_a_key_the_event_in_effect_is_corrected(client: httpx.AsyncClient) -> None:
    """That of the backfill that replaced it, and after that is reverted the one that was there before."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    opened = {"timeframe_start": (today - timedelta(days=1)).isoformat(), "timeframe_end": utc_now().isoformat()}
    await ingest(client, "a", 1)
    backfill = (await client.post("events/backfills", json=opened)).json()["id"]
    await ingest(client, "a", 10, backfill_id=backfill)
    await client.post(f"events/backfills/{backfill}/close")
    await amend(client, "a", properties={"tokens": 20})
    assert await used(client) == "20"
    await client.post(f"events/backfills/{backfill}/revert")
    assert await used(client) == "1"
    await amend(client, "a", properties={"tokens": 2})
    assert await used(client) == "2"
    await client.post("events/a/undo")
    assert await used(client) == "1"


async def test_an_event_that_was_replaced_is_not_corrected(client: httpx.AsyncClient) -> None:
    """It is not in effect; reverting the backfill is the way back."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    opened = {"timeframe_start": (today - timedelta(days=1)).isoformat(), "timeframe_end": utc_now().isoformat()}
    await ingest(client, "a", 1)
    backfill = (await client.post("events/backfills", json=opened)).json()["id"]
    await client.post(f"events/backfills/{backfill}/close")
    for answer in (await amend(client, "a"), await client.put("events/a/deprecate")):
        assert (answer.status_code, answer.json()["detail"]) == (
            400,
            "A backfill replaced the event, so that it is not in effect and cannot be corrected.",
        )
