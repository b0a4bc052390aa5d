"""``orbdo keys``: make, list and revoke API keys of a data folder, without a running server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Table

from orbdo_server.commands.console import fail, output
from orbdo_server.core.api_keys import RANDOM_BYTES, SCOPES_OF, KeyKind
from orbdo_server.engine.audit import record_command
from orbdo_server.engine.keys import ACCOUNT, create_key, ensure_tenant, revoke_key
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ServerError, StartError
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage import api_keys
from orbdo_server.storage.api_keys import StoredKey
from orbdo_server.storage.database import Database

LISTED_MAX = 1_000
NAME_LENGTH_MAX = 255

keys = App(name="keys", help="Make, list and revoke API keys. A running server honours a change within seconds.")
DataFolder = Annotated[Path | None, Parameter(help="The data folder.")]


@keys.command
def create(name: str, *, kind: KeyKind = KeyKind.INGEST, data: DataFolder = None) -> None:
    """Make a key and print it, this once."""
    if kind is KeyKind.CUSTOM:
        fail("a custom key is made over the API, which takes its scopes")
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        fail(f"a name has 1 to {NAME_LENGTH_MAX} printable characters")
    with _transaction(data) as transaction:
        randomness = secrets.token_bytes(RANDOM_BYTES)
        scopes = SCOPES_OF[kind]
        key, secret = create_key(transaction, name=name, scopes=scopes, held=set(scopes), randomness=randomness)
        record_command(transaction, action="orbdo keys create", resource_id=key.id)
    output.print(f"{key.id}\n{secret}", soft_wrap=True)


@keys.command(name="list")
def list_keys(*, data: DataFolder = None) -> None:
    """List keys, newest first, without their secrets."""
    table = Table(box=None)
    for heading in ("id", "name", "begins with", "scopes", "created", "state"):
        table.add_column(heading, overflow="fold")
    with _transaction(data) as transaction:
        found, more = api_keys.page(transaction.connection, tenant=ACCOUNT, after=None, limit=LISTED_MAX)
        now = transaction.now
    for key in found:
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        table.add_row(key.id, escape(key.name), key.prefix, " ".join(key.scopes), created, _state(key, now))
    output.print(table)
    if more:
        output.print(f"There are more; these are the newest {LISTED_MAX}.")


@keys.command
def revoke(key_id: str, *, data: DataFolder = None) -> None:
    """Revoke a key for good."""
    with _transaction(data) as transaction:
        key = revoke_key(transaction, key_id=key_id)
        record_command(transaction, action="orbdo keys revoke", resource_id=key.id)
    output.print(f"{key.id} is revoked")


def _state(key: StoredKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "active"
    return f"{'expired' if key.expires_at <= now else 'active until'} {key.expires_at:%Y-%m-%d}"


@contextmanager
def _transaction(data: Path | None) -> Iterator[Transaction]:
    try:
        with _control_plane(data) as database, database.write() as connection:
            now = utc_now()
            ensure_tenant(connection, tenant=ACCOUNT, name="Main account", now=now)
            yield Transaction(connection=connection, tenant=ACCOUNT, now=now, new_id=new_id)
    except (StartError, ServerError) as error:
        fail(str(error))


@contextmanager
def _control_plane(data: Path | None) -> Iterator[Database]:
    database = Database(Settings.load(data=data).database)
    try:
        database.migrate()
        yield database
    finally:
        database.close()
