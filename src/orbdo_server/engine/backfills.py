"""Backfills: older events that come into effect together, and can be taken back together."""

from datetime import datetime, timedelta

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.periods import Period
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError, NotFoundError
from orbdo_server.storage.event_log import (
    Backfill,
    BackfillAction,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    EventLog,
)

TIMEFRAME_MAX = timedelta(days=31)


class NewBackfill(msgspec.Struct, frozen=True, kw_only=True):
    """A backfill to open, for one customer or, when None, for all."""

    timeframe_start: datetime
    timeframe_end: datetime
    customer: CustomerRef | None
    replace_existing_events: bool


def create_backfill(transaction: Transaction, log: EventLog, new: NewBackfill) -> Backfill:
    """An open backfill. Raises ``ConstraintViolationError`` when another open one overlaps it for the same customer."""
    timeframe = _timeframe(new, transaction.now)
    for other in log.backfills(transaction.tenant, as_of=log.position()):
        if other.status == "pending" and _same_customer(other, new) and other.timeframe.overlap(timeframe):
            message = f"The backfill {other.id} is open for part of the same time; close or revert it first."
            raise ConstraintViolationError(message)
    action = BackfillCreated(
        backfill_id=transaction.new_id("bf"),
        at=transaction.now,
        timeframe=timeframe,
        customer=new.customer,
        replace_existing_events=new.replace_existing_events,
    )
    return _record(transaction, log, action)


def close_backfill(transaction: Transaction, log: EventLog, backfill_id: str) -> Backfill:
    """The backfill, its events in effect from this position of the log on; only an open one can be closed."""
    require_backfill(log, tenant=transaction.tenant, backfill_id=backfill_id)
    return _record(transaction, log, BackfillClosed(backfill_id=backfill_id, at=transaction.now))


def revert_backfill(transaction: Transaction, log: EventLog, backfill_id: str) -> Backfill:
    """The backfill, undone; it cannot be undone twice."""
    require_backfill(log, tenant=transaction.tenant, backfill_id=backfill_id)
    return _record(transaction, log, BackfillReverted(backfill_id=backfill_id, at=transaction.now))


def require_backfill(log: EventLog, *, tenant: str, backfill_id: str) -> Backfill:
    """The backfill as it stands now; raises ``NotFoundError``."""
    for backfill in log.backfills(tenant, as_of=log.position()):
        if backfill.id == backfill_id:
            return backfill
    raise NotFoundError.of("Backfill", backfill_id)


def _record(transaction: Transaction, log: EventLog, action: BackfillAction) -> Backfill:
    log.record_backfill(transaction.tenant, action)
    return require_backfill(log, tenant=transaction.tenant, backfill_id=action.backfill_id)


def _timeframe(new: NewBackfill, now: datetime) -> Period:
    if new.timeframe_end <= new.timeframe_start:
        raise InvalidRequestError.of("timeframe_end", "is not after timeframe_start")
    if new.timeframe_end - new.timeframe_start > TIMEFRAME_MAX:
        message = f"is more than {TIMEFRAME_MAX.days} days after timeframe_start; use several backfills"
        raise InvalidRequestError.of("timeframe_end", message)
    if new.timeframe_start > now:
        raise InvalidRequestError.of("timeframe_start", "is in the future")
    return Period(new.timeframe_start, new.timeframe_end)


def _same_customer(other: Backfill, new: NewBackfill) -> bool:
    return other.customer is None or new.customer is None or other.customer.id == new.customer.id
