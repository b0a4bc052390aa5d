"""Unit price: every unit costs the same.

Knows no allowance, minimum or maximum: those are adjustments with lines of their own.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from orbdo_server.core.prices.charges import Charge, for_any_quantity
from orbdo_server.core.prices.reading import read_number, refuse_unknown

PATH = "unit_config"
_KNOWN = frozenset({"unit_amount"})
# Orb has these switches: proration is decided by the subscription here, and a quantity is scaled by its metric.
_OFF_ONLY = frozenset({"prorated", "scaling_factor"})


class UnitConfig(msgspec.Struct, frozen=True, tag_field="model_type", tag="unit"):
    """``unit_amount`` in major units of the price's currency for each unit."""

    unit_amount: Decimal


@for_any_quantity
def charge(config: UnitConfig, quantity: Decimal) -> Charge:
    """The quantity times the rate; no tiers."""
    return Charge(amount=quantity * config.unit_amount)


def parse(config: Mapping[str, object]) -> UnitConfig:
    """The price from Orb's ``unit_config``; ``InvalidPriceError`` names the field."""
    refuse_unknown(config, _KNOWN, path=PATH, off_only=_OFF_ONLY)
    return UnitConfig(unit_amount=read_number(config, "unit_amount", path=PATH))


def to_wire(config: UnitConfig) -> dict[str, object]:
    """Orb's ``unit_config``: the rate as a decimal string."""
    return {"unit_amount": format(config.unit_amount, "f")}
