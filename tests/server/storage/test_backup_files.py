"""A backup is read whole before anything of it is believed; whatever is not exactly one is refused in a sentence."""

import io
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from orbdo_server.storage import backup_files
from orbdo_server.storage.backup_files import (
    BackupError,
    BackupFile,
    BackupWriter,
    Counts,
    Manifest,
    Member,
    read_backup,
    relation_of,
)

MADE = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
CONTENTS = {"control.sqlite3": b"control plane", "events-000000.parquet": b"x" * 512, "repeats-000001.parquet": b""}
Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], object]


def manifest(members: list[Member]) -> Manifest:
    """That of a backup of these members."""
    return Manifest(
        orbdo_version="0.1.0",
        created_at=MADE,
        log_id="log_1",
        position=7,
        records=3,
        digest="ab" * 32,
        counts=Counts(events=7, actions=0, repeats=0),
        members=members,
    )


def backup(folder: Path) -> bytes:
    """A whole backup."""
    writer, made = BackupWriter(created_at=MADE), b""
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
        made += b"".join(writer.member(name, folder / name, rows=len(content)))
    return made + b"".join(writer.end(manifest(writer.members)))


def opened(content: bytes) -> BackupFile:
    """The backup that these bytes are."""
    return read_backup(io.BytesIO(content), advanced=lambda _: None)


def refusal(content: bytes) -> str:
    """Why they are none."""
    with pytest.raises(BackupError) as caught:
        opened(content)
    return str(caught.value)


def unpacked(content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The members as any tar program sees them."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = []
        for info in tar:
            file = tar.extractfile(info)
            members.append((info, b"" if file is None else file.read()))
        return members


def packed(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar of these members, with the manifest that it should have."""
    told = [Member(info.name, len(content), sha256(content).hexdigest()) for info, content in members[:-2]]
    return tarred(members[:-2], msgspec.json.encode(manifest(told)))


def tarred(members: list[tuple[tarfile.TarInfo, bytes]], last: bytes) -> bytes:
    """A tar of these members, with this manifest and its digest."""
    made = b""
    digest = f"{sha256(last).hexdigest()}  manifest.json\n".encode()
    ends = [(tarfile.TarInfo("manifest.json"), last), (tarfile.TarInfo("manifest.json.sha256"), digest)]
    for info, content in [*members, *ends]:
        info.size = len(content)
        made += info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
    return made + bytes(1024)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The manifest, and every member to the byte; how far the reading is, is told."""
    read: list[int] = []
    found = read_backup(io.BytesIO(backup(tmp_path)), advanced=read.append)
    assert sum(read) > 13 + 512
    assert found.manifest.members[0] == Member(
        "control.sqlite3", 13, "a32b176c56bea1f4e551e76e17d60bb6acac7822850dc3673b944ae8f3db8dce", 13
    )
    for member in found.manifest.members:
        found.extract(member, tmp_path / "out", advanced=read.append)
        assert (tmp_path / "out").read_bytes() == CONTENTS[member.name]


def test_it_is_a_tar_for_anybody(tmp_path: Path) -> None:
    """Nobody but the owner may read what is taken out of it."""
    members = unpacked(backup(tmp_path))
    assert [info.name for info, _ in members] == [*CONTENTS, "manifest.json", "manifest.json.sha256"]
    assert {(info.mode, info.mtime) for info, _ in members} == {(0o600, int(MADE.timestamp()))}


def test_the_kind_of_rows_is_in_the_name() -> None:
    """Of parts only."""
    names = ("events-000000.parquet", "actions-000001.parquet", "control.sqlite3", "others-000000.parquet")
    assert [relation_of(name) for name in names] == ["events", "actions", None, None]


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """Wherever it lies, and whatever is cut off the end; but for what a header says that nobody asks."""
    content = backup(tmp_path)
    for place in range(0, len(content), 7):
        flipped = content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]
        assert refusal(flipped)
    for size in (*range(0, len(content), 97), len(content) - 1):
        assert refusal(content[:size])


def test_a_changed_file_is_noticed_when_it_is_taken_out(tmp_path: Path) -> None:
    """Though it was whole when it was read."""
    file = io.BytesIO(backup(tmp_path))
    found = read_backup(file, advanced=lambda _: None)
    file.seek(512)
    file.write(b"X")
    with pytest.raises(BackupError, match=r"control\.sqlite3 was changed while the backup was read"):
        found.extract(found.manifest.members[0], tmp_path / "out", advanced=lambda _: None)


def renamed(name: str) -> Change:
    """The second member is called otherwise."""
    return lambda members: setattr(members[1][0], "name", name)


def of_kind(kind: bytes) -> Change:
    """The second member is no plain file."""

    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[1][0].type, members[1][0].linkname = kind, "/etc/passwd"

    return change


@pytest.mark.parametrize(
    "change",
    [
        *map(renamed, ["../control.sqlite3", "/etc/passwd", "events-1.parquet", "a/events-000000.parquet", "x" * 99]),
        *map(renamed, ["events-000000.parquet\n", "CONTROL.SQLITE3", "events-00000\N{ARABIC-INDIC DIGIT ONE}.parquet"]),
        *map(of_kind, [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]),
        *map(of_kind, [tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.AREGTYPE]),
    ],
)
def test_a_strange_member_is_refused(tmp_path: Path, change: Change) -> None:
    """A name that leads elsewhere, a link, a folder, a device: even when the manifest has it."""
    members = unpacked(backup(tmp_path))
    change(members)
    said = refusal(packed(members))
    assert said.startswith("It has a member ") or said == "It is cut, damaged, or no backup of this server."


def test_a_size_beyond_the_file_is_refused(tmp_path: Path) -> None:
    """Nothing is reserved for what is not there."""
    info = tarfile.TarInfo("control.sqlite3")
    info.size = 1 << 60
    assert refusal(info.tobuf(tarfile.GNU_FORMAT) + b"x") == (
        "control.sqlite3 should have 1152921504606846976 bytes and is cut."
    )
    assert refusal(b"") == "It is cut, damaged, or no backup of this server."
    assert refusal(bytes(1024)) == "It has no manifest at its end."


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda members: members.pop(0), "It has not exactly one control plane, or a member twice."),
        (lambda members: members.insert(1, members[1]), "It has not exactly one control plane, or a member twice."),
        (lambda members: members.insert(1, members[0]), "It has not exactly one control plane, or a member twice."),
    ],
)
def test_members_are_complete_and_single(tmp_path: Path, change: Change, problem: str) -> None:
    """Whatever the manifest says."""
    members = unpacked(backup(tmp_path))
    change(members)
    assert refusal(packed(members)) == problem


def test_the_manifest_is_last_and_right(tmp_path: Path) -> None:
    """Of this version, without anything that is not known, and it has every member."""
    members = unpacked(backup(tmp_path))
    whole = packed(members)
    assert opened(whole).manifest.position == 7
    assert refusal(whole + b"x") == "It does not end where its members end."
    assert refusal(whole[:-512] + b"x" * 512) == "It does not end where its members end."
    assert refusal(whole.replace(b'"position":7', b'"position":8')) == "manifest.json is not as its digest says."
    told = members[-2][1]
    for one, other in [(b'"format": 1', b'"format": 2'), (b'"records"', b'"recordX"'), (b"{", b"[")]:
        assert refusal(tarred(members[:-2], told.replace(one, other))).startswith("Its manifest cannot be read: ")
    renamed = told.replace(b"events-", b"xvents-")
    assert refusal(tarred(members[:-2], renamed)).endswith("s-000000.parquet is not as the manifest says.")
    assert refusal(tarred([members[1], members[0], members[2]], told)) == (
        "The order of its members is not as the manifest says."
    )


def test_the_manifest_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one member that is read into memory."""
    content = backup(tmp_path)
    size = len(unpacked(content)[-2][1])
    monkeypatch.setattr(backup_files, "MANIFEST_BYTES_MAX", size)
    opened(content)
    monkeypatch.setattr(backup_files, "MANIFEST_BYTES_MAX", size - 1)
    assert refusal(content) == "It has no manifest at its end."


def test_members_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the manifest."""
    content = backup(tmp_path)
    monkeypatch.setattr(backup_files, "MEMBERS_MAX", 3)
    opened(content)
    monkeypatch.setattr(backup_files, "MEMBERS_MAX", 2)
    assert refusal(content) == "It has more than 2 members."
