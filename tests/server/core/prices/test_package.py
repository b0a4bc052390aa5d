"""Package prices: the golden table, and what is no package."""

from decimal import Decimal

import msgspec
import pytest

from orbdo_sdk.wire import encode
from orbdo_server.core.errors import InvalidPriceError
from orbdo_server.core.prices import PackageConfig, PriceConfig, charge, parse_config, to_wire
from tests.golden.tables import Case, golden_cases, written

CASES = [pytest.param(price, case, id=name) for name, price, case in golden_cases("package.toml")]


@pytest.mark.parametrize(("price", "case"), CASES)
def test_golden_table(price: PriceConfig, case: Case) -> None:
    """Every row of the golden table comes to its amount, without tiers."""
    charged = charge(price, case.quantity)
    assert charged.amount == case.amount
    assert written(charged) == case.rows


@pytest.mark.parametrize("size", [0, "0.5", "10.5", -1, "many", None])
def test_package_holds_a_whole_number_of_units(size: object) -> None:
    """A package of nothing, of half a unit or of no number is refused by field."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config("package", {"package_amount": "1", "package_size": size})
    assert caught.value.field == "package_config.package_size"


@pytest.mark.parametrize("size", [1, "1", "1.0", Decimal("1E+0")])
def test_smallest_package(size: object) -> None:
    """A package of one unit may be written as an int, a string or a decimal."""
    assert parse_config("package", {"package_amount": "1", "package_size": size}) == PackageConfig(
        package_amount=Decimal(1), package_size=Decimal(1)
    )


@pytest.mark.parametrize("size", ["0", "-1", "1.5"])
def test_damaged_package_is_noticed(size: str) -> None:
    """A stored package that could not have been accepted fails where it is read, not in an invoice."""
    stored = f'{{"model_type":"package","package_amount":"1","package_size":"{size}"}}'
    with pytest.raises(AssertionError):
        msgspec.json.decode(stored, type=PackageConfig)


def test_answer_has_the_size_as_a_number() -> None:
    """The size is answered as a JSON number and the amount as a decimal string, as Orb has them."""
    price = parse_config("package", {"package_amount": "2.50", "package_size": "1E+3"})
    assert encode(to_wire(price)) == b'{"package_amount":"2.50","package_size":1000}'
