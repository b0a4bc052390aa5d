"""What a benchmark returns and how a run is kept: figures as a table for people and as JSON for comparison.

A benchmark is a module ``benchmarks/bench_<what>.py`` with ``def measure() -> list[Figure]``. It makes its own data,
seeded, cleans up after itself, and asserts that what it measured was done right.
"""

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

from rich.table import Table

FOLDER = Path(__file__).resolve().parent
RESULTS_FOLDER = FOLDER / "results"
LATEST = "latest.json"


@dataclass(frozen=True)
class Figure:
    """A measured number: ``better`` says which way is up, ``note`` how it was measured."""

    name: str
    value: float
    unit: str
    better: Literal["higher", "lower"]
    note: str = ""


def benchmark_names(folder: Path = FOLDER) -> list[str]:
    """The names that ``python -m benchmarks NAME`` takes, sorted."""
    return sorted(path.stem.removeprefix("bench_") for path in folder.glob("bench_*.py"))


def measured(name: str) -> list[Figure]:
    """The figures of one benchmark."""
    measure: Callable[[], list[Figure]] = import_module(f"benchmarks.bench_{name}").measure
    return measure()


def previous(folder: Path = RESULTS_FOLDER) -> dict[str, float]:
    """Value by figure of the newest run before this one; empty when there was none."""
    latest = folder / LATEST
    if not latest.exists():
        return {}
    return {figure["name"]: figure["value"] for figure in json.loads(latest.read_text(encoding="utf-8"))["figures"]}


def table(figures: Sequence[Figure], before: dict[str, float]) -> Table:
    """The figures for a terminal, each beside its value in the run before."""
    shown = Table("figure", "value", "change", "note", title="orbdo benchmarks")
    for figure in figures:
        value = f"{figure.value:,.{_decimals(figure.value)}f} {figure.unit}"
        shown.add_row(figure.name, value, _change(figure, before.get(figure.name)), figure.note)
    return shown


def keep(figures: Sequence[Figure], at: str, folder: Path = RESULTS_FOLDER) -> Path:
    """Write a run as JSON, under its instant and as the newest, where figures that were not measured again stay."""
    folder.mkdir(exist_ok=True)
    run: dict[str, object] = {"at": at, "machine": machine(), "figures": [asdict(figure) for figure in figures]}
    path = folder / f"{at.replace(':', '')}.json"
    path.write_text(json.dumps(run, indent=2), encoding="utf-8")
    (folder / LATEST).write_text(json.dumps(_merged(folder / LATEST, run), indent=2), encoding="utf-8")
    return path


def machine() -> dict[str, object]:
    """What a figure depends on beside the code."""
    return {
        "orbdo": metadata.version("orbdo"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def _merged(latest: Path, run: dict[str, object]) -> dict[str, object]:
    figures = run["figures"]
    assert isinstance(figures, list)
    again = {figure["name"] for figure in figures}
    kept = json.loads(latest.read_text(encoding="utf-8"))["figures"] if latest.exists() else []
    return {**run, "figures": [*(figure for figure in kept if figure["name"] not in again), *figures]}


def _decimals(value: float) -> int:
    return 0 if abs(value) >= 1_000 else 1 if abs(value) >= 10 else 3


def _change(figure: Figure, before: float | None) -> str:
    if not before:
        return ""
    percent = (figure.value / before - 1) * 100
    is_better = (percent > 0) == (figure.better == "higher")
    colour = "default" if abs(percent) < 5 else "green" if is_better else "red"
    return f"[{colour}]{percent:+.0f}%[/{colour}]"
