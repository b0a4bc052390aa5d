"""Bulk price (volume): the whole quantity is priced in the one tier it reaches.

A larger quantity can therefore cost less than a smaller one; that is what the model says, and it is not smoothed.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from orbdo_sdk.wire import Number
from orbdo_server.core.errors import InvalidPriceError
from orbdo_server.core.prices.charges import Charge, for_any_quantity, sum_of_tiers, tier_charge
from orbdo_server.core.prices.reading import (
    endless_tier_error,
    read_number,
    read_optional_number,
    read_tiers,
    refuse_unknown,
)

PATH = "bulk_config"
_KNOWN = frozenset({"tiers"})
_KNOWN_IN_TIER = frozenset({"maximum_units", "unit_amount", "flat_amount"})
_ZERO = Decimal(0)


class BulkTier(msgspec.Struct, frozen=True):
    """The rate for a quantity up to and including ``maximum_units`` (``None``: for any), and a fee for being here."""

    maximum_units: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal = _ZERO


class BulkConfig(msgspec.Struct, frozen=True, tag_field="model_type", tag="bulk"):
    """Tiers by rising ``maximum_units``; only the last may be without."""

    tiers: tuple[BulkTier, ...]

    def __post_init__(self) -> None:
        """Hold what ``parse`` promised, for a configuration read back from storage as well."""
        assert self.tiers, "a bulk price has a tier"
        floor: Decimal | None = _ZERO
        for tier in self.tiers:
            assert floor is not None, "only the last tier is without end"
            assert tier.maximum_units is None or tier.maximum_units > floor, "tiers rise"
            floor = tier.maximum_units


@for_any_quantity
def charge(config: BulkConfig, quantity: Decimal) -> Charge:
    """The quantity times the rate of the tier it reaches, plus that tier's flat amount: one row.

    A quantity beyond the maximum of the last tier is priced in it: usage that happened is billed, never dropped.
    """
    floor = _ZERO
    for tier in config.tiers[:-1]:
        assert tier.maximum_units is not None, "only the last tier is without end"
        if quantity <= tier.maximum_units:
            break
        floor = tier.maximum_units
    else:
        tier = config.tiers[-1]
    return sum_of_tiers((tier_charge(floor, tier.maximum_units, quantity, tier.unit_amount, tier.flat_amount),))


def parse(config: Mapping[str, object]) -> BulkConfig:
    """The price from Orb's ``bulk_config``; ``InvalidPriceError`` names the field."""
    refuse_unknown(config, _KNOWN, path=PATH)
    tiers: list[BulkTier] = []
    floor: Decimal | None = _ZERO
    for index, (path, fields) in enumerate(read_tiers(config, path=PATH, known=_KNOWN_IN_TIER)):
        if floor is None:
            raise endless_tier_error(f"{PATH}.tiers[{index - 1}].maximum_units")
        tiers.append(_parse_tier(fields, path=path, floor=floor))
        floor = tiers[-1].maximum_units
    return BulkConfig(tiers=tuple(tiers))


def to_wire(config: BulkConfig) -> dict[str, object]:
    """Orb's ``bulk_config``: maxima as numbers, amounts as decimal strings, a flat amount where there is one."""
    return {"tiers": [_tier_to_wire(tier) for tier in config.tiers]}


def _parse_tier(fields: Mapping[str, object], *, path: str, floor: Decimal) -> BulkTier:
    maximum_units = read_optional_number(fields, "maximum_units", path=path)
    if maximum_units is not None and maximum_units <= floor:
        raise InvalidPriceError(
            "does not rise above the tier before it",
            field=f"{path}.maximum_units",
            expected=f"more than {floor:f}, or null in the last tier",
        )
    return BulkTier(
        maximum_units=maximum_units,
        unit_amount=read_number(fields, "unit_amount", path=path),
        flat_amount=read_optional_number(fields, "flat_amount", path=path) or _ZERO,
    )


def _tier_to_wire(tier: BulkTier) -> dict[str, object]:
    wire: dict[str, object] = {
        "maximum_units": None if tier.maximum_units is None else Number.of(tier.maximum_units),
        "unit_amount": format(tier.unit_amount, "f"),
    }
    if tier.flat_amount:
        wire["flat_amount"] = format(tier.flat_amount, "f")
    return wire
