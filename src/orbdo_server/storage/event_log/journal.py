"""The journal: every record of the log, on disk before it is acknowledged, each chained to the one before by SHA-256.

It is a folder of segments. A segment is a file of fixed size that begins with zeros, so that a file that was cut is
told from one that was never filled, and a write moves no metadata. A record is a frame: its length, the digest of the
chain, and JSON. The chain ends at the first frame that does not follow from the one before it: there the zeros begin,
or what an older use of the file left, or a write that was cut off by a crash. Which of them it is, the ``head`` tells:
a small file beside the segments with the position and the digest that the journal reached. It is written before anybody
is answered, so that a chain that ends before it has lost something that was acknowledged.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec

from orbdo_server.storage.event_log.errors import LogDamagedError

# A segment is as large as twice the one before it, so that a small log stays small.
SEGMENT_BYTES_MIN = 1 << 20
SEGMENT_BYTES_MAX = 64 << 20
SPARES_MAX = 2
DIGEST_BYTES = 32
GENESIS = bytes(DIGEST_BYTES)

_MAGIC = b"orbdo journal 1\n"
_HEADER = Struct(f"<{len(_MAGIC)}sQQ{DIGEST_BYTES}s")
_FRAME = Struct(f"<Q{DIGEST_BYTES}s")
_HEAD = Struct(f"<QQQ{DIGEST_BYTES}s")
_HEAD_SLOT_BYTES = 512
_ZEROS = bytes(1 << 20)
_SEGMENT = ".segment"
_SPARE = ".spare"
# A file that is not yet what it will be; nobody looks for it but the one who makes it.
_UNFINISHED = ".unfinished"


def folder_of(path: Path) -> Path:
    """The folder that the journal of the log in the file ``path`` lies in."""
    return path.with_name(f"{path.name}.journal")


class Mark(NamedTuple):
    """A place in the chain: how many records there are up to it, the log's last position, and the digest of them all.

    A record that only tells of repeated events takes no position, so that marks are ordered by their records.
    """

    records: int
    position: int
    digest: bytes


START = Mark(0, 0, GENESIS)


class Segment(msgspec.Struct, frozen=True):
    """A file of the journal: the mark that its first record follows, and how many bytes it has."""

    path: Path
    after: Mark
    size: int


class Frame(NamedTuple):
    """One record of a segment: its JSON, the digest of the chain after it, and the offset at which it ends."""

    payload: bytes
    digest: bytes
    end: int


class Journal:
    """The end of the journal, where records are added. One thread at a time uses it, except for ``prepare``."""

    def __init__(self, folder: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        """Writing begins with ``resume``, after what is there was read."""
        self._folder = folder
        self._segment_bytes_max = segment_bytes_max
        self._segments: list[Segment] = []
        self._spares: list[Path] = []
        # What is in ``_spares`` is in the folder under its name, and no other spare is there: held while that changes.
        self._sparing = threading.Lock()
        self._file: int | None = None
        self._offset = 0
        self._folder_is_synced = True
        self.head = Head(folder / "head")
        self.end = START

    def resume(self, segments: list[Segment], end: Mark, offset: int) -> None:
        """Go on after ``end``, at ``offset`` of the last segment; without segments the next record begins one."""
        self._segments = segments
        self.end = end
        if segments:
            self._file, self._offset = os.open(segments[-1].path, os.O_RDWR), offset
        self._find_spares()
        self.head.write(end)
        # The folder has its name on disk from here on, and so have the tables beside it.
        _sync_folder(self._folder.parent)

    def append(self, payload: bytes, *, position: int) -> None:
        """Add a record, after which the log is at ``position``. It is on disk when this returns; ``OSError``.

        When it raises, nothing was added: the next record is written in the same place.
        """
        digest = sha256(self.end.digest + payload).digest()
        frame_bytes = _FRAME.size + len(payload)
        if self._file is None or self._offset + frame_bytes > self._segments[-1].size:
            self._begin_segment(frame_bytes)
        assert self._file is not None, "a segment is open"
        if not self._folder_is_synced:
            self._sync()
        mark = Mark(self.end.records + 1, position, digest)
        try:
            _write(self._file, [_FRAME.pack(len(payload), digest), payload], self._offset)
            os.fdatasync(self._file)
            self.head.write(mark)
        except OSError:
            self._take_back()
            raise
        self._offset += frame_bytes
        self.end = mark

    def forget(self, mark: Mark) -> None:
        """Let go of the segments whose records all lie at or before ``mark``; the last one stays."""
        while len(self._segments) > 1 and self._segments[1].after.records <= mark.records:
            segment = self._segments.pop(0)
            # It is used again as it is: what it holds does not follow from any other record.
            with self._sparing:
                if len(self._spares) < SPARES_MAX and segment.size == self._segment_bytes_max:
                    self._spares.append(segment.path.rename(segment.path.with_suffix(_SPARE)))
                    continue
            segment.path.unlink()

    def forget_all(self) -> None:
        """Let go of every record, when all of them lie somewhere else; the next one begins a new segment."""
        self._let_go()
        for path in (*(segment.path for segment in self._segments), *self._spares):
            path.unlink()
        self._segments, self._spares = [], []
        self.head.sync()
        _sync_folder(self._folder)

    @property
    def held_bytes(self) -> int:
        """The size of the segments that hold records."""
        return sum(segment.size for segment in self._segments)

    def prepare(self) -> None:
        """Have a spare segment at hand once segments are large, for writing its zeros takes a while. Any thread."""
        if self._segments and self._segments[-1].size == self._segment_bytes_max and not self._spares:
            path = self._folder / f"spare{_UNFINISHED}"
            try:
                _make_file(path, self._segment_bytes_max)
            except OSError:
                # Whoever needs the next segment tries to make it then, and is told.
                return
            with self._sparing:
                self._spares.append(path.rename(path.with_suffix(_SPARE)))

    def close(self) -> None:
        """Let go of the files; every record is on disk already."""
        self._let_go()
        self.head.close()

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _begin_segment(self, frame_bytes: int) -> None:
        last = self._segments[-1] if self._segments else None
        size = SEGMENT_BYTES_MIN if last is None else last.size * 2
        size = max(min(size, self._segment_bytes_max), _HEADER.size + frame_bytes)
        unfinished = self._folder / f"segment{_UNFINISHED}"
        if size != self._segment_bytes_max or not self._take_spare(unfinished):
            _make_file(unfinished, size)
        file = os.open(unfinished, os.O_RDWR)
        try:
            _write(file, [_HEADER.pack(_MAGIC, *self.end)], 0)
            os.fsync(file)
            # From here on it is a segment, and whoever finds it finds a whole header. It follows from the last record,
            # so that no other may be written elsewhere, whatever goes wrong now.
            path = unfinished.rename(self._folder / f"{self.end.records:020}{_SEGMENT}")
        except OSError:
            os.close(file)
            raise
        self._let_go()
        self._file, self._offset, self._folder_is_synced = file, _HEADER.size, False
        if last is not None and last.after == self.end:
            # It was too small for its first record, and its successor has taken its name.
            self._segments.pop()
        self._segments.append(Segment(path, self.end, size))

    def _take_spare(self, path: Path) -> bool:
        """Have a spare segment at this path; False when there is none."""
        with self._sparing:
            if not self._spares:
                return False
            self._spares.pop().rename(path)
            return True

    def _find_spares(self) -> None:
        """Those that an earlier process left; what it did not finish, or made in another size, goes."""
        self._spares = []
        for path in sorted([*self._folder.glob(f"*{_SPARE}"), *self._folder.glob(f"*{_UNFINISHED}")]):
            whole = path.suffix == _SPARE and path.stat().st_size == self._segment_bytes_max
            if whole and len(self._spares) < SPARES_MAX:
                self._spares.append(path)
            else:
                path.unlink()

    def _sync(self) -> None:
        """Have the name of the segment on disk, and how far those before it were written."""
        _sync_folder(self._folder)
        self.head.sync()
        self._folder_is_synced = True

    def _take_back(self) -> None:
        """Have nothing at the end that looks like a record; where that fails too, whoever reads goes by ``end``."""
        assert self._file is not None, "a segment is open"
        with suppress(OSError):
            _write(self._file, [bytes(_FRAME.size)], self._offset)


class Head:
    """The mark that was reached, kept apart from the records in two slots, of which the later one counts."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._writes = max((writes for writes, _ in self._slots()), default=0)

    def read(self, *, accept_loss: bool = False) -> Mark | None:
        """The last mark, None when none was ever written; ``LogDamagedError`` when there is no telling."""
        slots = self._slots()
        if not slots and os.fstat(self._file).st_size and not accept_loss:
            message = "The file 'head' of the journal is damaged, so that nobody can tell whether the log is whole."
            raise LogDamagedError(message)
        return max(slots)[1] if slots else None

    def write(self, mark: Mark) -> None:
        """Put down a mark; it survives the end of the process at once, and that of the machine after ``sync``."""
        # Counted only once it is written: one that fails leaves the other slot as it is.
        writes = self._writes + 1
        content = _HEAD.pack(writes, *mark)
        _write(self._file, [content, sha256(content).digest()], writes % 2 * _HEAD_SLOT_BYTES)
        self._writes = writes

    def sync(self) -> None:
        """Have the mark on disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Put the mark on disk and let go of the file."""
        self.sync()
        os.close(self._file)

    def _slots(self) -> list[tuple[int, Mark]]:
        found: list[tuple[int, Mark]] = []
        for slot in range(2):
            content = os.pread(self._file, _HEAD.size + DIGEST_BYTES, slot * _HEAD_SLOT_BYTES)
            if content[_HEAD.size :] == sha256(content[: _HEAD.size]).digest():
                writes, *mark = _HEAD.unpack_from(content)
                found.append((writes, Mark(*mark)))
        return found


def segment_paths(folder: Path) -> list[Path]:
    """The files of the segments, in order."""
    return sorted(folder.glob(f"*{_SEGMENT}"))


def segments_in(folder: Path) -> list[Segment]:
    """The segments, in order; one whose header cannot be read is damaged: ``LogDamagedError``."""
    return [_segment(path) for path in segment_paths(folder)]


def frames(segment: Segment) -> Iterator[Frame]:
    """The records of a segment from its first on, up to where the chain ends."""
    with segment.path.open("rb") as file:
        file.seek(_HEADER.size)
        end, digest = _HEADER.size, segment.after.digest
        while len(header := file.read(_FRAME.size)) == _FRAME.size:
            length, written = _FRAME.unpack(header)
            # Where the chain ends any number may stand, so that it is held against the file before it is read.
            if not 0 < length <= segment.size - end - _FRAME.size:
                return
            payload = file.read(length)
            digest = sha256(digest + payload).digest()
            if digest != written:
                return
            end += _FRAME.size + length
            yield Frame(payload, digest, end)


def first_offset() -> int:
    """Where the first record of a segment begins."""
    return _HEADER.size


def _segment(path: Path) -> Segment:
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or header[: len(_MAGIC)] != _MAGIC:
        message = f"The segment {path.name} of the journal is damaged: it does not begin as one."
        raise LogDamagedError(message)
    _, *mark = _HEADER.unpack(header)
    return Segment(path, Mark(*mark), path.stat().st_size)


def _make_file(path: Path, size: int) -> None:
    """A file of zeros. They are written, not only reserved: blocks that were never written would cost each sync."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for start in range(0, size, len(_ZEROS)):
            _write(file, [_ZEROS[: size - start]], start)
        os.fsync(file)
    except OSError:
        # On a full disk there would be no room for anything else.
        path.unlink()
        raise
    finally:
        os.close(file)


def _write(file: int, parts: list[bytes], offset: int) -> None:
    """Write all of it; the kernel may take less at once."""
    written = os.pwritev(file, parts, offset)
    rest = memoryview(b"".join(parts))[written:] if written < sum(map(len, parts)) else None
    while rest:
        written += (step := os.pwrite(file, rest, offset + written))
        rest = rest[step:]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
