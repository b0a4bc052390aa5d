"""Small events for the tests of the log, and the two questions that most of them ask."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log import (
    Append,
    Appended,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
    EventLog,
    Scope,
)

TENANT = "acme"
ADA = CustomerRef(id="cus_ada", external_customer_id="ada")
RECEIVED = datetime(2026, 3, 31, 12, tzinfo=UTC)
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def the_clock() -> datetime:
    """The time of a log that has just received such events, so that their keys are within its window."""
    return RECEIVED


def on(day: int, hour: int = 0) -> datetime:
    """An instant of March 2026."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def days(first: int, until: int) -> Period:
    """From one day of March 2026 until before another."""
    return Period(on(first), on(until))


def event(key: str, units: object = 1, *, at: datetime | None = None, customer: str = "ada") -> Event:
    """An event of so many units, on 15 March unless told."""
    return Event(
        event_name="used",
        idempotency_key=key,
        timestamp=at or on(15),
        properties=msgspec.Raw(msgspec.json.encode({"units": units})),
        external_customer_id=customer,
    )


def batch(*events: Event, tenant: str = TENANT, backfill_id: str | None = None) -> Append:
    """Events that came in together."""
    return Append(tenant=tenant, events=events, received_at=RECEIVED, backfill_id=backfill_id)


def send(log: EventLog, *events: Event, tenant: str = TENANT, backfill_id: str | None = None) -> Appended:
    """What became of events that were appended as one batch."""
    (answer,) = log.append([batch(*events, tenant=tenant, backfill_id=backfill_id)])
    return answer


def create(
    log: EventLog,
    backfill_id: str,
    timeframe: Period = MARCH,
    *,
    customer: CustomerRef | None = None,
    replace: bool = True,
    tenant: str = TENANT,
    only: str | None = None,
) -> int:
    """Begin a backfill, which replaces ``only`` what meets the condition where one is given; the position."""
    action = BackfillCreated(
        backfill_id=backfill_id,
        at=RECEIVED,
        timeframe=timeframe,
        customer=customer,
        replace_existing_events=replace,
        deprecation_filter=only,
    )
    return log.record(tenant, action)


def close(log: EventLog, backfill_id: str) -> int:
    """Close a backfill; the position."""
    return log.record(TENANT, BackfillClosed(backfill_id=backfill_id, at=RECEIVED))


def revert(log: EventLog, backfill_id: str) -> int:
    """Revert a backfill; the position."""
    return log.record(TENANT, BackfillReverted(backfill_id=backfill_id, at=RECEIVED))


def amend(log: EventLog, target: int, of: Event, *, backfill_id: str | None = None) -> int:
    """Put an event in the place of the one that lies there; the position."""
    return log.record(TENANT, EventAmended(event=of, target=target, backfill_id=backfill_id, at=RECEIVED))


def deprecate(log: EventLog, target: int, key: str, *, customer: str = "ada") -> int:
    """Deprecate the event that lies there; the position."""
    action = EventDeprecated(idempotency_key=key, target=target, at=RECEIVED, external_customer_id=customer)
    return log.record(TENANT, action)


def undo(log: EventLog, target: int, key: str) -> int:
    """Take back the last correction of the event that lies there; the position."""
    return log.record(TENANT, CorrectionUndone(idempotency_key=key, target=target, at=RECEIVED))


def units(
    log: EventLog,
    *,
    as_of: int | None = None,
    customer: CustomerRef | None = None,
    period: Period | None = None,
    tenant: str = TENANT,
) -> int:
    """The sum of units in effect, now unless told."""
    position = log.position() if as_of is None else as_of
    scope = Scope(tenant=tenant, as_of=position, customer=customer, period=period)
    ((total,),) = log.read("SELECT coalesce(sum(properties.units::BIGINT), 0) FROM events", scope=scope).rows
    return int(total)


def keys(log: EventLog, *, as_of: int | None = None, tenant: str = TENANT) -> list[str]:
    """The keys in effect in the order of the log, now unless told."""
    scope = Scope(tenant=tenant, as_of=log.position() if as_of is None else as_of)
    return [key for (key,) in log.read("SELECT idempotency_key FROM events ORDER BY seq", scope=scope).rows]


def answer(
    position: int,
    ingested: Sequence[str] = (),
    *,
    duplicates: Sequence[str] = (),
    conflicts: Sequence[str] = (),
    deprecated: Sequence[str] = (),
) -> Appended:
    """What a batch is told."""
    return Appended(
        position=position,
        ingested=list(ingested),
        duplicates=list(duplicates),
        conflicts=list(conflicts),
        deprecated=list(deprecated),
    )
