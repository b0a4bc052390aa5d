"""Events on disk: one SQLite file of one process, from which another process takes over when this one is gone.

A row is kept until its event has a final answer. ``held`` rows are in memory too, the others wait here to be loaded.
It neither sends nor decides when to write. Every method may be called from any thread and raises SpoolError when the
disk fails; after ``close`` they find nothing and do nothing.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from orbdo_sdk.client._shipping import _sqlite
from orbdo_sdk.client._shipping.queued import Queued
from orbdo_sdk.errors import SpoolError

SCHEMA = "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, key TEXT, payload BLOB, accepted_at REAL)"
INSERT = "INSERT INTO event (id, key, payload, accepted_at) VALUES (?, ?, ?, ?)"
# What a row takes besides its key and its payload, roughly; the size cap counts it.
ROW_OVERHEAD_BYTES = 64
TRANSACTION_EVENTS_MAX = 1_000
# One load stops at the event that brings it to so many bytes, so that large events do not flood memory.
LOAD_BYTES_MAX = 4 * 1024 * 1024
# The row of an event that has its final answer: it must not be written any more.
SETTLED = -1


class Stored(msgspec.Struct, frozen=True):
    """One row; ``accepted_at`` is wall-clock time in seconds, since it may be read by another process."""

    row: int
    key: str
    payload: bytes
    accepted_at: float


class Spool:
    """The file of this process, made at the first write: ``path`` names it, ``bytes_max`` bounds its events.

    ``wall_time`` turns a monotonic instant of this process into wall-clock seconds.
    """

    def __init__(self, path: Callable[[], Path], bytes_max: int, wall_time: Callable[[float], float]) -> None:
        self._new_path = path
        self._bytes_max = bytes_max
        self._wall_time = wall_time
        self._connection: sqlite3.Connection | None = None
        self._path: Path | None = None
        self._closed = False
        self._next_row = 1
        self._cursor = 0
        self._held: set[int] = set()
        self.count = 0
        self.bytes = 0
        self.written = 0

    @property
    def waiting(self) -> int:
        """How many events are on disk only."""
        return self.count - len(self._held)

    def prepare(self) -> None:
        """Make the file now, so that the first write does not have to."""
        with _sqlite.LOCK, _sqlite.translated("cannot be opened"):
            self._opened()

    def append(self, events: Iterable[Queued], *, held: bool) -> int:
        """Write the events that have no row and no final answer yet, as far as the size cap allows.

        Gives each its row and returns how many were written, all of them durable when it returns.
        """
        with _sqlite.LOCK, _sqlite.translated("cannot be written"):
            fresh = [event for event in events if event.row == 0]
            fitting = fresh[: self._fitting(fresh)] if not self._closed else []
            for start in range(0, len(fitting), TRANSACTION_EVENTS_MAX):
                self._write(fitting[start : start + TRANSACTION_EVENTS_MAX], held=held)
            return len(fitting)

    def adopt(self, stored: Sequence[Stored]) -> None:
        """Write rows of another spool, to wait here; the size cap is the caller's care (see ``room_bytes``)."""
        with _sqlite.LOCK, _sqlite.translated("cannot be written"):
            self._insert([(row.key, row.payload, row.accepted_at) for row in stored])

    @property
    def room_bytes(self) -> int:
        """How much the size cap leaves."""
        return max(0, self._bytes_max - self.bytes)

    def load(self, events_max: int) -> list[Stored]:
        """The oldest waiting rows, at most ``events_max`` and some 4 MiB of them, which are held from now on."""
        with _sqlite.LOCK, _sqlite.translated("cannot be read"):
            if self._connection is None or not self.waiting or events_max < 1:
                return []
            rows = self._select(events_max) or self._select_from_start(events_max)
            self._held.update(row.row for row in rows)
            return rows

    def release(self, events: Iterable[Queued]) -> None:
        """The rows of these events are in memory no longer; they wait to be loaded."""
        with _sqlite.LOCK:
            rows = {event.row for event in events if event.row > 0}
            self._held -= rows
            self._cursor = min([self._cursor, *(row - 1 for row in rows)])

    def settle(self, events: Sequence[Queued]) -> None:
        """The events have their final answer: delete their rows and never write them again."""
        with _sqlite.LOCK, _sqlite.translated("cannot be written"):
            rows = [event.row for event in events if event.row > 0]
            if rows and self._connection is not None:
                self._delete(rows, freed=sum(_size(event.key, event.payload) for event in events if event.row > 0))
            for event in events:
                event.row = SETTLED

    def close(self) -> None:
        """Let go of the file, so that another process may take it over; an empty one is deleted."""
        with _sqlite.LOCK:
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is not None and self._path is not None:
                connection.close()
                if self.count == 0:
                    _sqlite.remove(self._path)

    def forget(self) -> None:
        """This is a forked child: the file stays the parent's."""
        if self._connection is not None:
            _sqlite.abandon(self._connection)
        self._connection, self._closed = None, True

    def _fitting(self, events: Sequence[Queued]) -> int:
        room = self.room_bytes
        for count, event in enumerate(events):
            room -= _size(event.key, event.payload)
            if room < 0:
                return count
        return len(events)

    def _write(self, events: Sequence[Queued], *, held: bool) -> None:
        wall_time = self._wall_time
        rows = self._insert([(event.key, event.payload, wall_time(event.accepted_at)) for event in events])
        for event, row in zip(events, rows, strict=True):
            event.row = row
        if held:
            self._held.update(rows)
        self.written += len(events)

    def _insert(self, values: Sequence[tuple[str, bytes, float]]) -> range:
        connection = self._opened()
        rows = range(self._next_row, self._next_row + len(values))
        if len(rows) == 1:
            # A lone statement is a transaction by itself, and this is the path of each event in the mode always.
            connection.execute(INSERT, (rows.start, *values[0]))
        else:
            with _sqlite.transaction(connection):
                connection.executemany(INSERT, [(row, *value) for row, value in zip(rows, values, strict=True)])
        self._next_row = rows.stop
        self.count += len(rows)
        self.bytes += sum(_size(key, payload) for key, payload, _ in values)
        return rows

    def _delete(self, rows: Sequence[int], *, freed: int) -> None:
        connection = self._opened()
        with _sqlite.transaction(connection):
            connection.executemany("DELETE FROM event WHERE id = ?", [(row,) for row in rows])
        self._held.difference_update(rows)
        self.count -= len(rows)
        self.bytes -= freed

    def _select(self, events_max: int) -> list[Stored]:
        found: list[Stored] = []
        size = 0
        query = "SELECT id, key, payload, accepted_at FROM event WHERE id > ? ORDER BY id"
        for row in self._opened().execute(query, (self._cursor,)):
            self._cursor = row[0]
            if row[0] not in self._held:
                found.append(Stored(*row))
                size += len(row[2])
                if len(found) >= events_max or size >= LOAD_BYTES_MAX:
                    break
        return found

    def _select_from_start(self, events_max: int) -> list[Stored]:
        self._cursor = 0
        return self._select(events_max)

    def _opened(self) -> sqlite3.Connection:
        if self._closed:
            raise SpoolError("the spool is closed")
        if self._connection is None:
            self._path = self._new_path()
            self._connection = _sqlite.connect(self._path, exclusive=True)
            self._connection.execute(SCHEMA)
        return self._connection


def _size(key: str, payload: bytes) -> int:
    return len(key) + len(payload) + ROW_OVERHEAD_BYTES
