"""The control plane's database: connections, transactions and migrations. It decides nothing.

A server keeps it in one SQLite file. Writers are let in one at a time, so that no transaction fails for being second.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from orbdo_server.errors import DamagedDatabaseError, NewerDatabaseError, UnavailableError

SCHEME = "sqlite:///"
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 10_000
WRITES = "orbdo_writes"
BUSY = "The database cannot take this now; nothing of the request was kept."
# SQLite's names for a database that cannot take something now; all else it complains of is a mistake of ours.
PASSING_TROUBLES = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED", "SQLITE_READONLY")


class Database:
    """One engine. ``read()`` and ``write()`` give a connection inside a transaction that ends with the block.

    Both raise ``UnavailableError`` when the disk is full, read-only or broken, or another writer keeps the database
    locked for longer than ``busy_timeout_ms``.
    """

    def __init__(self, url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, migrations: Path = MIGRATIONS) -> None:
        assert url.startswith(SCHEME), f"a control plane's address begins with {SCHEME}"
        path = url.removeprefix(SCHEME)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Parameters stay out of messages: they are customers' names and hashes of keys, and messages are logged.
        self._engine = create_engine(URL.create("sqlite", database=path), hide_parameters=True)
        self._path = Path(path)
        self._busy_timeout_ms = busy_timeout_ms
        self._migrations = migrations
        self._writer = threading.Lock()
        _keep_transactions_ours(self._engine, busy_timeout_ms)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads are of one moment."""
        with _troubles_translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection whose writes are kept when the block ends and undone when it raises."""
        if not self._writer.acquire(timeout=self._busy_timeout_ms / 1000):
            raise UnavailableError(BUSY)
        try:
            with _troubles_translated(), self._engine.connect() as connection:
                connection.execution_options(**{WRITES: True})
                with connection.begin():
                    yield connection
        finally:
            self._writer.release()

    def migrate(self) -> None:
        """Bring the tables to this version; does nothing, quickly, when they are there.

        Raises ``DamagedDatabaseError`` for a file that is no sound database and ``NewerDatabaseError`` for one of a
        newer version. A migration that fails leaves everything as it was; before one begins, a copy of the database is
        put beside it, ``control.sqlite3.before-0002``.
        """
        try:
            revision = self._sound_revision()
        except DatabaseError as error:
            raise DamagedDatabaseError(problem=str(error.orig)) from error
        known = revisions(self._migrations)
        if revision is not None and revision not in known:
            raise NewerDatabaseError(found=revision, known=known[-1])
        if revision == known[-1]:
            return
        before = self._path.with_name(f"{self._path.name}.before-{known[-1]}")
        # A copy that is there was made before an attempt that failed, and stays.
        if revision is not None and not before.exists():
            self.copy_to(before)
        self._upgrade()

    def copy_to(self, path: Path) -> None:
        """Copy all of it, as it is at one moment, into a file of its own; writers go on meanwhile."""
        unfinished = path.with_name(f"{path.name}.unfinished")
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(unfinished)) as target:
            source.backup(target)
        unfinished.replace(path)

    def is_ready(self) -> bool:
        """Whether it can be written and its tables are those of this version; what is written to see is undone."""
        try:
            with self.write() as connection:
                savepoint = connection.begin_nested()
                connection.execute(text("DELETE FROM alembic_version"))
                savepoint.rollback()
                return _revision(connection) == revisions(self._migrations)[-1]
        except (SQLAlchemyError, UnavailableError):
            return False

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _sound_revision(self) -> str | None:
        with self.read() as connection:
            problem = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
            if problem != "ok":
                raise DamagedDatabaseError(problem=problem)
            return _revision(connection)

    def _upgrade(self) -> None:
        from alembic import command  # noqa: PLC0415 - a start that has nothing to migrate does not pay for alembic
        from alembic.config import Config  # noqa: PLC0415 - as above

        config = Config()
        config.set_main_option("script_location", str(self._migrations).replace("%", "%%"))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def look_up_state(path: Path, name: str) -> str | None:
    """A value of the server as a whole in a control plane that is not opened for it; nothing of it is changed.

    None when there is no such value, table or file; ``DamagedDatabaseError``.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            known = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'server_state'").fetchone()
            if known is None:
                return None
            row = connection.execute("SELECT value FROM server_state WHERE name = ?", (name,)).fetchone()
    except sqlite3.DatabaseError as error:
        raise DamagedDatabaseError(problem=str(error)) from error
    return None if row is None else str(row[0])


def revisions(migrations: Path = MIGRATIONS) -> list[str]:
    """Every revision this version knows, oldest first, read from the names of the migrations (``0001_name.py``)."""
    return sorted(path.name.partition("_")[0] for path in (migrations / "versions").glob("[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return revision


@contextmanager
def _troubles_translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorname", "").startswith(PASSING_TROUBLES):
            raise UnavailableError(BUSY) from error
        raise


def _keep_transactions_ours(engine: Engine, busy_timeout_ms: int) -> None:
    """Begin transactions ourselves: the driver's own begin comes too late and lets DDL escape."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={busy_timeout_ms}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
