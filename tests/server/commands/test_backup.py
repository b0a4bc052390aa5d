"""``orbdo backup``: from a running server or from a folder, whole under its name or not there at all."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orbdo_sdk import SyncOrb
from orbdo_server.app import create_app
from orbdo_server.commands.backup import backup
from orbdo_server.commands.demonstration.server import RunningServer, running_server
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.settings import Settings
from orbdo_server.storage.backup_files import Manifest, read_backup
from tests.support.logged_events import event, send


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunningServer]]:
    """A data folder with a server on it, which has one event."""
    data = tmp_path_factory.mktemp("running")
    with running_server(data) as server:
        with SyncOrb(base_url=server.url, api_key=server.api_key) as orb:
            orb.meter.ingest(event_type="used", customer_id="ada", idempotency_key="a")
        yield data, server


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A data folder without a server, with two events."""
    app = create_app(Settings(data=tmp_path / "data", api_key="own"))
    send(app.stores.log, event("a"), event("b"), tenant=ACCOUNT)
    app.close()
    return tmp_path / "data"


def manifest(file: Path) -> Manifest:
    """That of a backup that is whole."""
    with file.open("rb") as opened:
        return read_backup(opened, advanced=lambda _: None).manifest


def refusal(capsys: pytest.CaptureFixture[str], file: Path, **options: object) -> str:
    """Why no backup was made; nothing lies where it should."""
    there = sorted(file.parent.iterdir())
    with pytest.raises(SystemExit) as ended:
        backup(file, **options)  # type: ignore[arg-type]  # as the command line gives them
    assert ended.value.code == 1
    assert sorted(file.parent.iterdir()) == there
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_folder_is_backed_up(stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it is and how long it took is said; nobody else may read it."""
    file = tmp_path / "b.tar"
    backup(file, data=stopped)
    size = file.stat().st_size
    said = capsys.readouterr().out
    assert re.fullmatch(rf"{re.escape(str(file))}: position 2, 2 events, {size} bytes, \d+\.\d seconds\n", said)
    assert manifest(file).counts.events == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert not file.with_name("b.tar.partial").exists()


def test_a_running_server_is_asked(
    running: tuple[Path, RunningServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the folder that it has open, or by its address."""
    data, server = running
    backup(tmp_path / "url.tar", url=f"{server.url}/", api_key=server.api_key)
    monkeypatch.setenv("ORBDO_BASE_URL", server.url)
    monkeypatch.setenv("ORBDO_API_KEY", server.api_key)
    backup(tmp_path / "data.tar", data=data)
    assert [manifest(tmp_path / name).position for name in ("url.tar", "data.tar")] == [1, 1]


def test_another_server_is_not_taken_for_it(
    running: tuple[Path, RunningServer],
    stopped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The folder in use has to be that of the server that answers."""
    _, server = running
    monkeypatch.setenv("ORBDO_BASE_URL", server.url)
    app = create_app(Settings(data=stopped))
    try:
        said = refusal(capsys, tmp_path / "b.tar", data=stopped, api_key=server.api_key)
    finally:
        app.close()
    assert "The server that answered is not the one that has" in said


def test_a_folder_in_use_by_no_server_is_said_to_be(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By an app that has it embedded, for one; or by a server elsewhere."""
    monkeypatch.setenv("ORBDO_BASE_URL", "http://127.0.0.1:9")
    app = create_app(Settings(data=stopped))
    try:
        said = refusal(capsys, tmp_path / "b.tar", data=stopped, api_key="k")
    finally:
        app.close()
    assert "is in use, and no server answers at http://127.0.0.1:9: name it with --url" in said


def test_a_server_that_refuses_is_quoted(
    running: tuple[Path, RunningServer],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a key nothing is asked."""
    _, server = running
    monkeypatch.delenv("ORBDO_API_KEY", raising=False)
    file = tmp_path / "b.tar"
    assert "no API key" in refusal(capsys, file, url=server.url)
    assert "the server answers: Send a valid key" in refusal(capsys, file, url=server.url, api_key="wrong")
    assert "base_url" in refusal(capsys, file, url="ftp://x", api_key="k")
    assert "api_key must be printable" in refusal(capsys, file, url=server.url, api_key="two\nlines")
    assert "did not give a whole backup" in refusal(capsys, file, url="http://127.0.0.1:9", api_key="k")


def answering(monkeypatch: pytest.MonkeyPatch, answer: httpx.Response) -> None:
    """Whoever is asked answers this."""
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    monkeypatch.setattr(httpx, "stream", client.stream)


def test_what_is_no_server_of_ours_is_told_by_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much it says."""
    answering(monkeypatch, httpx.Response(404, content=b"x" * (3 << 20)))
    assert "status 404" in refusal(capsys, tmp_path / "b.tar", url="http://test", api_key="k")


@pytest.mark.parametrize("content", [b"", b"x" * 5_000, bytes(1024)])
def test_half_a_backup_never_has_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """It is read again before it gets it."""
    answering(monkeypatch, httpx.Response(200, content=content))
    assert re.search("It is cut|no manifest", refusal(capsys, tmp_path / "b.tar", url="http://test", api_key="k"))


def test_a_file_that_is_there_stays(stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup takes the place of no other."""
    file = tmp_path / "b.tar"
    file.write_text("precious")
    assert "is there already" in refusal(capsys, file, data=stopped)
    assert file.read_text() == "precious"


def test_a_folder_without_a_log_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None is made for it; nor is a folder for the file."""
    assert "there is no event log" in refusal(capsys, tmp_path / "b.tar", data=tmp_path / "nowhere")
    assert "No such file or directory" in refusal_in_no_folder(capsys, tmp_path)


def refusal_in_no_folder(capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    """What is said of a file in a folder that is not there."""
    with pytest.raises(SystemExit):
        backup(folder / "nowhere" / "b.tar", data=folder)
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_folder_that_does_not_start_is_not_backed_up(
    stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backup of damage would take the place of a good one."""
    (stopped / "control.sqlite3").write_bytes(b"something else" * 100)
    assert "The database is damaged" in refusal(capsys, tmp_path / "b.tar", data=stopped)
