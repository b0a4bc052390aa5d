"""Reconciliations as the wire has them."""

from orbdo_sdk import wire
from orbdo_sdk.wire import Amount, PaginationMetadata, plain
from orbdo_server.engine.reconciled_invoices import Difference, ReconciledInvoice
from orbdo_server.engine.reconciliation import HourOfEvents, Reconciliation, Unmatched


def render_reconciliation(found: Reconciliation, pagination: PaginationMetadata) -> wire.Reconciliation:
    """A reconciliation with its page of invoices."""
    return wire.Reconciliation(
        start=found.period.start,
        end=found.period.end,
        as_of=found.as_of,
        hours=[_hour(hour) for hour in found.hours],
        unmatched=[_unmatched(one) for one in found.unmatched],
        unmatched_left_off=found.unmatched_left_off,
        invoices=[_invoice(invoice) for invoice in found.invoices],
        differences=[_difference(one) for one in found.differences],
        pagination_metadata=pagination,
    )


def _hour(hour: HourOfEvents) -> wire.HourOfEvents:
    states = hour.states
    return wire.HourOfEvents(
        start=hour.hour.start,
        end=hour.hour.end,
        stored=hour.stored,
        in_effect=hour.in_effect,
        unmatched=hour.unmatched,
        amended=states.get("amended", 0),
        undone=states.get("undone", 0),
        deprecated=states.get("deprecated", 0),
        replaced=states.get("replaced", 0),
        pending=states.get("pending", 0),
        reverted=states.get("reverted", 0),
    )


def _unmatched(one: Unmatched) -> wire.UnmatchedCustomer:
    is_external = one.column == "external_customer_id"
    return wire.UnmatchedCustomer(
        external_customer_id=one.name if is_external else None,
        customer_id=None if is_external else one.name,
        events=one.events,
    )


def _invoice(reconciled: ReconciledInvoice) -> wire.ReconciledInvoice:
    invoice = reconciled.invoice
    return wire.ReconciledInvoice(
        invoice_id=invoice.id,
        invoice_number=invoice.number or "",
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        period_start=invoice.period.start,
        period_end=invoice.period.end,
        as_of=reconciled.as_of,
        state=reconciled.state,
        events_sealed=reconciled.events_sealed,
        events_as_of=reconciled.events_as_of,
        events_now=reconciled.events_now,
        late_events=reconciled.events_now - reconciled.events_as_of,
    )


def _difference(one: Difference) -> wire.Difference:
    return wire.Difference(
        kind=one.kind,
        hour=one.hour,
        invoice_id=one.invoice_id,
        line_id=one.line_id,
        expected=None if one.expected is None else Amount(plain(one.expected)),
        found=None if one.found is None else Amount(plain(one.found)),
    )
