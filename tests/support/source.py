"""The project's own files, parsed once, for the tests that look at the code instead of running it.

It reads the checkout this file lies in, never an installed copy, and imports nothing of what it reads.
"""

import ast
import gc
import io
import subprocess
import tokenize
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("src", "tests", "benchmarks", "scripts")
UNTRACKED_FOLDERS = {".git", ".venv", "__pycache__", "build", "dist", "results", "orbdo-data", ".hypothesis"}


@dataclass(frozen=True)
class Module:
    """A Python file: its path below the root, its dotted name and its text."""

    path: str
    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        with _without_collection():
            return ast.parse(self.text, filename=self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the file, so that each rule need not walk the tree again."""
        return tuple(ast.walk(self.tree))

    @property
    def comments(self) -> Iterator[tuple[int, str]]:
        """Line and text of every comment; a ``#`` inside a string is none."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return len(self.text.splitlines())

    @property
    def is_package(self) -> bool:
        """Whether relative imports in it start at its own name."""
        return self.path.endswith("__init__.py")

    def at(self, node: ast.AST, complaint: str) -> str:
        """A violation as the tests print it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {complaint}"


def snippet(text: str, name: str = "orbdo_server.core.example") -> Module:
    """A module that is on no disk, to prove that a rule catches what it is for."""
    return Module(path=f"src/{name.replace('.', '/')}.py", name=name, text=text)


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """The Python files below these folders of the checkout, sorted by path."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(_module(path) for path in paths if not UNTRACKED_FOLDERS & set(path.relative_to(ROOT).parts))


def within(module: Module, *packages: str) -> bool:
    """Whether the module is one of these packages or lies inside one."""
    return any(module.name == package or module.name.startswith(f"{package}.") for package in packages)


def assert_none(violations: Iterable[str]) -> None:
    """Fail the test with every violation on a line of its own."""
    found = list(violations)
    if found:
        pytest.fail("\n".join([f"{len(found)} violations", *found]), pytrace=False)


def shared_files() -> list[Path]:
    """Every file that git keeps or would keep; all but known leftovers where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        found = (path for path in ROOT.rglob("*") if not UNTRACKED_FOLDERS & set(path.relative_to(ROOT).parts))
        return sorted(path for path in found if path.is_file())
    paths = (ROOT / name for name in listed.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep finalizers from running: CPython before 3.11.8 takes one that parses for an error of the outer parse."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _module(path: Path) -> Module:
    relative = path.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return Module(path=relative.as_posix(), name=".".join(parts), text=path.read_text(encoding="utf-8"))
