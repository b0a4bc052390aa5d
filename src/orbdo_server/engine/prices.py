"""Prices: made once, then only read."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from orbdo_server.core.money import minor_digits
from orbdo_server.core.periods import Cadence
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import parse_config
from orbdo_server.engine.items import require_active_item, require_active_metric
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import DuplicateResourceError, InvalidRequestError, NotFoundError
from orbdo_server.storage import prices


class NewPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price to make, before anything in it is checked; ``config`` is the object ``<model_type>_config``."""

    name: str
    item_id: str
    currency: str
    cadence: Cadence
    model_type: str
    config: Mapping[str, object]
    metric_id: str | None = None
    fixed_price_quantity: Decimal | None = None
    external_price_id: str | None = None
    billed_in_advance: bool = False
    metadata: dict[str, str] = {}


def create_price(transaction: Transaction, new: NewPrice) -> Price:
    """A new price.

    Raises ``InvalidPriceError`` and ``UnknownCurrencyError`` for its content, ``NotFoundError`` for its item or metric,
    ``DuplicateResourceError`` when the external id is taken.
    """
    _check_kind(new)
    minor_digits(new.currency)
    config = parse_config(new.model_type, new.config)
    require_active_item(transaction, new.item_id)
    if new.metric_id is not None:
        require_active_metric(transaction, new.metric_id)
    _check_external_id(transaction, new.external_price_id)
    price = Price(
        id=transaction.new_id("price"),
        tenant=transaction.tenant,
        name=new.name,
        item_id=new.item_id,
        currency=new.currency,
        cadence=new.cadence,
        config=config,
        created_at=transaction.now,
        metric_id=new.metric_id,
        fixed_price_quantity=new.fixed_price_quantity,
        external_price_id=new.external_price_id,
        metadata=new.metadata,
    )
    prices.insert(transaction.connection, price)
    return price


def require_price(transaction: Transaction, price_id: str) -> Price:
    """The price; raises ``NotFoundError``."""
    price = prices.get(transaction.connection, tenant=transaction.tenant, price_id=price_id)
    if price is None:
        raise NotFoundError.of("Price", price_id)
    return price


def require_price_by_external_id(transaction: Transaction, external_price_id: str) -> Price:
    """The price with this id in the caller's own system; raises ``NotFoundError``."""
    price = prices.find_by_external_id(
        transaction.connection, tenant=transaction.tenant, external_price_id=external_price_id
    )
    if price is None:
        raise NotFoundError.of("Price", external_price_id)
    return price


def update_price(transaction: Transaction, price: Price, *, metadata: dict[str, str] | None) -> Price:
    """The price with other metadata."""
    changed = msgspec.structs.replace(price, metadata=price.metadata if metadata is None else metadata)
    prices.update_metadata(transaction.connection, changed)
    return changed


def _check_kind(new: NewPrice) -> None:
    if (new.metric_id is None) == (new.fixed_price_quantity is None):
        message = "a price measures a metric or has a fixed_price_quantity: give exactly one of the two"
        raise InvalidRequestError.of("billable_metric_id", message)
    if new.fixed_price_quantity is not None and new.fixed_price_quantity < 0:
        raise InvalidRequestError.of("fixed_price_quantity", "is below 0")
    if new.billed_in_advance:
        raise InvalidRequestError.of("billed_in_advance", "is not supported; prices are billed in arrears")
    if new.metric_id is not None and new.cadence == "one_time":
        raise InvalidRequestError.of("cadence", "a usage price recurs; one_time is for fixed prices")


def _check_external_id(transaction: Transaction, external_price_id: str | None) -> None:
    if external_price_id is None:
        return
    known = prices.find_by_external_id(
        transaction.connection, tenant=transaction.tenant, external_price_id=external_price_id
    )
    if known is not None:
        raise DuplicateResourceError.of("external_price_id", f"is that of the price {known.id} already")
