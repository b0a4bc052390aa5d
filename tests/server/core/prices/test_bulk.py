"""Bulk prices: the golden table, and what is refused."""

from decimal import Decimal

import msgspec
import pytest

from orbdo_sdk.wire import encode
from orbdo_server.core.errors import InvalidPriceError
from orbdo_server.core.prices import BulkConfig, BulkTier, PriceConfig, charge, parse_config, to_wire
from tests.golden.tables import Case, golden_cases, written

CASES = [pytest.param(price, case, id=name) for name, price, case in golden_cases("bulk.toml")]


def tiers(*maxima: object) -> dict[str, object]:
    """A configuration whose tiers have these maxima and cost 1 a unit."""
    return {"tiers": [{"maximum_units": maximum, "unit_amount": "1"} for maximum in maxima]}


@pytest.mark.parametrize(("price", "case"), CASES)
def test_golden_table(price: PriceConfig, case: Case) -> None:
    """Every row of the golden table comes to its amount, by its row."""
    charged = charge(price, case.quantity)
    assert charged.amount == case.amount
    assert written(charged) == case.rows


def test_maximum_of_the_last_tier_may_be_absent_or_null() -> None:
    """A last tier without end is written by null or by leaving the maximum out."""
    absent = {"tiers": [{"maximum_units": "10", "unit_amount": "1"}, {"unit_amount": "1"}]}
    expected = BulkConfig(tiers=(BulkTier(Decimal(10), Decimal(1)), BulkTier(None, Decimal(1))))
    assert parse_config("bulk", tiers(10, None)) == expected
    assert parse_config("bulk", absent) == expected


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (tiers(None, 10), "bulk_config.tiers[0].maximum_units"),
        (tiers(10, None, None), "bulk_config.tiers[1].maximum_units"),
        (tiers(10, 10), "bulk_config.tiers[1].maximum_units"),
        (tiers(10, 9), "bulk_config.tiers[1].maximum_units"),
        (tiers(0, None), "bulk_config.tiers[0].maximum_units"),
        (tiers("ten"), "bulk_config.tiers[0].maximum_units"),
        ({"tiers": [{"maximum_units": 10}]}, "bulk_config.tiers[0].unit_amount"),
        ({"tiers": [{"unit_amount": 1, "first_unit": 0}]}, "bulk_config.tiers[0]"),
        ({**tiers(None), "prorated": False}, "bulk_config"),
    ],
)
def test_tiers_that_do_not_rise_are_refused(config: dict[str, object], field: str) -> None:
    """Maxima that do not rise, a tier after the one without end, and wrong fields are refused by field."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config("bulk", config)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "stored",
    [
        "[]",
        '[{"maximum_units":null,"unit_amount":"1"},{"maximum_units":null,"unit_amount":"1"}]',
        '[{"maximum_units":"10","unit_amount":"1"},{"maximum_units":"10","unit_amount":"1"}]',
    ],
)
def test_damaged_tiers_are_noticed(stored: str) -> None:
    """Stored tiers that could not have been accepted fail where they are read, not in an invoice."""
    with pytest.raises(AssertionError):
        msgspec.json.decode(f'{{"model_type":"bulk","tiers":{stored}}}', type=BulkConfig)


def test_answer_has_maxima_as_numbers() -> None:
    """Maxima are answered as JSON numbers, amounts as decimal strings, a flat amount only where there is one."""
    price = parse_config(
        "bulk",
        {
            "tiers": [
                {"maximum_units": "100.50", "unit_amount": "0.10", "flat_amount": "3"},
                {"unit_amount": Decimal("1E-7")},
            ]
        },
    )
    assert encode(to_wire(price)) == (
        b'{"tiers":[{"maximum_units":100.5,"unit_amount":"0.10","flat_amount":"3"},'
        b'{"maximum_units":null,"unit_amount":"0.0000001"}]}'
    )
