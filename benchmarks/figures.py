"""What a benchmark returns and how a run is kept: figures as a table for people and as JSON for comparison.

A benchmark is a module ``benchmarks/bench_<what>.py`` with ``def measure() -> list[Figure]``. It makes its own data,
seeded, cleans up after itself, and asserts that what it measured was done right. What cannot be measured on a machine
is a figure without a value that says why.
"""

import json
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

FOLDER = Path(__file__).resolve().parent
RESULTS_FOLDER = FOLDER / "results"
LATEST = "latest.json"
# These take minutes and gigabytes; they are measured when they are named.
LONG = frozenset({"growth", "stall"})
LEFT_OUT = "left out"


@dataclass(frozen=True)
class Figure:
    """A measured number: ``better`` says which way is up, ``note`` how it was measured.

    ``value`` is None when it could not be measured; then ``note`` is the reason.
    """

    name: str
    value: float | None
    unit: str
    better: Literal["higher", "lower"]
    note: str = ""


@dataclass(frozen=True)
class Run:
    """One measuring: the instant it ended, as text, the command that did it, and the figures of each benchmark."""

    at: str
    command: str
    figures: dict[str, list[Figure]]


def benchmark_names(folder: Path = FOLDER) -> list[str]:
    """The names that ``python -m benchmarks NAME`` takes, sorted."""
    return sorted(path.stem.removeprefix("bench_") for path in folder.glob("bench_*.py"))


def measured(name: str) -> list[Figure]:
    """The figures of one benchmark."""
    measure: Callable[[], list[Figure]] = import_module(f"benchmarks.bench_{name}").measure
    return measure()


def previous(folder: Path = RESULTS_FOLDER) -> dict[str, float]:
    """Value by figure of the newest run before this one; empty when there was none."""
    return {figure["name"]: figure["value"] for figure in kept(folder) if figure["value"] is not None}


def kept(folder: Path = RESULTS_FOLDER) -> list[dict[str, Any]]:
    """Every figure as it was measured last, with its benchmark, instant, command and machine where they were kept."""
    latest = folder / LATEST
    if not latest.exists():
        return []
    figures: list[dict[str, Any]] = json.loads(latest.read_text(encoding="utf-8"))["figures"]
    return figures


def table(figures: Sequence[Figure], before: dict[str, float]) -> Table:
    """The figures for a terminal, each beside its value in the run before."""
    shown = Table("figure", "value", "change", "note", title="orbdo benchmarks")
    for figure in figures:
        shown.add_row(figure.name, _shown(figure.value, figure.unit), _change(figure, before), figure.note)
    return shown


def markdown(name: str, folder: Path = RESULTS_FOLDER) -> str:
    """The figures of a benchmark that are kept, as a table for ``RESULTS.md``, under each command and instant."""
    lines: list[str] = []
    heading = ""
    for figure in kept(folder):
        if figure.get("benchmark") != name:
            continue
        if (origin := _origin(figure)) != heading:
            heading = origin
            lines += [*([""] if lines else []), heading, "", "| figure | value | note |", "|---|---|---|"]
        note = figure["note"].replace("|", "\\|")
        lines.append(f"| {figure['name']} | {_shown(figure['value'], figure['unit'])} | {note} |")
    return "\n".join(lines)


def keep(run: Run, folder: Path = RESULTS_FOLDER) -> Path:
    """Write a run as JSON, under its instant and as the newest, where figures that were not measured again stay."""
    folder.mkdir(exist_ok=True)
    entries = list(_entries(run))
    path = folder / f"{run.at.replace(':', '')}.json"
    path.write_text(json.dumps(_document(run, entries), indent=2), encoding="utf-8")
    again = {entry["name"] for entry in entries} | {
        entry["name"] for entry in kept(folder) if entry.get("benchmark") in run.figures
    }
    stay = [entry for entry in kept(folder) if entry["name"] not in again]
    (folder / LATEST).write_text(json.dumps(_document(run, [*stay, *entries]), indent=2), encoding="utf-8")
    return path


def machine() -> dict[str, object]:
    """What a figure depends on beside the code."""
    return {
        "orbdo": metadata.version("orbdo"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def _entries(run: Run) -> Iterator[dict[str, Any]]:
    # Each with where it comes from: the newest run holds figures of many.
    origin = {"at": run.at, "command": run.command, "machine": machine()}
    for name, figures in run.figures.items():
        yield from ({**asdict(figure), "benchmark": name, **origin} for figure in figures)


def _document(run: Run, entries: list[dict[str, Any]]) -> dict[str, object]:
    return {"at": run.at, "command": run.command, "machine": machine(), "figures": entries}


def _origin(figure: dict[str, Any]) -> str:
    on = figure["machine"]
    where = f"{on['cores']} cores, {on['system']}, Python {on['python']}, orbdo {on['orbdo']}"
    return f"`{figure['command']}`, {figure['at']}, {where}"


def _shown(value: float | None, unit: str) -> str:
    return LEFT_OUT if value is None else f"{value:,.{_decimals(value)}f} {unit}".rstrip()


def _decimals(value: float) -> int:
    # A count is an int, and whole however small.
    return 0 if isinstance(value, int) or abs(value) >= 1_000 else 1 if abs(value) >= 10 else 3


def _change(figure: Figure, before: dict[str, float]) -> str:
    old = before.get(figure.name)
    if not old or figure.value is None:
        return ""
    percent = (figure.value / old - 1) * 100
    is_better = (percent > 0) == (figure.better == "higher")
    colour = "default" if abs(percent) < 5 else "green" if is_better else "red"
    return f"[{colour}]{percent:+.0f}%[/{colour}]"
