"""The audit trail: rows that are only ever inserted, each chained to the one before."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy import insert as insert_into

from orbdo_server.storage.tables import audit_entries


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change: who, when, what, from where; ``hash`` covers all of it and ``previous_hash``."""

    sequence: int
    tenant: str
    at: datetime
    actor: str
    action: str
    resource_id: str | None
    request_id: str
    address: str
    request_hash: str
    response_hash: str
    previous_hash: str
    hash: str


def last(connection: Connection) -> tuple[int, str]:
    """The sequence number and hash of the newest entry; ``(0, "")`` when there is none."""
    table = audit_entries
    statement = select(table.c.sequence, table.c.hash).order_by(table.c.sequence.desc()).limit(1)
    row = connection.execute(statement).one_or_none()
    return (0, "") if row is None else (row[0], row[1])


def insert(connection: Connection, entry: AuditEntry) -> None:
    """Add an entry."""
    connection.execute(insert_into(audit_entries).values(**msgspec.structs.asdict(entry)))


def read_all(connection: Connection) -> list[AuditEntry]:
    """Every entry of every tenant, oldest first."""
    rows = connection.execute(select(audit_entries).order_by(audit_entries.c.sequence)).mappings()
    return [AuditEntry(**row) for row in rows]
