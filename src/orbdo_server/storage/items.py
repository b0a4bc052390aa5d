"""Items as they are kept."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from orbdo_server.core.plans import Item
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import items


def insert(connection: Connection, item: Item) -> None:
    """Add an item."""
    connection.execute(insert_into(items).values(**msgspec.structs.asdict(item)))


def get(connection: Connection, *, tenant: str, item_id: str) -> Item | None:
    """An item of the tenant."""
    return get_many(connection, tenant=tenant, item_ids=[item_id]).get(item_id)


def get_many(connection: Connection, *, tenant: str, item_ids: Collection[str]) -> dict[str, Item]:
    """Those of the named items that exist, by id."""
    statement = select(items).where(items.c.tenant == tenant, items.c.id.in_(item_ids))
    return {row["id"]: Item(**row) for row in connection.execute(statement).mappings()}


def find_by_name(connection: Connection, *, tenant: str, name: str) -> Item | None:
    """The oldest item that is not archived and has this name."""
    statement = (
        select(items)
        .where(items.c.tenant == tenant, items.c.name == name, items.c.archived_at.is_(None))
        .order_by(items.c.created_at, items.c.id)
        .limit(1)
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Item(**row)


def page(
    connection: Connection, *, tenant: str, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Item], bool]:
    """Items of the tenant, newest first, and whether there are more."""
    rows, more = page_of(connection, select(items).where(items.c.tenant == tenant), items, after=after, limit=limit)
    return [Item(**row._mapping) for row in rows], more


def update(connection: Connection, item: Item) -> None:
    """Keep a changed name, metadata or time of archiving."""
    connection.execute(
        update_table(items)
        .where(items.c.tenant == item.tenant, items.c.id == item.id)
        .values(name=item.name, metadata=item.metadata, archived_at=item.archived_at)
    )
