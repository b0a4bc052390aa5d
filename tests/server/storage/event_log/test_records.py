"""What a record of the journal says: it comes back from its JSON as it was."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import (
    Action,
    Append,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
)
from orbdo_server.storage.event_log.records import (
    ActionRecord,
    EventsRecord,
    Record,
    RepeatedEvent,
    decode,
    encode,
    last_position,
)
from tests.support.logged_events import MARCH, RECEIVED, TENANT, batch, event

ADA = CustomerRef(id="cus_ada", external_customer_id="ada")
FULL = Event(
    event_name="ünïcode \u0000 \U0001f600",
    idempotency_key='key "with" \\ spaces',
    timestamp=datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC),
    properties=msgspec.Raw(b'{"n":18446744073709551615, "f":1e-7,"t":"\\u00e9","z":null}'),
    customer_id="cus_1",
)
ACTIONS: list[Action] = [
    BackfillCreated(
        backfill_id="bf_1",
        at=RECEIVED,
        timeframe=MARCH,
        customer=ADA,
        replace_existing_events=True,
        deprecation_filter="event_name = 'used'",
    ),
    BackfillClosed(backfill_id="bf_1", at=RECEIVED),
    BackfillReverted(backfill_id="bf_1", at=RECEIVED),
    EventAmended(event=FULL, target=7, backfill_id="bf_1", at=RECEIVED),
    EventDeprecated(idempotency_key="a", target=7, at=RECEIVED, external_customer_id="ada"),
    CorrectionUndone(idempotency_key="a", target=7, at=RECEIVED),
]


def shown(record: Record) -> object:
    """A record with its raw properties as bytes, so that they can be compared."""
    return msgspec.json.decode(encode(record))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: type(action).__name__)
def test_an_action_comes_back(action: Action) -> None:
    """Of every kind, and the log is at its position after it."""
    record = ActionRecord(position=9, tenant=TENANT, action=action)
    again = decode(encode(record))
    assert isinstance(again, ActionRecord)
    assert (again.position, again.tenant, type(again.action)) == (9, TENANT, type(action))
    assert shown(again) == shown(record)
    assert last_position(again) == 9


def test_events_come_back() -> None:
    """To the microsecond, and their properties byte by byte."""
    record = EventsRecord(
        first=5,
        batches=[
            Append(tenant=TENANT, events=[FULL], received_at=RECEIVED + timedelta(microseconds=1)),
            batch(event("a"), event("b"), tenant="other", backfill_id="bf_1"),
        ],
        repeats=[RepeatedEvent(tenant=TENANT, idempotency_key="a", received_at=RECEIVED, conflict=True)],
    )
    again = decode(encode(record))
    assert isinstance(again, EventsRecord)
    (one,) = again.batches[0].events
    assert bytes(one.properties) == b'{"n":18446744073709551615, "f":1e-7,"t":"\\u00e9","z":null}'
    assert msgspec.structs.replace(one, properties=FULL.properties) == FULL
    assert again.batches[0].received_at == datetime(2026, 3, 31, 12, 0, 0, 1, tzinfo=UTC)
    assert (again.batches[1].tenant, again.batches[1].backfill_id) == ("other", "bf_1")
    assert again.repeats == record.repeats
    assert (again.events, last_position(again)) == (3, 7)


def test_a_record_of_repeats_leaves_the_position() -> None:
    """The log is where it was."""
    told = RepeatedEvent(tenant=TENANT, idempotency_key="a", received_at=RECEIVED, conflict=False)
    record = EventsRecord(first=6, batches=[], repeats=[told])
    assert (record.events, last_position(record)) == (0, 5)
    assert decode(encode(record)) == EventsRecord(first=6, batches=[], repeats=[told])


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"{}", b'{"type":"surprise"}', b'{"type":"events","first":-1.5}']
)
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    """Whatever wrote it, it was not ``encode``."""
    with pytest.raises(msgspec.DecodeError):
        decode(payload)
