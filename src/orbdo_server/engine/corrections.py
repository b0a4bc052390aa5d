"""Corrections of single events: amended, deprecated and undone, each by its key, while their period is open.

Orb's rules, and one more of its kind: the last correction that stands can be taken back, in the same time. Saying what
is so already is answered alike and recorded nowhere, since Orb's clients send these requests again when in doubt.
"""

from datetime import datetime, timedelta
from functools import reduce

import msgspec

from orbdo_sdk.wire import FieldProblem
from orbdo_server.core import event_properties
from orbdo_server.core.customers import Customer
from orbdo_server.core.events import EVENT_NAME_LENGTH_MAX, Event, customer_problems, same_payload, text_problems
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError, NotFoundError
from orbdo_server.storage import customers
from orbdo_server.storage.event_log import (
    CorrectionAction,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
    EventLog,
    StoredEvent,
)
from orbdo_server.storage.event_log.corrections import Corrected, CorrectionRecord, after

CORRECTIONS_COUNTED = timedelta(days=100)


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """What an event is to be instead; time and customer only say once more what they are."""

    event_name: str
    timestamp: datetime
    properties: msgspec.Raw
    customer_id: str | None
    external_customer_id: str | None


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How old an event may be to be corrected, and how many corrections a customer has in ``CORRECTIONS_COUNTED``."""

    age_max: timedelta
    corrections_max: int


class _Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The event that a key names: the row it was claimed with, the row that says what it is, and what was done to it.

    ``records`` are the corrections of the whole tenant.
    """

    target: int
    row: StoredEvent
    corrected: Corrected | None
    records: list[CorrectionRecord]

    @property
    def is_deprecated(self) -> bool:
        return self.corrected is not None and self.corrected.is_deprecated


def amend_event(
    transaction: Transaction, log: EventLog, event_id: str, amendment: Amendment, *, bounds: Bounds
) -> None:
    """Put the amendment in the place of the event, from this position of the log on.

    Raises ``NotFoundError``, ``InvalidRequestError`` for a field that is wrong or is not that of the event, and
    ``ConstraintViolationError`` for an event that is deprecated, replaced or too old, or has had its corrections.
    """
    subject = _require_subject(transaction, log, event_id)
    event = subject.row.event
    _require_valid(amendment)
    _require_same(transaction, event, amendment)
    properties = event_properties.exactly_kept(amendment.properties)
    # It keeps the names that the customer had, so that it is found where the event was.
    amended = msgspec.structs.replace(event, event_name=amendment.event_name, properties=properties)
    if subject.row.state == "in_effect" and same_payload(amended, event):
        return
    action = EventAmended(event=amended, target=subject.target, backfill_id=subject.row.backfill_id, at=transaction.now)
    _correct(transaction, log, subject, action, bounds=bounds)


def deprecate_event(transaction: Transaction, log: EventLog, event_id: str, *, bounds: Bounds) -> None:
    """Take the event out of effect, from this position of the log on; raises as ``amend_event`` does."""
    subject = _require_subject(transaction, log, event_id)
    if subject.is_deprecated:
        return
    action = EventDeprecated(
        idempotency_key=event_id,
        target=subject.target,
        at=transaction.now,
        customer_id=subject.row.event.customer_id,
        external_customer_id=subject.row.event.external_customer_id,
    )
    _correct(transaction, log, subject, action, bounds=bounds)


def undo_correction(transaction: Transaction, log: EventLog, event_id: str, *, age_max: timedelta) -> None:
    """Take back the last correction of the event that still stands.

    Raises ``NotFoundError``, and ``ConstraintViolationError`` when there is none or the event is too old.
    """
    subject = _require_subject(transaction, log, event_id)
    _require_open_period(subject, now=transaction.now, age_max=age_max)
    action = CorrectionUndone(idempotency_key=event_id, target=subject.target, at=transaction.now)
    log.record(transaction.tenant, action)


def _correct(
    transaction: Transaction, log: EventLog, subject: _Subject, action: CorrectionAction, *, bounds: Bounds
) -> None:
    if subject.row.state == "replaced":
        message = "A backfill replaced the event, so that it is not in effect and cannot be corrected."
        raise ConstraintViolationError(message)
    _require_open_period(subject, now=transaction.now, age_max=bounds.age_max)
    _require_room(transaction, subject, corrections_max=bounds.corrections_max)
    log.record(transaction.tenant, action)


def _require_subject(transaction: Transaction, log: EventLog, event_id: str) -> _Subject:
    """The event that came into effect last under the key; the others that did were replaced by backfills."""
    as_of = log.position()
    rows = {row.position: row for row in log.stored(transaction.tenant, [event_id], as_of=as_of)}
    first = [row for row in rows.values() if row.amends is None and row.state not in {"pending", "reverted"}]
    if not first:
        raise NotFoundError.of("Event", event_id)
    closed = _closed_positions(transaction, log, as_of) if any(row.backfill_id for row in first) else {}
    target = max(first, key=lambda row: closed.get(row.backfill_id, row.position)).position
    records = log.corrections(transaction.tenant, as_of=as_of)
    own = (record for record in records if record[1].target == target)
    nothing: Corrected | None = None
    corrected = reduce(after, own, nothing)
    in_place = target if corrected is None else corrected.in_place
    return _Subject(target=target, row=rows[in_place], corrected=corrected, records=records)


def _closed_positions(transaction: Transaction, log: EventLog, as_of: int) -> dict[str | None, int]:
    backfills = log.backfills(transaction.tenant, as_of=as_of)
    return {one.id: one.closed_position for one in backfills if one.closed_position is not None}


def _require_valid(amendment: Amendment) -> None:
    problems = [
        *text_problems("event_name", amendment.event_name, length_max=EVENT_NAME_LENGTH_MAX),
        *customer_problems(amendment.customer_id, amendment.external_customer_id),
        *event_properties.problems(amendment.properties),
    ]
    if problems:
        fields = [problem.partition(": ") for problem in problems]
        listed = [FieldProblem(field=field, message=message) for field, _, message in fields]
        raise InvalidRequestError("; ".join(problems), problems=listed)


def _require_same(transaction: Transaction, event: Event, amendment: Amendment) -> None:
    if amendment.timestamp != event.timestamp:
        message = f"is not that of the event, {event.timestamp.isoformat()}, which stays"
        raise InvalidRequestError.of("timestamp", message)
    given = (amendment.customer_id, amendment.external_customer_id)
    if given == (event.customer_id, event.external_customer_id):
        return
    named = _customer(transaction, *given)
    if named is None or named != _customer(transaction, event.customer_id, event.external_customer_id):
        field = "external_customer_id" if amendment.customer_id is None else "customer_id"
        raise InvalidRequestError.of(field, "is not the customer of the event, which stays")


def _customer(transaction: Transaction, customer_id: str | None, external_customer_id: str | None) -> Customer | None:
    connection, tenant = transaction.connection, transaction.tenant
    if customer_id is not None:
        return customers.get(connection, tenant=tenant, customer_id=customer_id)
    assert external_customer_id is not None, "an event names its customer"
    return customers.find_by_external_id(connection, tenant=tenant, external_customer_id=external_customer_id)


def _require_open_period(subject: _Subject, *, now: datetime, age_max: timedelta) -> None:
    earliest = now - age_max
    if subject.row.event.timestamp < earliest:
        message = (
            f"The event is of {subject.row.event.timestamp.isoformat()}; single events are corrected from "
            f"{earliest.isoformat()} on, where the billing period is open. A backfill can replace it."
        )
        raise ConstraintViolationError(message)


def _require_room(transaction: Transaction, subject: _Subject, *, corrections_max: int) -> None:
    event = subject.row.event
    customer = _customer(transaction, event.customer_id, event.external_customer_id)
    names = {event.customer_id, event.external_customer_id}
    if customer is not None:
        names = {customer.id, customer.external_customer_id}
    since = transaction.now - CORRECTIONS_COUNTED
    made = sum(_counts(action, names - {None}, since=since) for _, action in subject.records)
    if made >= corrections_max:
        message = (
            f"The customer has had {corrections_max} corrections in {CORRECTIONS_COUNTED.days} days "
            "(corrections_max); use a backfill for more."
        )
        raise ConstraintViolationError(message)


def _counts(action: CorrectionAction, names: set[str | None], *, since: datetime) -> bool:
    if isinstance(action, CorrectionUndone) or action.at <= since:
        return False
    return not names.isdisjoint({action.customer_id, action.external_customer_id})
