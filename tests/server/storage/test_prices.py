"""Prices on disk."""

from decimal import Decimal

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from orbdo_server.core.prices import BulkConfig, BulkTier, PackageConfig, PriceConfig, Tier, TieredConfig, UnitConfig
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import items, metrics, prices
from tests.server.conftest import RIVAL, TENANT
from tests.support.billing import ITEM, METRIC, fixed_price, usage_price

PRICE = msgspec.structs.replace(usage_price(), external_price_id="tokens-2026", metadata={"a": "b"})


@pytest.fixture(autouse=True)
def _kept(transaction: Transaction) -> None:
    """What prices refer to."""
    items.insert(transaction.connection, ITEM)
    metrics.insert(transaction.connection, METRIC)


@pytest.mark.parametrize(
    "config",
    [
        UnitConfig(unit_amount=Decimal("0.00000000000000000001")),
        TieredConfig(
            tiers=(
                Tier(Decimal(0), Decimal("10.5"), Decimal("0.10"), Decimal("1.00")),
                Tier(Decimal("10.5"), None, Decimal("0.1")),
            )
        ),
        BulkConfig(tiers=(BulkTier(maximum_units=Decimal(5), unit_amount=Decimal("2.50")), BulkTier(None, Decimal(2)))),
        PackageConfig(package_amount=Decimal("9.90"), package_size=Decimal(1000)),
    ],
)
def test_every_model_comes_back_exactly(transaction: Transaction, config: PriceConfig) -> None:
    """To the last digit, trailing zeros included."""
    price = usage_price(config=config)
    prices.insert(transaction.connection, price)
    back = prices.get(transaction.connection, tenant=TENANT, price_id=price.id)
    assert back == price
    assert repr(back) == repr(price)


def test_a_fixed_price_keeps_its_quantity(transaction: Transaction) -> None:
    """It measures nothing."""
    price = fixed_price(quantity="2.50")
    prices.insert(transaction.connection, price)
    back = prices.get(transaction.connection, tenant=TENANT, price_id=price.id)
    assert back is not None
    assert (str(back.fixed_price_quantity), back.metric_id) == ("2.50", None)


def test_a_price_is_found_by_the_callers_own_id(transaction: Transaction) -> None:
    """Within its tenant only."""
    prices.insert(transaction.connection, PRICE)
    find = prices.find_by_external_id
    assert find(transaction.connection, tenant=TENANT, external_price_id="tokens-2026") == PRICE
    assert find(transaction.connection, tenant=TENANT, external_price_id="TOKENS-2026") is None
    assert find(transaction.connection, tenant=RIVAL, external_price_id="tokens-2026") is None


def test_an_external_id_is_unique_to_the_tenant(transaction: Transaction) -> None:
    """The database itself refuses a second one; prices without any are many."""
    prices.insert(transaction.connection, PRICE)
    for number in range(2):
        prices.insert(transaction.connection, usage_price(f"price_{number}"))
    with pytest.raises(IntegrityError):
        prices.insert(transaction.connection, msgspec.structs.replace(PRICE, id="price_other"))


def test_nothing_but_metadata_changes(transaction: Transaction) -> None:
    """A price that was sold stays what it was."""
    prices.insert(transaction.connection, PRICE)
    prices.update_metadata(transaction.connection, msgspec.structs.replace(PRICE, metadata={"c": "d"}, name="Other"))
    back = prices.get(transaction.connection, tenant=TENANT, price_id=PRICE.id)
    assert back == msgspec.structs.replace(PRICE, metadata={"c": "d"})
    prices.update_metadata(transaction.connection, msgspec.structs.replace(PRICE, tenant=RIVAL, metadata={}))
    assert prices.get(transaction.connection, tenant=TENANT, price_id=PRICE.id) == back


def test_prices_are_listed_for_their_tenant(transaction: Transaction) -> None:
    """Another tenant's list is empty, and another tenant's ids name nothing."""
    prices.insert(transaction.connection, PRICE)
    assert prices.page(transaction.connection, tenant=TENANT, after=None, limit=5) == ([PRICE], False)
    assert prices.page(transaction.connection, tenant=RIVAL, after=None, limit=5) == ([], False)
    assert prices.get_many(transaction.connection, tenant=RIVAL, price_ids={PRICE.id}) == {}
