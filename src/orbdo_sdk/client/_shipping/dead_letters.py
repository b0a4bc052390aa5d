"""Events that will not be delivered by themselves: refused by the server, or too old to be sent again safely.

They wait here, with the reason, until somebody replays or discards them. It sends nothing; ``resend`` does.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orbdo_sdk.client._shipping import _sqlite
from orbdo_sdk.client._shipping.queued import Queued
from orbdo_sdk.wire import IngestEvent

SCHEMA = """CREATE TABLE IF NOT EXISTS dead_letter
  (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, payload BLOB, reasons TEXT, rejected_at REAL)"""
LISTED_MAX = 1_000


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One event that was not taken; ``id`` names it to ``replay`` and ``discard``."""

    id: int
    idempotency_key: str
    payload: bytes
    reasons: tuple[str, ...]
    rejected_at: datetime

    @property
    def event(self) -> IngestEvent:
        """The event as it was sent."""
        return msgspec.json.decode(self.payload, type=IngestEvent)


class DeadLetters:
    """The dead letters of one account: on disk, shared by its processes, or in memory when there is no spool."""

    def __init__(
        self, path: Path | None, *, letters_max: int, now: Callable[[], datetime], resend: Callable[[DeadLetter], None]
    ) -> None:
        self._path = path
        self._letters_max = letters_max
        self._now = now
        self._resend = resend
        self._connection: sqlite3.Connection | None = None

    def list(self, *, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """The oldest letters with an id above ``after``, at most ``limit`` (1 to 1,000) of them."""
        if not 1 <= limit <= LISTED_MAX:
            raise ValueError(f"limit must be 1 to {LISTED_MAX}")
        return self._select("WHERE id > ? ORDER BY id LIMIT ?", (after, limit))

    def count(self) -> int:
        """How many letters there are."""
        if not self._exists():
            return 0
        with _sqlite.LOCK, _sqlite.translated("cannot be read"):
            return int(self._opened().execute("SELECT count(*) FROM dead_letter").fetchone()[0])

    def replay(self, ids: Sequence[int] | None = None) -> int:
        """Send letters again (all of them by default) under their old idempotency keys; how many were found.

        Each leaves the dead letters once it is accepted anew. Raises BufferFullError when there is no room for one; it
        and those after it stay.
        """
        replayed = 0
        for letter in self._chosen(ids):
            self._resend(letter)
            replayed += self._delete(letter.id)
        return replayed

    def discard(self, ids: Sequence[int] | None = None) -> int:
        """Delete letters (all of them by default) for good; how many there were."""
        return sum(self._delete(letter.id) for letter in self._chosen(ids))

    def add(self, events: Sequence[tuple[Queued, Sequence[str]]]) -> int:
        """Keep events with their reasons, as far as there is room; how many were kept."""
        with _sqlite.LOCK, _sqlite.translated("cannot be written"):
            room = max(0, self._letters_max - self.count()) if self._exists() else self._letters_max
            at = self._now().timestamp()
            kept = events[:room]
            connection = self._opened()
            with _sqlite.transaction(connection):
                connection.executemany(
                    "INSERT INTO dead_letter (key, payload, reasons, rejected_at) VALUES (?, ?, ?, ?)",
                    [(event.key, event.payload, msgspec.json.encode(reasons).decode(), at) for event, reasons in kept],
                )
            return len(kept)

    def close(self) -> None:
        """Let go of the file; it is opened anew when needed. Letters in memory are gone."""
        with _sqlite.LOCK:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def forget(self) -> None:
        """This is a forked child: the connection stays the parent's."""
        if self._connection is not None:
            _sqlite.abandon(self._connection)
        self._connection = None

    def _chosen(self, ids: Sequence[int] | None) -> Sequence[DeadLetter]:
        if ids is None:
            return self._select("ORDER BY id", ())
        return [letter for letter_id in ids for letter in self._select("WHERE id = ?", (letter_id,))]

    def _select(self, condition: str, parameters: tuple[int, ...]) -> Sequence[DeadLetter]:
        if not self._exists():
            return []
        with _sqlite.LOCK, _sqlite.translated("cannot be read"):
            # The condition is one of the few spelled out in this class.
            query = f"SELECT id, key, payload, reasons, rejected_at FROM dead_letter {condition}"  # noqa: S608 - see above
            return [_letter(*row) for row in self._opened().execute(query, parameters)]

    def _delete(self, letter_id: int) -> int:
        with _sqlite.LOCK, _sqlite.translated("cannot be written"):
            return self._opened().execute("DELETE FROM dead_letter WHERE id = ?", (letter_id,)).rowcount

    def _exists(self) -> bool:
        return self._connection is not None or (self._path is not None and self._path.exists())

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _sqlite.connect(self._path, exclusive=False)
            self._connection.execute(SCHEMA)
        return self._connection


def _letter(letter_id: int, key: str, payload: bytes, reasons: str, rejected_at: float) -> DeadLetter:
    return DeadLetter(
        id=letter_id,
        idempotency_key=key,
        payload=payload,
        reasons=msgspec.json.decode(reasons, type=tuple[str, ...]),
        rejected_at=datetime.fromtimestamp(rejected_at, UTC),
    )
