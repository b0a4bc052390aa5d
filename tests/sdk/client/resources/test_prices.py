"""Prices as the client asks for them; how terms are written is tested beside ``_prices``."""

from decimal import Decimal
from typing import Any

import pytest

from orbdo_sdk import TieredPrice, UnitPrice
from tests.support.answers import CALCULATION, ITEM, PRICE, PRICE_ID, page
from tests.support.door import Asked, Door, async_orb

pytestmark = pytest.mark.anyio

TIERED = {
    **{name: value for name, value in PRICE.items() if name != "unit_config"},
    "model_type": "tiered",
    "tiered_config": {"tiers": [{"first_unit": 0, "last_unit": None, "unit_amount": "0.000002"}]},
}


async def test_a_metered_price_is_made_in_minor_units(door: Door) -> None:
    """Ten cents travel as 0.10, and the meter as the billable metric."""
    door.tell(PRICE)
    async with async_orb(door) as orb:
        price = await orb.prices.create(
            product_id="item_1", unit_amount=10, meter_id="met_1", name="Tokens", metadata={"team": "core"}
        )
    assert isinstance(price, UnitPrice)
    assert price.unit_config.unit_amount == Decimal("0.10")
    assert door.asked == [
        Asked(
            "POST",
            "/v1/prices",
            body={
                "item_id": "item_1",
                "name": "Tokens",
                "cadence": "monthly",
                "metadata": {"team": "core"},
                "billable_metric_id": "met_1",
                "currency": "USD",
                "model_type": "unit",
                "unit_config": {"unit_amount": "0.10"},
            },
        )
    ]


async def test_a_price_without_a_name_has_its_products(door: Door) -> None:
    """The product is asked for its name first."""
    door.tell(ITEM)
    door.tell(PRICE)
    async with async_orb(door) as orb:
        await orb.prices.create(
            product_id="item_1",
            type="licensed",
            unit_amount=4_900,
            quantity=3,
            billed_in_advance=True,
            external_price_id="seats",
        )
    assert door.asked == [
        Asked("GET", "/v1/items/item_1"),
        Asked(
            "POST",
            "/v1/prices",
            body={
                "item_id": "item_1",
                "name": "Tokens",
                "cadence": "monthly",
                "billed_in_advance": True,
                "external_price_id": "seats",
                "fixed_price_quantity": 3,
                "currency": "USD",
                "model_type": "unit",
                "unit_config": {"unit_amount": "49.00"},
            },
        ),
    ]


async def test_terms_that_do_not_fit_are_refused_before_anything_is_asked(door: Door) -> None:
    """Neither the product's name is asked for nor a price made."""
    async with async_orb(door) as orb:
        with pytest.raises(ValueError, match="takes unit_amount and no other terms"):
            await orb.prices.create(product_id="item_1", meter_id="met_1", package_size=10)
    assert door.asked == []


@pytest.mark.parametrize(
    ("price_id", "path"),
    [(PRICE_ID, f"/v1/prices/{PRICE_ID}"), ("tokens", "/v1/prices/external_price_id/tokens")],
)
async def test_either_id_finds_a_price(door: Door, price_id: str, path: str) -> None:
    """The answer is of the class of its model; its metadata can be replaced."""
    door.tell(TIERED)
    door.tell(TIERED)
    async with async_orb(door) as orb:
        price = await orb.prices.get(price_id)
        await orb.prices.update(price_id, metadata={"team": "core"})
    assert isinstance(price, TieredPrice)
    assert price.tiered_config.tiers[0].unit_amount == Decimal("0.000002")
    assert door.asked == [Asked("GET", path), Asked("PUT", path, body={"metadata": {"team": "core"}})]


async def test_prices_of_all_models_are_listed(door: Door) -> None:
    """One page holds several classes of prices."""
    door.tell(page(PRICE, TIERED))
    async with async_orb(door) as orb:
        listed = [price async for price in orb.prices.list()]
    assert [type(price) for price in listed] == [UnitPrice, TieredPrice]
    assert door.asked == [Asked("GET", "/v1/prices")]


async def test_a_calculation_is_exact(door: Door) -> None:
    """The quantity travels as text, and amounts come back as decimals, tier by tier."""
    door.tell(CALCULATION)
    async with async_orb(door) as orb:
        calculation = await orb.prices.calculate(PRICE_ID, Decimal("1500.000000000000000001"))
        inexact: Any = 1.5
        with pytest.raises(TypeError, match="quantity must be an int or a Decimal, not float"):
            await orb.prices.calculate(PRICE_ID, inexact)
    assert (calculation.amount, calculation.breakdown[0].unit_amount) == (Decimal("2.25"), Decimal("0.0015"))
    assert door.asked == [
        Asked("POST", f"/v1/prices/{PRICE_ID}/calculate", body={"quantity": "1500.000000000000000001"})
    ]
