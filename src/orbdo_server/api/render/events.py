"""Events that were looked up as the wire has them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from orbdo_sdk.wire import (
    Amount,
    CustomerMinified,
    EventTrace,
    FoundEvent,
    Number,
    TracedCorrection,
    TracedLine,
    TracedMetric,
    TracedRepeat,
    TracedRow,
    plain,
)
from orbdo_server.core.events import Event
from orbdo_server.core.invoices import Reading
from orbdo_server.engine import event_trace as engine
from orbdo_server.storage.event_log import CorrectionAction, EventAmended, EventDeprecated, StoredEvent

# A number with a point is written as it came: it never is a float.
_properties: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any], float_hook=Number).decode


def render_found(row: StoredEvent) -> FoundEvent:
    """An event as search shows it."""
    event = row.event
    return FoundEvent(
        id=event.idempotency_key,
        event_name=event.event_name,
        timestamp=event.timestamp,
        properties=_properties(event.properties),
        external_customer_id=event.external_customer_id,
        customer_id=event.customer_id,
        deprecated=row.state == "deprecated",
    )


def render_trace(trace: engine.EventTrace) -> EventTrace:
    """A trace in full."""
    customer = trace.customer
    return EventTrace(
        id=trace.event_id,
        as_of=trace.as_of,
        rows=[_row(row) for row in trace.rows],
        repeats=[TracedRepeat(received_at=again.received_at, conflict=again.conflict) for again in trace.repeats],
        corrections=[_correction(action) for action in trace.corrections],
        customer=None
        if customer is None
        else CustomerMinified(id=customer.id, external_customer_id=customer.external_customer_id),
        unmatched=_reason(trace.standing.event) if customer is None else None,
        metrics=[
            TracedMetric(
                id=count.metric.id,
                name=count.metric.name,
                quantity=_amount(count.reading.quantity),
                counted=_counts(count.reading),
            )
            for count in trace.metrics
        ],
        metrics_complete=not trace.more_metrics,
        invoices=[_line(line) for line in trace.lines],
        invoices_complete=not trace.more_invoices,
    )


def _row(row: engine.TracedRow) -> TracedRow:
    stored, event = row.stored, row.stored.event
    return TracedRow(
        position=stored.position,
        received_at=stored.received_at,
        state=row.state,
        event_name=event.event_name,
        timestamp=event.timestamp,
        properties=_properties(event.properties),
        external_customer_id=event.external_customer_id,
        customer_id=event.customer_id,
        backfill_id=stored.backfill_id,
        amends=stored.amends,
    )


def _correction(action: CorrectionAction) -> TracedCorrection:
    match action:
        case EventAmended():
            return TracedCorrection(at=action.at, action="amended")
        case EventDeprecated():
            return TracedCorrection(at=action.at, action="deprecated")
        case _:
            return TracedCorrection(at=action.at, action="undone")


def _reason(event: Event) -> str:
    if event.external_customer_id is not None:
        return f"No customer has the external_customer_id {event.external_customer_id} yet; it counts once one has."
    return f"No customer has the id {event.customer_id}."


def _line(line: engine.LineCount) -> TracedLine:
    invoice = line.invoice
    shown = line.sealed if line.sealed is not None and _counts(line.sealed) else line.now
    assert line.price.metric_id is not None, "only lines of usage count events"
    return TracedLine(
        invoice_id=None if invoice is None else invoice.id,
        invoice_number=None if invoice is None else invoice.number,
        status="upcoming" if invoice is None else invoice.status.value,
        subscription_id=line.subscription_id,
        period_start=line.period.start,
        period_end=line.period.end,
        line_id=line.line_id,
        price_id=line.price.id,
        price_name=line.price.name,
        metric_id=line.price.metric_id,
        quantity=_amount(shown.quantity),
        counted_when_issued=None if line.sealed is None else _counts(line.sealed),
        counts_now=_counts(line.now),
    )


def _counts(reading: Reading) -> bool:
    return reading.events_counted > 0


def _amount(quantity: Decimal) -> Amount:
    return Amount(plain(quantity))
