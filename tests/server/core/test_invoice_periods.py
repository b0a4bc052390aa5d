"""Which periods are invoiced, in which order, and which parts of a timeline each of them bills."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.invoice_periods import Span, Timeline, next_period, spans_of, timeline_of
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import Price
from orbdo_server.core.subscriptions import PriceInterval
from tests.support.billing import by_id, fixed_price, interval, month, subscription, timeline, usage_price, utc

MONTHLY = usage_price()
ANNUAL = fixed_price("price_year", cadence="annual")
QUARTERLY = fixed_price("price_quarter", cadence="quarterly")
SETUP = fixed_price("price_setup", cadence="one_time")
PRICES = by_id(MONTHLY, ANNUAL, QUARTERLY, SETUP)


def periods(line: Timeline, prices: dict[str, Price], most: int) -> list[Period]:
    """The first periods of a timeline, each invoiced before the next one is asked for."""
    found: list[Period] = []
    while len(found) < most and (period := next_period(line, prices, found)) is not None:
        found.append(period)
    return found


def billed(line: Timeline, prices: dict[str, Price], period: Period) -> list[tuple[str, datetime, datetime]]:
    """Which prices an invoice bills, from when to when."""
    spans = spans_of(line, prices, period)
    return [(span.interval.price_id, span.service.start, span.service.end) for span in spans]


def test_a_timeline_is_the_billed_part_of_a_subscription() -> None:
    """Names, metadata and plans of a subscription are no part of what an invoice depends on."""
    agreed = subscription()
    assert timeline_of(agreed) == Timeline(
        subscription_id="sub_ada",
        timezone="UTC",
        anchor=date(2023, 11, 1),
        start=utc(2023, 11, 1),
        end=None,
        price_intervals=agreed.price_intervals,
    )


def test_the_first_period_is_the_first_month() -> None:
    """A subscription from the first of a month is invoiced month by month."""
    assert periods(timeline(), PRICES, 3) == [month(2023, 11), month(2023, 12), month(2024, 1)]


def test_the_first_period_begins_with_the_subscription() -> None:
    """A subscription that starts in the middle of a month has a short first period and then whole months."""
    started = timeline(interval(start=utc(2023, 11, 10, 6)), start=utc(2023, 11, 10, 6))
    assert periods(started, PRICES, 2) == [Period(utc(2023, 11, 10, 6), utc(2023, 12, 1)), month(2023, 12)]


def test_a_period_keeps_the_anchor_day_and_zone() -> None:
    """A subscription anchored to the 31st in Berlin is invoiced at local midnight of each month's last day."""
    start = utc(2024, 1, 30, 23)
    anchored = timeline(interval(start=start), start=start, anchor=date(2024, 1, 31), timezone="Europe/Berlin")
    assert periods(anchored, PRICES, 3) == [
        Period(utc(2024, 1, 30, 23), utc(2024, 2, 28, 23)),
        Period(utc(2024, 2, 28, 23), utc(2024, 3, 30, 23)),
        Period(utc(2024, 3, 30, 23), utc(2024, 4, 29, 22)),
    ]


def test_the_last_period_ends_with_the_subscription() -> None:
    """A subscription that ends in the middle of a month has a short last period, and none after it."""
    ended = timeline(end=utc(2023, 12, 20))
    assert periods(ended, PRICES, 9) == [month(2023, 11), Period(utc(2023, 12, 1), utc(2023, 12, 20))]


def test_a_subscription_without_prices_is_never_invoiced() -> None:
    """Where nothing can be billed there is no period to invoice."""
    agreed = Timeline(
        subscription_id="sub_free",
        timezone="UTC",
        anchor=date(2023, 11, 1),
        start=utc(2023, 11, 1),
        end=None,
        price_intervals=(),
    )
    assert next_period(agreed, {}, []) is None


def test_the_earliest_period_that_is_not_invoiced_comes_first() -> None:
    """When the invoice of November is voided, November is next, though December is issued."""
    assert next_period(timeline(), PRICES, [month(2023, 12)]) == month(2023, 11)
    assert next_period(timeline(), PRICES, [month(2023, 12), month(2023, 11)]) == month(2024, 1)


def test_a_period_stops_where_invoiced_time_begins() -> None:
    """A year that was invoiced month by month from March on leaves January and February to the yearly price."""
    yearly = timeline(interval("price_year", utc(2024, 1, 1)), start=utc(2024, 1, 1), anchor=date(2024, 1, 1))
    invoiced = [Period(utc(2024, 3, 1), utc(2024, 6, 1))]
    assert next_period(yearly, PRICES, invoiced) == Period(utc(2024, 1, 1), utc(2024, 3, 1))


def test_a_yearly_price_alone_is_invoiced_by_the_year() -> None:
    """The invoice of a yearly price is for the year."""
    yearly = timeline(interval("price_year"))
    assert periods(yearly, PRICES, 2) == [
        Period(utc(2023, 11, 1), utc(2024, 11, 1)),
        Period(utc(2024, 11, 1), utc(2025, 11, 1)),
    ]


def test_a_longer_cadence_is_billed_where_it_ends() -> None:
    """Beside a monthly price, a quarter is on the invoice of its last month only."""
    mixed = timeline(interval(), interval("price_quarter"))
    assert billed(mixed, PRICES, month(2023, 12)) == [("price_tokens", utc(2023, 12, 1), utc(2024, 1, 1))]
    assert billed(mixed, PRICES, month(2024, 1)) == [
        ("price_tokens", utc(2024, 1, 1), utc(2024, 2, 1)),
        ("price_quarter", utc(2023, 11, 1), utc(2024, 2, 1)),
    ]


def test_both_prices_of_a_change_are_on_one_invoice() -> None:
    """A price that ends in the middle of a month shares the month's invoice with the one that follows it."""
    change = utc(2023, 11, 16)
    changed = timeline(interval(end=change), interval("price_other", change))
    prices = by_id(MONTHLY, usage_price("price_other"))
    assert periods(changed, prices, 1) == [month(2023, 11)]
    assert billed(changed, prices, month(2023, 11)) == [
        ("price_tokens", utc(2023, 11, 1), change),
        ("price_other", change, utc(2023, 12, 1)),
    ]


def test_a_year_that_is_left_early_is_billed_with_the_month_after_it() -> None:
    """From a yearly to a monthly price in June: one invoice up to the end of June holds both."""
    changed = timeline(
        interval("price_year", utc(2024, 1, 1), utc(2024, 6, 16)),
        interval("price_tokens", utc(2024, 6, 16)),
        start=utc(2024, 1, 1),
        anchor=date(2024, 1, 1),
    )
    first = Period(utc(2024, 1, 1), utc(2024, 7, 1))
    assert periods(changed, PRICES, 2) == [first, month(2024, 7)]
    assert billed(changed, PRICES, first) == [
        ("price_year", utc(2024, 1, 1), utc(2024, 6, 16)),
        ("price_tokens", utc(2024, 6, 16), utc(2024, 7, 1)),
    ]


def test_time_without_prices_is_not_invoiced() -> None:
    """Between two intervals with nothing to bill, no period is made up."""
    paused = timeline(interval(end=utc(2023, 12, 1)), interval("price_tokens", utc(2024, 2, 10), interval_id="plint_2"))
    assert periods(paused, PRICES, 3) == [
        month(2023, 11),
        Period(utc(2024, 2, 10), utc(2024, 3, 1)),
        month(2024, 3),
    ]


def test_a_one_time_price_is_on_the_first_invoice_only() -> None:
    """A setup fee is billed in the month in which it starts and never again."""
    with_setup = timeline(interval(), interval("price_setup"))
    assert billed(with_setup, PRICES, month(2023, 11)) == [
        ("price_tokens", utc(2023, 11, 1), utc(2023, 12, 1)),
        ("price_setup", utc(2023, 11, 1), utc(2023, 12, 1)),
    ]
    assert billed(with_setup, PRICES, month(2023, 12)) == [("price_tokens", utc(2023, 12, 1), utc(2024, 1, 1))]


def test_a_one_time_price_alone_is_invoiced_once() -> None:
    """A subscription that holds a setup fee and nothing else has one invoice."""
    setup = timeline(interval("price_setup", utc(2023, 11, 5)))
    assert periods(setup, PRICES, 9) == [Period(utc(2023, 11, 5), utc(2023, 12, 1))]


def test_a_one_time_price_that_is_added_later_is_on_the_next_invoice() -> None:
    """A fee that is added in January is on the invoice of January."""
    later = timeline(interval(), interval("price_setup", utc(2024, 1, 20)))
    assert billed(later, PRICES, month(2024, 1))[1:] == [("price_setup", utc(2024, 1, 20), utc(2024, 2, 1))]


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param(interval(end=utc(2023, 11, 1)), id="it ends when it starts"),
        pytest.param(interval(start=utc(2023, 12, 20)), id="the subscription ends before it starts"),
        pytest.param(interval(start=utc(2023, 10, 1), end=utc(2023, 10, 20)), id="it ends before the subscription"),
    ],
)
def test_an_interval_without_time_is_not_billed(empty: PriceInterval) -> None:
    """An interval that has no instant in common with its subscription is on no invoice."""
    agreed = timeline(empty, end=utc(2023, 12, 20))
    assert next_period(agreed, PRICES, []) is None
    assert spans_of(agreed, PRICES, month(2023, 11)) == ()


def test_a_span_keeps_the_full_period_it_is_part_of() -> None:
    """The denominator of proration is the whole month, however late the interval began."""
    started = interval(start=utc(2023, 11, 10))
    assert spans_of(timeline(started), PRICES, month(2023, 11)) == (
        Span(started, Period(utc(2023, 11, 10), utc(2023, 12, 1)), month(2023, 11)),
    )


days = st.integers(0, 500).map(lambda day: utc(2023, 11, 1) + timedelta(days=day))
drawn_intervals = st.lists(
    st.builds(interval, st.sampled_from(sorted(PRICES)), days, st.none() | days), min_size=1, max_size=5
)


@given(drawn_intervals, st.none() | days, st.integers(1, 31), st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin"]))
def test_every_span_is_on_exactly_one_invoice(
    drawn: list[PriceInterval], end: datetime | None, day: int, zone: str
) -> None:
    """Whatever the timeline: invoices follow each other in time, and no part of a price is billed twice or left out."""
    numbered = [msgspec.structs.replace(one, id=f"plint_{number}") for number, one in enumerate(drawn)]
    agreed = timeline(*numbered, end=end, anchor=date(2023, 10, day), timezone=zone)
    found = periods(agreed, PRICES, 30)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(spans_of(agreed, PRICES, period) for period in found)
    if found:
        spans = [span for period in found for span in spans_of(agreed, PRICES, period)]
        everything = spans_of(agreed, PRICES, Period(agreed.start, found[-1].end))
        assert sorted(map(repr, spans)) == sorted(map(repr, everything))
