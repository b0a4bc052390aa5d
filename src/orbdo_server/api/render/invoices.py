"""Invoices on the wire, in Orb's shape. Every amount of a line is there twice: rounded, and exact."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from orbdo_sdk import wire
from orbdo_sdk.wire import Amount, Number, plain
from orbdo_server.api.render.prices import number_or_none, render_price, render_tier_charge
from orbdo_server.core.invoice_states import InvoiceStatus
from orbdo_server.core.invoices import Line
from orbdo_server.core.money import round_amount
from orbdo_server.core.prices import TierCharge
from orbdo_server.engine.invoicing import InvoiceView


def render_invoice(view: InvoiceView, *, grace: timedelta, with_unused: bool = True) -> wire.Invoice:
    """A stored invoice; lines of nothing are left out, but counted, unless they are asked for."""
    return wire.Invoice(invoice_date=view.invoice.period.end, **_body(view, grace=grace, with_unused=with_unused))


def render_upcoming(view: InvoiceView, *, grace: timedelta, with_unused: bool = True) -> wire.UpcomingInvoice:
    """The invoice as it stands now; ``target_date`` is when its period ends."""
    return wire.UpcomingInvoice(
        target_date=view.invoice.period.end, **_body(view, grace=grace, with_unused=with_unused)
    )


def _body(view: InvoiceView, *, grace: timedelta, with_unused: bool) -> dict[str, Any]:
    invoice, terms, computed = view.invoice, view.content.inputs.terms, view.content.invoice
    shown = [line for line in computed.lines if with_unused or line.quantity]
    return {
        "id": invoice.id,
        "status": invoice.status.value,
        "currency": invoice.currency,
        "customer": wire.CustomerMinified(
            id=terms.customer.id, external_customer_id=terms.customer.external_customer_id
        ),
        "subscription": wire.SubscriptionMinified(id=invoice.subscription_id),
        "line_items": [_line(view, line) for line in shown],
        "hidden_line_item_count": len(computed.lines) - len(shown),
        "subtotal": _amount(view, computed.subtotal),
        "total": _amount(view, computed.total),
        "amount_due": _amount(view, computed.total),
        "created_at": invoice.created_at,
        "invoice_number": invoice.number or "",
        "period_start": invoice.period.start,
        "period_end": invoice.period.end,
        "as_of": view.as_of,
        "input_hash": view.content_hash,
        "memo": invoice.memo,
        "metadata": invoice.metadata,
        "eligible_to_issue_at": _eligible_at(view, grace),
        **_history(view),
        **_buyer(view),
    }


def _history(view: InvoiceView) -> dict[str, Any]:
    invoice = view.invoice
    return {
        "issued_at": invoice.issued_at,
        "due_date": invoice.due_at,
        "paid_at": invoice.paid_at,
        "voided_at": invoice.voided_at,
        "payment_received_at": None if invoice.payment is None else invoice.payment.received_at,
    }


def _buyer(view: InvoiceView) -> dict[str, Any]:
    details = view.buyer.details
    return {
        "billing_address": _address(details.get("billing_address")),
        "shipping_address": _address(details.get("shipping_address")),
        "customer_tax_id": details.get("tax_id"),
    }


def _eligible_at(view: InvoiceView, grace: timedelta) -> datetime | None:
    """When a draft is due to be issued: late events may come until the grace period has passed, fees are never late."""
    if view.invoice.status is not InvoiceStatus.DRAFT:
        return None
    end = view.invoice.period.end
    return end + grace if view.content.inputs.readings else end


def _line(view: InvoiceView, line: Line) -> wire.LineItem:
    terms = view.content.inputs.terms
    price = terms.prices[line.price_id]
    amount, nothing = _amount(view, line.amount), _amount(view, Decimal(0))
    return wire.LineItem(
        id=line.id,
        name=line.name,
        price=render_price(price, item_name=terms.item_names[price.item_id]),
        quantity=Number.of(line.quantity),
        start_date=line.service.start,
        end_date=line.service.end,
        amount=amount,
        exact_amount=_exact(line.exact_amount),
        subtotal=amount,
        adjusted_subtotal=amount,
        credits_applied=nothing,
        partially_invoiced_amount=nothing,
        breakdown=[render_tier_charge(tier) for tier in line.tiers],
        proration=None
        if line.share is None
        else wire.Proration(numerator=Number.of(line.share.numerator), denominator=Number.of(line.share.denominator)),
        events_counted=line.events_counted,
        events_skipped=line.events_skipped,
        sub_line_items=[_sub_line(number, tier) for number, tier in enumerate(line.tiers, start=1)],
    )


def _sub_line(number: int, tier: TierCharge) -> wire.SubLineItem:
    return wire.SubLineItem(
        type="tier",
        name=f"Tier {number}",
        quantity=Number.of(tier.quantity),
        amount=_exact(tier.amount),
        tier_config=wire.TierConfig(
            first_unit=Number.of(tier.first_unit),
            last_unit=number_or_none(tier.last_unit),
            unit_amount=Amount(tier.unit_amount),
        ),
    )


def _amount(view: InvoiceView, amount: Decimal) -> Amount:
    # Sealed amounts are kept without trailing zeros; rounding again only gives them back.
    return Amount(round_amount(amount, view.invoice.currency))


def _exact(amount: Decimal) -> Amount:
    return Amount(plain(amount))


def _address(value: object) -> wire.Address | None:
    return None if value is None else msgspec.convert(value, type=wire.Address)
