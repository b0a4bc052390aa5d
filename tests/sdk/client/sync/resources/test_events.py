# Made from tests/sdk/client/resources/test_events.py by scripts/unasync.py: change that file and run it.
"""Backfills as the client asks for them."""

from datetime import UTC, datetime

import pytest

from orbdo_sdk import BatchRejectedError, Event, InvalidEventError
from tests.support.answers import BACKFILL, page
from tests.support.door import Asked, Door, sync_orb

NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)


def test_a_backfill_is_opened_for_a_time(door: Door) -> None:
    """Instants and customer travel under the wire's names."""
    door.tell(BACKFILL)
    with sync_orb(door) as orb:
        backfill = orb.events.backfills.create(
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


def test_events_go_into_a_backfill(door: Door) -> None:
    """They are sent with its id, as values or as dicts, and each has a receipt."""
    with sync_orb(door) as orb:
        receipts = orb.events.backfills.ingest(
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


def test_no_events_are_no_request(door: Door) -> None:
    """Nothing to ingest asks nothing."""
    with sync_orb(door) as orb:
        assert orb.events.backfills.ingest("bf_1", []) == []
        with pytest.raises(InvalidEventError, match="customer_id"):
            orb.events.backfills.ingest("bf_1", [Event(event_type="llm", customer_id="")])
    assert door.ingested == []


def test_refused_events_of_a_backfill_are_named(door: Door) -> None:
    """The server's refusal says which they are; the others are in."""
    refused = [{"idempotency_key": "b", "validation_errors": ["timestamp: is outside of the backfill"]}]
    debug = {"duplicate": [], "ingested": ["a"]}
    door.tell({"validation_failed": refused, "debug": debug}, status=400)
    events = [Event(event_type="llm", customer_id="acme", idempotency_key=key, timestamp=NOVEMBER) for key in "ab"]
    with sync_orb(door) as orb, pytest.raises(BatchRejectedError) as caught:
        orb.events.backfills.ingest("bf_1", events)
    assert [error.idempotency_key for error in caught.value.rejections] == ["b"]
    assert caught.value.acknowledged_keys == ("a",)


def test_a_backfill_is_closed_reverted_found_and_listed(door: Door) -> None:
    """Each has its address below the backfill's id."""
    for status in ("reflected", "reverted", "reverted"):
        door.tell({**BACKFILL, "status": status})
    door.tell(page(BACKFILL))
    with sync_orb(door) as orb:
        assert (orb.events.backfills.close("bf_1")).status == "reflected"
        assert (orb.events.backfills.revert("bf_1")).status == "reverted"
        assert (orb.events.backfills.get("bf_1")).status == "reverted"
        assert [backfill.id for backfill in orb.events.backfills.list()] == ["bf_1"]
    assert door.asked == [
        Asked("POST", "/v1/events/backfills/bf_1/close", body={}),
        Asked("POST", "/v1/events/backfills/bf_1/revert", body={}),
        Asked("GET", "/v1/events/backfills/bf_1"),
        Asked("GET", "/v1/events/backfills"),
    ]
