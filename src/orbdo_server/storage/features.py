"""Features as they are kept."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, or_, select
from sqlalchemy import insert as insert_into

from orbdo_server.core.plans import Feature, FeatureType
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import features


def insert(connection: Connection, feature: Feature) -> None:
    """Add a feature."""
    row = msgspec.structs.asdict(feature) | {"type": str(feature.type)}
    connection.execute(insert_into(features).values(**row))


def find(connection: Connection, *, tenant: str, id_or_key: str) -> Feature | None:
    """The feature with this id or this key."""
    named = or_(features.c.id == id_or_key, features.c.key == id_or_key)
    row = connection.execute(select(features).where(features.c.tenant == tenant, named)).mappings().one_or_none()
    return None if row is None else feature_of(row)


def page(
    connection: Connection, *, tenant: str, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Feature], bool]:
    """Features of the tenant, newest first, and whether there are more."""
    statement = select(features).where(features.c.tenant == tenant)
    rows, more = page_of(connection, statement, features, after=after, limit=limit)
    return [feature_of(row._mapping) for row in rows], more


def feature_of(row: Mapping[Any, Any]) -> Feature:
    """A row of the table, possibly joined with others, as a feature."""
    fields = {name: row[name] for name in Feature.__struct_fields__ if name != "type"}
    return Feature(type=FeatureType(row["type"]), **fields)
