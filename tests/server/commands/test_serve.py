"""``orbdo serve``: what it says when it starts, and when it cannot. The server itself is tested beside it."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from orbdo_server.app import create_app
from orbdo_server.commands.serve import serve
from orbdo_server.settings import Settings
from orbdo_server.storage.database import Database


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on, so that a server greets and then ends."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        yield listener.getsockname()[1]


def greeting(capsys: pytest.CaptureFixture[str], data: Path, port: int, host: str = "127.0.0.1") -> str:
    """What a server says before it finds out that its port is taken."""
    with pytest.raises(SystemExit) as ended:
        serve(data=data, host=host, port=port)
    assert ended.value.code != 0
    said = capsys.readouterr()
    return said.out + said.err


def refusal(capsys: pytest.CaptureFixture[str], data: Path) -> str:
    """The one line of a server that does not start."""
    with pytest.raises(SystemExit) as ended:
        serve(data=data, port=0)
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_the_first_start_shows_an_admin_key_once(
    tmp_path: Path, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """With where the server listens and where its data is; the second start shows no key."""
    first = greeting(capsys, tmp_path, taken_port)
    assert f"orbdo is listening on http://127.0.0.1:{taken_port}, data in {tmp_path}" in first
    assert re.search(r"The first admin key, shown this once:\n\n    orbdo_live_admin_[0-9A-Za-z]{32}\n", first)
    assert "orbdo_live_admin_" not in greeting(capsys, tmp_path, taken_port)


def test_an_admin_key_of_ones_own_is_not_shown(
    tmp_path: Path, taken_port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other is made."""
    monkeypatch.setenv("ORBDO_API_KEY", "canary")
    said = greeting(capsys, tmp_path, taken_port)
    assert "canary" not in said
    assert "admin key" not in said


def test_whoever_listens_to_the_world_is_told_about_tls(
    tmp_path: Path, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys travel with every request."""
    assert "put TLS in front of it" in greeting(capsys, tmp_path, taken_port, host="0.0.0.0")
    assert "TLS" not in greeting(capsys, tmp_path, taken_port)


def test_everything_is_let_go_of_when_it_ends(
    tmp_path: Path, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder can be opened again at once."""
    greeting(capsys, tmp_path, taken_port)
    create_app(Settings(data=tmp_path)).close()


def test_a_wrong_setting_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the variable."""
    monkeypatch.setenv("ORBDO_PROT", "1")
    assert refusal(capsys, tmp_path).startswith("orbdo: unknown setting ORBDO_PROT; known settings are ")


def test_a_newer_database_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which versions, and what to do."""
    create_app(Settings(data=tmp_path)).close()
    database = Database(Settings(data=tmp_path).database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    assert "revision 9999" in refusal(capsys, tmp_path)


def test_a_damaged_database_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not overwritten."""
    (tmp_path / "control.sqlite3").write_bytes(b"not a database" * 100)
    assert "The database is damaged" in refusal(capsys, tmp_path)
    assert (tmp_path / "control.sqlite3").read_bytes().startswith(b"not a database")


def test_a_folder_in_use_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two servers on one folder would each believe to be the only one."""
    app = create_app(Settings(data=tmp_path))
    assert "in use" in refusal(capsys, tmp_path)
    app.close()
