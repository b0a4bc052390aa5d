"""Prices as they are kept: written once, but for their metadata."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from orbdo_server.core.plans import Price
from orbdo_server.core.prices import PriceConfig
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import prices


def insert(connection: Connection, price: Price) -> None:
    """Add a price."""
    config = msgspec.to_builtins(price.config)
    row = msgspec.structs.asdict(price) | {"config": config}
    connection.execute(insert_into(prices).values(model_type=config["model_type"], **row))


def get(connection: Connection, *, tenant: str, price_id: str) -> Price | None:
    """A price of the tenant."""
    return get_many(connection, tenant=tenant, price_ids=[price_id]).get(price_id)


def get_many(connection: Connection, *, tenant: str, price_ids: Collection[str]) -> dict[str, Price]:
    """Those of the named prices that exist, by id."""
    statement = select(prices).where(prices.c.tenant == tenant, prices.c.id.in_(price_ids))
    return {row["id"]: _price(row) for row in connection.execute(statement).mappings()}


def find_by_external_id(connection: Connection, *, tenant: str, external_price_id: str) -> Price | None:
    """The price with this id in the caller's own system."""
    statement = select(prices).where(prices.c.tenant == tenant, prices.c.external_price_id == external_price_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _price(row)


def page(
    connection: Connection, *, tenant: str, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Price], bool]:
    """Prices of the tenant, newest first, and whether there are more."""
    statement = select(prices).where(prices.c.tenant == tenant)
    rows, more = page_of(connection, statement, prices, after=after, limit=limit)
    return [_price(row._mapping) for row in rows], more


def update_metadata(connection: Connection, price: Price) -> None:
    """Keep changed metadata; nothing else of a price ever changes."""
    connection.execute(
        update_table(prices)
        .where(prices.c.tenant == price.tenant, prices.c.id == price.id)
        .values(metadata=price.metadata)
    )


def _price(row: Mapping[Any, Any]) -> Price:
    fields = {name: row[name] for name in Price.__struct_fields__ if name != "config"}
    config: PriceConfig = msgspec.convert(row["config"], type=PriceConfig)
    return Price(config=config, **fields)
