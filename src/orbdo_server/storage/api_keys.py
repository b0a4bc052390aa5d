"""API keys: what is kept of them. The secret itself never comes here, only its hash."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy import insert as insert_into

from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import api_keys


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    id: str
    tenant: str
    name: str
    prefix: str
    secret_hash: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


def insert(connection: Connection, key: StoredKey) -> None:
    """Keep a new key."""
    connection.execute(insert_into(api_keys).values(**msgspec.structs.asdict(key)))


def find_by_hash(connection: Connection, *, secret_hash: str) -> StoredKey | None:
    """The key with this hash, of whichever tenant: this is how a tenant is found in the first place."""
    row = connection.execute(select(api_keys).where(api_keys.c.secret_hash == secret_hash)).mappings().one_or_none()
    return None if row is None else StoredKey(**row)


def get(connection: Connection, *, tenant: str, key_id: str) -> StoredKey | None:
    """A key of the tenant."""
    statement = select(api_keys).where(api_keys.c.tenant == tenant, api_keys.c.id == key_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else StoredKey(**row)


def page(
    connection: Connection, *, tenant: str, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[StoredKey], bool]:
    """Keys of the tenant, newest first, and whether there are more."""
    statement = select(api_keys).where(api_keys.c.tenant == tenant)
    rows, more = page_of(connection, statement, api_keys, after=after, limit=limit)
    return [StoredKey(**row._mapping) for row in rows], more


def revoke(connection: Connection, *, tenant: str, key_id: str, at: datetime) -> None:
    """Mark a key as revoked; an earlier revocation stands."""
    connection.execute(
        update(api_keys)
        .where(api_keys.c.tenant == tenant, api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
