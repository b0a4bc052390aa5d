"""Makes the sync twin of the client, and of its tests, from the async source.

``python scripts/unasync.py`` writes the files, ``--check`` only says which ones differ from what it would write. It
knows words, not Python: what replacing words cannot say is written twice by hand (``client/_bridge.py``). A rule that
no file needs any more is an error, and so is a file in the twin's folders that comes from nowhere.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENT = Path("src/orbdo_sdk/client")
TESTS = Path("tests/sdk/client")
TWINS = ("_pages.py", "_snapshots.py", "orb.py")
TEST_TWINS = ("test_pages.py", "test_snapshots.py", "test_orb.py", "test_orb_embedded.py")
# Written by hand; everything else in the twin's folders is made here.
BY_HAND = {CLIENT / "sync" / "__init__.py"}

RULES: tuple[tuple[str, str], ...] = (
    (r"^ *async_http_transport.*\n", ""),
    (r"^pytestmark = pytest.mark.anyio\n", ""),
    (r"\bAwaitable\[((?:[^\[\]]|\[[^\[\]]*\])*)\]", r"\1"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsync([A-Z])", r"Sync\1"),
    (r"\basync_(result|call|transport|hang_up|orb|until)\b", r"sync_\1"),
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit|iter)__\b", r"__\1__"),
    (r"\bOrb\b", "SyncOrb"),
    (r"\borbdo_sdk\.client\.(_pages|_snapshots|orb|resources)\b", r"orbdo_sdk.client.sync.\1"),
)


@dataclass(frozen=True)
class Twin:
    """A file and the one made from it, both relative to the root."""

    source: Path
    target: Path

    def text(self, root: Path, used: set[str]) -> str:
        """What the target should hold; notes in ``used`` which rules had something to do."""
        lines = (root / self.source).read_text(encoding="utf-8").splitlines(keepends=True)
        header = f"# Made from {self.source.as_posix()} by scripts/unasync.py: change that file and run it.\n"
        return tidied(header + "".join(translated(line, used) for line in lines), name=self.target)


def main(arguments: list[str], *, root: Path = ROOT) -> int:
    """Write or check the twins; 1 when something is wrong, 0 when nothing is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail when a twin is out of date")
    problems = list(check(root) if parser.parse_args(arguments).check else write(root))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def check(root: Path) -> Iterator[str]:
    """What is wrong with the twins as they are, a line each."""
    used: set[str] = set()
    for twin in twins(root):
        path, text = root / twin.target, twin.text(root, used)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield f"{twin.target} is not what {twin.source} makes it: run scripts/unasync.py"
    yield from _leftovers(root, used)


def write(root: Path) -> Iterator[str]:
    """Write every twin; yields what is wrong all the same."""
    used: set[str] = set()
    for twin in twins(root):
        path = root / twin.target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(twin.text(root, used), encoding="utf-8")
    yield from _leftovers(root, used)


def twins(root: Path) -> Iterator[Twin]:
    """Every file that has a twin."""
    for folder, names, resources in ((CLIENT, TWINS, "*.py"), (TESTS, TEST_TWINS, "test_*.py")):
        yield from (Twin(folder / name, folder / "sync" / name) for name in names)
        for path in sorted((root / folder / "resources").glob(resources)):
            yield Twin(folder / "resources" / path.name, folder / "sync" / "resources" / path.name)


def translated(line: str, used: set[str]) -> str:
    """The line with every rule applied, in their order; empty when the twin does without it."""
    for pattern, replacement in RULES:
        line, count = re.subn(pattern, replacement, line)
        if count:
            used.add(pattern)
    return line


def tidied(text: str, *, name: Path) -> str:
    """The code as our linter wants it: imports sorted, those no longer needed removed, simpler where plain code is."""
    # What is first-party must not depend on which of the files exist already.
    first_party = 'lint.isort.known-first-party = ["orbdo_sdk"]'
    fix = ["check", "--quiet", "--fix-only", "--unsafe-fixes", "--select", "C416,F401,I,SIM117,UP028,UP034"]
    fix += ["--config", first_party, "--stdin-filename", str(name), "-"]
    return _ruff(["format", "--quiet", "--stdin-filename", str(name), "-"], _ruff(fix, text))


def _leftovers(root: Path, used: set[str]) -> Iterator[str]:
    yield from (f"the rule {pattern!r} has nothing to do any more" for pattern, _ in RULES if pattern not in used)
    made = {twin.target for twin in twins(root)} | BY_HAND
    for folder in (CLIENT / "sync", TESTS / "sync"):
        for path in sorted((root / folder).rglob("*.py")):
            if path.relative_to(root) not in made:
                yield f"{path.relative_to(root)} comes from nowhere"


def _ruff(arguments: list[str], text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
