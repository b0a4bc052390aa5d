"""The micro-benchmarks of ``benchmarks/micro`` as figures: the median time of each, measured by pytest-benchmark."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import FOLDER, Figure

MICROSECONDS = 1e6


def measure() -> list[Figure]:
    """One figure a test; its docstring is not repeated, its name says what is timed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--benchmark-enable", "--benchmark-only", f"--benchmark-json={report}", "--timeout=120", "--quiet"]
        command = [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", str(FOLDER / "micro")]
        run = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(run.stdout + run.stderr)
        return [_figure(entry) for entry in json.loads(report.read_text(encoding="utf-8"))["benchmarks"]]


def _figure(entry: dict[str, dict[str, float]]) -> Figure:
    stats = entry["stats"]
    name = str(entry["name"]).removeprefix("test_").replace("_", " ")
    note = f"median of {stats['rounds']:,.0f} rounds, fastest {stats['min'] * MICROSECONDS:,.2f} µs"
    return Figure(name=name, value=stats["median"] * MICROSECONDS, unit="µs", better="lower", note=note)
