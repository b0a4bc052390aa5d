"""A backup as one file: a tar of the control plane, of the rows of the log, and of a manifest that vouches for both.

Nothing of it is believed before all of it was read: names, kinds, sizes and digests have to be those of the manifest,
which comes last with a digest of its own, so that a file that was cut has none. It is no general tar: only plain files
with the names that are given here are taken, and none of them leads anywhere.
"""

import re
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec
from msgspec import Meta

from orbdo_server.core.errors import shown
from orbdo_server.errors import StartError

CONTROL_PLANE = "control.sqlite3"
MANIFEST = "manifest.json"
MANIFEST_DIGEST = "manifest.json.sha256"
BLOCK_BYTES = 512
READ_BYTES = 1 << 20
# The parts of 20 billion events, and what a manifest needs for them.
MEMBERS_MAX = 100_000
MANIFEST_BYTES_MAX = 32 << 20

_PART = re.compile(r"(events|actions|repeats)-\d{6}\.parquet")
_END = bytes(2 * BLOCK_BYTES)

Count = Annotated[int, Meta(ge=0)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class BackupError(StartError):
    """A backup cannot be made, read or restored; the message says why."""


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the backup, and how many rows of the log it has."""

    name: str
    size: Count
    sha256: Sha256
    rows: Count = 0


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many rows of each kind the log had, up to the position."""

    events: Count
    actions: Count
    repeats: Count


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup is of. ``records`` and ``digest`` are those of the log's journal at ``position``."""

    format: Literal[1] = 1
    orbdo_version: str
    created_at: datetime
    log_id: str
    position: Count
    records: Count
    digest: Sha256
    counts: Counts
    members: Annotated[list[Member], Meta(max_length=MEMBERS_MAX)]


class BackupWriter:
    """Makes the bytes of a backup, one member after the other."""

    def __init__(self, *, created_at: datetime) -> None:
        self._created_at = created_at
        self.members: list[Member] = []

    def member(self, name: str, path: Path, *, rows: int = 0) -> Iterator[bytes]:
        """The bytes of a member whose content is the file."""
        size, digest = path.stat().st_size, sha256()
        yield self._header(name, size)
        with path.open("rb") as file:
            while chunk := file.read(READ_BYTES):
                digest.update(chunk)
                yield chunk
        yield _padding(size)
        self.members.append(Member(name, size, digest.hexdigest(), rows))

    def end(self, manifest: Manifest) -> Iterator[bytes]:
        """The bytes that come last."""
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        for name, last in ((MANIFEST, content), (MANIFEST_DIGEST, _digest_line(sha256(content).hexdigest()))):
            yield self._header(name, len(last)) + last + _padding(len(last))
        yield _END

    def _header(self, name: str, size: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(self._created_at.timestamp())
        return info.tobuf(tarfile.GNU_FORMAT)


class BackupFile:
    """A backup that was read and found whole; ``extract`` takes files out of it."""

    def __init__(self, file: BinaryIO, manifest: Manifest, offsets: dict[str, int]) -> None:
        self.manifest = manifest
        self._file = file
        self._offsets = offsets

    def extract(self, member: Member, path: Path, *, advanced: Callable[[int], None]) -> None:
        """Write a member into a file; ``BackupError`` when it is not any more what it was."""
        digest = sha256()
        self._file.seek(self._offsets[member.name])
        with path.open("wb") as target:
            for chunk in _read(self._file, member.size):
                digest.update(chunk)
                target.write(chunk)
                advanced(len(chunk))
        if digest.hexdigest() != member.sha256:
            message = f"{member.name} was changed while the backup was read."
            raise BackupError(message)


class _Found(msgspec.Struct, frozen=True):
    name: str
    offset: int
    size: int
    sha256: str


def read_backup(file: BinaryIO, *, advanced: Callable[[int], None]) -> BackupFile:
    """The backup in an open file, all of which was read; ``BackupError`` when it is not whole, or no backup."""
    found: list[_Found] = []
    while (header := file.read(BLOCK_BYTES)) != _END[:BLOCK_BYTES]:
        if len(found) > MEMBERS_MAX + 1:
            message = f"It has more than {MEMBERS_MAX} members."
            raise BackupError(message)
        found.append(_member(file, header, advanced))
    if file.read(READ_BYTES) != _END[BLOCK_BYTES:]:
        message = "It does not end where its members end."
        raise BackupError(message)
    manifest = _manifest(file, found)
    return BackupFile(file, manifest, {member.name: member.offset for member in found})


def relation_of(name: str) -> str | None:
    """Which kind of rows a member of this name has; None for one that has none."""
    part = _PART.fullmatch(name)
    return None if part is None else part[1]


def _member(file: BinaryIO, header: bytes, advanced: Callable[[int], None]) -> _Found:
    try:
        info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        message = "It is cut, damaged, or no backup of this server."
        raise BackupError(message) from error
    is_ours = info.name in {CONTROL_PLANE, MANIFEST, MANIFEST_DIGEST} or _PART.fullmatch(info.name)
    if info.type != tarfile.REGTYPE or not is_ours:
        message = f"It has a member {shown(info.name)}, which no backup has."
        raise BackupError(message)
    offset, digest, size = file.tell(), sha256(), 0
    for chunk in _read(file, info.size):
        digest.update(chunk)
        size += len(chunk)
        advanced(len(chunk))
    padding = _padding(info.size)
    if size != info.size or file.read(len(padding)) != padding:
        message = f"{info.name} should have {info.size} bytes and is cut."
        raise BackupError(message)
    return _Found(info.name, offset, size, digest.hexdigest())


def _manifest(file: BinaryIO, found: list[_Found]) -> Manifest:
    ends = [(member.name, member.size <= MANIFEST_BYTES_MAX) for member in found[-2:]]
    if ends != [(MANIFEST, True), (MANIFEST_DIGEST, True)]:
        message = "It has no manifest at its end."
        raise BackupError(message)
    *members, last, digest = found
    file.seek(digest.offset)
    if file.read(digest.size) != _digest_line(last.sha256):
        message = f"{MANIFEST} is not as its digest says."
        raise BackupError(message)
    file.seek(last.offset)
    try:
        manifest = msgspec.json.decode(file.read(last.size), type=Manifest)
    except msgspec.DecodeError as error:
        message = f"Its manifest cannot be read: {error}"
        raise BackupError(message) from error
    _require_members(manifest, members)
    return manifest


def _require_members(manifest: Manifest, members: list[_Found]) -> None:
    told = [(member.name, member.size, member.sha256) for member in manifest.members]
    there = [(member.name, member.size, member.sha256) for member in members]
    if told != there:
        wrong = next((name for name, *_ in set(told) ^ set(there)), "The order of its members")
        message = f"{wrong} is not as the manifest says."
        raise BackupError(message)
    names = [name for name, *_ in there]
    if names.count(CONTROL_PLANE) != 1 or len(set(names)) != len(names):
        message = "It has not exactly one control plane, or a member twice."
        raise BackupError(message)


def _digest_line(digest: str) -> bytes:
    """As ``sha256sum`` writes it."""
    return f"{digest}  {MANIFEST}\n".encode()


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The next so many bytes, fewer when the file ends before."""
    while size and (chunk := file.read(min(size, READ_BYTES))):
        size -= len(chunk)
        yield chunk


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK_BYTES)
