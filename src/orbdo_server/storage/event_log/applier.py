"""The thread that writes the tail of the log into its tables: a row group at a time, or at once when somebody waits.

Whole row groups go straight into the database, once; smaller chunks go through DuckDB's write-ahead file and are
written again by a checkpoint, which costs three times as much. So a chunk waits until it is full, for some seconds at
most, unless a reading needs it.
"""

import logging
import threading
from collections.abc import Callable
from time import monotonic, sleep

from orbdo_server.storage.event_log.errors import LogUnavailableError, ReadTimeoutError
from orbdo_server.storage.event_log.log_file import Applied
from orbdo_server.storage.event_log.tail import Load, Tail

APPLY_AFTER_SECONDS = 2.0
RETRY_SECONDS = 1.0
# How long the next group of events is held back at most, once the tail is half full.
HELD_BACK_SECONDS_MAX = 0.1

_log = logging.getLogger(__name__)


class Applier:
    """Moves the tail into the tables. ``apply`` writes a chunk of it; ``applied`` says how far the tables are."""

    def __init__(
        self,
        tail: Tail,
        *,
        applied: Callable[[], Applied],
        apply: Callable[[Load], None],
        idle: Callable[[], None],
        chunk: Load,
        after_seconds: float = APPLY_AFTER_SECONDS,
    ) -> None:
        """``idle`` is called after each chunk and when there was nothing to do, for whatever else is due."""
        self._tail = tail
        self._applied = applied
        self._apply = apply
        self._idle = idle
        self._chunk = chunk
        self._after_seconds = after_seconds
        self._wanted = (0, 0)
        self._seconds_a_row = 0.0
        self._next_group_at = 0.0
        self._first_waits_since: float | None = None
        self._failure: Exception | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="orbdo-applier", daemon=True)
        self._thread.start()

    def notice(self) -> None:
        """Something was added to the tail."""
        with self._changed:
            if self._first_waits_since is None:
                self._first_waits_since = monotonic()
                self._changed.notify_all()
            elif self._tail.load.reaches(self._chunk):
                self._changed.notify_all()

    def reach(self, position: int, *, timeout_seconds: float, records: int = 0) -> None:
        """Return once the tables have the position and so many records.

        ``ReadTimeoutError``, ``LogUnavailableError`` when they cannot have it now.
        """
        if self._has(position, records):
            return
        with self._changed:
            self._wanted = (max(self._wanted[0], position), max(self._wanted[1], records))
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._has(position, records) or self._failure or self._closing, timeout_seconds
            )
            if self._has(position, records):
                return
        if not done:
            raise ReadTimeoutError(timeout_seconds=timeout_seconds)
        raise LogUnavailableError from self._failure

    def pace(self, rows: int, most: Load) -> None:
        """So many rows were added. Above half of ``most`` the next are let in no faster than the tables take them.

        Otherwise a tail that is full would let in a whole chunk at once, and then nobody for as long as that takes.
        """
        if self._tail.load.reaches(Load(most.rows // 2, most.size_bytes // 2)):
            self._next_group_at = monotonic() + min(rows * self._seconds_a_row, HELD_BACK_SECONDS_MAX)

    def wait_for_room(self, most: Load, *, timeout_seconds: float) -> None:
        """Return once the tail holds less than ``most``; ``LogUnavailableError`` when it does not shrink in time."""
        held_back_seconds = self._next_group_at - monotonic()
        if held_back_seconds > 0:
            sleep(held_back_seconds)
        if not self._tail.load.reaches(most):
            return
        with self._changed:
            has_room = self._changed.wait_for(
                lambda: not self._tail.load.reaches(most) or self._failure or self._closing, timeout_seconds
            )
            if not has_room:
                raise LogUnavailableError
        if self._failure is not None:
            raise LogUnavailableError from self._failure

    def close(self) -> None:
        """Write all of the tail, then end the thread; what cannot be written stays in the journal."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            try:
                self._apply_one()
                with self._changed:
                    # Whoever waits for these rows need not wait for a checkpoint too.
                    self._changed.notify_all()
                self._idle()
            except Exception as error:
                _log.exception("the event log could not be written from its journal; it is tried again")
                self._fail(error)
            else:
                with self._changed:
                    self._failure = None
                    self._first_waits_since = None if self._tail.is_empty() else monotonic()
                    self._changed.notify_all()

    def _apply_one(self) -> None:
        position, began = self._applied().position, monotonic()
        self._apply(self._chunk)
        rows = self._applied().position - position
        # What a small chunk takes a row says nothing of a full one.
        if rows >= self._chunk.rows:
            self._seconds_a_row = (monotonic() - began) / rows

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing, RETRY_SECONDS)

    def _wait(self) -> bool:
        """Wait until a chunk is due; False when the log closes and nothing is left, or nothing can be written."""
        with self._changed:
            while True:
                if self._closing:
                    return self._failure is None and not self._tail.is_empty()
                if self._is_due():
                    return True
                self._changed.wait(self._seconds_left())

    def _is_due(self) -> bool:
        if self._tail.load.reaches(self._chunk) or not self._has(*self._wanted):
            return True
        return self._seconds_left() == 0

    def _seconds_left(self) -> float | None:
        if self._first_waits_since is None:
            return None
        return max(0.0, self._first_waits_since + self._after_seconds - monotonic())

    def _has(self, position: int, records: int) -> bool:
        applied = self._applied()
        return applied.position >= position and applied.mark.records >= records
