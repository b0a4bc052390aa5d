"""Reading a DuckDB file from several threads: few cursors, a bound on time, on rows, and on what a SELECT may name."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, LifoQueue
from time import monotonic
from typing import Any, TypeVar

import duckdb

from orbdo_server.storage.event_log.errors import (
    LogUnavailableError,
    OutOfRangeError,
    ReadTimeoutError,
    ResultTooLargeError,
)

SELECTS_REMEMBERED_MAX = 1_024
RELATION = "events"
SHORTEST_WAIT_SECONDS = 0.01
# Those of a vector of DuckDB.
STREAMED_ROWS = 2_048
UNREADABLE = "The event log cannot be read now."

T = TypeVar("T")

_PARAMETER = re.compile(r"\$\w+")


class Deadlines:
    """Interrupts what runs longer than ``timeout_seconds``, from one thread of its own.

    All of them have the same time, so the oldest is the first to be due, and looking twice in that time misses none.
    """

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._running: dict[object, tuple[float, duckdb.DuckDBPyConnection]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="orbdo-read-deadlines", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt ``cursor`` when the block takes too long."""
        entry = object()
        with self._lock:
            self._running[entry] = (monotonic() + self._timeout_seconds, cursor)
        try:
            yield
        finally:
            with self._lock:
                self._running.pop(entry, None)

    def close(self) -> None:
        """End the thread; nothing is interrupted any more."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(self._next_look_seconds()):
            with self._lock:
                # An entry stays until its block ends, so it is interrupted again should the first come too early.
                for due, cursor in self._running.values():
                    if due <= monotonic():
                        cursor.interrupt()

    def _next_look_seconds(self) -> float:
        with self._lock:
            oldest = next(iter(self._running.values()), None)
        half = self._timeout_seconds / 2
        return half if oldest is None else min(max(oldest[0] - monotonic(), SHORTEST_WAIT_SECONDS), half)


class Readers:
    """Cursors for SELECTs over the one relation that a reading is given."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, *, readers_max: int, timeout_seconds: float, rows_max: int
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._rows_max = rows_max
        self._cursors = [connection.cursor() for _ in range(readers_max)]
        self._idle: LifoQueue[duckdb.DuckDBPyConnection] = LifoQueue()
        for cursor in self._cursors:
            self._idle.put(cursor)
        self._deadlines = Deadlines(timeout_seconds=timeout_seconds)
        self._allowed: set[str] = set()
        self._closed = False

    def rows(
        self, sql: str, parameters: Mapping[str, object], *, asked: str | None = None
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The columns and rows of ``sql``; what was ``asked`` by others may name the relation only.

        ``ReadTimeoutError``, ``ResultTooLargeError``, ``LogUnavailableError``; a mistake in the SQL is the caller's.
        """
        with self._cursor() as cursor:
            if asked is not None:
                self._require_only_the_relation(cursor, asked)
            with self._deadlines.limit(cursor):
                cursor.execute(sql, dict(parameters))
                rows = cursor.fetchmany(self._rows_max + 1)
            if len(rows) > self._rows_max:
                raise ResultTooLargeError(rows_max=self._rows_max)
            return tuple(column[0] for column in cursor.description or ()), rows

    def stream(self, sql: str, parameters: Mapping[str, object], consume: Callable[[Any], T]) -> T:
        """What ``consume`` makes of the result as a ``pyarrow.RecordBatchReader``, which is good until it returns.

        ``ReadTimeoutError``, ``LogUnavailableError``.
        """
        with self._cursor() as cursor, self._deadlines.limit(cursor):
            return consume(cursor.sql(sql, params=dict(parameters)).to_arrow_reader(STREAMED_ROWS))

    def close(self) -> None:
        """Close every cursor once it is idle; a reading that still runs is interrupted, one that waits is refused."""
        self._closed = True
        self._deadlines.close()
        idle: list[duckdb.DuckDBPyConnection] = []
        while len(idle) < len(self._cursors):
            try:
                idle.append(self._idle.get(timeout=SHORTEST_WAIT_SECONDS))
            except Empty:
                for cursor in self._cursors:
                    cursor.interrupt()
        for cursor in idle:
            cursor.close()
            # For those who wait: they see that it is closed.
            self._idle.put(cursor)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            cursor = self._idle.get(timeout=self._timeout_seconds)
        except Empty as error:
            raise ReadTimeoutError(timeout_seconds=self._timeout_seconds) from error
        try:
            if self._closed:
                raise LogUnavailableError(UNREADABLE)
            yield cursor
        except duckdb.InterruptException as error:
            if self._closed:
                raise LogUnavailableError(UNREADABLE) from error
            raise ReadTimeoutError(timeout_seconds=self._timeout_seconds) from error
        except duckdb.OutOfRangeException as error:
            raise OutOfRangeError from error
        except (duckdb.OperationalError, duckdb.InternalError, duckdb.FatalException) as error:
            raise LogUnavailableError(UNREADABLE) from error
        finally:
            self._idle.put(cursor)

    def _require_only_the_relation(self, cursor: duckdb.DuckDBPyConnection, select: str) -> None:
        """Second line of defence: metrics are checked where they are made, but no tenant may read another's rows."""
        if select in self._allowed:
            return
        kinds = [statement.type for statement in cursor.extract_statements(select)]
        # The parser names no tables of a statement that still has parameters in it.
        names = cursor.get_table_names(_PARAMETER.sub("NULL", select))
        if kinds != [duckdb.StatementType.SELECT] or not names <= {RELATION}:
            message = f"a reading is one SELECT over {RELATION}, not {kinds} over {sorted(names)}"
            raise ValueError(message)
        if len(self._allowed) >= SELECTS_REMEMBERED_MAX:
            self._allowed.clear()
        self._allowed.add(select)
