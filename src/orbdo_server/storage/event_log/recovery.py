"""Opening a log: what its files say is held together before anything is served from them.

The tables are taken as of their last checkpoint, and the journal is read from there to its end. Three things must
agree, or ``LogDamagedError`` says what is missing: the tables have every position up to the one they say, the journal
follows from their digest, and it ends where the head says that it ended, or later.
"""

import logging
from collections import deque
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

import duckdb
import msgspec

from orbdo_server.storage.event_log.errors import LogDamagedError, LogUnavailableError
from orbdo_server.storage.event_log.journal import Mark, Segment, first_offset, frames, segment_paths, segments_in
from orbdo_server.storage.event_log.log_file import Applied, LogFile, wal_of
from orbdo_server.storage.event_log.records import Record, decode, last_position

HOW_TO_GO_ON = (
    "Restore a backup with 'orbdo restore', or accept what is left with 'orbdo recover --accept-loss'; both say how "
    "much that is. Clients that still have their events may send them again under the same keys."
)

_log = logging.getLogger(__name__)


class Replay:
    """A journal seen from the tables: the segments that follow from each other, what the tables lack, and the end."""

    def __init__(self, folder: Path, found: list[Segment], applied: Applied, *, until: Mark | None = None) -> None:
        """``LogDamagedError`` when it begins behind what the tables have.

        What lies beyond ``until`` was not acknowledged and is left out.
        """
        self._applied = applied
        self._folder = folder
        self._until = until
        # What lies before is in the tables, and nothing is lost when some of it has gone.
        needed = [place for place, one in enumerate(found) if one.after.records <= applied.mark.records]
        self._found = found[needed[-1] :] if needed else found
        self.segments: list[Segment] = []
        self.end = applied.mark
        self.offset = first_offset()
        if self._found and self._found[0].after.records > applied.mark.records:
            begins = self._found[0].after.position
            message = (
                f"The event log ends at position {applied.position}, and its journal begins after position {begins}: "
                f"{begins - applied.position} positions are missing between them. {HOW_TO_GO_ON}"
            )
            raise LogDamagedError(message)

    def verify(self) -> None:
        """Follow the chain to its end; ``LogDamagedError`` when it is not that of the tables."""
        deque(self._chain(), maxlen=0)
        if self.end.records < self._applied.mark.records:
            # It is cut short where the tables go on: there is nothing in it that they lack.
            self.segments, self.end = [], self._applied.mark

    @property
    def unused(self) -> list[Path]:
        """The segments that do not follow from the others."""
        used = {segment.path for segment in self.segments}
        return [path for path in segment_paths(self._folder) if path not in used]

    def records(self) -> Iterator[tuple[Mark, Record, int]]:
        """What the tables do not have, or not as a whole, with the mark after each and its bytes."""
        if self.segments:
            for mark, record, size_bytes in self._chain():
                if mark.records > self._applied.mark.records:
                    yield mark, record, size_bytes

    def _chain(self) -> Iterator[tuple[Mark, Record, int]]:
        """Every record with the mark after it and its bytes, up to where the chain ends."""
        if not self._found:
            return
        self.segments, self.end = [], self._found[0].after
        self._require_same(self.end)
        for place, segment in enumerate(self._found):
            if segment.after != self.end:
                # The one before it was cut short: the head tells that something is missing.
                return
            self.segments.append(segment)
            self.offset = first_offset()
            # A segment goes on to where the next one follows; a write that failed may have left something behind that.
            until = self._found[place + 1].after if place + 1 < len(self._found) else self._until
            for frame in frames(segment):
                if self.end == until:
                    break
                record = _decoded(frame.payload)
                self.end, self.offset = Mark(self.end.records + 1, last_position(record), frame.digest), frame.end
                self._require_same(self.end)
                yield self.end, record, len(frame.payload)

    def _require_same(self, mark: Mark) -> None:
        known = self._applied.mark
        if mark.records == known.records and mark != known:
            message = (
                f"The journal does not belong to the event log: at record {mark.records} their digests differ. "
                f"Files of different logs, or of different times, were put together. {HOW_TO_GO_ON}"
            )
            raise LogDamagedError(message)


def _decoded(payload: bytes) -> Record:
    try:
        return decode(payload)
    except msgspec.DecodeError as error:
        message = f"A record of the journal cannot be read by this version: {error}."
        raise LogUnavailableError(message) from error


def replay_of(folder: Path, applied: Applied, *, accept_loss: bool, until: Mark | None = None) -> Replay:
    """The journal up to ``until``, verified; ``accept_loss`` leaves one out that does not belong to the tables."""
    try:
        replay = Replay(folder, segments_in(folder), applied, until=until)
        replay.verify()
    except LogDamagedError as error:
        if not accept_loss:
            raise
        _log.warning("accepted: %s", error)
        replay = Replay(folder, [], applied)
    return replay


def require_whole(end: Mark, head: Mark | None, *, accept_loss: bool) -> None:
    """Raise ``LogDamagedError`` when the log ends before the head, or at it with another digest."""
    if head is None:
        if end.position == 0 or end.records == 0:
            # A new log, or one of the first format, which had no head.
            return
        message = f"The journal of the event log has no file 'head', so that its end cannot be told. {HOW_TO_GO_ON}"
    elif end.records < head.records:
        missing = head.position - end.position
        message = (
            f"The event log ends at position {end.position}, and {head.position} was acknowledged: {missing} "
            f"positions, those from {end.position + 1} on, are damaged or missing. {HOW_TO_GO_ON}"
        )
    elif end.records == head.records and end != head:
        message = f"The event log does not belong to its file 'head': their digests differ. {HOW_TO_GO_ON}"
    else:
        return
    if not accept_loss:
        raise LogDamagedError(message)
    _log.warning("accepted: %s", message)


class Closed(msgspec.Struct, frozen=True):
    """What is put beside a log that was closed in order: the file of its tables as it was then."""

    size: int
    sha256: str


def _closed(path: Path) -> Closed:
    with path.open("rb") as file:
        return Closed(path.stat().st_size, file_digest(file, "sha256").hexdigest())


def write_closed(path: Path, closed_path: Path) -> None:
    """Put down what the file of the tables is, so that the next start can tell whether it still is that."""
    temporary = closed_path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(_closed(path)))
    temporary.rename(closed_path)


def is_as_closed(path: Path, closed_path: Path) -> bool:
    """Whether the log was closed in order and its tables have not changed by a bit since. The note is used up."""
    try:
        expected = msgspec.json.decode(closed_path.read_bytes(), type=Closed)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return False
    finally:
        closed_path.unlink(missing_ok=True)
    return path.exists() and path.stat().st_size == expected.size and _closed(path) == expected


def require_readable(file: LogFile) -> None:
    """Read all of the tables; ``LogDamagedError`` when a block differs from its checksum."""
    try:
        file.read_everything()
    except duckdb.Error as error:
        message = f"The tables of the event log are damaged: {error}. {HOW_TO_GO_ON}"
        raise LogDamagedError(message) from error


def put_aside_wal(path: Path) -> None:
    """Take DuckDB's write-ahead file away: all that is in it is in the journal, where damage is noticed."""
    wal = wal_of(path)
    if wal.exists():
        wal.rename(wal.with_name(f"{wal.name}.aside"))


def take_back_wal(path: Path) -> None:
    """Leave the files as they were found."""
    aside = wal_of(path).with_name(f"{wal_of(path).name}.aside")
    if aside.exists():
        aside.rename(wal_of(path))


def drop_wal_aside(path: Path) -> None:
    """What was taken away is not needed: the journal had it."""
    wal_of(path).with_name(f"{wal_of(path).name}.aside").unlink(missing_ok=True)
