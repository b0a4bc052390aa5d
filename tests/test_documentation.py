"""Every code block of every document: Python runs, commands exist, data parses, and nothing else is let in.

A document is run against a real server over a socket when its Python mentions ``Orb(``. tests/support/documents.py says
how blocks are read.
"""

import itertools
import json
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.documents import (
    Block,
    blocks,
    commands,
    make_targets,
    missing_options,
    run_python,
    unknown_extras,
)
from tests.support.source import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
)
# Languages that are only shown, each with the reason why nothing can be checked about them.
SHOWN_ONLY = {"text": "output and drawings claim nothing that runs"}
# Commands other than orbdo, make and pip, each with the reason why a reader may be told to run it and we do not.
UNCHECKED_COMMANDS = {"cd": "moves the reader's shell", "git": "needs the repository's address"}

API_KEY = "a-key-of-the-documents"
SERVER_START_SECONDS = 10
SERVER_STOP_SECONDS = 5


def read(name: str) -> list[Block]:
    """The blocks of a document of the checkout."""
    return list(blocks(name, (ROOT / name).read_text(encoding="utf-8")))


def python_of(document: list[Block]) -> list[Block]:
    """The blocks that run."""
    return [block for block in document if block.language == "python"]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `orbdo serve` on an empty data folder, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    arguments = ["serve", "--data", str(folder), "--host", "127.0.0.1", "--port", port]
    environment = {**os.environ, "ORBDO_API_KEY": API_KEY}
    with subprocess.Popen([orbdo_command(), *arguments], env=environment) as process:
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            _wait_until_ended(process)


def orbdo_command() -> str:
    """The `orbdo` that belongs to the Python that runs the tests."""
    return str(Path(sys.executable).with_name("orbdo"))


def help_of(words: list[str]) -> str:
    """What the help of an `orbdo` command says, in one column; fails the test when there is no such command."""
    named = list(itertools.takewhile(lambda word: not word.startswith("-"), words[1:]))
    environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1"}
    asked = [orbdo_command(), *named, "--help"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 0, f"`{' '.join(words)}` is no command: {found.stderr or found.stdout}"
    return found.stdout


def check_command(words: list[str]) -> None:
    """Fail unless the command is one that a reader of this version can run; run it when it only asks."""
    match words:
        case ["orbdo", *rest]:
            assert missing_options(words, help_of(words) + " --help --version") == []
            if rest and rest[-1] == "--version":
                subprocess.run([orbdo_command(), *rest], check=True, capture_output=True)
        case ["make", *rest]:
            targets = [word for word in rest if "=" not in word]
            assert set(targets) <= make_targets(ROOT / "Makefile"), f"`{' '.join(words)}` is no target"
        case ["pip", "install", *rest] | ["python", "-m", "pip", "install", *rest]:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            assert unknown_extras(rest, project["optional-dependencies"]) == []
        case [command, *_]:
            assert command in UNCHECKED_COMMANDS, f"`{command}` is not among the commands a document may show"


def check_block(block: Block) -> None:
    """Fail when a block that is not Python is not what it says it is."""
    readers: dict[str, Callable[[str], object]] = {"json": json.loads, "toml": tomllib.loads}
    if block.language in readers:
        readers[block.language](block.text)
    elif block.language == "console":
        for words in commands(block):
            check_command(words)
    else:
        known = ["python", *readers, "console", *SHOWN_ONLY]
        assert block.language in known, f"{block.place}: '{block.language}' is none of {', '.join(known)}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_python_of_a_document_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of a document runs from its first block to its last, against a real server where it needs one."""
    monkeypatch.chdir(tmp_path)
    shown = python_of(read(name))
    if not any("Orb(" in block.text for block in shown):
        run_python(shown)
        return
    with served(tmp_path / "data") as url:
        monkeypatch.setenv("ORBDO_BASE_URL", url)
        monkeypatch.setenv("ORBDO_API_KEY", API_KEY)
        run_python(shown, server_url=url)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_other_blocks_of_a_document_hold(name: str) -> None:
    """The commands of a document exist with their options, its data parses, and no block is of an unknown kind."""
    for block in read(name):
        check_block(block)


def test_the_readme_begins_with_the_two_commands() -> None:
    """A newcomer's first block is `make demo` and `make test`; Python comes after it."""
    [first, *_] = shown = read("README.md")
    assert [words[:2] for words in commands(first)] == [["make", "demo"], ["make", "test"]]
    assert len(python_of(shown)) >= 2


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVER_START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    said = "is still starting" if process.poll() is None else f"ended with {process.returncode}"
    pytest.fail(f"the server was not ready within {SERVER_START_SECONDS} seconds and {said}")


def _wait_until_ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=SERVER_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"the server did not end within {SERVER_STOP_SECONDS} seconds")
