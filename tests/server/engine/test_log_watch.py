"""The control plane notes how far the log has come, and a log that is behind or another one is not served."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from orbdo_server.app import OrbdoApp, create_app, open_stores
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.engine.log_watch import Noted, note, noted, noted_in, state_of
from orbdo_server.engine.stores import Stores
from orbdo_server.errors import DamagedDatabaseError
from orbdo_server.settings import Settings
from orbdo_server.storage.event_log import LogDamagedError
from tests.support.knocking import ADMIN_KEY
from tests.support.logged_events import event, send
from tests.support.told_log import ToldLog


def opened(folder: Path) -> Stores:
    """The stores in a folder."""
    return open_stores(Settings(data=folder))


def served(folder: Path, *keys: str) -> None:
    """A server that took these events and was closed in order."""
    app: OrbdoApp = create_app(Settings(data=folder, api_key=ADMIN_KEY))
    send(app.stores.log, *map(event, keys), tenant=ACCOUNT)
    app.close()


def copy_log(source: Path, target: Path) -> None:
    """Put the files of one folder's log in the place of another's."""
    for path in target.glob("events.duckdb*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in source.glob("events.duckdb*"):
        copy: Callable[..., object] = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, target / path.name)


def refusal(folder: Path) -> str:
    """Why no server starts on a folder."""
    with pytest.raises(LogDamagedError) as caught:
        opened(folder)
    return caught.value.detail


def test_a_position_is_noted_once(tmp_path: Path) -> None:
    """When it has changed; at the start, so that the log is known, and at the end."""
    with closing(opened(tmp_path)) as stores:
        assert not note(stores)
        send(stores.log, event("a"), event("b"), tenant=ACCOUNT)
        assert note(stores)
        assert not note(stores)
        with stores.database.read() as connection:
            assert noted(connection) == Noted(log_id=state_of(stores.log).log_id, position=2)
    served(tmp_path, "c")
    assert noted_in(Settings(data=tmp_path)) == Noted(state_of(stores.log).log_id, 3)


def test_a_log_ahead_of_the_note_is_served(tmp_path: Path) -> None:
    """Events are durable before they are noted."""
    with closing(opened(tmp_path)) as stores:
        send(stores.log, event("a"), tenant=ACCOUNT)
    known = noted_in(Settings(data=tmp_path))
    assert known is not None
    assert known.position == 0
    with closing(opened(tmp_path)) as stores:
        assert stores.log.position() == 1


def test_an_older_copy_of_the_log_is_refused(tmp_path: Path) -> None:
    """Though it is whole by itself; how many positions are missing is said, and how to go on."""
    served(tmp_path / "data", "a", "b")
    shutil.copytree(tmp_path / "data", tmp_path / "old")
    served(tmp_path / "data", "c", "d", "e")
    copy_log(tmp_path / "old", tmp_path / "data")
    said = refusal(tmp_path / "data")
    assert said.startswith(
        "The event log ends at position 2, and the control plane has seen 5: 3 positions, those from 3 on, are missing."
    )
    assert "orbdo restore" in said
    assert "orbdo recover --accept-loss" in said


def test_another_log_is_refused(tmp_path: Path) -> None:
    """Even one that has come as far."""
    served(tmp_path / "a", "a")
    served(tmp_path / "b", "b", "c")
    copy_log(tmp_path / "b", tmp_path / "a")
    assert refusal(tmp_path / "a").startswith(
        "The event log is another one than the control plane goes with, which had reached position 1; this one has 2."
    )


def test_a_log_that_is_gone_is_refused(tmp_path: Path) -> None:
    """Rather than begun anew; no file of another one is made."""
    served(tmp_path, "a")
    copy_log(tmp_path / "nowhere", tmp_path)
    said = refusal(tmp_path)
    assert said.startswith("There is no event log events.duckdb, and the control plane has seen position 1 of one. ")
    assert [*tmp_path.glob("events*")] == []


def test_an_empty_control_plane_is_a_new_one(tmp_path: Path) -> None:
    """There is nothing in it that a log would be missing from."""
    (tmp_path / "control.sqlite3").touch()
    opened(tmp_path).close()


def test_a_refusal_leaves_nothing_open(tmp_path: Path) -> None:
    """What was put right starts again in the same process."""
    served(tmp_path / "data", "a")
    shutil.copytree(tmp_path / "data", tmp_path / "whole")
    copy_log(tmp_path / "nowhere", tmp_path / "data")
    refusal(tmp_path / "data")
    copy_log(tmp_path / "whole", tmp_path / "data")
    opened(tmp_path / "data").close()


def test_a_log_without_an_id_is_known_by_its_position() -> None:
    """One that is kept elsewhere."""
    assert state_of(ToldLog()) == Noted(log_id="", position=0)


def test_a_control_plane_is_looked_at_from_outside(tmp_path: Path) -> None:
    """Nothing is made by it, and damage is named."""
    settings = Settings(data=tmp_path)
    assert noted_in(settings) is None
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "control.sqlite3").write_bytes(b"something else" * 100)
    with pytest.raises(DamagedDatabaseError):
        noted_in(settings)
