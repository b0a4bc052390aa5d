"""Finding and taking over the spools of dead processes."""

import logging
import os
from pathlib import Path

import pytest

from orbdo_sdk.client._shipping.queued import Queued
from orbdo_sdk.client._shipping.spool import Spool
from orbdo_sdk.client._shipping.spool_folder import SpoolFolder, account_name, default_folder


def spool_in(folder: SpoolFolder, bytes_max: int = 1_000_000) -> Spool:
    """A spool of this process."""
    return Spool(folder.new_path, bytes_max, lambda at: at)


def orphan(folder: SpoolFolder, *keys: str) -> None:
    """A spool with these events whose process is gone."""
    spool = spool_in(folder)
    spool.append([Queued(key, b"{}", 3.0) for key in keys], held=True)
    spool.close()


def waiting(spool: Spool) -> list[tuple[str, float]]:
    """What the spool has to load."""
    return [(row.key, row.accepted_at) for row in spool.load(1_000_000)]


def test_orphans_are_taken_over(tmp_path: Path) -> None:
    """The events of all dead processes wait in the own spool, with their age, and their files are gone."""
    folder = SpoolFolder(tmp_path, "acme")
    assert not folder.has_spools()
    orphan(folder, "a", "b")
    orphan(folder, "c")
    assert folder.has_spools()
    own = spool_in(folder)
    assert folder.adopt(own) == 3
    assert sorted(waiting(own)) == [("a", 3.0), ("b", 3.0), ("c", 3.0)]
    assert len(list(tmp_path.glob("*.spool"))) == 1
    own.close()


def test_large_orphans_are_taken_over_in_chunks(tmp_path: Path) -> None:
    """More events than one chunk all arrive."""
    folder = SpoolFolder(tmp_path, "acme")
    orphan(folder, *[str(number) for number in range(1_500)])
    own = spool_in(folder)
    assert folder.adopt(own) == 1_500
    own.close()


def test_a_folder_that_does_not_exist_has_no_orphans(tmp_path: Path) -> None:
    """Looking for orphans makes no folder."""
    folder = SpoolFolder(tmp_path / "none", "acme")
    own = spool_in(folder)
    assert folder.adopt(own) == 0
    assert not (tmp_path / "none").exists()


def test_the_spool_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    """A file that somebody holds stays where it is."""
    folder = SpoolFolder(tmp_path, "acme")
    living = spool_in(folder)
    living.append([Queued("a", b"{}", 0.0)], held=True)
    own = spool_in(folder)
    assert folder.adopt(own) == 0
    assert living.count == 1
    living.close()


def test_the_spool_of_another_account_is_left_alone(tmp_path: Path) -> None:
    """The events of one tenant are never sent with the key of another."""
    orphan(SpoolFolder(tmp_path, "other"), "a")
    folder = SpoolFolder(tmp_path, "acme")
    assert not folder.has_spools()
    assert folder.adopt(spool_in(folder)) == 0


def test_an_orphan_without_room_stays_for_later(tmp_path: Path) -> None:
    """Taking over does not break the size cap; the file waits until there is room."""
    folder = SpoolFolder(tmp_path, "acme")
    orphan(folder, "a", "b")
    own = spool_in(folder, bytes_max=5)
    assert folder.adopt(own) == 0
    assert len(list(tmp_path.glob("*.spool"))) == 1


def test_a_damaged_orphan_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is no database is kept under another name and reported, and the others are taken over."""
    folder = SpoolFolder(tmp_path, "acme")
    (tmp_path / "acme.1.aaa.spool").write_bytes(b"not a database at all" * 100)
    orphan(folder, "a")
    own = spool_in(folder)
    with caplog.at_level(logging.ERROR, "orbdo"):
        assert folder.adopt(own) == 1
    assert (tmp_path / "acme.1.aaa.spool.damaged").exists()
    assert "is damaged and was set aside" in caplog.text
    own.close()


def test_names_tell_the_process_and_nothing_of_the_key(tmp_path: Path) -> None:
    """A new file is named after account and process; the dead letters have one file an account."""
    folder = SpoolFolder(tmp_path, "acme")
    assert folder.new_path().name.startswith(f"acme.{os.getpid()}.")
    assert folder.new_path() != folder.new_path()
    assert folder.dead_letters_path == tmp_path / "acme.dead-letters"


def test_an_account_is_told_by_address_and_key() -> None:
    """Another address, key or header is another account; a name given outlives a change of the key."""
    name = account_name("http://a", api_key="k", headers={}, account=None)
    assert name == account_name("http://a", api_key="k", headers={}, account=None)
    others = {
        account_name("http://b", api_key="k", headers={}, account=None),
        account_name("http://a", api_key="l", headers={}, account=None),
        account_name("http://a", api_key="k", headers={"X-Agent": "1"}, account=None),
        account_name("http://a", api_key="k", headers={}, account="k"),
    }
    assert len(others) == 4
    assert name not in others
    assert account_name("http://a", api_key="k", headers={}, account="n") == account_name(
        "http://a", api_key="l", headers={"X-Agent": "1"}, account="n"
    )


def test_the_default_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a path the spools lie in the state folder of the user."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".local" / "state" / "orbdo" / "spool"


def test_a_file_that_vanishes_is_no_error(tmp_path: Path) -> None:
    """A name that leads nowhere any more is passed over."""
    (tmp_path / "acme.1.aaa.spool").symlink_to(tmp_path / "gone")
    folder = SpoolFolder(tmp_path, "acme")
    assert folder.adopt(spool_in(folder)) == 0
    assert not (tmp_path / "gone").exists()
