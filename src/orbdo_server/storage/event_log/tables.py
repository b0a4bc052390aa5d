"""The tables of the log while it runs: the file, the cursors that read it, and the tail that is still to be written.

They follow the journal and can be made anew from it at any time: whatever goes wrong with the file, it is opened again
as of its last checkpoint, and what came after is written again.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from orbdo_server.storage.event_log.errors import LogUnavailableError
from orbdo_server.storage.event_log.journal import START, Journal, Mark
from orbdo_server.storage.event_log.log_file import Applied, LogFile
from orbdo_server.storage.event_log.options import LogOptions
from orbdo_server.storage.event_log.readers import Readers
from orbdo_server.storage.event_log.recovery import (
    Replay,
    drop_wal_aside,
    put_aside_wal,
    replay_of,
    require_whole,
    take_back_wal,
)
from orbdo_server.storage.event_log.repeats import Entry
from orbdo_server.storage.event_log.tail import Load, Tail

_log = logging.getLogger(__name__)


class Tables:
    """Opened and closed as often as need be; ``file`` and ``readers`` are those of the last time."""

    def __init__(self, path: Path, journal_folder: Path, options: LogOptions) -> None:
        self._path = path
        self._journal_folder = journal_folder
        self._options = options
        self.tail = Tail()
        self.applied = Applied(0, START)
        self.doubtful = False
        # Held while the file is written or opened anew, so that no thread writes into one that is not its own.
        self._writing = threading.RLock()

    def open(
        self,
        *,
        check: Callable[[Mark], None],
        accept_loss: bool = False,
        has_journal: bool = True,
        until: Mark | None = None,
    ) -> Replay:
        """Open the file as of its last checkpoint, and apply the journal up to ``until`` or have it in the tail.

        ``check`` is called with the end of the journal before anything is changed. With ``accept_loss`` a journal that
        does not follow from the file is left out. A log that never had a journal has its last events in DuckDB's
        write-ahead file. ``LogDamagedError``, ``LogUnavailableError``.
        """
        if has_journal:
            put_aside_wal(self._path)
        try:
            self.file = LogFile(self._path, self._options)
        except BaseException:
            take_back_wal(self._path)
            raise
        try:
            replay = self._read(check, accept_loss=accept_loss, until=until)
        except BaseException:
            self.file.close()
            take_back_wal(self._path)
            raise
        drop_wal_aside(self._path)
        self.readers = Readers(
            self.file.connection,
            readers_max=self._options.readers_max,
            timeout_seconds=self._options.read_timeout_seconds,
            rows_max=self._options.read_rows_max,
        )
        self.doubtful = False
        return replay

    def reopen(self, *, until: Mark) -> None:
        """After an error: open the file anew, and apply the journal up to its end ``until``; see ``open``."""
        with self._writing:
            try:
                self.close()
                self.open(check=lambda end: require_whole(end, until, accept_loss=False), until=until)
            except (duckdb.Error, OSError) as error:
                message = f"The event log {self._path.name} cannot be opened again: {error}"
                raise LogUnavailableError(message) from error

    def close(self) -> None:
        """Let go of the file; what the tail has is in the journal."""
        with self._writing:
            self.readers.close()
            self.file.close()

    def apply(self, most: Load) -> None:
        """Write the oldest of the tail into the file, a chunk of at most so much; ``duckdb.Error``."""
        with self._writing:
            if self.doubtful:
                raise LogUnavailableError
            try:
                self._apply(most)
            except duckdb.Error:
                self.doubtful = True
                raise

    def checkpoint(self, journal: Journal, *, at_once: bool = False) -> None:
        """Have the file on disk when that is due, and let go of what the journal then need not hold."""
        with self._writing:
            due = (
                self.file.wal_bytes >= self._options.checkpoint_wal_bytes
                or journal.held_bytes >= self._options.checkpoint_journal_bytes
            )
            if not (due or at_once):
                return
            mark = self.applied.mark
            try:
                self.file.checkpoint()
            except duckdb.Error:
                # A checkpoint that fails, on a full disk for one, ends the connection; nothing is lost by it.
                self.doubtful = True
                raise
            journal.forget(mark)

    def rows(
        self, readers: Readers, sql: str, parameters: Mapping[str, object], *, asked: str | None = None
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The columns and rows of a SELECT; see ``Readers``.

        ``readers`` are those of the file that was found to have what is asked for: when it was opened anew since, and
        may have less for a while, they are closed.
        """
        try:
            return readers.rows(sql, parameters, asked=asked)
        except LogUnavailableError:
            if readers is self.readers:
                # The connection may be beyond use; the next one to come finds out.
                self.doubtful = True
            raise

    def entries_at(self, positions: Iterable[int]) -> list[Entry]:
        """The events at these positions, in no order; ``duckdb.Error``."""
        wanted = set(positions)
        # First the tail: what has left it meanwhile is in the file.
        entries = self.tail.entries_at(wanted)
        rest = sorted(wanted - entries.keys())
        return [*entries.values(), *(self.file.entries_at(rest) if rest else ())]

    def _read(self, check: Callable[[Mark], None], *, accept_loss: bool, until: Mark | None) -> Replay:
        try:
            self.applied = self.file.applied()
            replay = replay_of(self._journal_folder, self.applied, accept_loss=accept_loss, until=until)
            check(replay.end)
            self._replay(replay)
        except duckdb.Error as error:
            message = f"The event log {self._path.name} cannot be read: {error}"
            raise LogUnavailableError(message) from error
        return replay

    def _apply(self, most: Load) -> None:
        chunk = self.tail.take(most)
        if chunk is not None:
            self.file.apply(chunk)
            self.tail.drop(chunk)
            self.applied = Applied(max(self.applied.position, chunk.position), chunk.mark)

    def _replay(self, replay: Replay) -> None:
        known = self.applied
        self.tail.start_at(known.mark)
        for mark, record, size_bytes in replay.records():
            self.tail.add(record, mark, size_bytes=size_bytes, after=known.position)
            if self.tail.load.reaches(self._options.chunk):
                self._apply(self._options.chunk)
