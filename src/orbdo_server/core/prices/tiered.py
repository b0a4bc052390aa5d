"""Tiered price (graduated): each part of the quantity is priced in the tier it falls into.

A tier reaches from ``first_unit``, exclusive, to ``last_unit``, inclusive; together they cover everything above zero.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from orbdo_sdk.wire import Number
from orbdo_server.core.errors import InvalidPriceError
from orbdo_server.core.prices.charges import Charge, TierCharge, for_any_quantity, sum_of_tiers, tier_charge
from orbdo_server.core.prices.reading import (
    endless_tier_error,
    read_number,
    read_optional_number,
    read_tiers,
    refuse_unknown,
)

PATH = "tiered_config"
_KNOWN = frozenset({"tiers"})
# Orb has this switch; proration is decided by the subscription here.
_OFF_ONLY = frozenset({"prorated"})
_KNOWN_IN_TIER = frozenset({"first_unit", "last_unit", "unit_amount", "flat_amount"})
_ZERO = Decimal(0)
_ONE = Decimal(1)


class Tier(msgspec.Struct, frozen=True):
    """The units above ``first_unit`` up to and including ``last_unit`` (``None``: without end) and what they cost.

    ``flat_amount`` is charged once, when the first unit falls into the tier.
    """

    first_unit: Decimal
    last_unit: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal = _ZERO


class TieredConfig(msgspec.Struct, frozen=True, tag_field="model_type", tag="tiered"):
    """Tiers that start at zero and follow each other without gap or overlap; only the last may be without end."""

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        """Hold what ``parse`` promised, for a configuration read back from storage as well."""
        assert self.tiers, "a tiered price has a tier"
        floor: Decimal | None = _ZERO
        for tier in self.tiers:
            assert tier.first_unit == floor, "each tier starts where the one before it ends"
            assert tier.last_unit is None or tier.last_unit > tier.first_unit, "a tier holds something"
            floor = tier.last_unit


@for_any_quantity
def charge(config: TieredConfig, quantity: Decimal) -> Charge:
    """The sum over the tiers that the quantity enters, one row each.

    A last tier with an end keeps its rate beyond that end: usage that happened is billed, never dropped.
    """
    final = config.tiers[-1]
    rows: list[TierCharge] = []
    for tier in config.tiers:
        if quantity <= tier.first_unit:
            break
        top = quantity if tier is final else _top_of(tier, quantity)
        rows.append(
            tier_charge(tier.first_unit, tier.last_unit, top - tier.first_unit, tier.unit_amount, tier.flat_amount)
        )
    assert sum(row.quantity for row in rows) == quantity, "the tiers hold the whole quantity"
    return sum_of_tiers(tuple(rows))


def parse(config: Mapping[str, object]) -> TieredConfig:
    """The price from Orb's ``tiered_config``; ``InvalidPriceError`` names the field.

    Tiers are written either by their bounds (0 to 10, 10 to 20, 20 on) or by the units in them (1 to 10, 11 to 20, 21
    on). Both say the same and are kept as bounds, so that 10.5 units have a tier.
    """
    refuse_unknown(config, _KNOWN, path=PATH, off_only=_OFF_ONLY)
    tiers: list[Tier] = []
    floor: Decimal | None = _ZERO
    steps: tuple[Decimal, ...] = (_ZERO, _ONE)
    for index, (path, fields) in enumerate(read_tiers(config, path=PATH, known=_KNOWN_IN_TIER)):
        if floor is None:
            raise endless_tier_error(f"{PATH}.tiers[{index - 1}].last_unit")
        step = _read_step(fields, path=path, floor=floor, steps=steps)
        # A first tier from 0 is written in both ways; from then on the way is settled.
        if step or index:
            steps = (step,)
        tiers.append(_parse_tier(fields, path=path, floor=floor))
        floor = tiers[-1].last_unit
    return TieredConfig(tiers=tuple(tiers))


def to_wire(config: TieredConfig) -> dict[str, object]:
    """Orb's ``tiered_config``: bounds as numbers, amounts as decimal strings, a flat amount where there is one."""
    return {"tiers": [_tier_to_wire(tier) for tier in config.tiers]}


def _top_of(tier: Tier, quantity: Decimal) -> Decimal:
    return quantity if tier.last_unit is None else min(quantity, tier.last_unit)


def _read_step(fields: Mapping[str, object], *, path: str, floor: Decimal, steps: tuple[Decimal, ...]) -> Decimal:
    # 0 when first_unit is the bound itself, 1 when it is the first whole unit above it.
    step = read_number(fields, "first_unit", path=path) - floor
    if step not in steps or (step and floor % 1):
        raise InvalidPriceError(
            "leaves a gap or overlaps the tier before it",
            field=f"{path}.first_unit",
            expected=format(floor + steps[0], "f"),
        )
    return step


def _parse_tier(fields: Mapping[str, object], *, path: str, floor: Decimal) -> Tier:
    last_unit = read_optional_number(fields, "last_unit", path=path)
    if last_unit is not None and last_unit <= floor:
        raise InvalidPriceError(
            "ends before it starts",
            field=f"{path}.last_unit",
            expected=f"more than {floor:f}, or null in the last tier",
        )
    return Tier(
        first_unit=floor,
        last_unit=last_unit,
        unit_amount=read_number(fields, "unit_amount", path=path),
        flat_amount=read_optional_number(fields, "flat_amount", path=path) or _ZERO,
    )


def _tier_to_wire(tier: Tier) -> dict[str, object]:
    wire: dict[str, object] = {
        "first_unit": Number.of(tier.first_unit),
        "last_unit": None if tier.last_unit is None else Number.of(tier.last_unit),
        "unit_amount": format(tier.unit_amount, "f"),
    }
    if tier.flat_amount:
        wire["flat_amount"] = format(tier.flat_amount, "f")
    return wire
