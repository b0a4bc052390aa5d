"""The ``orbdo`` command: every command is there, and without the server it says how to get one."""

import importlib
import sys
from pathlib import Path

import pytest

from orbdo_server import __version__
from orbdo_server.cli import COMMANDS, MODULES, main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """The status that the command ends with."""
    monkeypatch.setattr(sys, "argv", ["orbdo", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_it_says_its_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """That of the package."""
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_its_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence each."""
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert name in shown
        assert summary[:30] in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_it_is_looked_for(name: str) -> None:
    """In a module that is imported only when the command runs."""
    module = MODULES.get(name, name)
    assert callable(getattr(importlib.import_module(f"orbdo_server.commands.{module}"), module))


def test_a_command_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Here one that has commands of its own."""
    assert run(monkeypatch, "keys", "create", "laptop", "--data", str(tmp_path)) == 0
    assert "orbdo_live_ingest_" in capsys.readouterr().out


def test_an_unknown_command_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is named."""
    assert run(monkeypatch, "sevre") != 0
    said = capsys.readouterr()
    assert "sevre" in said.out + said.err


def test_without_the_server_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install is the client alone."""
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    assert run(monkeypatch, "serve") == 'This command needs the server: pip install "orbdo[server]"'
