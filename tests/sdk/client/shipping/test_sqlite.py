"""SQLite as the spool uses it."""

import sqlite3
from pathlib import Path

import pytest

from orbdo_sdk.client._shipping import _sqlite


def insert_twice_and_fail(connection: sqlite3.Connection) -> None:
    """Insert a row in an inner transaction and fail in the outer one."""
    with _sqlite.transaction(connection):
        with _sqlite.transaction(connection):
            connection.execute("INSERT INTO t VALUES (2)")
        raise LookupError


def test_a_transaction_inside_another_is_part_of_it(tmp_path: Path) -> None:
    """What a finalizer writes in the middle of a transaction is kept or undone with it."""
    connection = _sqlite.connect(tmp_path / "file", exclusive=True)
    connection.execute("CREATE TABLE t (n)")
    with _sqlite.transaction(connection), _sqlite.transaction(connection):
        connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(LookupError):
        insert_twice_and_fail(connection)
    assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]
    connection.close()


def test_an_exclusive_file_is_its_owner_s_until_it_is_closed(tmp_path: Path) -> None:
    """A second taker is refused at once, whoever it is, and gets the file afterwards."""
    first = _sqlite.connect(tmp_path / "file", exclusive=True)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _sqlite.connect(tmp_path / "file", exclusive=True, create=False)
    first.close()
    _sqlite.connect(tmp_path / "file", exclusive=True, create=False).close()


def test_a_file_is_not_made_unless_asked_for(tmp_path: Path) -> None:
    """Looking into a file that is gone does not bring it back."""
    with pytest.raises(sqlite3.OperationalError):
        _sqlite.connect(tmp_path / "gone", exclusive=True, create=False)
    assert list(tmp_path.iterdir()) == []
