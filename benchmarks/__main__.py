"""``python -m benchmarks [NAME ...]``: measure, print a table, keep the run as JSON.

A benchmark that fails fails the run, after the others were measured.
"""

import sys
import traceback
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.figures import Figure, benchmark_names, keep, measured, previous, table


def main(wanted: list[str]) -> int:
    """0 when every wanted benchmark was measured, 1 when one failed, 2 when one does not exist."""
    console = Console()
    known = benchmark_names()
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        console.print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(known)}.")
        return 2
    figures: list[Figure] = []
    failed = False
    for name in wanted or known:
        with console.status(f"measuring {name}"):
            try:
                figures += measured(name)
            except Exception:
                failed = True
                console.print(f"[red]{name} failed[/red]\n{traceback.format_exc()}")
    console.print(table(figures, previous()))
    console.print(f"kept in {keep(figures, datetime.now(UTC).isoformat(timespec='seconds'))}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
