"""SQLite as the shipping uses it: one lock for the process, errors of our own, connections that a fork leaves alone.

One lock for all files keeps a fork safe: it is held while the process forks, so that no thread is inside SQLite then
and the library's own locks are free in the child.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from orbdo_sdk.errors import SpoolError

LOCK = threading.RLock()
BUSY_SECONDS = 5.0

# Connections inherited by a forked child. Closing one there would run the parent's checkpoint; they are never used
# again, and being listed here keeps them from being collected.
_inherited: list[sqlite3.Connection] = []


def connect(path: Path | None, *, exclusive: bool, create: bool = True) -> sqlite3.Connection:
    """A connection in autocommit mode; ``None`` is a database in memory.

    ``exclusive`` takes the file for this connection until it is closed or the process dies, and raises
    sqlite3.OperationalError at once when another one has it. Only the owner may read a new file.
    """
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if create:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=0 if exclusive else BUSY_SECONDS,
    )
    try:
        _configure(connection, exclusive=exclusive)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, *, exclusive: bool) -> None:
    if exclusive:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    # What is written survives the end of the process at once and a power cut from the next checkpoint on.
    connection.execute("PRAGMA synchronous = NORMAL")
    if exclusive:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")


def abandon(connection: sqlite3.Connection) -> None:
    """Forget a connection that belongs to the parent process, without closing it."""
    _inherited.append(connection)


def remove(path: Path) -> None:
    """Delete a database file with what SQLite keeps beside it; what is missing or cannot be deleted is left."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements of the block or none; inside another transaction it is part of that one."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the errors of SQLite and of the file system inside the block into SpoolError, with the cause kept."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise SpoolError(f"the spool {what}: {error}") from error
