"""Shares of a period and the amounts that go with them: exact, and never more or less than the whole."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.money import EXACT
from orbdo_server.core.periods import Period
from orbdo_server.core.proration import PRORATION_PLACES, Share, prorate, share_of
from tests.support.billing import month, utc

MARCH = Period(utc(2024, 3, 1), utc(2024, 4, 1))


def test_a_share_counts_seconds_of_the_full_period() -> None:
    """A part from 5 March on is 27 of 31 days, in seconds, whatever remains of the month."""
    share = share_of(Period(utc(2024, 3, 5), utc(2024, 4, 1)), MARCH)
    assert (share.numerator, share.denominator) == (Decimal(2_332_800), Decimal(2_678_400))
    assert not share.is_whole


def test_a_part_in_the_middle_knows_where_it_lies() -> None:
    """A part between two changes keeps its distance from the start of the full period."""
    share = share_of(Period(utc(2024, 3, 2), utc(2024, 3, 4)), MARCH)
    assert share == Share(start=Decimal(86_400), end=Decimal(259_200), whole=Decimal(2_678_400))


def test_the_full_period_is_the_whole() -> None:
    """A part that is the full period costs the amount itself."""
    share = share_of(MARCH, MARCH)
    assert share.is_whole
    assert prorate(Decimal("0.000000000000000000000000000001"), share) == Decimal("1E-30")


@pytest.mark.parametrize(
    ("amount", "part", "whole", "expected"),
    [
        pytest.param("29.95", (15, 29), month(2017, 2), "14.97500000000000000000", id="half a month is exact"),
        pytest.param("100", (1, 16), month(2026, 1), "48.38709677419354838710", id="15 of 31 days"),
        pytest.param("10", (12, 32), month(2024, 3), "6.45161290322580645161", id="20 of 31 days"),
        pytest.param("-10", (12, 32), month(2024, 3), "-6.45161290322580645161", id="a credit is its mirror"),
        pytest.param("0", (12, 32), month(2024, 3), "0E-20", id="nothing has no part"),
    ],
)
def test_an_amount_is_prorated_to_twenty_places(
    amount: str, part: tuple[int, int], whole: Period, expected: str
) -> None:
    """The part of an amount is written with twenty decimals, and exact where they are enough."""
    start, end = (whole.start + timedelta(days=day - 1) for day in part)
    assert str(prorate(Decimal(amount), share_of(Period(start, end), whole))) == expected


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(Decimal(-1), Decimal(5), id="before the period"),
        pytest.param(Decimal(5), Decimal(11), id="after the period"),
        pytest.param(Decimal(5), Decimal(5), id="empty"),
    ],
)
def test_a_share_lies_inside_its_period(start: Decimal, end: Decimal) -> None:
    """A part that is empty or reaches out of the full period is a programmer's mistake."""
    with pytest.raises(AssertionError):
        Share(start=start, end=end, whole=Decimal(10))


amounts = st.decimals(min_value=-10_000_000, max_value=10_000_000, places=6)
cuts = st.lists(st.integers(min_value=1, max_value=2_678_399_999_999), max_size=8, unique=True).map(sorted)


@given(amounts, cuts)
def test_a_split_of_a_full_period_adds_up_to_the_whole(amount: Decimal, cuts: list[int]) -> None:
    """However a month is cut, down to the microsecond, the parts of an amount add up to it exactly."""
    instants = [MARCH.start, *(MARCH.start + timedelta(microseconds=cut) for cut in cuts), MARCH.end]
    parts = [Period(start, end) for start, end in pairwise(instants)]
    total = Decimal(0)
    for part in parts:
        total = EXACT.add(total, prorate(amount, share_of(part, MARCH)))
    assert total == amount


@given(amounts, st.integers(0, 30), st.integers(1, 31))
def test_a_part_that_can_be_written_is_exact(amount: Decimal, first_day: int, days: int) -> None:
    """For 31 times an amount, the part of any days of a 31-day month is exactly that many amounts."""
    last_day = min(first_day + days, 31)
    share = Share(start=Decimal(first_day), end=Decimal(last_day), whole=Decimal(31))
    assert prorate(EXACT.multiply(amount, Decimal(31)), share) == EXACT.multiply(amount, Decimal(last_day - first_day))


def test_the_scale_of_the_division_is_stated() -> None:
    """Twenty places: as many as a rate may have."""
    assert PRORATION_PLACES == 20
