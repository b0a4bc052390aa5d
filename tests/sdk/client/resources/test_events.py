"""Backfills as the client asks for them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orbdo_sdk import BatchRejectedError, Event, InvalidEventError
from tests.support.answers import BACKFILL, FOUND, TRACE, page
from tests.support.door import Asked, Door, async_orb

pytestmark = pytest.mark.anyio

NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)


async def test_a_backfill_is_opened_for_a_time(door: Door) -> None:
    """Instants and customer travel under the wire's names."""
    door.tell(BACKFILL)
    async with async_orb(door) as orb:
        backfill = await orb.events.backfills.create(
            timeframe_start=NOVEMBER,
            timeframe_end=datetime(2023, 12, 1, tzinfo=UTC),
            customer_id="acme",
            replace_existing_events=False,
        )
    assert backfill.status == "pending"
    assert door.asked == [
        Asked(
            "POST",
            "/v1/events/backfills",
            body={
                "timeframe_start": "2023-11-01T00:00:00Z",
                "timeframe_end": "2023-12-01T00:00:00Z",
                "replace_existing_events": False,
                "external_customer_id": "acme",
            },
        )
    ]


async def test_events_go_into_a_backfill(door: Door) -> None:
    """They are sent with its id, as values or as dicts, and each has a receipt."""
    async with async_orb(door) as orb:
        receipts = await orb.events.backfills.ingest(
            "bf_1",
            [
                Event(
                    event_type="llm",
                    customer_id="acme",
                    idempotency_key="a",
                    timestamp=NOVEMBER,
                    properties={"tokens": 1},
                ),
                {
                    "event_type": "llm",
                    "customer_id": "acme",
                    "idempotency_key": "b",
                    "timestamp": NOVEMBER,
                    "properties": {"tokens": 7},
                },
            ],
        )
    assert [(receipt.idempotency_key, receipt.duplicate) for receipt in receipts] == [("a", False), ("b", False)]
    (asked,) = door.ingested
    assert asked.query == (("backfill_id", "bf_1"), ("debug", "true"))
    assert asked.body["events"] == [
        {
            "event_name": "llm",
            "idempotency_key": key,
            "timestamp": "2023-11-01T00:00:00Z",
            "properties": {"tokens": tokens},
            "external_customer_id": "acme",
        }
        for key, tokens in (("a", 1), ("b", 7))
    ]


async def test_no_events_are_no_request(door: Door) -> None:
    """Nothing to ingest asks nothing."""
    async with async_orb(door) as orb:
        assert await orb.events.backfills.ingest("bf_1", []) == []
        with pytest.raises(InvalidEventError, match="customer_id"):
            await orb.events.backfills.ingest("bf_1", [Event(event_type="llm", customer_id="")])
    assert door.ingested == []


async def test_refused_events_of_a_backfill_are_named(door: Door) -> None:
    """The server's refusal says which they are; the others are in."""
    refused = [{"idempotency_key": "b", "validation_errors": ["timestamp: is outside of the backfill"]}]
    debug = {"duplicate": [], "ingested": ["a"]}
    door.tell({"validation_failed": refused, "debug": debug}, status=400)
    events = [Event(event_type="llm", customer_id="acme", idempotency_key=key, timestamp=NOVEMBER) for key in "ab"]
    async with async_orb(door) as orb:
        with pytest.raises(BatchRejectedError) as caught:
            await orb.events.backfills.ingest("bf_1", events)
    assert [error.idempotency_key for error in caught.value.rejections] == ["b"]
    assert caught.value.acknowledged_keys == ("a",)


async def test_a_backfill_is_closed_reverted_found_and_listed(door: Door) -> None:
    """Each has its address below the backfill's id."""
    for status in ("reflected", "reverted", "reverted"):
        door.tell({**BACKFILL, "status": status})
    door.tell(page(BACKFILL))
    async with async_orb(door) as orb:
        assert (await orb.events.backfills.close("bf_1")).status == "reflected"
        assert (await orb.events.backfills.revert("bf_1")).status == "reverted"
        assert (await orb.events.backfills.get("bf_1")).status == "reverted"
        assert [backfill.id async for backfill in orb.events.backfills.list()] == ["bf_1"]
    assert door.asked == [
        Asked("POST", "/v1/events/backfills/bf_1/close", body={}),
        Asked("POST", "/v1/events/backfills/bf_1/revert", body={}),
        Asked("GET", "/v1/events/backfills/bf_1"),
        Asked("GET", "/v1/events/backfills"),
    ]


async def test_events_are_found_by_their_ids(door: Door) -> None:
    """The timeframe is the server's unless it is given; the answer is a plain list."""
    for _ in range(2):
        door.tell({"data": [FOUND]})
    async with async_orb(door) as orb:
        (found,) = await orb.events.search(["a"])
        assert await orb.events.search(("a", "b"), start=NOVEMBER, end=NOVEMBER + timedelta(days=1)) == [found]
    assert (found.id, found.deprecated, found.properties) == ("a", False, {"tokens": 5})
    assert door.asked == [
        Asked("POST", "/v1/events/search", body={"event_ids": ["a"]}),
        Asked(
            "POST",
            "/v1/events/search",
            body={
                "event_ids": ["a", "b"],
                "timeframe_start": "2023-11-01T00:00:00Z",
                "timeframe_end": "2023-11-02T00:00:00Z",
            },
        ),
    ]


async def test_events_are_counted_by_the_hour(door: Door) -> None:
    """From an instant to now, or to another instant."""
    end = NOVEMBER + timedelta(hours=1)
    hour = {"count": 3, "timeframe_start": "2023-11-01T00:00:00Z", "timeframe_end": "2023-11-01T01:00:00Z"}
    for _ in range(2):
        door.tell({"data": [hour]})
    async with async_orb(door) as orb:
        (counted,) = await orb.events.volume(NOVEMBER)
        assert await orb.events.volume(NOVEMBER, end) == [counted]
    assert (counted.count, counted.timeframe_start, counted.timeframe_end) == (3, NOVEMBER, end)
    start = ("timeframe_start", "2023-11-01T00:00:00Z")
    assert [asked.query for asked in door.asked] == [(start,), (start, ("timeframe_end", "2023-11-01T01:00:00Z"))]
    assert {asked.path for asked in door.asked} == {"/v1/events/volume"}


async def test_an_event_is_traced(door: Door) -> None:
    """The id is one part of the address, whatever is in it; quantities are decimals."""
    door.tell(TRACE)
    async with async_orb(door) as orb:
        trace = await orb.events.trace("a/b")
    assert (trace.rows[0].state, trace.metrics[0].quantity, trace.invoices[0].quantity) == (
        "in_effect",
        Decimal("0.1"),
        Decimal("0.1"),
    )
    assert door.asked == [Asked("GET", "/v1/events/a%2Fb/trace")]


async def test_naive_instants_are_refused(door: Door) -> None:
    """Before anything is asked."""
    naive = datetime(2023, 11, 1)  # noqa: DTZ001 - what is refused
    async with async_orb(door) as orb:
        with pytest.raises(ValueError, match="timeframe_start must be an aware datetime"):
            await orb.events.search(["a"], start=naive)
        with pytest.raises(ValueError, match="timeframe_start must be an aware datetime"):
            await orb.events.volume(naive)
    assert door.asked == []


async def test_a_backfill_is_told_when_to_close_and_what_to_replace(door: Door) -> None:
    """Both travel as they are given, the instant in UTC."""
    door.tell(BACKFILL)
    async with async_orb(door) as orb:
        await orb.events.backfills.create(
            timeframe_start=NOVEMBER,
            timeframe_end=datetime(2023, 12, 1, tzinfo=UTC),
            close_time=datetime(2026, 1, 2, 3, tzinfo=UTC),
            deprecation_filter="tokens > 100",
        )
    (asked,) = door.asked
    assert asked.body["close_time"] == "2026-01-02T03:00:00Z"
    assert asked.body["deprecation_filter"] == "tokens > 100"


async def test_an_event_is_amended(door: Door) -> None:
    """The amendment travels like an event, without the key, which is in the address whatever it holds."""
    door.tell({"amended": "a/b"})
    async with async_orb(door) as orb:
        await orb.events.amend(
            "a/b",
            event_type="llm",
            customer_id="acme",
            timestamp=NOVEMBER,
            properties={"tokens": Decimal("0.10"), "cached": True},
        )
    assert door.asked == [
        Asked(
            "PUT",
            "/v1/events/a%2Fb",
            body={
                "event_name": "llm",
                "timestamp": "2023-11-01T00:00:00Z",
                "properties": {"tokens": "0.10", "cached": True},
                "external_customer_id": "acme",
            },
        )
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"properties": {"nested": {}}}, "properties.nested"),
        ({"properties": {"tokens": float("nan")}}, "properties.tokens"),
        ({"timestamp": datetime(2023, 11, 1)}, "timestamp"),  # noqa: DTZ001 - the naive one that is refused
        ({"event_type": ""}, "event_type"),
    ],
)
async def test_an_amendment_that_no_event_can_be_is_not_sent(door: Door, fields: dict[str, Any], field: str) -> None:
    """The argument at fault is named, as for an event that is tracked."""
    good: dict[str, Any] = {"event_type": "llm", "customer_id": "acme", "timestamp": NOVEMBER, "properties": {}}
    async with async_orb(door) as orb:
        with pytest.raises(InvalidEventError) as caught:
            await orb.events.amend("a", **{**good, **fields})
    assert caught.value.field == field
    assert door.asked == []


async def test_an_event_is_deprecated_and_a_correction_undone(door: Door) -> None:
    """Each is one request without a body to speak of."""
    door.tell({"deprecated": "a"})
    door.tell({"undone": "a"})
    async with async_orb(door) as orb:
        await orb.events.deprecate("a")
        await orb.events.undo("a")
    assert door.asked == [
        Asked("PUT", "/v1/events/a/deprecate", body={}),
        Asked("POST", "/v1/events/a/undo", body={}),
    ]
