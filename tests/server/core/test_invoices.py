"""Computing an invoice: its lines, their rounding and their sum."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.errors import InvalidQuantityError
from orbdo_server.core.invoice_periods import Timeline
from orbdo_server.core.invoices import (
    INVOICE_STEPS,
    ComputedInvoice,
    InvoiceInputs,
    InvoiceTerms,
    Line,
    Measurement,
    Reading,
    compute_invoice,
    measurements,
    terms_for,
)
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import UnitConfig
from orbdo_server.core.proration import Share
from tests.support.billing import (
    CUSTOMER,
    ITEM,
    METRIC,
    by_id,
    fixed_price,
    interval,
    month,
    timeline,
    usage_price,
    utc,
)

NOVEMBER = month(2023, 11)


def terms(line: Timeline, *prices: Price, period: Period = NOVEMBER, currency: str = "USD") -> InvoiceTerms:
    """The terms of Ada's invoice at these prices."""
    return terms_for(
        customer=CUSTOMER.ref,
        timeline=line,
        period=period,
        currency=currency,
        prices=by_id(*prices),
        metric_sql={METRIC.id: METRIC.sql, "met_other": "SELECT count(*) FROM events"},
        item_names={ITEM.id: ITEM.name, "item_other": "Other"},
    )


def invoice_of(agreed: InvoiceTerms, *quantities: str) -> ComputedInvoice:
    """The invoice when the measurements have these answers, in order."""
    asked = measurements(agreed)
    readings = {one.line_id: Reading(Decimal(quantity)) for one, quantity in zip(asked, quantities, strict=True)}
    return compute_invoice(InvoiceInputs(agreed, readings))


def test_usage_is_measured_over_the_service_period() -> None:
    """The question for a line is its metric over the part of the month in which the price was in force."""
    agreed = terms(timeline(interval(start=utc(2023, 11, 10))), usage_price())
    (asked,) = measurements(agreed)
    assert (asked.sql, asked.period) == (METRIC.sql, Period(utc(2023, 11, 10), utc(2023, 12, 1)))
    assert isinstance(asked, Measurement)


def test_a_fixed_fee_asks_no_question() -> None:
    """Nothing is measured for a price with a fixed quantity."""
    assert measurements(terms(timeline(interval("price_seats")), fixed_price())) == ()


def test_terms_hold_only_what_the_invoice_needs() -> None:
    """Prices, metrics, items and intervals of other periods are left out, so that they cannot change this one."""
    later = interval("price_later", utc(2024, 3, 1))
    other = msgspec.structs.replace(usage_price("price_later"), metric_id="met_other", item_id="item_other")
    agreed = terms(timeline(interval(), later), usage_price(), other)
    assert set(agreed.prices) == {"price_tokens"}
    assert agreed.metric_sql == {METRIC.id: METRIC.sql}
    assert agreed.item_names == {ITEM.id: "Tokens"}
    assert agreed.timeline.price_intervals == (interval(),)


def test_the_trace_costs_what_it_must() -> None:
    """6,070,187 tokens cost 9.0701870 USD exactly, which is 9.07 on the invoice."""
    invoice = invoice_of(terms(timeline(), usage_price()), "6070187")
    (line,) = invoice.lines
    assert (line.quantity, line.exact_amount, line.amount) == (
        Decimal(6_070_187),
        Decimal("9.0701870"),
        Decimal("9.07"),
    )
    assert [tier.amount for tier in line.tiers] == [Decimal(2), Decimal(6), Decimal("1.070187")]
    assert (str(invoice.subtotal), str(invoice.total)) == ("9.07", "9.07")


def test_a_line_without_usage_is_kept() -> None:
    """Zero usage costs zero, and the line says so."""
    invoice = invoice_of(terms(timeline(), usage_price()), "0")
    assert [(line.name, line.quantity, line.amount) for line in invoice.lines] == [("Tokens", Decimal(0), Decimal(0))]
    assert str(invoice.total) == "0.00"


def test_an_invoice_without_lines_is_zero() -> None:
    """Where no span ends in the period there is nothing to pay."""
    agreed = terms(timeline(interval(start=utc(2024, 3, 1))), usage_price())
    assert invoice_of(agreed) == ComputedInvoice(subtotal=Decimal("0.00"), total=Decimal("0.00"))


def test_a_fixed_fee_for_part_of_a_month_is_prorated() -> None:
    """Ten seats from 16 November on cost 15 of 30 days, and the line keeps the share and the full quantity."""
    agreed = terms(timeline(interval("price_seats", utc(2023, 11, 16))), fixed_price(amount="29.95", quantity="10"))
    (line,) = invoice_of(agreed).lines
    assert line == Line(
        id=line.id,
        price_interval_id="plint_price_seats",
        price_id="price_seats",
        name="Seats",
        service=Period(utc(2023, 11, 16), utc(2023, 12, 1)),
        quantity=Decimal(10),
        exact_amount=Decimal("149.75"),
        amount=Decimal("149.75"),
        share=Share(start=Decimal(1_296_000), end=Decimal(2_592_000), whole=Decimal(2_592_000)),
    )


def test_the_interval_says_the_quantity() -> None:
    """A quantity that was agreed for the subscription comes before the price's own."""
    agreed = terms(timeline(interval("price_seats", quantity="3")), fixed_price(amount="10.00", quantity="1"))
    assert str(invoice_of(agreed).total) == "30.00"


def test_a_quantity_of_zero_seats_is_meant() -> None:
    """Zero agreed seats are none, not the price's own quantity."""
    agreed = terms(timeline(interval("price_seats", quantity="0")), fixed_price(amount="10.00", quantity="1"))
    assert str(invoice_of(agreed).total) == "0.00"


def test_a_one_time_fee_is_billed_in_full() -> None:
    """A setup fee in a short first month costs what it costs."""
    setup = fixed_price("price_setup", amount="99.00", cadence="one_time")
    agreed = terms(timeline(interval("price_setup", utc(2023, 11, 29))), setup)
    (line,) = invoice_of(agreed).lines
    assert (line.share, line.amount) == (None, Decimal("99.00"))


def test_usage_is_not_prorated() -> None:
    """Usage of half a month costs what was used; tiers start from zero for each interval."""
    change = utc(2023, 11, 16)
    agreed = terms(
        timeline(interval(end=change), interval("price_other", change)), usage_price(), usage_price("price_other")
    )
    invoice = invoice_of(agreed, "1000000", "1000000")
    assert [line.exact_amount for line in invoice.lines] == [Decimal(2), Decimal(2)]


def test_each_line_is_rounded_once() -> None:
    """Two lines of half a cent are a cent each, and the total is the sum of what is printed."""
    half_cent = UnitConfig(unit_amount=Decimal("0.005"))
    agreed = terms(
        timeline(interval("price_a"), interval("price_b")),
        fixed_price("price_a", config=half_cent),
        fixed_price("price_b", config=half_cent),
    )
    invoice = invoice_of(agreed)
    assert [(line.exact_amount, line.amount) for line in invoice.lines] == [
        (Decimal("0.005"), Decimal("0.01")),
        (Decimal("0.005"), Decimal("0.01")),
    ]
    assert (invoice.subtotal, invoice.total) == (Decimal("0.02"), Decimal("0.02"))


@pytest.mark.parametrize(("currency", "total"), [("JPY", "323"), ("USD", "322.58"), ("KWD", "322.581")])
def test_amounts_have_the_digits_of_the_currency(currency: str, total: str) -> None:
    """Ten of 31 days of 1,000 are rounded to whole yen, cents or fils."""
    price = fixed_price(amount="1000", currency=currency)
    end = utc(2024, 1, 11)
    agreed = terms(
        timeline(interval("price_seats", utc(2024, 1, 1)), end=end),
        price,
        period=Period(utc(2024, 1, 1), end),
        currency=currency,
    )
    assert str(invoice_of(agreed).total) == total


def test_lines_are_in_the_order_of_the_timeline() -> None:
    """The order of lines is the order in which prices were agreed, not that of ids or names."""
    agreed = terms(timeline(interval("price_z"), interval("price_a")), fixed_price("price_z"), fixed_price("price_a"))
    assert [line.price_id for line in invoice_of(agreed).lines] == ["price_z", "price_a"]


def test_the_counts_of_a_reading_are_kept_on_the_line() -> None:
    """From how many events a quantity comes, and how many could not be counted, stays with the line."""
    agreed = terms(timeline(), usage_price())
    (asked,) = measurements(agreed)
    reading = Reading(Decimal(7), events_counted=3, events_skipped=1)
    (line,) = compute_invoice(InvoiceInputs(agreed, {asked.line_id: reading})).lines
    assert (line.events_counted, line.events_skipped) == (3, 1)


def test_a_line_keeps_its_id_when_its_span_changes() -> None:
    """When the price ends earlier than it was to, the line of the month is the same line."""
    whole = invoice_of(terms(timeline(), usage_price()), "1")
    shortened = invoice_of(terms(timeline(end=utc(2023, 11, 20)), usage_price()), "1")
    assert [line.id for line in whole.lines] == [line.id for line in shortened.lines]
    assert whole.lines[0].id == "line_2d06c203ac68086b9602137652"


def test_a_price_of_another_currency_is_a_mistake() -> None:
    """The shell never mixes currencies on one invoice."""
    agreed = terms(timeline(), usage_price(currency="EUR"))
    with pytest.raises(AssertionError, match="one currency"):
        invoice_of(agreed, "1")


def test_a_fixed_price_without_a_quantity_is_a_mistake() -> None:
    """The shell never stores a fixed price without its quantity."""
    price = msgspec.structs.replace(fixed_price(), fixed_price_quantity=None)
    with pytest.raises(AssertionError, match="has a quantity"):
        invoice_of(terms(timeline(interval("price_seats")), price))


def test_a_quantity_that_cannot_be_priced_issues_nothing() -> None:
    """A reading beyond the digits that are priced exactly is an error, never an approximate amount."""
    with pytest.raises(InvalidQuantityError):
        invoice_of(terms(timeline(), usage_price()), "1E+40")


def test_the_steps_are_named_and_ordered() -> None:
    """Rating, rounding and adding up happen in this order."""
    assert [step.__name__ for step in INVOICE_STEPS] == ["rate_lines", "round_lines", "add_up"]


@given(st.lists(st.decimals(min_value=0, max_value=1_000_000, places=4), min_size=2, max_size=2))
def test_computing_again_gives_the_same(quantities: list[Decimal]) -> None:
    """An invoice is a function of its inputs: equal inputs, equal invoice."""
    agreed = terms(
        timeline(interval(), interval("price_other"), interval("price_seats")),
        usage_price(),
        usage_price("price_other"),
        fixed_price(),
    )
    given_as_text = [str(quantity) for quantity in quantities]
    assert invoice_of(agreed, *given_as_text) == invoice_of(agreed, *given_as_text)
