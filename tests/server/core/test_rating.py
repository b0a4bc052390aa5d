"""From a price and a quantity to an exact amount."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.errors import InvalidQuantityError
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import BulkConfig, BulkTier, PackageConfig, PriceConfig, Tier, TieredConfig, UnitConfig
from orbdo_server.core.proration import Share
from orbdo_server.core.rating import Rating, is_prorated, rate
from tests.support.billing import fixed_price, usage_price

HALF = Share(start=Decimal(0), end=Decimal(1), whole=Decimal(2))
LAST_THIRD = Share(start=Decimal(2), end=Decimal(3), whole=Decimal(3))
SEATS = TieredConfig(
    tiers=(
        Tier(Decimal(0), Decimal(10), Decimal(10), Decimal(5)),
        Tier(Decimal(10), None, Decimal(7)),
    )
)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("6035188", "9.0351880"), ("5000000", "8.0000000"), ("1", "0.000002"), ("0", "0")],
)
def test_usage_is_rated_exactly(quantity: str, expected: str) -> None:
    """A quantity costs what its tiers say, without rounding."""
    assert rate(usage_price(), Decimal(quantity)).exact_amount == Decimal(expected)


def test_tiers_are_kept_with_the_amount() -> None:
    """The rows of a graduated price say how many units fell into each tier and what they cost."""
    rating = rate(usage_price(config=SEATS), Decimal(12))
    assert [(tier.quantity, tier.amount) for tier in rating.tiers] == [
        (Decimal(10), Decimal(105)),
        (Decimal(2), Decimal(14)),
    ]


def test_a_price_without_tiers_has_no_rows() -> None:
    """A unit price has an amount and nothing to break it down into."""
    assert rate(fixed_price(amount="2.50"), Decimal(3)) == Rating(exact_amount=Decimal("7.50"))


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        pytest.param("20", "87.5", id="tiers are chosen by the full quantity"),
        pytest.param("8", "42.5", id="the flat amount is prorated too"),
        pytest.param("0", "0", id="nothing costs nothing"),
    ],
)
def test_half_a_period_is_half_the_full_charge(quantity: str, expected: str) -> None:
    """Half a month of ten seats costs half of ten seats, not the price of five."""
    rating = rate(fixed_price(config=SEATS), Decimal(quantity), share=HALF)
    assert rating.exact_amount == Decimal(expected)


def test_prorated_tiers_add_up_to_the_prorated_amount() -> None:
    """Each tier carries its part of the share, and together they are the amount to the last digit."""
    rating = rate(fixed_price(config=SEATS), Decimal(11), share=LAST_THIRD)
    assert rating.exact_amount == Decimal("37.33333333333333333333")
    assert [tier.amount for tier in rating.tiers] == [Decimal(35), Decimal("2.33333333333333333333")]


def test_a_package_is_prorated_as_a_whole() -> None:
    """A price without tiers is prorated on its amount."""
    price = fixed_price(config=PackageConfig(package_amount=Decimal(9), package_size=Decimal(10)))
    assert rate(price, Decimal(11), share=LAST_THIRD) == Rating(exact_amount=Decimal(6))


def test_a_quantity_that_cannot_be_priced_is_refused() -> None:
    """A quantity that is not finite is an error of its own, not an amount."""
    with pytest.raises(InvalidQuantityError):
        rate(usage_price(), Decimal("NaN"))


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        pytest.param(fixed_price(), True, id="a fixed fee that recurs"),
        pytest.param(fixed_price(cadence="annual"), True, id="a yearly fee"),
        pytest.param(fixed_price(cadence="one_time"), False, id="a one-time fee"),
        pytest.param(usage_price(), False, id="usage"),
    ],
)
def test_only_fees_for_a_length_of_time_are_prorated(price: Price, expected: bool) -> None:
    """Usage is billed as it was used, and a one-time fee in full."""
    assert is_prorated(price) is expected


quantities = st.decimals(min_value=0, max_value=10_000_000, places=3)
graduated = st.builds(
    lambda widths, rates: TieredConfig(
        tiers=tuple(
            Tier(
                Decimal(sum(widths[:index])),
                Decimal(sum(widths[: index + 1])) if index < len(rates) - 1 else None,
                rate,
            )
            for index, rate in enumerate(rates)
        )
    ),
    st.lists(st.integers(1, 100_000), min_size=4, max_size=4),
    st.lists(st.decimals(min_value=0, max_value=100, places=6), min_size=1, max_size=4),
)


@given(graduated, quantities, quantities)
def test_graduated_tiers_are_monotone(config: TieredConfig, one: Decimal, other: Decimal) -> None:
    """More usage never costs less under a graduated price."""
    less, more = sorted((one, other))
    price = usage_price(config=config)
    assert rate(price, less).exact_amount <= rate(price, more).exact_amount


@given(graduated, quantities)
def test_tiers_hold_the_whole_quantity(config: TieredConfig, quantity: Decimal) -> None:
    """The rows of a line account for every unit and for every part of the amount."""
    rating = rate(usage_price(config=config), quantity)
    assert sum((tier.quantity for tier in rating.tiers), start=Decimal(0)) == quantity
    assert sum((tier.amount for tier in rating.tiers), start=Decimal(0)) == rating.exact_amount


@given(
    st.sampled_from(
        [
            SEATS,
            UnitConfig(unit_amount=Decimal("3.33")),
            BulkConfig(tiers=(BulkTier(Decimal(5), Decimal("1.1")), BulkTier(None, Decimal("0.9"), Decimal(7)))),
            PackageConfig(package_amount=Decimal("4.99"), package_size=Decimal(3)),
        ]
    ),
    quantities,
    st.lists(st.integers(1, 2_591_999), max_size=6, unique=True).map(sorted),
)
def test_shares_of_a_period_cost_what_the_period_costs(config: PriceConfig, quantity: Decimal, cuts: list[int]) -> None:
    """A fixed fee cut at any instants costs, all parts together, exactly what the uncut one does."""
    whole = Decimal(2_592_000)
    bounds = [Decimal(0), *(Decimal(cut) for cut in cuts), whole]
    price = fixed_price(config=config)
    parts = [
        rate(price, quantity, share=Share(start=start, end=end, whole=whole)).exact_amount
        for start, end in pairwise(bounds)
    ]
    assert sum(parts, start=Decimal(0)) == rate(price, quantity).exact_amount
