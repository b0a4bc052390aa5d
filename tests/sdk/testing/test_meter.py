"""The meter of an in-memory Orb: checked, deduplicated and counted as by the server."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orbdo_sdk import Event
from orbdo_sdk.errors import (
    BatchRejectedError,
    ClosedError,
    ConnectionFailedError,
    InvalidEventError,
    NotFoundError,
)
from orbdo_sdk.testing import InMemoryOrb, RecordedEvent

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)


async def test_events_arrive_however_they_are_sent() -> None:
    """Tracked, ingested one by one or in a batch: each is recorded, in the order they came, at the clock's instant."""
    orb = InMemoryOrb()
    orb.meter.track("call", "acme", idempotency_key="a", properties={"n": 1})
    receipt = await orb.meter.ingest("call", "acme", idempotency_key="b")
    receipts = await orb.meter.ingest_batch([{"event_type": "call", "customer_id": "umbrella", "idempotency_key": "c"}])
    assert [event.idempotency_key for event in orb.events] == ["a", "b", "c"]
    assert orb.events[0] == RecordedEvent(
        idempotency_key="a", event_type="call", customer_id="acme", timestamp=START, properties={"n": 1}
    )
    assert (receipt.idempotency_key, receipt.duplicate) == ("b", False)
    assert [receipt.idempotency_key for receipt in receipts] == ["c"]


async def test_a_key_counts_once() -> None:
    """The same event again is a duplicate and leaves the record as it is."""
    orb = InMemoryOrb()
    first = await orb.meter.ingest("call", "acme", "a", START)
    second = await orb.meter.ingest("call", "acme", "a", START)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert len(orb.events) == 1
    assert orb.conflicts == []


async def test_the_first_event_of_a_key_stays() -> None:
    """Another event with a key that is taken is not counted, and can be found among the conflicts."""
    orb = InMemoryOrb()
    await orb.meter.ingest("call", "acme", "a", properties={"n": 1})
    await orb.meter.ingest("call", "acme", "a", properties={"n": 2})
    assert [event.properties for event in orb.events] == [{"n": 1}]
    assert [event.properties for event in orb.conflicts] == [{"n": 2}]


async def test_a_batch_that_contradicts_itself_is_rejected() -> None:
    """One key with two different events in a batch: nothing of it is counted."""
    orb = InMemoryOrb()
    with pytest.raises(BatchRejectedError) as rejected:
        await orb.meter.ingest_batch(
            [
                {"event_type": "call", "customer_id": "acme", "idempotency_key": "b"},
                {"event_type": "call", "customer_id": "acme", "idempotency_key": "a"},
                {"event_type": "chat", "customer_id": "acme", "idempotency_key": "a"},
            ]
        )
    assert [rejection.idempotency_key for rejection in rejected.value.rejections] == ["a"]
    assert orb.events == []
    orb.assert_delivered_once()


async def test_a_batch_may_repeat_itself() -> None:
    """The same event twice in a batch is one event and a duplicate."""
    orb = InMemoryOrb()
    event = Event(event_type="call", customer_id="acme", idempotency_key="a")
    receipts = await orb.meter.ingest_batch([event, event])
    assert [receipt.duplicate for receipt in receipts] == [False, True]


async def test_events_are_checked_as_ever() -> None:
    """What the client refuses is refused here too, and nothing is recorded."""
    orb = InMemoryOrb()
    with pytest.raises(InvalidEventError, match="timestamp"):
        orb.meter.track("call", "acme", timestamp=datetime(2026, 1, 1))  # noqa: DTZ001 - what is being tested
    with pytest.raises(InvalidEventError, match="event_type"):
        await orb.meter.ingest("", "acme")
    with pytest.raises(InvalidEventError, match=r"properties\.nested"):
        await orb.meter.ingest_batch([{"event_type": "call", "customer_id": "acme", "properties": {"nested": {}}}])
    assert orb.events == []


async def test_an_event_is_recorded_as_it_was_then() -> None:
    """Changing the properties after tracking changes nothing that was tracked; a Decimal has travelled as text."""
    orb = InMemoryOrb()
    properties = {"cost": Decimal("0.10"), "model": "small"}
    orb.meter.track("call", "acme", properties=properties)
    properties["model"] = "large"
    assert orb.events[0].properties == {"cost": "0.10", "model": "small"}


async def test_a_customer_may_be_named_by_the_id_of_the_server() -> None:
    """Both kinds of id are recorded as they were given."""
    orb = InMemoryOrb()
    orb.meter.track("call", "cus_01h2xcejqtf2nbrexx3vqjhp41")
    assert orb.events[0].customer_id == "cus_01h2xcejqtf2nbrexx3vqjhp41"


async def test_tracked_events_wait_out_an_outage() -> None:
    """Nothing tracked is lost: it arrives, once, as soon as the server is back."""
    orb = InMemoryOrb()
    orb.reachable = False
    key = orb.meter.track("call", "acme")
    assert await orb.meter.flush() is False
    assert orb.events == []
    assert orb.meter.statistics.in_memory == 1
    with pytest.raises(AssertionError, match=rf"never arrived: \['{key}'\].* waiting for the server: 1"):
        orb.assert_delivered_once(key)
    orb.reachable = True
    assert await orb.meter.flush() is True
    orb.assert_delivered_once(key)


async def test_awaited_events_fail_in_an_outage() -> None:
    """Who waits for an acknowledgement is told that there is none."""
    orb = InMemoryOrb()
    orb.reachable = False
    assert orb.reachable is False
    with pytest.raises(ConnectionFailedError):
        await orb.meter.ingest("call", "acme")
    assert orb.meter.statistics.accepted == 0


async def test_a_closed_orb_takes_no_events() -> None:
    """After the block is left the meter refuses, as the client does."""
    async with InMemoryOrb() as orb:
        orb.meter.track("call", "acme")
    with pytest.raises(ClosedError):
        orb.meter.track("call", "acme")
    with pytest.raises(ClosedError):
        await orb.meter.ingest("call", "acme")
    assert len(orb.events) == 1


async def test_closing_says_whether_anything_is_left() -> None:
    """True when all has arrived, False when events wait for a server that is gone."""
    orb = InMemoryOrb()
    orb.reachable = False
    orb.meter.track("call", "acme")
    assert await orb.close() is False
    orb.reachable = True
    assert await orb.close(timeout_seconds=1.0) is True


async def test_the_counters_count() -> None:
    """Accepted, acknowledged and duplicate events are told apart."""
    orb = InMemoryOrb()
    orb.meter.track("call", "acme", "a", START)
    await orb.meter.ingest("call", "acme", "a", START)
    await orb.meter.ingest("call", "acme", "b")
    statistics = orb.meter.statistics
    assert (statistics.accepted, statistics.acknowledged, statistics.duplicate) == (3, 3, 1)


async def test_delivery_once_is_asserted() -> None:
    """A missing key and a repeated one fail the assertion with their names; each event once passes it."""
    orb = InMemoryOrb()
    orb.meter.track("call", "acme", "a")
    orb.meter.track("call", "acme", "b")
    orb.assert_delivered_once()
    orb.assert_delivered_once("a", "b")
    with pytest.raises(AssertionError, match=r"never arrived: \['c'\]; arrived more than once: \[\]"):
        orb.assert_delivered_once("a", "c")
    orb.meter.track("call", "acme", "b")
    with pytest.raises(AssertionError, match=r"never arrived: \[\]; arrived more than once: \['b'\]"):
        orb.assert_delivered_once()


def orb_with_requests() -> InMemoryOrb:
    """Requests of two customers, around the bounds of January."""
    orb = InMemoryOrb()
    orb.metric("requests", event_type="request")
    orb.metric("tokens", event_type="request", sum_of="tokens")
    moments = [START - timedelta(microseconds=1), START, END - timedelta(microseconds=1), END]
    for number, moment in enumerate(moments):
        orb.meter.track("request", "acme", timestamp=moment, properties={"tokens": 10**number, "model": "small"})
    orb.meter.track("request", "acme", timestamp=START, properties={"tokens": "0.5", "model": "large", "live": True})
    orb.meter.track("request", "umbrella", timestamp=START, properties={"tokens": 7})
    orb.meter.track("other", "acme", timestamp=START, properties={"tokens": 7})
    return orb


async def test_usage_is_counted_in_a_half_open_period() -> None:
    """The start is in, the end is not; other customers and other events are not counted."""
    orb = orb_with_requests()
    requests = await orb.meter.get_usage("acme", "requests", start=START, end=END)
    tokens = await orb.meter.get_usage("acme", "tokens", start=START, end=END)
    assert [(row.quantity, row.events_counted, row.group) for row in requests.data] == [(Decimal(3), 3, None)]
    assert [(row.quantity, row.external_customer_id, row.metric_id) for row in tokens.data] == [
        (Decimal("110.5"), "acme", "tokens")
    ]
    assert (tokens.data[0].start, tokens.data[0].end, tokens.as_of) == (START, END, 7)


async def test_usage_can_be_grouped() -> None:
    """A row for each combination of values; a property that is missing is None, a boolean is written as in JSON."""
    usage = await orb_with_requests().meter.get_usage(
        "acme", "tokens", start=START, end=END, group_by=["model", "live"]
    )
    assert [(row.group, row.quantity) for row in usage.data] == [
        ({"model": "small", "live": None}, Decimal(110)),
        ({"model": "large", "live": "true"}, Decimal("0.5")),
    ]


async def test_a_group_may_be_a_number() -> None:
    """The name of one property will do, and its values become text."""
    usage = await orb_with_requests().meter.get_usage("acme", "requests", start=START, end=END, group_by="tokens")
    assert [row.group for row in usage.data] == [{"tokens": "10"}, {"tokens": "100"}, {"tokens": "0.5"}]


async def test_usage_has_a_position() -> None:
    """As of an earlier position the answer is what it was then."""
    orb = orb_with_requests()
    before = await orb.meter.get_usage("acme", "requests", start=START, end=END)
    orb.meter.track("request", "acme", timestamp=START)
    after = await orb.meter.get_usage("acme", "requests", start=START, end=END)
    again = await orb.meter.get_usage("acme", "requests", start=START, end=END, as_of=before.as_of)
    assert (before.data[0].quantity, after.data[0].quantity, again.data[0].quantity) == (
        Decimal(3),
        Decimal(4),
        Decimal(3),
    )
    assert (before.as_of, after.as_of, again.as_of) == (7, 8, 7)


@pytest.mark.parametrize(
    ("value", "quantity", "counted"),
    [
        (2, "2", 1),
        (0.1, "0.1", 1),
        ("12345678901234567890.5", "12345678901234567890.5", 1),
        (Decimal("1E+3"), "1000", 1),
        ("many", "0", 0),
        ("NaN", "0", 0),
        (True, "0", 0),
    ],
)
async def test_a_sum_takes_numbers_and_decimal_text(value: object, quantity: str, counted: int) -> None:
    """Whatever is not a finite number is not counted."""
    orb = InMemoryOrb()
    orb.metric("tokens", event_type="request", sum_of="tokens")
    orb.meter.track("request", "acme", properties={"tokens": value})
    orb.meter.track("request", "acme", properties={"tokenz": 1})
    usage = await orb.meter.get_usage("acme", "tokens", start=START, end=END)
    assert (usage.data[0].quantity, usage.data[0].events_counted) == (Decimal(quantity), counted)


async def test_usage_of_a_metric_nobody_described_is_not_found() -> None:
    """As on the server, a metric has to exist."""
    with pytest.raises(NotFoundError, match="no metric 'tokens'"):
        await InMemoryOrb().meter.get_usage("acme", "tokens", start=START, end=END)


async def test_usage_is_asked_for_aware_instants() -> None:
    """As in the client, a naive instant is refused."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - what is being tested
    with pytest.raises(ValueError, match="start must be an aware datetime"):
        await orb_with_requests().meter.get_usage("acme", "tokens", start=naive, end=END)
