"""What the documents show, taken apart so that it can be run.

Blocks of Python run from the top of a document to its end in one namespace, ``await`` allowed. A block in an HTML
comment that begins ``<!-- python`` runs in its place and is not shown: it is where a document asserts what it claims.
A line ``print(...)  # text`` has to print that text. Nothing here runs a shell.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import re
import shlex
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<shown>.*?)^(?P=indent)(?P=fence)[ ]*$"
    r"|^<!-- python\n(?P<hidden>.*?)^-->[ ]*$",
    re.MULTILINE | re.DOTALL,
)
PRINTED = re.compile(r"^\s*print\(.*\)  # (?P<text>.+)$", re.MULTILINE)
SERVER_SHOWN = "http://127.0.0.1:8400"


@dataclass(frozen=True)
class Block:
    """A block of a document: its language, its text, the line it begins on and the document."""

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, as a failure prints it."""
        return f"{self.document}:{self.line}"


def blocks(document: str, text: str) -> Iterator[Block]:
    """The blocks of a document in their order; a hidden one counts as Python."""
    for found in BLOCK.finditer(text):
        hidden = found["hidden"]
        line = text.count("\n", 0, found.start()) + 2
        if hidden is not None:
            yield Block(document, line, "python", hidden)
        else:
            indent = len(found["indent"])
            shown = "".join(line[indent:] or "\n" for line in found["shown"].splitlines(keepends=True))
            yield Block(document, line, found["language"].strip(), shown)


def run_python(shown: list[Block], *, server_url: str | None = None) -> dict[str, object]:
    """The namespace that the blocks leave behind; ``server_url`` stands in for the default address they show."""
    document = types.ModuleType("__document__")
    namespace = vars(document)
    with _known(document), asyncio.Runner() as runner:
        for block in shown:
            text = block.text if server_url is None else block.text.replace(SERVER_SHOWN, server_url)
            printed = _run(_compiled(block, text), namespace, runner)
            expected = [found["text"] for found in PRINTED.finditer(block.text)]
            assert not expected or printed.splitlines() == expected, f"{block.place} printed:\n{printed}"
    return namespace


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each ``$`` line of a console block; the other lines are what the command prints."""
    joined = block.text.replace("\\\n", " ")
    for line in joined.splitlines():
        if line.startswith("$ "):
            words = shlex.split(line[2:], comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            assert words, f"{block.place} shows no command in: {line}"
            yield words


def make_targets(makefile: Path) -> set[str]:
    """The targets that a Makefile declares as ``.PHONY``."""
    found = re.findall(r"^\.PHONY:(.*)$", makefile.read_text(encoding="utf-8"), re.MULTILINE)
    return {target for line in found for target in line.split()}


def missing_options(words: list[str], help_text: str) -> list[str]:
    """The long options among the words of a command that its help does not know."""
    options = (word.partition("=")[0] for word in words if word.startswith("--"))
    return [option for option in options if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text)]


def unknown_extras(words: list[str], extras: Mapping[str, object]) -> list[str]:
    """The extras that a ``pip install orbdo[...]`` names and the project does not have."""
    named = (re.fullmatch(r"orbdo(?:\[([\w,-]+)\])?", word) for word in words)
    return [extra for found in named if found and found[1] for extra in found[1].split(",") if extra not in extras]


@contextlib.contextmanager
def _known(document: types.ModuleType) -> Iterator[None]:
    """Let data classes and web frameworks find the module that the classes of a document belong to."""
    sys.modules[document.__name__] = document
    try:
        yield
    finally:
        del sys.modules[document.__name__]


def _compiled(block: Block, text: str) -> object:
    padded = "\n" * (block.line - 1) + text
    return compile(padded, block.document, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def _run(code: object, namespace: dict[str, object], runner: asyncio.Runner) -> str:
    assert inspect.iscode(code)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(eval(code, namespace))
        else:
            exec(code, namespace)
    return printed.getvalue()
