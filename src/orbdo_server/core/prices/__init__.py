"""Prices: from a quantity to an exact amount, one module a model.

A price knows no currency, customer or period, and rounds nothing. Four models are known; ``model_type`` tells them
apart, on the wire and in storage alike.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import assert_never

from orbdo_server.core.errors import InvalidPriceError, shown
from orbdo_server.core.money import EXACT
from orbdo_server.core.prices import bulk, package, tiered, unit
from orbdo_server.core.prices.bulk import BulkConfig, BulkTier
from orbdo_server.core.prices.charges import Charge, TierCharge
from orbdo_server.core.prices.package import PackageConfig
from orbdo_server.core.prices.tiered import Tier, TieredConfig
from orbdo_server.core.prices.unit import UnitConfig

PriceConfig = UnitConfig | TieredConfig | BulkConfig | PackageConfig

_PARSERS: Mapping[str, Callable[[Mapping[str, object]], PriceConfig]] = MappingProxyType(
    {"unit": unit.parse, "tiered": tiered.parse, "bulk": bulk.parse, "package": package.parse}
)
MODEL_TYPES = tuple(_PARSERS)

__all__ = [
    "MODEL_TYPES",
    "BulkConfig",
    "BulkTier",
    "Charge",
    "PackageConfig",
    "PriceConfig",
    "Tier",
    "TierCharge",
    "TieredConfig",
    "UnitConfig",
    "charge",
    "parse_config",
    "to_wire",
]


def charge(config: PriceConfig, quantity: Decimal) -> Charge:
    """What ``quantity`` costs at this price: exact, in major units, with the tiers it is made of.

    Zero costs zero, flat amounts included, and a negative quantity costs the negative of its absolute value. TypeError
    for anything but a Decimal, ``InvalidQuantityError`` for one that is not finite or has more than 38 digits on either
    side of the point.
    """
    match config:
        case UnitConfig():
            return unit.charge(config, quantity)
        case TieredConfig():
            return tiered.charge(config, quantity)
        case BulkConfig():
            return bulk.charge(config, quantity)
        case PackageConfig():
            return package.charge(config, quantity)
        case _:
            assert_never(config)


def parse_config(model_type: str, config: Mapping[str, object]) -> PriceConfig:
    """The price from its ``model_type`` and the object Orb calls ``<model_type>_config``.

    Numbers may be int, Decimal or decimal strings; a float is a TypeError. ``InvalidPriceError`` says what is wrong and
    where, as in ``tiered_config.tiers[1].first_unit``.
    """
    parse = _PARSERS.get(model_type)
    if parse is None:
        expected = f"one of {', '.join(MODEL_TYPES)}"
        raise InvalidPriceError(f"{shown(model_type)} is not a price model", field="model_type", expected=expected)
    if not isinstance(config, Mapping):
        raise InvalidPriceError("is not an object", field=f"{model_type}_config", expected="an object")
    with localcontext(EXACT):
        return parse(config)


def to_wire(config: PriceConfig) -> dict[str, object]:
    """The object of ``<model_type>_config`` in an answer, to be written with ``orbdo_sdk.wire.encode``."""
    match config:
        case UnitConfig():
            return unit.to_wire(config)
        case TieredConfig():
            return tiered.to_wire(config)
        case BulkConfig():
            return bulk.to_wire(config)
        case PackageConfig():
            return package.to_wire(config)
        case _:
            assert_never(config)
