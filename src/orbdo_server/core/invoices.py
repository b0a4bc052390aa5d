"""An invoice computed from its inputs, and the states a stored one goes through.

``compute_invoice`` is a pure function: the same terms and readings give the same invoice, however often and wherever it
is run. It asks no store; what has to be measured it names in ``measurements``, and is given the readings.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, localcontext

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.invoice_periods import Span, Timeline, spans_of
from orbdo_server.core.money import EXACT, round_amount
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import TierCharge
from orbdo_server.core.proration import Share, share_of
from orbdo_server.core.rating import is_prorated, rate

LINE_ID_CHARACTERS = 26

_ZERO = Decimal(0)


class InvoiceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """All that an invoice depends on besides events: whom, when, and the prices, questions and names of its lines.

    ``metric_sql`` is by metric, ``item_names`` by item. Every price is in ``currency``.
    """

    customer: CustomerRef
    timeline: Timeline
    period: Period
    currency: str
    prices: dict[str, Price]
    metric_sql: dict[str, str]
    item_names: dict[str, str]


class Measurement(msgspec.Struct, frozen=True):
    """What has to be asked of the events for a line: the metric's answer over the line's service period."""

    line_id: str
    sql: str
    period: Period


class Reading(msgspec.Struct, frozen=True):
    """An answer: the quantity, from how many events, and how many matched but could not be counted."""

    quantity: Decimal
    events_counted: int = 0
    events_skipped: int = 0


class InvoiceInputs(msgspec.Struct, frozen=True):
    """The terms, and a reading for each of their measurements by ``line_id``."""

    terms: InvoiceTerms
    readings: dict[str, Reading]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of an invoice: ``exact_amount`` is what it costs, ``amount`` the same rounded once to the currency.

    ``share`` is set where the amount is for a part of a full period; ``tiers`` add up to the exact amount.
    """

    id: str
    price_interval_id: str
    price_id: str
    name: str
    service: Period
    quantity: Decimal
    exact_amount: Decimal
    amount: Decimal = _ZERO
    share: Share | None = None
    tiers: tuple[TierCharge, ...] = ()
    events_counted: int = 0
    events_skipped: int = 0


class ComputedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """Lines and sums, in major units with the currency's digits: ``total`` is what is asked for."""

    lines: tuple[Line, ...] = ()
    subtotal: Decimal = _ZERO
    total: Decimal = _ZERO


Step = Callable[[InvoiceInputs, ComputedInvoice], ComputedInvoice]


def terms_for(
    *,
    customer: CustomerRef,
    timeline: Timeline,
    period: Period,
    currency: str,
    prices: Mapping[str, Price],
    metric_sql: Mapping[str, str],
    item_names: Mapping[str, str],
) -> InvoiceTerms:
    """The terms of one invoice, without the prices, metrics and items that only other invoices need."""
    spans = spans_of(timeline, prices, period)
    intervals = tuple(dict.fromkeys(span.interval for span in spans))
    used = {interval.price_id: prices[interval.price_id] for interval in intervals}
    metric_ids = {price.metric_id for price in used.values() if price.metric_id is not None}
    return InvoiceTerms(
        customer=customer,
        timeline=msgspec.structs.replace(timeline, price_intervals=intervals),
        period=period,
        currency=currency,
        prices=used,
        metric_sql={metric_id: metric_sql[metric_id] for metric_id in metric_ids},
        item_names={price.item_id: item_names[price.item_id] for price in used.values()},
    )


def measurements(terms: InvoiceTerms) -> tuple[Measurement, ...]:
    """The questions whose answers ``compute_invoice`` needs: one for each line of a usage price."""
    asked = ((span, terms.prices[span.interval.price_id].metric_id) for span in _spans(terms))
    return tuple(
        Measurement(line_id(terms.timeline, span), terms.metric_sql[metric_id], span.service)
        for span, metric_id in asked
        if metric_id is not None
    )


def compute_invoice(inputs: InvoiceInputs) -> ComputedInvoice:
    """The invoice of these inputs. Raises ``InvalidQuantityError`` when a reading cannot be priced."""
    invoice = ComputedInvoice()
    with localcontext(EXACT):
        for step in INVOICE_STEPS:
            invoice = step(inputs, invoice)
        assert invoice.subtotal == sum(line.amount for line in invoice.lines), "lines add up to the subtotal"
    assert len({line.id for line in invoice.lines}) == len(invoice.lines), "a line is on an invoice once"
    return invoice


def rate_lines(inputs: InvoiceInputs, invoice: ComputedInvoice) -> ComputedInvoice:
    """An exact line for each span; one without usage is kept and costs nothing."""
    return msgspec.structs.replace(invoice, lines=tuple(_rated_lines(inputs)))


def round_lines(inputs: InvoiceInputs, invoice: ComputedInvoice) -> ComputedInvoice:
    """Each line rounded to the currency, once; the exact amount stays beside it."""
    currency = inputs.terms.currency
    rounded = (
        msgspec.structs.replace(line, amount=round_amount(line.exact_amount, currency)) for line in invoice.lines
    )
    return msgspec.structs.replace(invoice, lines=tuple(rounded))


def add_up(inputs: InvoiceInputs, invoice: ComputedInvoice) -> ComputedInvoice:
    """The sums of the rounded lines, so that whoever adds up the printed lines finds the printed total."""
    nothing = round_amount(_ZERO, inputs.terms.currency)
    subtotal = sum((line.amount for line in invoice.lines), start=nothing)
    return msgspec.structs.replace(invoice, subtotal=subtotal, total=subtotal)


# Rounding comes after all that changes a line's amount, and before whatever is computed from sums.
INVOICE_STEPS: tuple[Step, ...] = (rate_lines, round_lines, add_up)


def line_id(timeline: Timeline, span: Span) -> str:
    """The same id for the same price interval and full period, whoever computes the line and however often."""
    parts = (timeline.subscription_id, span.interval.id, span.whole.start.isoformat())
    return f"line_{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:LINE_ID_CHARACTERS]}"


def _spans(terms: InvoiceTerms) -> tuple[Span, ...]:
    return spans_of(terms.timeline, terms.prices, terms.period)


def _rated_lines(inputs: InvoiceInputs) -> Iterator[Line]:
    terms = inputs.terms
    for span in _spans(terms):
        price = terms.prices[span.interval.price_id]
        assert price.currency == terms.currency, "an invoice has one currency"
        identifier = line_id(terms.timeline, span)
        reading = inputs.readings[identifier] if price.is_usage else Reading(_fixed_quantity(span, price))
        share = share_of(span.service, span.whole) if is_prorated(price) else None
        rating = rate(price, reading.quantity, share=share)
        yield Line(
            id=identifier,
            price_interval_id=span.interval.id,
            price_id=price.id,
            name=price.name,
            service=span.service,
            quantity=reading.quantity,
            exact_amount=rating.exact_amount,
            share=share,
            tiers=rating.tiers,
            events_counted=reading.events_counted,
            events_skipped=reading.events_skipped,
        )


def _fixed_quantity(span: Span, price: Price) -> Decimal:
    quantity = price.fixed_price_quantity if span.interval.quantity is None else span.interval.quantity
    assert quantity is not None, "a fixed price has a quantity"
    return quantity
