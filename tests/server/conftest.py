"""A real control plane on disk for every server test."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orbdo_server.engine.transaction import Transaction
from orbdo_server.identifiers import new_id
from orbdo_server.storage import tenants
from orbdo_server.storage.database import Database

TENANT = "acme"
RIVAL = "globex"
NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a control plane with all tables and no row; tests start from copies, which is quicker."""
    path = tmp_path_factory.mktemp("migrated") / "control.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    """A migrated SQLite control plane with two tenants, ``acme`` and ``globex``."""
    path = shutil.copy(migrated, tmp_path / "control.sqlite3")
    database = Database(f"sqlite:///{path}")
    with database.write() as connection:
        tenants.insert(connection, tenant=TENANT, name="Acme", created_at=NOW)
        tenants.insert(connection, tenant=RIVAL, name="Globex", created_at=NOW)
    yield database
    database.close()


@pytest.fixture
def transaction(database: Database) -> Iterator[Transaction]:
    """A write transaction for ``acme`` at noon of 15 March 2026."""
    with database.write() as connection:
        yield Transaction(connection=connection, tenant=TENANT, now=NOW, new_id=new_id)


@pytest.fixture
def rival(transaction: Transaction) -> Transaction:
    """The same transaction for ``globex``, which must never see what is ``acme``'s."""
    return replace(transaction, tenant=RIVAL)
