# Made from tests/sdk/client/resources/test_meter.py by scripts/unasync.py: change that file and run it.
"""The meter as apps use it; how events travel is tested with the shipping."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from orbdo_sdk import Event, InvalidEventError
from tests.support.answers import CUSTOMER_ID, USAGE
from tests.support.door import Asked, Door, sync_orb

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def test_an_event_is_acknowledged(door: Door) -> None:
    """The event travels under the wire's names, and its receipt carries its key."""
    with sync_orb(door) as orb:
        receipt = orb.meter.ingest(
            event_type="llm", customer_id="acme", idempotency_key="k1", timestamp=AT, properties={"tokens": 7}
        )
    assert (receipt.idempotency_key, receipt.duplicate) == ("k1", False)
    assert [asked.body["events"] for asked in door.ingested] == [
        [
            {
                "event_name": "llm",
                "idempotency_key": "k1",
                "timestamp": "2026-01-02T03:04:05Z",
                "properties": {"tokens": 7},
                "external_customer_id": "acme",
            }
        ]
    ]


def test_the_servers_id_of_a_customer_goes_where_it_belongs(door: Door) -> None:
    """An id that the server made is not sent as an external one, and a key is minted."""
    with sync_orb(door) as orb:
        orb.meter.ingest("llm", CUSTOMER_ID)
    event = door.ingested[0].body["events"][0]
    assert (event["customer_id"], "external_customer_id" in event) == (CUSTOMER_ID, False)
    assert len(event["idempotency_key"]) == 36


def test_a_batch_has_a_receipt_for_each_event(door: Door) -> None:
    """Dicts and values may be mixed, and the receipts keep their order."""
    with sync_orb(door) as orb:
        receipts = orb.meter.ingest_batch(
            [
                {"event_type": "llm", "customer_id": "acme", "idempotency_key": "k2", "properties": {"tokens": 1}},
                Event(event_type="llm", customer_id="bolt", idempotency_key="k1"),
            ]
        )
        assert orb.meter.ingest_batch([]) == []
    assert [receipt.idempotency_key for receipt in receipts] == ["k2", "k1"]
    assert sum(len(asked.body["events"]) for asked in door.ingested) == 2


def test_a_wrong_event_is_refused_before_it_is_sent(door: Door) -> None:
    """The field at fault is named, in a batch with its place."""
    with sync_orb(door) as orb:
        with pytest.raises(InvalidEventError, match="timestamp: must be an aware datetime"):
            orb.meter.ingest("llm", "acme", timestamp=datetime(2026, 1, 1))  # noqa: DTZ001 - the point
        incomplete: Any = {"event_type": "llm"}
        with pytest.raises(InvalidEventError, match=r"events\[0\]\.customer_id: is missing"):
            orb.meter.ingest_batch([incomplete])
    assert door.ingested == []


def test_tracking_returns_at_once_and_flushing_waits(door: Door) -> None:
    """The key comes back without waiting; after a flush the server has the event, and the counters say so."""
    with sync_orb(door) as orb:
        assert orb.meter.track("llm", "acme", idempotency_key="k1", timestamp=AT, properties={"tokens": 7}) == "k1"
        assert orb.meter.flush(5.0) is True
        assert orb.meter.statistics.acknowledged == 1
        assert list(orb.meter.dead_letters.list()) == []
    assert door.ingested[0].body["events"][0]["idempotency_key"] == "k1"


def test_usage_is_read_back(door: Door) -> None:
    """A quantity is exact, and the position it was read at comes with it."""
    door.tell(USAGE)
    with sync_orb(door) as orb:
        usage = orb.meter.get_usage("acme", "met_1", start=JANUARY, end=FEBRUARY)
    assert (usage.as_of, usage.data[0].quantity, usage.data[0].group) == (8819, Decimal(18059974), {"model": "small"})
    assert door.asked == [
        Asked(
            "GET",
            "/v1/usage",
            query=(
                ("external_customer_id", "acme"),
                ("metric_id", "met_1"),
                ("start", "2026-01-01T00:00:00Z"),
                ("end", "2026-02-01T00:00:00Z"),
            ),
        )
    ]


@pytest.mark.parametrize("group_by", ["model,region", ["model", "region"]])
def test_usage_is_grouped_and_read_as_of_a_position(door: Door, group_by: str | list[str]) -> None:
    """Properties to group by may be a list or text; a position in the log repeats an old reading."""
    door.tell(USAGE)
    with sync_orb(door) as orb:
        orb.meter.get_usage(CUSTOMER_ID, "met_1", start=JANUARY, end=FEBRUARY, group_by=group_by, as_of=8819)
    assert door.asked[0].query == (
        ("customer_id", CUSTOMER_ID),
        ("metric_id", "met_1"),
        ("start", "2026-01-01T00:00:00Z"),
        ("end", "2026-02-01T00:00:00Z"),
        ("group_by", "model,region"),
        ("as_of", "8819"),
    )
