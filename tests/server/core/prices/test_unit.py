"""Unit prices: the golden table, and what is no unit price."""

from decimal import Decimal

import pytest

from orbdo_sdk.wire import encode
from orbdo_server.core.errors import InvalidPriceError
from orbdo_server.core.prices import PriceConfig, UnitConfig, charge, parse_config, to_wire
from tests.golden.tables import Case, golden_cases, written

CASES = [pytest.param(price, case, id=name) for name, price, case in golden_cases("unit.toml")]


@pytest.mark.parametrize(("price", "case"), CASES)
def test_golden_table(price: PriceConfig, case: Case) -> None:
    """Every row of the golden table comes to its amount, without tiers."""
    charged = charge(price, case.quantity)
    assert charged.amount == case.amount
    assert written(charged) == case.rows


def test_switches_of_orb_may_be_off() -> None:
    """A client that spells out Orb's defaults is understood."""
    config = {"unit_amount": "0.10", "prorated": False, "scaling_factor": None}
    assert parse_config("unit", config) == UnitConfig(unit_amount=Decimal("0.10"))


@pytest.mark.parametrize("switch", [{"prorated": True}, {"scaling_factor": 2}, {"prorated": 0}])
def test_switches_of_orb_may_not_be_on(switch: dict[str, object]) -> None:
    """An option that would change the amount is refused, since it is not applied."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config("unit", {"unit_amount": "0.10", **switch})
    assert caught.value.field == "unit_config"
    assert caught.value.expected == "only unit_amount"


def test_answer_has_the_rate_as_a_string() -> None:
    """A rate is answered as a decimal string without an exponent, as it was written."""
    assert encode(to_wire(parse_config("unit", {"unit_amount": "1E-7"}))) == b'{"unit_amount":"0.0000001"}'
    assert encode(to_wire(parse_config("unit", {"unit_amount": "0.10"}))) == b'{"unit_amount":"0.10"}'
