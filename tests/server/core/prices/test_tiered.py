"""Tiered prices: the golden table, the ways to write tiers, and what is refused."""

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_sdk.wire import encode
from orbdo_server.core.errors import InvalidPriceError
from orbdo_server.core.prices import PriceConfig, Tier, TieredConfig, charge, parse_config, to_wire
from tests.golden.tables import Case, golden_cases, written

CASES = [pytest.param(price, case, id=name) for name, price, case in golden_cases("tiered.toml")]


def tiers(*bounds: tuple[object, object]) -> dict[str, object]:
    """A configuration whose tiers have these bounds and cost 1 a unit."""
    return {"tiers": [{"first_unit": first, "last_unit": last, "unit_amount": "1"} for first, last in bounds]}


@pytest.mark.parametrize(("price", "case"), CASES)
def test_golden_table(price: PriceConfig, case: Case) -> None:
    """Every row of the golden table comes to its amount, by its rows."""
    charged = charge(price, case.quantity)
    assert charged.amount == case.amount
    assert written(charged) == case.rows


@pytest.mark.parametrize(
    "config",
    [
        tiers((0, 10), (10, 20), (20, None)),
        tiers((1, 10), (11, 20), (21, None)),
        tiers((0, 10), (11, 20), (21, None)),
        tiers(("0", "10"), ("1E+1", Decimal("20.0")), (Decimal(20), None)),
    ],
)
def test_tiers_may_be_written_by_bounds_or_by_units(config: dict[str, object]) -> None:
    """Bounds (0 to 10, 10 to 20) and units (1 to 10, 11 to 20) are two ways to write the same tiers."""
    one = Decimal(1)
    assert parse_config("tiered", config) == TieredConfig(
        tiers=(
            Tier(Decimal(0), Decimal(10), one),
            Tier(Decimal(10), Decimal(20), one),
            Tier(Decimal(20), None, one),
        )
    )


@pytest.mark.parametrize("config", [tiers((1, 1), (2, 2), (3, None)), tiers((0, 1), (1, 2), (2, None))])
def test_a_tier_may_hold_one_unit(config: dict[str, object]) -> None:
    """Tiers of a single unit exist in both ways of writing."""
    price = parse_config("tiered", config)
    assert isinstance(price, TieredConfig)
    assert [tier.last_unit for tier in price.tiers] == [1, 2, None]


@pytest.mark.parametrize(
    ("config", "field", "expected"),
    [
        (tiers((5, None)), "tiered_config.tiers[0].first_unit", "0"),
        (tiers((0, 10), (12, None)), "tiered_config.tiers[1].first_unit", "10"),
        (tiers((0, 10), (9, None)), "tiered_config.tiers[1].first_unit", "10"),
        (tiers((0, 10), (10, 20), (21, None)), "tiered_config.tiers[2].first_unit", "20"),
        (tiers((1, 10), (10, None)), "tiered_config.tiers[1].first_unit", "11"),
        (tiers((0, 10), (11, 20), (20, None)), "tiered_config.tiers[2].first_unit", "21"),
        (tiers((0, "0.5"), ("1.5", None)), "tiered_config.tiers[1].first_unit", "0.5"),
        (tiers((None, None)), "tiered_config.tiers[0].first_unit", None),
        (tiers((0, 0), (0, None)), "tiered_config.tiers[0].last_unit", None),
        (tiers((0, 10), (10, 10), (10, None)), "tiered_config.tiers[1].last_unit", None),
        (tiers((0, 10), (10, 5)), "tiered_config.tiers[1].last_unit", None),
        (tiers((0, None), (10, None)), "tiered_config.tiers[0].last_unit", None),
        (tiers((0, 10), (10, None), (20, 30)), "tiered_config.tiers[1].last_unit", None),
    ],
)
def test_gaps_and_overlaps_are_refused(config: dict[str, object], field: str, expected: str | None) -> None:
    """Tiers that do not cover everything above zero exactly once are refused at the first bound that is wrong."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config("tiered", config)
    assert caught.value.field == field
    if expected is not None:
        assert caught.value.expected == expected


@pytest.mark.parametrize(
    ("tier", "field"),
    [
        ({"first_unit": 0}, "tiered_config.tiers[0].unit_amount"),
        ({"first_unit": 0, "unit_amount": "-1"}, "tiered_config.tiers[0].unit_amount"),
        ({"first_unit": 0, "unit_amount": 1, "flat_amount": "x"}, "tiered_config.tiers[0].flat_amount"),
        ({"first_unit": 0, "unit_amount": 1, "up_to": 10}, "tiered_config.tiers[0]"),
        ("0 to 10", "tiered_config.tiers[0]"),
    ],
)
def test_a_tier_that_cannot_be_priced_is_refused(tier: object, field: str) -> None:
    """A tier without a rate, with a wrong amount or with a field nobody knows is refused by field."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config("tiered", {"tiers": [tier]})
    assert caught.value.field == field


def test_proration_switch_may_be_off_only() -> None:
    """Orb's ``prorated`` is understood when it is off and refused when it is on."""
    off = {**tiers((0, None)), "prorated": None}
    assert parse_config("tiered", off) == parse_config("tiered", tiers((0, None)))
    with pytest.raises(InvalidPriceError):
        parse_config("tiered", {**tiers((0, None)), "prorated": True})


@pytest.mark.parametrize(
    "stored",
    [
        "[]",
        '[{"first_unit":"1","last_unit":null,"unit_amount":"1"}]',
        '[{"first_unit":"0","last_unit":"10","unit_amount":"1"},{"first_unit":"11","last_unit":null,"unit_amount":"1"}]',
        '[{"first_unit":"0","last_unit":"0","unit_amount":"1"}]',
        '[{"first_unit":"0","last_unit":null,"unit_amount":"1"},{"first_unit":"0","last_unit":null,"unit_amount":"1"}]',
    ],
)
def test_damaged_tiers_are_noticed(stored: str) -> None:
    """Stored tiers that could not have been accepted fail where they are read, not in an invoice."""
    with pytest.raises(AssertionError):
        msgspec.json.decode(f'{{"model_type":"tiered","tiers":{stored}}}', type=TieredConfig)


def test_answer_has_bounds_as_numbers() -> None:
    """Bounds are answered as JSON numbers, amounts as decimal strings, a flat amount only where there is one."""
    price = parse_config(
        "tiered",
        {
            "tiers": [
                {"first_unit": 1, "last_unit": "1E+3", "unit_amount": "0.0000015", "flat_amount": "0"},
                {"first_unit": 1001, "unit_amount": "1E-7", "flat_amount": "2.50"},
            ]
        },
    )
    assert encode(to_wire(price)) == (
        b'{"tiers":[{"first_unit":0,"last_unit":1000,"unit_amount":"0.0000015"},'
        b'{"first_unit":1000,"last_unit":null,"unit_amount":"0.0000001","flat_amount":"2.50"}]}'
    )


@given(
    bounds=st.lists(st.decimals(min_value="0.001", max_value=10**9, places=3), min_size=0, max_size=8, unique=True),
    rate=st.decimals(min_value=0, max_value=1000, places=6),
    quantity=st.decimals(min_value=0, max_value=10**10, places=6),
)
def test_tiers_of_one_rate_are_a_unit_price(bounds: list[Decimal], rate: Decimal, quantity: Decimal) -> None:
    """However the quantities are cut into tiers, the same rate in all of them costs the same as without tiers."""
    cuts: list[Decimal | None] = [Decimal(0), *sorted(bounds), None]
    price = parse_config(
        "tiered",
        {"tiers": [{"first_unit": first, "last_unit": last, "unit_amount": rate} for first, last in pairwise(cuts)]},
    )
    unit = parse_config("unit", {"unit_amount": rate})
    assert charge(price, quantity).amount == charge(unit, quantity).amount


@given(
    split=st.decimals(min_value=0, max_value=40, places=3), quantity=st.decimals(min_value=0, max_value=40, places=3)
)
def test_progressive_billing_comes_to_the_same(split: Decimal, quantity: Decimal) -> None:
    """What was billed for part of the quantity and the difference for the rest are the price of all of it."""
    price = parse_config("tiered", {"tiers": [_tier(0, 10, 3), _tier(10, 20, 2), _tier(20, None, 1)]})
    part = min(split, quantity)
    rest = charge(price, quantity).amount - charge(price, part).amount
    by_hand = sum((_overlap(part, quantity, first, last) * rate for first, last, rate in _BY_HAND), start=Decimal(0))
    assert rest == by_hand


_BY_HAND = [(0, 10, 3), (10, 20, 2), (20, 1000, 1)]


def _tier(first: int, last: int | None, rate: int) -> dict[str, object]:
    return {"first_unit": first, "last_unit": last, "unit_amount": rate}


def _overlap(start: Decimal, end: Decimal, first: int, last: int) -> Decimal:
    return max(min(end, Decimal(last)) - max(start, Decimal(first)), Decimal(0))
