"""``orbdo recover``: what a log has and lacks, changed by nothing but ``--accept-loss``."""

import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from orbdo_server.app import create_app, open_stores
from orbdo_server.commands.recover import recover
from orbdo_server.commands.serve import serve
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.settings import Settings
from orbdo_server.storage import audit_entries
from tests.support.logged_events import event, keys, send


def serve_some(data: Path, *names: str) -> None:
    """A server that took these events and was closed in order."""
    app = create_app(Settings(data=data, api_key="own"))
    send(app.stores.log, *map(event, names), tenant=ACCOUNT)
    app.close()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, as it is."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def behind(tmp_path: Path) -> Path:
    """A folder whose log is an older copy, of two events, where three more were acknowledged."""
    data = tmp_path / "data"
    serve_some(data, "a", "b")
    shutil.copytree(data, tmp_path / "old")
    serve_some(data, "c", "d", "e")
    shutil.rmtree(data / "events.duckdb.journal")
    shutil.copytree(tmp_path / "old" / "events.duckdb.journal", data / "events.duckdb.journal")
    shutil.copy(tmp_path / "old" / "events.duckdb", data / "events.duckdb")
    return data


def said(capsys: pytest.CaptureFixture[str], data: Path, **options: bool) -> str:
    """What it prints."""
    capsys.readouterr()
    recover(data=data, **options)
    return re.sub(r"\s+", " ", capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], data: Path, **options: bool) -> str:
    """Why it does nothing."""
    with pytest.raises(SystemExit) as ended:
        recover(data=data, **options)
    assert ended.value.code == 1
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_whole_log_is_said_to_be_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With how far it goes."""
    serve_some(tmp_path, "a", "b")
    assert said(capsys, tmp_path) == (
        "The tables have 2 positions; with the journal there are 2. "
        "2 were acknowledged, as far as the files know: 0 are missing. "
        "Nothing is wrong with it that can be seen without reading all of it, which a start does. "
    )


def test_what_is_missing_is_said_and_nothing_changed(behind: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Though only the control plane knows of it."""
    before = contents(behind)
    told = said(capsys, behind)
    assert "5 were acknowledged, as far as the files know: 3 are missing." in told
    assert "those from 3 on, are missing." in told
    assert {name: content for name, content in contents(behind).items() if name in before} == before


def test_a_loss_that_is_accepted_is_gone(behind: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The server starts with what is left, the audit trail says so, and keys that were lost may come again."""
    with pytest.raises(SystemExit):
        serve(data=behind, port=0)
    assert "orbdo recover --accept-loss" in re.sub(r"\s+", " ", capsys.readouterr().err)
    told = said(capsys, behind, accept_loss=True)
    assert told.endswith("The log goes on after position 2. Given up: 3 positions. Run 'orbdo serve'. ")
    with closing(open_stores(Settings(data=behind))) as stores:
        assert send(stores.log, event("a"), event("e"), tenant=ACCOUNT).position == 4
        assert keys(stores.log, tenant=ACCOUNT)[:2] == ["a", "b"]
        with stores.database.read() as connection:
            assert audit_entries.read_all(connection)[-1].action == "orbdo recover --accept-loss at 2"


def test_another_log_can_be_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When it is all there is."""
    serve_some(tmp_path, "a")
    shutil.rmtree(tmp_path / "events.duckdb.journal")
    (tmp_path / "events.duckdb").unlink()
    told = said(capsys, tmp_path, accept_loss=True)
    assert "There is no file events.duckdb." in told
    assert "Given up: 1 positions." in told
    open_stores(Settings(data=tmp_path)).close()


def test_a_log_without_a_control_plane_can_be_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its events are there; who is billed for them is not."""
    serve_some(tmp_path, "a")
    (tmp_path / "control.sqlite3").unlink()
    assert "0 are missing" in said(capsys, tmp_path, accept_loss=True)
    with closing(open_stores(Settings(data=tmp_path))) as stores:
        assert stores.log.position() == 1


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And one that is not there is not made."""
    app = create_app(Settings(data=tmp_path / "data", api_key="own"))
    assert "a server has" in refusal(capsys, tmp_path / "data", accept_loss=True)
    app.close()
    assert "there is no folder" in refusal(capsys, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_control_plane_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It needs a backup."""
    serve_some(tmp_path, "a")
    (tmp_path / "control.sqlite3").write_bytes(b"something else" * 100)
    assert "The database is damaged" in refusal(capsys, tmp_path)
