"""Backfills: older events that come into effect together, and can be taken back together."""

import logging
from datetime import datetime, timedelta

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.metrics import InvalidMetricError, duckdb_condition, parse_condition
from orbdo_server.core.periods import Period
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError, NotFoundError
from orbdo_server.storage.event_log import (
    Backfill,
    BackfillAction,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    BackfillTransitionError,
    EventLog,
)

TIMEFRAME_MAX = timedelta(days=31)
# Orb closes a backfill by itself after a day.
OPEN_FOR_DEFAULT = timedelta(days=1)
FILTER_CHARACTERS_MAX = 2_000

_log = logging.getLogger(__name__)


class NewBackfill(msgspec.Struct, frozen=True, kw_only=True):
    """A backfill to open, for one customer or, when None, for all.

    ``close_time`` is when it closes by itself, a day after now when None. ``deprecation_filter`` is a condition on an
    event; only events that meet it are replaced, those that come later too.
    """

    timeframe_start: datetime
    timeframe_end: datetime
    customer: CustomerRef | None
    replace_existing_events: bool
    close_time: datetime | None = None
    deprecation_filter: str | None = None


def create_backfill(transaction: Transaction, log: EventLog, new: NewBackfill) -> Backfill:
    """An open backfill.

    Raises ``InvalidRequestError`` for a field that is wrong and ``ConstraintViolationError`` when another open backfill
    overlaps it for the same customer.
    """
    timeframe = _timeframe(new, transaction.now)
    close_time = _close_time(new, transaction.now)
    _require_filter(new)
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
        close_time=close_time,
        deprecation_filter=new.deprecation_filter,
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


def close_due(log: EventLog, *, now: datetime) -> int:
    """Close the open backfills of all tenants whose close time has come; how many those were.

    Raises ``LogUnavailableError``; what was closed before stays closed.
    """
    closed = 0
    for tenant, backfill_id in log.due_backfills(at=now):
        try:
            log.record(tenant, BackfillClosed(backfill_id=backfill_id, at=now))
        except BackfillTransitionError:
            # Somebody closed or reverted it meanwhile.
            continue
        _log.info("the backfill %s reached its close time and was closed", backfill_id)
        closed += 1
    return closed


def require_backfill(log: EventLog, *, tenant: str, backfill_id: str) -> Backfill:
    """The backfill as it stands now; raises ``NotFoundError``."""
    for backfill in log.backfills(tenant, as_of=log.position()):
        if backfill.id == backfill_id:
            return backfill
    raise NotFoundError.of("Backfill", backfill_id)


def _record(transaction: Transaction, log: EventLog, action: BackfillAction) -> Backfill:
    log.record(transaction.tenant, action)
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


def _close_time(new: NewBackfill, now: datetime) -> datetime:
    close_time = now + OPEN_FOR_DEFAULT if new.close_time is None else new.close_time
    if close_time <= now:
        raise InvalidRequestError.of("close_time", "is not in the future")
    return close_time


def _require_filter(new: NewBackfill) -> None:
    """Refuse a filter that cannot be read now, so that no later reading has to."""
    text = new.deprecation_filter
    if text is None:
        return
    if not new.replace_existing_events:
        message = "says which events are replaced; it needs replace_existing_events"
        raise InvalidRequestError.of("deprecation_filter", message)
    if len(text) > FILTER_CHARACTERS_MAX:
        raise InvalidRequestError.of("deprecation_filter", f"has more than {FILTER_CHARACTERS_MAX} characters")
    try:
        duckdb_condition(parse_condition(text))
    except InvalidMetricError as error:
        raise InvalidRequestError.of("deprecation_filter", error.message) from error


def _same_customer(other: Backfill, new: NewBackfill) -> bool:
    return other.customer is None or new.customer is None or other.customer.id == new.customer.id
