"""``python -m benchmarks [NAME ...]``: measure, print a table, keep the run as JSON.

A benchmark that fails fails the run, after the others were measured. ``--markdown NAME ...`` measures nothing and
prints what is kept of these benchmarks, for ``RESULTS.md``.
"""

import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.figures import (
    LONG,
    RESULTS_FOLDER,
    Figure,
    Run,
    benchmark_names,
    keep,
    markdown,
    measured,
    previous,
    table,
)

MARKDOWN = "--markdown"


def main(wanted: list[str], folder: Path = RESULTS_FOLDER) -> int:
    """0 when every wanted benchmark was measured or shown, 1 when one failed, 2 when one does not exist.

    Without names, all are meant; those that take many minutes are measured only when they are named.
    """
    console = Console()
    known = benchmark_names()
    named = [name for name in wanted if name != MARKDOWN]
    unknown = sorted(set(named) - set(known))
    if unknown:
        console.print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(known)}.")
        return 2
    if MARKDOWN in wanted:
        shown = [text for name in named or known if (text := markdown(name, folder))]
        console.print("\n\n".join(shown), markup=False, highlight=False, soft_wrap=True)
        return 0
    return _measure(named or [name for name in known if name not in LONG], named, console, folder)


def _measure(names: list[str], named: list[str], console: Console, folder: Path) -> int:
    figures: dict[str, list[Figure]] = {}
    failed = False
    for name in names:
        with console.status(f"measuring {name}"):
            try:
                figures[name] = measured(name)
            except Exception:
                failed = True
                console.print(f"[red]{name} failed[/red]\n{escape(traceback.format_exc())}")
    console.print(table([figure for some in figures.values() for figure in some], previous(folder)))
    if figures:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        command = " ".join(("python -m benchmarks", *named))
        console.print(f"kept in {keep(Run(at=at, command=command, figures=figures), folder)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
