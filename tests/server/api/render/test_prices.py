"""Prices on the wire: the variant of each model, as Orb's own types read it, and numbers without exponents."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from orb.types.shared.price import BulkPrice, PackagePrice, TieredPrice, UnitPrice

from orbdo_sdk.wire import encode
from orbdo_server.api.render.prices import number_or_none, render_price, render_tier_charge
from orbdo_server.core.periods import Cadence
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import BulkConfig, BulkTier, PackageConfig, Tier, TierCharge, TieredConfig, UnitConfig
from tests.support.billing import fixed_price, usage_price

TINY = Decimal("1.5E-7")


def written(price: Price) -> dict[str, Any]:
    """The price as it travels, read back as plain JSON."""
    value: dict[str, Any] = msgspec.json.decode(encode(render_price(price, item_name="Tokens")))
    return value


@pytest.mark.parametrize(
    ("price", "kind", "name", "config"),
    [
        pytest.param(
            usage_price(config=UnitConfig(unit_amount=TINY)),
            UnitPrice,
            "unit_config",
            {"unit_amount": "0.00000015", "prorated": False},
            id="unit",
        ),
        pytest.param(
            usage_price(
                config=TieredConfig(
                    tiers=(Tier(Decimal(0), Decimal(10), TINY, Decimal("2.50")), Tier(Decimal(10), None, Decimal(1)))
                )
            ),
            TieredPrice,
            "tiered_config",
            {
                "tiers": [
                    {"first_unit": 0, "last_unit": 10, "unit_amount": "0.00000015", "flat_amount": "2.50"},
                    {"first_unit": 10, "last_unit": None, "unit_amount": "1", "flat_amount": "0"},
                ],
                "prorated": False,
            },
            id="tiered",
        ),
        pytest.param(
            usage_price(config=BulkConfig(tiers=(BulkTier(Decimal("10.50"), TINY), BulkTier(None, Decimal(1))))),
            BulkPrice,
            "bulk_config",
            {
                "tiers": [
                    {"maximum_units": 10.5, "unit_amount": "0.00000015", "flat_amount": "0"},
                    {"maximum_units": None, "unit_amount": "1", "flat_amount": "0"},
                ]
            },
            id="bulk",
        ),
        pytest.param(
            usage_price(config=PackageConfig(package_amount=TINY, package_size=Decimal(10))),
            PackagePrice,
            "package_config",
            {"package_amount": "0.00000015", "package_size": 10},
            id="package",
        ),
    ],
)
def test_each_model_is_its_own_variant(price: Price, kind: type[Any], name: str, config: dict[str, Any]) -> None:
    """The model's name, its configuration and all that Orb's types require are there."""
    value = written(price)
    assert (value["model_type"], value[name]) == (name.removesuffix("_config"), config)
    assert kind.model_validate(value).id == price.id


def test_a_usage_price_names_its_metric() -> None:
    """A usage price refers to its metric and item and has no fixed quantity."""
    value = written(usage_price())
    assert (value["price_type"], value["billable_metric"], value["fixed_price_quantity"]) == (
        "usage_price",
        {"id": "met_tokens"},
        None,
    )
    assert (value["item"], value["billing_mode"]) == ({"id": "item_tokens", "name": "Tokens"}, "in_arrear")


def test_a_fixed_price_has_its_quantity_as_a_number() -> None:
    """Orb types quantities as numbers, and so they are written."""
    value = written(fixed_price(quantity="2.50"))
    assert (value["price_type"], value["billable_metric"], value["fixed_price_quantity"]) == ("fixed_price", None, 2.5)


@pytest.mark.parametrize(
    ("cadence", "months"), [("monthly", 1), ("quarterly", 3), ("semi_annual", 6), ("annual", 12), ("one_time", 1)]
)
def test_the_billing_cycle_follows_the_cadence(cadence: Cadence, months: int) -> None:
    """A cadence is written with its length; a one-time price is billed in a month."""
    value = written(fixed_price(cadence=cadence))
    assert value["cadence"] == cadence
    assert value["billing_cycle_configuration"] == {"duration": months, "duration_unit": "month"}


def test_a_tiers_amount_has_no_trailing_zeros() -> None:
    """What a tier comes to is exact and written as short as it can be."""
    tier = TierCharge(Decimal(0), None, Decimal("3.000"), TINY, Decimal(0), Decimal("0.000000450000"))
    assert encode(render_tier_charge(tier)) == (
        b'{"first_unit":0,"last_unit":null,"quantity":3,"unit_amount":"0.00000015","flat_amount":"0",'
        b'"amount":"0.00000045"}'
    )


def test_a_missing_number_stays_missing() -> None:
    """Null is null, not zero."""
    assert number_or_none(None) is None
    assert number_or_none(Decimal("0.00")) == 0
