"""Package price: units are sold by the package, and a package that was opened is paid in full.

Knows no free packages: an allowance is an adjustment with a line of its own.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from orbdo_sdk.wire import Number
from orbdo_server.core.errors import InvalidPriceError
from orbdo_server.core.prices.charges import Charge, for_any_quantity
from orbdo_server.core.prices.reading import read_number, refuse_unknown

PATH = "package_config"
_KNOWN = frozenset({"package_amount", "package_size"})


class PackageConfig(msgspec.Struct, frozen=True, tag_field="model_type", tag="package"):
    """``package_amount`` in major units for each package of ``package_size`` units, a whole number above zero."""

    package_amount: Decimal
    package_size: Decimal

    def __post_init__(self) -> None:
        """Hold what ``parse`` promised, for a configuration read back from storage as well."""
        assert self.package_size >= 1, "a package holds at least one unit"
        assert self.package_size == self.package_size.to_integral_value(), "a package holds whole units"


@for_any_quantity
def charge(config: PackageConfig, quantity: Decimal) -> Charge:
    """The packages needed to hold the quantity, each paid in full: 21 units in packages of 10 are three packages."""
    packages, rest = divmod(quantity, config.package_size)
    if rest:
        packages += 1
    return Charge(amount=packages * config.package_amount)


def parse(config: Mapping[str, object]) -> PackageConfig:
    """The price from Orb's ``package_config``; ``InvalidPriceError`` names the field."""
    refuse_unknown(config, _KNOWN, path=PATH)
    amount = read_number(config, "package_amount", path=PATH)
    size = read_number(config, "package_size", path=PATH)
    if size < 1 or size % 1:
        raise InvalidPriceError(
            "is not a whole number of units", field=f"{PATH}.package_size", expected="a whole number of at least 1"
        )
    return PackageConfig(package_amount=amount, package_size=size)


def to_wire(config: PackageConfig) -> dict[str, object]:
    """Orb's ``package_config``: the amount as a decimal string, the size as a number."""
    return {"package_amount": format(config.package_amount, "f"), "package_size": Number.of(config.package_size)}
