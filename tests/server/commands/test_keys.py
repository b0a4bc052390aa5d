"""``orbdo keys``: made, listed and revoked on a data folder, without a server."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from orbdo_server.commands.keys import LISTED_MAX, create, list_keys, revoke
from orbdo_server.core.api_keys import RANDOM_BYTES, KeyKind, hash_secret, is_well_formed
from orbdo_server.engine.audit import first_broken_entry
from orbdo_server.engine.keys import create_key, identify
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import AuthenticationError
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage import api_keys, audit_entries
from orbdo_server.storage.database import Database


def made(capsys: pytest.CaptureFixture[str], data: Path, kind: KeyKind = KeyKind.INGEST) -> tuple[str, str]:
    """The id and the secret of a new key, as they are printed."""
    create("laptop", kind=kind, data=data)
    key_id, secret = capsys.readouterr().out.split()
    return key_id, secret


@pytest.mark.parametrize("kind", [KeyKind.ADMIN, KeyKind.INGEST, KeyKind.READ])
def test_a_key_is_printed_once_and_kept_as_its_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: KeyKind
) -> None:
    """No byte of the data folder holds the secret."""
    _, secret = made(capsys, tmp_path, kind)
    assert secret.startswith(f"orbdo_live_{kind}_")
    assert is_well_formed(secret)
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_keys_are_listed_without_their_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what they may do, and since when they are revoked."""
    key_id, secret = made(capsys, tmp_path)
    revoke(key_id, data=tmp_path)
    assert capsys.readouterr().out == f"{key_id} is revoked\n"
    list_keys(data=tmp_path)
    shown = capsys.readouterr().out
    assert "laptop" in shown
    assert "events:write" in shown
    assert "revoked" in shown
    assert secret not in shown.replace("\n", "").replace(" ", "")


def test_a_custom_key_is_made_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line takes no list of scopes."""
    with pytest.raises(SystemExit) as ended:
        create("x", kind=KeyKind.CUSTOM, data=tmp_path)
    assert ended.value.code == 1
    assert "a custom key is made over the API" in capsys.readouterr().err


def test_an_unknown_key_is_said_to_be_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one sentence and exit status 1."""
    with pytest.raises(SystemExit) as ended:
        revoke("key_unknown", data=tmp_path)
    assert ended.value.code == 1
    assert "ApiKey with identifier: key_unknown" in capsys.readouterr().err


def test_a_setting_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the setting."""
    monkeypatch.setenv("ORBDO_NONSENSE", "1")
    with pytest.raises(SystemExit):
        list_keys(data=tmp_path)
    assert "unknown setting ORBDO_NONSENSE" in capsys.readouterr().err


def test_a_key_of_the_command_line_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the server of the same folder, until it is revoked; both are on record."""
    key_id, secret = made(capsys, tmp_path, KeyKind.READ)
    database = Database(Settings(data=tmp_path).database)
    with database.read() as connection:
        identity = identify(connection, secret_hash=hash_secret(secret), now=utc_now())
    assert (identity.tenant, identity.key_id, identity.scopes) == ("main", key_id, frozenset({"*:read"}))
    revoke(key_id, data=tmp_path)
    with database.read() as connection:
        with pytest.raises(AuthenticationError):
            identify(connection, secret_hash=hash_secret(secret), now=utc_now())
        entries = audit_entries.read_all(connection)
    database.close()
    assert [(entry.actor, entry.action, entry.resource_id) for entry in entries] == [
        ("command_line", "orbdo keys create", key_id),
        ("command_line", "orbdo keys revoke", key_id),
    ]
    assert first_broken_entry(entries) is None


@pytest.mark.parametrize(("name", "is_taken"), [("x" * 255, True), ("x" * 256, False), ("", False), ("a\nb", False)])
def test_a_name_has_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, is_taken: bool) -> None:
    """The same as over the API."""
    if is_taken:
        create(name, data=tmp_path)
        return
    with pytest.raises(SystemExit):
        create(name, data=tmp_path)
    assert "a name has 1 to 255 printable characters" in capsys.readouterr().err


def test_the_state_of_each_key_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Active, active until, expired and revoked; and what looks like markup is only a name."""
    create("[/bold] plain", data=tmp_path)
    now = utc_now()
    database = Database(Settings(data=tmp_path).database)
    with database.write() as connection:
        for number, days in enumerate((-1, 1)):
            made_at = now - timedelta(days=2)
            transaction = Transaction(connection=connection, tenant="main", now=made_at, new_id=new_id)
            create_key(
                transaction,
                name="dated",
                scopes=("*",),
                held={"*"},
                randomness=bytes([number] * RANDOM_BYTES),
                expires_at=now + timedelta(days=days),
            )
    database.close()
    capsys.readouterr()
    list_keys(data=tmp_path)
    shown = " ".join(capsys.readouterr().out.replace("\n", " ").split())
    for part in ("[/bold]", "active", "expired", "until"):
        assert part in shown


def test_a_long_list_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At a thousand keys it is whole, one more and it says so."""
    create("first", data=tmp_path)
    database = Database(Settings(data=tmp_path).database)
    for count in (LISTED_MAX, LISTED_MAX + 1):
        with database.write() as connection:
            keys, _ = api_keys.page(connection, tenant="main", after=None, limit=2 * LISTED_MAX)
            for number in range(len(keys), count):
                copy = msgspec.structs.replace(keys[0], id=f"key_{number}", secret_hash=f"{number:064}")
                api_keys.insert(connection, copy)
        capsys.readouterr()
        list_keys(data=tmp_path)
        assert ("There are more; these are the newest 1000." in capsys.readouterr().out) is (count > LISTED_MAX)
    database.close()


def test_a_damaged_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And exit status 1."""
    (tmp_path / "control.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(SystemExit) as ended:
        list_keys(data=tmp_path)
    assert ended.value.code == 1
    assert "The database is damaged" in capsys.readouterr().err
