"""Prices on the wire, in Orb's shape for each model. Amounts are strings without exponent, bounds are numbers."""

from decimal import Decimal
from typing import Any, assert_never

from orbdo_sdk import wire
from orbdo_sdk.wire import Amount, Number, plain
from orbdo_server.core.periods import CADENCE_MONTHS
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import BulkConfig, BulkTier, PackageConfig, Tier, TierCharge, TieredConfig, UnitConfig


def render_price(price: Price, *, item_name: str) -> wire.Price:
    """The price as Orb's clients read it: the variant of its model, with its item under the item's present name."""
    common = _common(price, item_name=item_name)
    match price.config:
        case UnitConfig(unit_amount=unit_amount):
            return wire.UnitPrice(unit_config=wire.UnitConfig(unit_amount=Amount(unit_amount)), **common)
        case TieredConfig(tiers=tiers):
            return wire.TieredPrice(tiered_config=wire.TieredConfig(tiers=[_tier(tier) for tier in tiers]), **common)
        case BulkConfig(tiers=tiers):
            return wire.BulkPrice(bulk_config=wire.BulkConfig(tiers=[_bulk_tier(tier) for tier in tiers]), **common)
        case PackageConfig(package_amount=amount, package_size=size):
            config = wire.PackageConfig(package_amount=Amount(amount), package_size=Number.of(size))
            return wire.PackagePrice(package_config=config, **common)
        case _:
            assert_never(price.config)


def render_tier_charge(tier: TierCharge) -> wire.TierCharge:
    """One tier's part of an amount, exact."""
    return wire.TierCharge(
        first_unit=Number.of(tier.first_unit),
        last_unit=number_or_none(tier.last_unit),
        quantity=Number.of(tier.quantity),
        unit_amount=Amount(tier.unit_amount),
        flat_amount=Amount(tier.flat_amount),
        amount=Amount(plain(tier.amount)),
    )


def number_or_none(value: Decimal | None) -> Number | None:
    """The value as a JSON number, where there is one."""
    return None if value is None else Number.of(value)


def _common(price: Price, *, item_name: str) -> dict[str, Any]:
    # A one-time price has no cycle; Orb's clients want one all the same, and a month is what it is billed in.
    months = CADENCE_MONTHS[price.cadence] or 1
    return {
        "id": price.id,
        "name": price.name,
        "item": wire.ItemSlim(id=price.item_id, name=item_name),
        "currency": price.currency,
        "cadence": price.cadence,
        "price_type": "usage_price" if price.is_usage else "fixed_price",
        "billing_mode": "in_arrear",
        "billing_cycle_configuration": wire.BillingCycleConfiguration(duration=months, duration_unit="month"),
        "created_at": price.created_at,
        "billable_metric": None if price.metric_id is None else wire.BillableMetricTiny(id=price.metric_id),
        "external_price_id": price.external_price_id,
        "fixed_price_quantity": number_or_none(price.fixed_price_quantity),
        "metadata": price.metadata,
    }


def _tier(tier: Tier) -> wire.Tier:
    return wire.Tier(
        first_unit=Number.of(tier.first_unit),
        last_unit=number_or_none(tier.last_unit),
        unit_amount=Amount(tier.unit_amount),
        flat_amount=Amount(tier.flat_amount),
    )


def _bulk_tier(tier: BulkTier) -> wire.BulkTier:
    return wire.BulkTier(
        maximum_units=number_or_none(tier.maximum_units),
        unit_amount=Amount(tier.unit_amount),
        flat_amount=Amount(tier.flat_amount),
    )
