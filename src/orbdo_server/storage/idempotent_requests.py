"""Answers kept so that a repeated request gets the same one instead of doing the same thing twice."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as insert_into

from orbdo_server.storage.tables import idempotent_requests

KEPT = timedelta(hours=48)


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered, and to which request."""

    fingerprint: str
    status_code: int
    body: bytes


def find(connection: Connection, *, tenant: str, key: str, now: datetime) -> StoredAnswer | None:
    """The answer given to ``key`` within the last 48 hours."""
    table = idempotent_requests
    statement = select(table.c.fingerprint, table.c.status_code, table.c.body).where(
        table.c.tenant == tenant, table.c.key == key, table.c.created_at > now - KEPT
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else StoredAnswer(fingerprint=row[0], status_code=row[1], body=row[2])


def insert(connection: Connection, *, tenant: str, key: str, answer: StoredAnswer, now: datetime) -> None:
    """Keep an answer; answers older than 48 hours make room."""
    table = idempotent_requests
    connection.execute(delete(table).where(table.c.created_at <= now - KEPT))
    connection.execute(
        insert_into(table).values(
            tenant=tenant,
            key=key,
            fingerprint=answer.fingerprint,
            status_code=answer.status_code,
            body=answer.body,
            created_at=now,
        )
    )
