"""Reading a list page by page: newest first, by creation and id, from a position on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, literal, tuple_


def page_of(
    connection: Connection, statement: Select[Any], table: Table, *, after: tuple[datetime, str] | None, limit: int
) -> tuple[Sequence[Row[Any]], bool]:
    """At most ``limit`` rows of ``statement`` after a position, and whether there are more."""
    if after is not None:
        # Typed, so that the instant is written as the column keeps it; otherwise texts of two forms are compared.
        position = tuple_(literal(after[0], table.c.created_at.type), literal(after[1], table.c.id.type))
        statement = statement.where(tuple_(table.c.created_at, table.c.id) < position)
    statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit + 1)
    rows = connection.execute(statement).all()
    return rows[:limit], len(rows) > limit
