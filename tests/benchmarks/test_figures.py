"""The frame of the benchmarks: modules are found, figures are shown beside the run before, runs are kept."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.__main__ import main
from benchmarks.figures import Figure, benchmark_names, keep, previous, table

INGEST = Figure(name="ingest", value=260_000.4, unit="events/s", better="higher", note="batches of 1,000")
GATE = Figure(name="gate", value=2.04, unit="µs", better="lower")


def printed(figures: list[Figure], before: dict[str, float]) -> str:
    """The table as a wide terminal shows it."""
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(table(figures, before))
    return capture.get()


def test_every_benchmark_module_can_be_measured() -> None:
    """A module that follows the naming also follows the convention."""
    assert "micro" in benchmark_names()
    for name in benchmark_names():
        assert callable(import_module(f"benchmarks.bench_{name}").measure)


def test_benchmarks_are_found_by_their_files(tmp_path: Path) -> None:
    """Other files in the folder are no benchmarks."""
    for name in ("bench_rating.py", "bench_ingest.py", "figures.py", "bench_notes.txt"):
        (tmp_path / name).touch()
    assert benchmark_names(tmp_path) == ["ingest", "rating"]


def test_figures_are_shown_with_their_unit_and_note() -> None:
    """Large numbers are whole, small ones keep three digits after the point."""
    shown = printed([INGEST, GATE], {})
    assert "260,000 events/s" in shown
    assert "2.040 µs" in shown
    assert "batches of 1,000" in shown


@pytest.mark.parametrize(("before", "change"), [(130_000.2, "+100%"), (520_000.8, "-50%"), (0.0, "")])
def test_a_figure_is_compared_with_the_run_before(before: float, change: str) -> None:
    """The change is in percent of the run before; nothing is compared with nothing."""
    shown = printed([INGEST], {"ingest": before})
    assert change in shown
    assert ("%" in shown) is bool(change)


def test_a_run_is_kept_and_found_again(tmp_path: Path) -> None:
    """A run is written under its instant, with the machine it ran on."""
    folder = tmp_path / "results"
    path = keep([INGEST], "2026-01-01T00:00:00+00:00", folder)
    run = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "2026-01-01T000000+0000.json"
    assert run["figures"][0]["unit"] == "events/s"
    assert {"orbdo", "python", "system", "cores"} == set(run["machine"])
    assert previous(folder) == {"ingest": 260_000.4}


def test_a_figure_that_was_not_measured_again_is_remembered(tmp_path: Path) -> None:
    """Measuring one benchmark alone does not forget the others."""
    assert previous(tmp_path) == {}
    keep([INGEST, GATE], "2026-01-01T00:00:00+00:00", tmp_path)
    keep([Figure(name="gate", value=1.5, unit="µs", better="lower")], "2026-01-02T00:00:00+00:00", tmp_path)
    assert previous(tmp_path) == {"ingest": 260_000.4, "gate": 1.5}


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none of ours fails and says which there are."""
    assert main(["no_such_thing"]) == 2
    assert "micro" in capsys.readouterr().out
