"""The sync twin is what its async source makes it, and the script that makes it notices what is amiss."""

import ast
from pathlib import Path

import pytest

from scripts.unasync import BY_HAND, CLIENT, RULES, TEST_TWINS, TESTS, TWINS, check, main, translated
from tests.support.source import ROOT


def test_the_twins_are_up_to_date() -> None:
    """Nobody changed a twin by hand, or its source without making the twin again."""
    assert list(check(ROOT)) == []


def test_the_twins_wait_for_nothing() -> None:
    """No line of the sync client is asynchronous."""
    asynchronous = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    for path in (ROOT / CLIENT / "sync").rglob("*.py"):
        assert not any(isinstance(node, asynchronous) for node in ast.walk(ast.parse(path.read_text("utf-8"))))


@pytest.mark.parametrize(
    ("line", "twin"),
    [
        ("        async_http_transport: httpx.AsyncBaseTransport | None = None,\n", ""),
        ("pytestmark = pytest.mark.anyio\n", ""),
        ("fetch: Callable[[str], Awaitable[Page[T]]],\n", "fetch: Callable[[str], Page[T]],\n"),
        ("async def pages(self) -> AsyncIterator[Page[T]]:\n", "def pages(self) -> Iterator[Page[T]]:\n"),
        ("return AsyncPages(fetch)\n", "return SyncPages(fetch)\n"),
        ("return await async_result(future)\n", "return sync_result(future)\n"),
        ("names = [name async for name in pages]\n", "names = [name for name in pages]\n"),
        ("async with await make() as orb:\n", "with make() as orb:\n"),
        ("async def __aenter__(self) -> Self:\n", "def __enter__(self) -> Self:\n"),
        ("class Orb:\n", "class SyncOrb:\n"),
        ("from orbdo_sdk.errors import OrbError\n", "from orbdo_sdk.errors import OrbError\n"),
        ("from orbdo_sdk.client.orb import Orb\n", "from orbdo_sdk.client.sync.orb import SyncOrb\n"),
        ("from orbdo_sdk.client._pages import x\n", "from orbdo_sdk.client.sync._pages import x\n"),
        ("import asyncio\n", "import asyncio\n"),
    ],
)
def test_a_line_becomes_its_twin(line: str, twin: str) -> None:
    """Words are replaced and nothing else is."""
    assert translated(line, set()) == twin


def make_tree(root: Path) -> None:
    """A checkout with all sources, one of which has something to translate."""
    for folder, names in ((CLIENT, TWINS), (TESTS, TEST_TWINS)):
        for name in (*names, f"resources/{'test_' if folder == TESTS else ''}customers.py"):
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('"""Nothing to say."""\n')
    (root / CLIENT / "orb.py").write_text('"""One client."""\n\n\nasync def ping() -> None:\n    """Answer."""\n')


def about_files(problems: list[str]) -> list[str]:
    """The problems without those about rules, of which a small tree needs few."""
    return [problem for problem in problems if not problem.startswith("the rule ")]


def test_a_twin_is_written_and_checked(tmp_path: Path) -> None:
    """Missing ones and changed ones are noticed, and those just written are right."""
    make_tree(tmp_path)
    sources = len(TWINS) + len(TEST_TWINS) + 2
    assert len(about_files(list(check(tmp_path)))) == sources
    main([], root=tmp_path)
    assert about_files(list(check(tmp_path))) == []
    twin = tmp_path / CLIENT / "sync" / "orb.py"
    assert twin.read_text() == (
        "# Made from src/orbdo_sdk/client/orb.py by scripts/unasync.py: change that file and run it.\n"
        '"""One client."""\n\n\ndef ping() -> None:\n    """Answer."""\n'
    )
    twin.write_text(twin.read_text() + "\n# by hand\n")
    assert about_files(list(check(tmp_path))) == [
        "src/orbdo_sdk/client/sync/orb.py is not what src/orbdo_sdk/client/orb.py makes it: run scripts/unasync.py"
    ]


def test_a_file_from_nowhere_is_noticed(tmp_path: Path) -> None:
    """A twin whose source is gone stays behind; the one file written by hand may be there."""
    make_tree(tmp_path)
    main([], root=tmp_path)
    for path in (*BY_HAND, CLIENT / "sync" / "gone.py", TESTS / "sync" / "resources" / "test_gone.py"):
        (tmp_path / path).write_text("")
    assert about_files(list(check(tmp_path))) == [
        "src/orbdo_sdk/client/sync/gone.py comes from nowhere",
        "tests/sdk/client/sync/resources/test_gone.py comes from nowhere",
    ]


def test_a_rule_that_nothing_needs_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The small tree needs one rule; the others are named, and the outcome says that something is wrong."""
    make_tree(tmp_path)
    assert main([], root=tmp_path) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(RULES) - 1
    assert all(line.endswith("has nothing to do any more") for line in lines)
