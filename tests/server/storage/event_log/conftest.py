"""An event log on disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import the_clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log of a test lies."""
    return tmp_path / "events.duckdb"


@pytest.fixture
def log(path: Path) -> Iterator[DuckDBEventLog]:
    """An empty log."""
    log = DuckDBEventLog(path, threads=1, clock=the_clock)
    yield log
    log.close()
