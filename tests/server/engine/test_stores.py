"""The stores of a server, as one thing that is ready or not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from orbdo_server.engine.stores import Stores
from orbdo_server.settings import Settings
from orbdo_server.storage.database import Database
from orbdo_server.storage.documents import Documents
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.metered import open_log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DuckDBEventLog]:
    """An empty event log."""
    with open_log(tmp_path) as log:
        yield log


@pytest.fixture
def stores(database: Database, log: DuckDBEventLog, tmp_path: Path) -> Stores:
    """Stores that work."""
    return Stores(
        settings=Settings(data=tmp_path),
        database=database,
        log=log,
        documents=Documents("memory:///"),
        signing_secret=b"secret",
    )


def test_stores_that_work_are_ready(stores: Stores) -> None:
    """Asking twice is asking once."""
    assert stores.are_ready()
    assert stores.are_ready()


def test_stores_of_another_version_are_not_ready(stores: Stores) -> None:
    """A database that was migrated by a newer server meanwhile."""
    with stores.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not stores.are_ready()


def test_a_log_that_is_closed_is_not_ready(stores: Stores) -> None:
    """Events could not be taken."""
    stores.log.close()
    assert not stores.are_ready()


def test_closing_twice_is_closing_once(stores: Stores) -> None:
    """Whoever comes second finds nothing to do."""
    stores.close()
    stores.close()
    assert not stores.are_ready()


def test_the_signing_secret_is_not_shown(stores: Stores) -> None:
    """Stores may be printed by accident, in a traceback for example."""
    assert "secret" not in repr(stores).replace("signing_secret", "")
