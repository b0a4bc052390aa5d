"""Everything that became of one event: its rows in the log, whose it is, and which metrics and invoices count it.

What counts it is never concluded from names and dates: each metric is asked over this one event, and each invoice with
the question it was sealed with, at its own position of the log.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from orbdo_server.core.customers import Customer, CustomerRef
from orbdo_server.core.invoice_periods import next_period, spans_of
from orbdo_server.core.invoice_states import REASON_SUBSCRIPTION, Invoice
from orbdo_server.core.invoices import InvoiceTerms, Reading, line_id
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import MetricDefinition, Price
from orbdo_server.core.subscriptions import Subscription
from orbdo_server.engine.invoicing import COUNTING, SEALED, open_invoice
from orbdo_server.engine.metering import read_quantity
from orbdo_server.engine.subscription_facts import load_facts
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import NotFoundError
from orbdo_server.storage import customers, invoices, metrics, subscriptions
from orbdo_server.storage.event_log import CorrectionAction, EventLog, EventState, Repeated, Scope, StoredEvent

# Metrics are asked one by one, the newest first.
METRICS_TRACED_MAX = 200
INVOICES_TRACED_MAX = 200
# As many months ahead of what is invoiced as are looked through for the one that will count the event.
PERIODS_AHEAD_MAX = 120
# A line is for a year at most, and on an invoice that begins before the line ends.
_LINE_MAX = timedelta(days=366)

RowState: TypeAlias = EventState | Literal["unmatched"]
"""What the log says of a row; unmatched is one in effect whose customer does not exist."""


class TracedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the log that has the event's id, and what is the matter with it now."""

    stored: StoredEvent
    state: RowState


class MetricCount(msgspec.Struct, frozen=True, kw_only=True):
    """What a metric makes of the one event: it counts it, or wanted to and found no number."""

    metric: MetricDefinition
    reading: Reading


class LineCount(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of an invoice makes of the one event, when it was issued and now; ``invoice`` is None before a draft.

    ``sealed`` is None where nothing is sealed yet.
    """

    subscription_id: str
    invoice: Invoice | None
    period: Period
    line_id: str
    price: Price
    service: Period
    sealed: Reading | None
    now: Reading


class EventTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an event at a position; ``more_metrics`` and ``more_invoices`` say that some were not asked.

    ``standing`` is the row in effect, or else the last one; ``customer`` is its customer.
    """

    event_id: str
    as_of: int
    rows: list[TracedRow]
    standing: StoredEvent
    repeats: list[Repeated]
    corrections: list[CorrectionAction]
    customer: Customer | None
    metrics: list[MetricCount]
    more_metrics: bool
    lines: list[LineCount]
    more_invoices: bool


def trace_event(transaction: Transaction, log: EventLog, event_id: str) -> EventTrace:
    """The trace of the event with this idempotency key as of now; raises ``NotFoundError`` when it never came."""
    as_of = log.position()
    stored = log.stored(transaction.tenant, [event_id], as_of=as_of)
    if not stored:
        raise NotFoundError.of("Event", event_id)
    owners = {place: _owner(transaction, place) for place in (_place(row) for row in stored)}
    standing = next((row for row in reversed(stored) if row.state == "in_effect"), stored[-1])
    asked = _Asked(transaction, log, event_id=event_id, as_of=as_of)
    counted, more = asked.metrics(standing.event.timestamp)
    lines = [
        line for place, owner in owners.items() if owner is not None for line in asked.lines(owner, place.timestamp)
    ]
    return EventTrace(
        event_id=event_id,
        as_of=as_of,
        rows=[TracedRow(stored=row, state=_state(row, owners[_place(row)])) for row in stored],
        standing=standing,
        repeats=log.repeats(transaction.tenant, event_id),
        corrections=_corrections(log, stored, tenant=transaction.tenant, as_of=as_of),
        customer=owners[_place(standing)],
        metrics=counted,
        more_metrics=more,
        lines=lines,
        more_invoices=asked.more_invoices,
    )


class _Place(msgspec.Struct, frozen=True):
    """Whose and when: rows of one id differ in it only if a backfill brought the id again."""

    customer_id: str | None
    external_customer_id: str | None
    timestamp: datetime


def _place(row: StoredEvent) -> _Place:
    return _Place(row.event.customer_id, row.event.external_customer_id, row.event.timestamp)


def _owner(transaction: Transaction, place: _Place) -> Customer | None:
    connection, tenant = transaction.connection, transaction.tenant
    if place.customer_id is not None:
        return customers.get(connection, tenant=tenant, customer_id=place.customer_id)
    assert place.external_customer_id is not None, "an event names its customer by one of two ids"
    return customers.find_by_external_id(connection, tenant=tenant, external_customer_id=place.external_customer_id)


def _state(row: StoredEvent, owner: Customer | None) -> RowState:
    return "unmatched" if row.state == "in_effect" and owner is None else row.state


def _corrections(log: EventLog, stored: list[StoredEvent], *, tenant: str, as_of: int) -> list[CorrectionAction]:
    positions = {row.position for row in stored}
    return [action for _, action in log.corrections(tenant, as_of=as_of) if action.target in positions]


class _Asked:
    """Questions about the one event, each asked of the log."""

    def __init__(self, transaction: Transaction, log: EventLog, *, event_id: str, as_of: int) -> None:
        self._transaction = transaction
        self._log = log
        self._event_id = event_id
        self._as_of = as_of
        self.more_invoices = False

    def metrics(self, at: datetime) -> tuple[list[MetricCount], bool]:
        """The metrics that count the event at ``at`` or wanted to, and whether there are some that were not asked."""
        connection, tenant = self._transaction.connection, self._transaction.tenant
        known, more = metrics.page(connection, tenant=tenant, after=None, limit=METRICS_TRACED_MAX)
        readings = ((metric, self._read(metric.sql, at=at)) for metric in known)
        return [MetricCount(metric=metric, reading=reading) for metric, reading in readings if _saw(reading)], more

    def lines(self, customer: Customer, at: datetime) -> Iterator[LineCount]:
        """The lines of the customer's invoices that count the event at ``at``, or would, oldest invoice first."""
        yield from self._sealed_lines(customer, at)
        connection, tenant = self._transaction.connection, self._transaction.tenant
        for subscription in subscriptions.of_customer(connection, tenant=tenant, customer_id=customer.id):
            yield from self._coming_lines(subscription, at)

    def _sealed_lines(self, customer: Customer, at: datetime) -> Iterator[LineCount]:
        issued, more = invoices.page(
            self._transaction.connection,
            tenant=self._transaction.tenant,
            statuses=SEALED,
            customer_id=customer.id,
            meeting=Period(at, at + _LINE_MAX),
            after=None,
            limit=INVOICES_TRACED_MAX,
        )
        self.more_invoices |= more
        for invoice in reversed(issued):
            sealed = open_invoice(invoice)
            terms, as_of = sealed.content.inputs.terms, sealed.issuance.as_of
            for line, price, service in _usage_lines(terms, at):
                sql = terms.metric_sql[price.metric_id or ""]
                then = self._read(sql, at=at, customer=terms.customer, as_of=as_of)
                now = self._read(sql, at=at, customer=customer.ref)
                if _saw(then) or _saw(now):
                    yield LineCount(
                        subscription_id=invoice.subscription_id,
                        invoice=invoice,
                        period=invoice.period,
                        line_id=line,
                        price=price,
                        service=service,
                        sealed=then,
                        now=now,
                    )

    def _coming_lines(self, subscription: Subscription, at: datetime) -> Iterator[LineCount]:
        """Those of the next invoices, which nothing is sealed of."""
        connection, tenant = self._transaction.connection, self._transaction.tenant
        facts = load_facts(self._transaction, subscription.id)
        taken = invoices.periods(connection, tenant=tenant, subscription_id=subscription.id, statuses=COUNTING)
        for _ in range(PERIODS_AHEAD_MAX):
            period = next_period(facts.timeline, facts.prices, taken)
            if period is None or period.start > at + _LINE_MAX:
                return
            taken.append(period)
            terms = facts.terms(period, currency=facts.currency)
            for line, price, service in _usage_lines(terms, at):
                now = self._read(terms.metric_sql[price.metric_id or ""], at=at, customer=terms.customer)
                if _saw(now):
                    yield LineCount(
                        subscription_id=subscription.id,
                        invoice=invoices.find_draft(
                            connection,
                            tenant=tenant,
                            subscription_id=subscription.id,
                            period_start=period.start,
                            reason=REASON_SUBSCRIPTION,
                        ),
                        period=period,
                        line_id=line,
                        price=price,
                        service=service,
                        sealed=None,
                        now=now,
                    )

    def _read(
        self, sql: str, *, at: datetime, customer: CustomerRef | None = None, as_of: int | None = None
    ) -> Reading:
        scope = Scope(
            tenant=self._transaction.tenant,
            as_of=self._as_of if as_of is None else as_of,
            customer=customer,
            period=Period(at, at + timedelta.resolution),
            keys=(self._event_id,),
        )
        return read_quantity(self._log, sql, scope=scope)


def _usage_lines(terms: InvoiceTerms, at: datetime) -> Iterator[tuple[str, Price, Period]]:
    """The lines of an invoice that measure the time of ``at``, with their prices and the time they measure."""
    for span in spans_of(terms.timeline, terms.prices, terms.period):
        price = terms.prices[span.interval.price_id]
        if price.is_usage and span.service.contains(at):
            yield line_id(terms.timeline, span), price, span.service


def _saw(reading: Reading) -> bool:
    return reading.events_counted + reading.events_skipped > 0
