"""Prices: what one needs, and that it never changes."""

from decimal import Decimal
from typing import Any

import pytest

from orbdo_server.core.errors import InvalidPriceError, UnknownCurrencyError
from orbdo_server.core.prices import UnitConfig
from orbdo_server.engine import items, prices
from orbdo_server.engine.prices import NewPrice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import (
    ConstraintViolationError,
    DuplicateResourceError,
    InvalidRequestError,
    NotFoundError,
)
from tests.server.conftest import NOW, TENANT

SQL = "SELECT count(*) FROM events"


@pytest.fixture
def item_id(transaction: Transaction) -> str:
    """An item to price."""
    return items.create_item(transaction, name="Tokens", metadata={}).id


@pytest.fixture
def metric_id(transaction: Transaction, item_id: str) -> str:
    """A metric to price."""
    made = items.create_metric(transaction, name="Tokens", sql=SQL, item_id=item_id, description=None, metadata={})
    return made.id


def new(sold: str, measured: str | None, **changes: Any) -> NewPrice:
    """A usage price of a cent, or what it is changed into."""
    fields: dict[str, Any] = {
        "name": "Tokens",
        "item_id": sold,
        "currency": "USD",
        "cadence": "monthly",
        "model_type": "unit",
        "config": {"unit_amount": "0.01"},
        "metric_id": measured,
        **changes,
    }
    return NewPrice(**fields)


def test_a_usage_price_measures_a_metric(transaction: Transaction, item_id: str, metric_id: str) -> None:
    """It comes back by both of its ids."""
    price = prices.create_price(transaction, new(item_id, metric_id, external_price_id="tokens", metadata={"a": "b"}))
    assert (price.tenant, price.created_at, price.config) == (TENANT, NOW, UnitConfig(unit_amount=Decimal("0.01")))
    assert prices.require_price(transaction, price.id) == price
    assert prices.require_price_by_external_id(transaction, "tokens") == price


def test_a_fixed_price_has_a_quantity(transaction: Transaction, item_id: str) -> None:
    """Zero is one, and a one-time fee is billed once."""
    price = prices.create_price(transaction, new(item_id, None, fixed_price_quantity=Decimal(0), cadence="one_time"))
    assert (price.is_usage, price.fixed_price_quantity, price.cadence) == (False, Decimal(0), "one_time")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"metric_id": None}, "billable_metric_id"),
        ({"fixed_price_quantity": Decimal(1)}, "billable_metric_id"),
        ({"metric_id": None, "fixed_price_quantity": Decimal(-1)}, "fixed_price_quantity"),
        ({"billed_in_advance": True}, "billed_in_advance"),
        ({"cadence": "one_time"}, "cadence"),
    ],
)
def test_a_price_that_contradicts_itself_is_refused(
    transaction: Transaction, item_id: str, metric_id: str, changes: dict[str, Any], field: str
) -> None:
    """The answer names the field."""
    with pytest.raises(InvalidRequestError) as caught:
        prices.create_price(transaction, new(item_id, metric_id, **changes))
    assert [problem.field for problem in caught.value.problems] == [field]


def test_what_a_price_is_made_of_is_checked(transaction: Transaction, item_id: str, metric_id: str) -> None:
    """Its model, its currency, its item and its metric."""
    with pytest.raises(InvalidPriceError):
        prices.create_price(transaction, new(item_id, metric_id, config={"unit_amount": "-1"}))
    with pytest.raises(UnknownCurrencyError):
        prices.create_price(transaction, new(item_id, metric_id, currency="XXX"))
    with pytest.raises(NotFoundError, match="Item"):
        prices.create_price(transaction, new("item_unknown", metric_id))
    with pytest.raises(NotFoundError, match="BillableMetric"):
        prices.create_price(transaction, new(item_id, "met_unknown"))


def test_nothing_new_is_priced_in_what_is_archived(transaction: Transaction, item_id: str, metric_id: str) -> None:
    """Neither an archived metric nor an archived item takes a price."""
    items.set_metric_archived(transaction, metric_id, archived=True)
    with pytest.raises(ConstraintViolationError, match=f"metric {metric_id} is archived"):
        prices.create_price(transaction, new(item_id, metric_id))
    items.set_metric_archived(transaction, metric_id, archived=False)
    items.archive_item(transaction, item_id)
    with pytest.raises(ConstraintViolationError, match=f"item {item_id} is archived"):
        prices.create_price(transaction, new(item_id, metric_id))


def test_an_external_id_is_taken_once(
    transaction: Transaction, rival: Transaction, item_id: str, metric_id: str
) -> None:
    """Another tenant may use the same."""
    price = prices.create_price(transaction, new(item_id, metric_id, external_price_id="tokens"))
    with pytest.raises(DuplicateResourceError, match=price.id):
        prices.create_price(transaction, new(item_id, metric_id, external_price_id="tokens"))
    theirs = items.create_item(rival, name="Tokens", metadata={}).id
    fixed = new(theirs, None, fixed_price_quantity=Decimal(1), external_price_id="tokens")
    assert prices.create_price(rival, fixed).id != price.id


def test_metadata_can_be_replaced(transaction: Transaction, item_id: str, metric_id: str) -> None:
    """None leaves what is there."""
    price = prices.create_price(transaction, new(item_id, metric_id, metadata={"a": "b"}))
    assert prices.update_price(transaction, price, metadata=None) == price
    assert prices.update_price(transaction, price, metadata={}).metadata == {}
    assert prices.require_price(transaction, price.id).metadata == {}


def test_another_tenants_price_does_not_exist(
    transaction: Transaction, rival: Transaction, item_id: str, metric_id: str
) -> None:
    """By neither id; and its item and metric cannot be priced."""
    price = prices.create_price(transaction, new(item_id, metric_id, external_price_id="tokens"))
    with pytest.raises(NotFoundError, match=price.id):
        prices.require_price(rival, price.id)
    with pytest.raises(NotFoundError, match="tokens"):
        prices.require_price_by_external_id(rival, "tokens")
    with pytest.raises(NotFoundError, match="Item"):
        prices.create_price(rival, new(item_id, None, fixed_price_quantity=Decimal(1)))
    theirs = items.create_item(rival, name="Tokens", metadata={}).id
    with pytest.raises(NotFoundError, match="BillableMetric"):
        prices.create_price(rival, new(theirs, metric_id))
