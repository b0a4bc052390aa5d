"""A folder is made of a whole backup or no server starts on it; what is restored sends nothing until it is released."""

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from orbdo_server.app import create_app, open_stores
from orbdo_server.engine import restore as restore_module
from orbdo_server.engine.audit import first_broken_entry
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.engine.log_watch import Noted, noted
from orbdo_server.engine.restore import UNFINISHED, require_finished, require_room
from orbdo_server.engine.sends import Pause, sends_paused
from orbdo_server.errors import NewerDatabaseError, StartError
from orbdo_server.settings import Settings
from orbdo_server.storage import audit_entries
from orbdo_server.storage.backup_files import BackupError, BackupWriter, Manifest
from tests.support.backups import MADE, RESTORED, made, opened, restored
from tests.support.knocking import ADMIN_KEY
from tests.support.logged_events import event, keys, send


@pytest.fixture
def backup(tmp_path: Path) -> Iterator[bytes]:
    """A backup of a server with five events, one of which came twice."""
    with closing(open_stores(Settings(data=tmp_path / "data"))) as stores:
        send(stores.log, *[event(f"k{number}") for number in range(5)], tenant=ACCOUNT)
        send(stores.log, event("k0"), tenant=ACCOUNT)
        yield made(stores)


def forged(backup: bytes, folder: Path, **changes: object) -> bytes:
    """The same with a manifest that says something else of the log."""
    found = opened(backup)
    writer, content = BackupWriter(created_at=MADE), b""
    for member in found.manifest.members:
        found.extract(member, folder / member.name, advanced=lambda _: None)
        content += b"".join(writer.member(member.name, folder / member.name, rows=member.rows))
    manifest: Manifest = msgspec.structs.replace(found.manifest, members=writer.members, **changes)
    return content + b"".join(writer.end(manifest))


def test_a_new_folder_is_a_data_folder(backup: bytes, tmp_path: Path) -> None:
    """With both stores, and nothing else; what was in the log is in it, and its keys are known."""
    manifest = restored(backup, tmp_path / "deep" / "new")
    assert (manifest.position, manifest.counts.events, manifest.counts.repeats) == (5, 5, 1)
    assert sorted(path.name for path in (tmp_path / "deep" / "new").iterdir()) == [
        "control.sqlite3",
        "events.duckdb",
        "events.duckdb.journal",
    ]
    with closing(open_stores(Settings(data=tmp_path / "deep" / "new"))) as stores:
        assert keys(stores.log, tenant=ACCOUNT) == ["k0", "k1", "k2", "k3", "k4"]
        assert len(stores.log.repeats(ACCOUNT, "k0")) == 1


def test_the_control_plane_says_that_it_was_restored(backup: bytes, tmp_path: Path) -> None:
    """Which log it goes with, that sends are paused, and in the audit trail, whose chain holds, when it was."""
    restored(backup, tmp_path / "new")
    with closing(open_stores(Settings(data=tmp_path / "new"))) as stores:
        with stores.database.read() as connection:
            known = noted(connection)
            assert known is not None
            assert (known.position, sends_paused(connection)) == (5, Pause(RESTORED, MADE, 5))
            entries = audit_entries.read_all(connection)
        assert (entries[-1].action, entries[-1].resource_id, entries[-1].at) == (
            "orbdo restore",
            known.log_id,
            RESTORED,
        )
        assert first_broken_entry(entries) is None
        assert known.log_id != opened(backup).manifest.log_id


def test_an_empty_folder_is_filled_in_place(backup: bytes, tmp_path: Path) -> None:
    """It may be where a disk is mounted."""
    folder = tmp_path / "empty"
    folder.mkdir()
    before = folder.stat().st_ino
    restored(backup, folder)
    assert folder.stat().st_ino == before


def test_an_empty_server_can_be_restored(tmp_path: Path) -> None:
    """There is nothing to lose, and it starts."""
    with closing(open_stores(Settings(data=tmp_path / "data"))) as stores:
        content = made(stores)
    restored(content, tmp_path / "new")
    with closing(open_stores(Settings(data=tmp_path / "new"))) as stores:
        assert stores.log.position() == 0


def test_a_backup_of_what_was_restored_is_a_backup(backup: bytes, tmp_path: Path) -> None:
    """Of the same events."""
    restored(backup, tmp_path / "new")
    with closing(open_stores(Settings(data=tmp_path / "new"))) as stores:
        send(stores.log, event("new"), tenant=ACCOUNT)
        content = made(stores)
    restored(content, tmp_path / "newer")
    with closing(open_stores(Settings(data=tmp_path / "newer"))) as stores:
        assert keys(stores.log, tenant=ACCOUNT) == ["k0", "k1", "k2", "k3", "k4", "new"]


@pytest.mark.parametrize("name", ["control.sqlite3", ".hidden", "folder"])
def test_a_folder_with_something_in_it_is_left_alone(backup: bytes, tmp_path: Path, name: str) -> None:
    """Whatever it is."""
    folder = tmp_path / "full"
    (folder / name).mkdir(parents=True)
    with pytest.raises(BackupError, match="is not empty"):
        restored(backup, folder)
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """It is said to be none."""
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="is no folder"):
        require_room(tmp_path / "file")


def test_there_is_one_restore_at_a_time(backup: bytes, tmp_path: Path) -> None:
    """A second one would begin anew where the first one is."""
    refusals: list[str] = []

    def again(_: int) -> None:
        if not refusals:
            with pytest.raises(BackupError) as caught:
                restored(backup, tmp_path / "new")
            refusals.append(str(caught.value))

    restore_module.restore(opened(backup), tmp_path / "new", now=RESTORED, advanced=again)
    assert refusals == [f"Another restore into {tmp_path / 'new'} is under way."]
    open_stores(Settings(data=tmp_path / "new")).close()


class CutError(BaseException):
    """The process ends here, as far as what is on disk goes."""


@pytest.mark.parametrize("step", ["_make_log", "_make_control_plane", "_move", "_sync"])
def test_half_a_restore_is_not_served(
    backup: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever it is cut off: a server refuses and says so, and another attempt makes it whole."""
    folder = tmp_path / "new"
    real = getattr(restore_module, step)

    def cut(*parts: object, **named: object) -> None:
        real(*parts, **named)
        # What is moved is in its place by then, but the folder of the restore is still there.
        (folder / UNFINISHED).mkdir(exist_ok=True)
        raise CutError

    with monkeypatch.context() as patch:
        patch.setattr(restore_module, step, cut)
        with pytest.raises(CutError):
            restored(backup, folder)
    with pytest.raises(StartError, match="came to no end: run 'orbdo restore' again"):
        create_app(Settings(data=folder, api_key=ADMIN_KEY))
    restored(backup, folder)
    require_finished(folder)
    with closing(open_stores(Settings(data=folder))) as stores:
        assert stores.log.position() == 5


def test_a_restore_that_fails_leaves_nothing_to_start_on(backup: bytes, tmp_path: Path) -> None:
    """A log that has not what the manifest says, in count or in position, is not believed."""
    counts = opened(backup).manifest.counts
    forgeries: list[tuple[dict[str, object], str]] = [
        ({"counts": msgspec.structs.replace(counts, repeats=2)}, "The log has Counts"),
        ({"position": 6}, "should hold 6 positions and holds 5"),
        ({"position": 4}, "should hold 4 positions and holds 5"),
    ]
    for changes, problem in forgeries:
        with pytest.raises(BackupError, match=problem):
            restored(forged(backup, tmp_path, **changes), tmp_path / "new")
        with pytest.raises(StartError, match="came to no end"):
            open_stores(Settings(data=tmp_path / "new"))
    restored(backup, tmp_path / "new")


def test_rows_that_are_none_are_refused(backup: bytes, tmp_path: Path) -> None:
    """Though their digest is that of the manifest."""
    found = opened(backup)
    part = next(member for member in found.manifest.members if member.name.startswith("events"))
    writer, content = BackupWriter(created_at=MADE), b""
    for member in found.manifest.members:
        found.extract(member, tmp_path / member.name, advanced=lambda _: None)
        if member == part:
            (tmp_path / member.name).write_bytes(b"PAR1" * 100)
        content += b"".join(writer.member(member.name, tmp_path / member.name, rows=member.rows))
    content += b"".join(writer.end(msgspec.structs.replace(found.manifest, members=writer.members)))
    with pytest.raises(BackupError, match=r"events-000000\.parquet cannot be read"):
        restored(content, tmp_path / "new")


def test_a_newer_control_plane_is_refused(backup: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, as at every start."""
    monkeypatch.setattr("orbdo_server.storage.database.revisions", lambda *_: ["0000"])
    with pytest.raises(NewerDatabaseError):
        restored(backup, tmp_path / "new")


def test_how_far_it_is_is_told(backup: bytes, tmp_path: Path) -> None:
    """In bytes of the file."""
    told: list[int] = []
    found = opened(backup)
    restore_module.restore(found, tmp_path / "new", now=RESTORED, advanced=told.append)
    assert sum(told) == sum(member.size for member in found.manifest.members)
    assert len(io.BytesIO(backup).getvalue()) > sum(told)


def test_what_is_noted_is_what_was_made(backup: bytes, tmp_path: Path) -> None:
    """So that another log is not taken for it."""
    restored(backup, tmp_path / "a")
    restored(backup, tmp_path / "b")
    found: list[Noted | None] = []
    for name in ("a", "b"):
        with closing(open_stores(Settings(data=tmp_path / name))) as stores, stores.database.read() as connection:
            found.append(noted(connection))
    assert found[0] != found[1]
