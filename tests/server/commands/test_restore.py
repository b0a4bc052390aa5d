"""``orbdo restore``: a whole backup into an empty folder, and the release afterwards."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from orbdo_server.app import create_app, open_stores
from orbdo_server.commands.backup import backup
from orbdo_server.commands.restore import restore
from orbdo_server.commands.serve import serve
from orbdo_server.commands.verify import verify
from orbdo_server.engine.keys import ACCOUNT, ensure_tenant
from orbdo_server.engine.sends import sends_paused
from orbdo_server.identifiers import utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage import audit_entries, invoices
from tests.support.logged_events import event, send


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A backup of a server with two events and an agent."""
    app = create_app(Settings(data=tmp_path / "data", api_key="own"))
    send(app.stores.log, event("a"), event("b"), tenant=ACCOUNT)
    with app.stores.database.write() as connection:
        ensure_tenant(connection, tenant="main:bot", name="bot", now=utc_now())
    app.close()
    backup(tmp_path / "b.tar", data=tmp_path / "data")
    return tmp_path / "b.tar"


def refusal(capsys: pytest.CaptureFixture[str], file: Path | None = None, **options: object) -> str:
    """Why nothing was done."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        restore(file, **options)  # type: ignore[arg-type]  # as the command line gives them
    assert ended.value.code == 1
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_backup_is_restored_and_released(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What there is is said; it verifies, and sends once it is released, with numbers where it is said."""
    data = tmp_path / "new"
    capsys.readouterr()
    restore(file, data=data)
    said = capsys.readouterr().out
    assert re.match(rf"{data} is as of \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC: position 2, 2 events\. ", said)
    assert f"no invoice is issued until 'orbdo restore --release --data {data}'" in said
    verify(data=data)
    restore(release=True, data=data, next_invoice_number=["120", "bot=14"])
    assert capsys.readouterr().out.endswith("Sends are released.\n")
    with closing(open_stores(Settings(data=data))) as stores, stores.database.write() as connection:
        assert sends_paused(connection) is None
        assert invoices.take_number(connection, tenant=ACCOUNT) == 120
        assert invoices.take_number(connection, tenant="main:bot") == 14
        assert audit_entries.read_all(connection)[-1].action == "orbdo restore --release"
    assert "Sends are not paused" in refusal(capsys, release=True, data=data)


def test_a_server_says_that_its_sends_are_paused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When it starts, and how to go on."""
    data = tmp_path / "new"
    restore(file, data=data)
    for said in (True, False):
        with pytest.raises(SystemExit):
            serve(data=data, host="192.0.2.1", port=1)
        assert ("Sends are paused since" in capsys.readouterr().err) is said
        if said:
            restore(release=True, data=data)


def test_a_running_servers_folder_is_released(file: Path, tmp_path: Path) -> None:
    """The control plane may be written beside it."""
    restore(file, data=tmp_path / "new")
    with closing(open_stores(Settings(data=tmp_path / "new"))) as stores:
        restore(release=True, data=tmp_path / "new")
        with stores.database.read() as connection:
            assert sends_paused(connection) is None


def test_a_file_that_is_no_whole_backup_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is written."""
    content = file.read_bytes()
    file.write_bytes(content[:-2000])
    assert "b.tar is not a whole backup. " in refusal(capsys, file, data=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert "No such file" in refusal(capsys, tmp_path / "nowhere.tar", data=tmp_path / "new")


def test_a_folder_with_something_in_it_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Above all the one that the backup is of."""
    assert "is not empty: restore into a new folder" in refusal(capsys, file, data=tmp_path / "data")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "give a backup to restore, or --release"),
        ({"file": Path("b.tar"), "release": True}, "give a backup to restore, or --release"),
        ({"file": Path("b.tar"), "next_invoice_number": ["1"]}, "--next-invoice-number goes with --release"),
        ({"release": True, "next_invoice_number": ["0"]}, "0 is no invoice number"),
        ({"release": True, "next_invoice_number": ["-1"]}, "-1 is no invoice number"),
        ({"release": True, "next_invoice_number": ["1e3"]}, "1e3 is no invoice number"),
        ({"release": True, "next_invoice_number": ["1" * 10]}, "is no invoice number"),
        ({"release": True, "next_invoice_number": ["bot="]}, "bot= is no invoice number"),
        ({"release": True, "next_invoice_number": ["=1"]}, "must have 1 to 48 printable ASCII characters"),
        ({"release": True}, "Sends are not paused"),
    ],
)
def test_what_makes_no_sense_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, object], problem: str
) -> None:
    """In a sentence."""
    assert problem in refusal(capsys, data=tmp_path / "data", **options)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("name", ["ORBDO_EVENTS_URL", "ORBDO_DATABASE_URL"])
def test_stores_elsewhere_are_not_restored_into_the_folder(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A server with this setting would not find them."""
    monkeypatch.setenv(name, "duckdb:///x")
    assert "unset ORBDO_EVENTS_URL and ORBDO_DATABASE_URL" in refusal(capsys, file, data=tmp_path / "new")
