"""Reconciliation: what was stored, hour by hour, beside what is in effect, whose it is, and what invoices counted.

Three readings that were made apart are held against each other: the states of the stored rows, the relation that every
metric reads, and the seals of invoices. Nothing is repaired here; a difference is named with both of its numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from orbdo_server.core.periods import Period
from orbdo_server.engine.event_lookups import HOUR_OF_EVENT, count_by_hour, hours_of
from orbdo_server.engine.invoicing import COUNTING
from orbdo_server.engine.reconciled_invoices import Difference, ReconciledInvoice, reconcile_invoice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import InvalidRequestError, TooLargeError
from orbdo_server.storage import customers, invoices
from orbdo_server.storage.event_log import EventLog, EventState, Scope

# The longest month.
RECONCILED_HOURS_MAX = 31 * 24
# Names of customers are looked up so many at a time, and so many times.
NAMES_MAX = 5_000
LOOKUPS_MAX = 200
UNMATCHED_LISTED_MAX = 1_000

_HOUR = timedelta(hours=1)

NameColumn: TypeAlias = Literal["external_customer_id", "customer_id"]


class HourOfEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The stored rows of one hour by what is the matter with them.

    ``visible`` is how many of them readings see; of those, ``unmatched`` are nobody's.
    """

    hour: Period
    states: Mapping[EventState, int]
    visible: int
    unmatched: int

    @property
    def stored(self) -> int:
        """All rows of the hour, whatever became of them."""
        return sum(self.states.values())

    @property
    def in_effect(self) -> int:
        """Those that readings see and that are a customer's."""
        return self.visible - self.unmatched


class Unmatched(msgspec.Struct, frozen=True, kw_only=True):
    """A name that events in effect have and no customer has."""

    column: NameColumn
    name: str
    events: int


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for a period at a position; ``more`` when there are invoices beyond those of this page.

    ``unmatched`` has the names with the most events first, and ``unmatched_left_off`` says how many more there are.
    """

    period: Period
    as_of: int
    hours: list[HourOfEvents]
    unmatched: list[Unmatched]
    unmatched_left_off: int
    invoices: list[ReconciledInvoice]
    more: bool
    differences: list[Difference]


def reconcile(
    transaction: Transaction,
    log: EventLog,
    *,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Reconciliation:
    """The hours of ``[start, end)``, and a page of the invoices that count whose period has an instant of it.

    Raises ``InvalidRequestError`` for instants that are not on the hour and for none or more than
    ``RECONCILED_HOURS_MAX`` hours, ``TooLargeError`` for more names of customers than are looked up.
    """
    period = _whole_hours(start, end)
    as_of = log.position()
    hours, unmatched = _hours(transaction, log, period, as_of=as_of)
    page, more = invoices.page(
        transaction.connection, tenant=transaction.tenant, statuses=COUNTING, meeting=period, after=after, limit=limit
    )
    reconciled = [reconcile_invoice(transaction, log, invoice, as_of=as_of) for invoice in page]
    return Reconciliation(
        period=period,
        as_of=as_of,
        hours=hours,
        unmatched=unmatched[:UNMATCHED_LISTED_MAX],
        unmatched_left_off=len(unmatched[UNMATCHED_LISTED_MAX:]),
        invoices=reconciled,
        more=more,
        differences=[*_differences(hours), *(one for invoice in reconciled for one in invoice.differences)],
    )


def _whole_hours(start: datetime, end: datetime) -> Period:
    for field, at in (("start", start), ("end", end)):
        if (at.minute, at.second, at.microsecond) != (0, 0, 0):
            raise InvalidRequestError.of(field, "is not on the hour")
    if end <= start:
        raise InvalidRequestError.of("end", "is not after start")
    if end - start > RECONCILED_HOURS_MAX * _HOUR:
        raise InvalidRequestError.of("end", f"is more than {RECONCILED_HOURS_MAX} hours after start")
    return Period(start, end)


def _hours(
    transaction: Transaction, log: EventLog, period: Period, *, as_of: int
) -> tuple[list[HourOfEvents], list[Unmatched]]:
    scope = Scope(tenant=transaction.tenant, as_of=as_of, period=period)
    states: dict[datetime, dict[EventState, int]] = {}
    for counted in log.states_by_hour(transaction.tenant, period, as_of=as_of):
        states.setdefault(counted.hour, {})[counted.state] = counted.events
    visible = count_by_hour(log, scope)
    unmatched, nobodys = _unmatched(transaction, log, scope)
    hours = [
        HourOfEvents(
            hour=hour,
            states=states.get(hour.start, {}),
            visible=visible.get(hour.start, 0),
            unmatched=nobodys[hour.start],
        )
        for hour in hours_of(period)
    ]
    return hours, unmatched


def _unmatched(transaction: Transaction, log: EventLog, scope: Scope) -> tuple[list[Unmatched], Counter[datetime]]:
    """The names that are no customer's, those with the most events first, and the events that have one by hour."""
    connection, tenant = transaction.connection, transaction.tenant

    def known_externally(names: list[str]) -> set[str]:
        return customers.existing_external_ids(connection, tenant=tenant, external_customer_ids=names)

    def known(names: list[str]) -> set[str]:
        return customers.existing_ids(connection, tenant=tenant, customer_ids=names)

    lookups: tuple[tuple[NameColumn, Callable[[list[str]], set[str]]], ...] = (
        ("external_customer_id", known_externally),
        # Checked when an event comes in; but the control plane may be an older one, restored.
        ("customer_id", known),
    )
    found: list[Unmatched] = []
    by_hour: Counter[datetime] = Counter()
    for column, existing in lookups:
        for names in _names(log, scope, column):
            strange = names.keys() - existing(list(names))
            if strange:
                found += [Unmatched(column=column, name=name, events=names[name]) for name in strange]
                by_hour.update(_count(log, scope, column, sorted(strange)))
    return sorted(found, key=lambda one: (-one.events, one.name)), by_hour


def _names(log: EventLog, scope: Scope, column: NameColumn) -> Iterator[dict[str, int]]:
    """How many events have each of the names in a column, some thousands of names at a time."""
    select = (
        f"SELECT {column}, count(*) FROM events WHERE {column} > $after"  # noqa: S608 - one of two constants
        f" GROUP BY {column} ORDER BY {column} LIMIT {NAMES_MAX}"
    )
    last = ""
    for _ in range(LOOKUPS_MAX):
        rows = log.read(select, scope=scope, parameters={"after": last}).rows
        yield dict(rows)
        if len(rows) < NAMES_MAX:
            return
        last = rows[-1][0]
    message = f"More than {NAMES_MAX * LOOKUPS_MAX} customers have events in this time; ask for a shorter one."
    raise TooLargeError(message)


def _count(log: EventLog, scope: Scope, column: NameColumn, names: list[str]) -> dict[datetime, int]:
    select = (
        f"SELECT {HOUR_OF_EVENT}, count(*) FROM events"  # noqa: S608 - constants
        f" WHERE {column} IN (SELECT unnest($names::VARCHAR[])) GROUP BY {HOUR_OF_EVENT}"
    )
    return count_by_hour(log, scope, select, names=names)


def _differences(hours: list[HourOfEvents]) -> Iterator[Difference]:
    """Hours of which the states of the rows say that another number is in effect than readings see."""
    for hour in hours:
        expected = hour.states.get("in_effect", 0)
        if expected != hour.visible:
            yield Difference(
                kind="in_effect", hour=hour.hour.start, expected=Decimal(expected), found=Decimal(hour.visible)
            )
