"""The frame of the benchmarks: modules are found, figures are shown beside the run before, runs are kept."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.__main__ import main
from benchmarks.figures import LONG, Figure, Run, benchmark_names, keep, kept, markdown, previous, table

INGEST = Figure(name="ingest", value=260_000.4, unit="events/s", better="higher", note="batches of 1,000")
GATE = Figure(name="gate", value=2.04, unit="µs", better="lower")
LEFT_OUT = Figure(name="rival", value=None, unit="1/s", better="higher", note="it cannot be run here")


def run(day: int, **figures: list[Figure]) -> Run:
    """A run of these benchmarks on a day of January."""
    return Run(at=f"2026-01-{day:02}T00:00:00+00:00", command="python -m benchmarks", figures=figures)


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


def test_a_count_is_whole_however_small() -> None:
    """What is counted has no digits after the point, unlike a small measure."""
    shown = printed([Figure(name="late", value=3, unit="", better="lower")], {})
    assert " 3 " in shown
    assert "3.0" not in shown


def test_a_figure_that_was_left_out_says_so() -> None:
    """It has no value and no change, and its note is the reason."""
    shown = printed([LEFT_OUT], {"rival": 10.0})
    assert "left out" in shown
    assert "it cannot be run here" in shown
    assert "%" not in shown


def test_a_run_is_kept_and_found_again(tmp_path: Path) -> None:
    """A run is written under its instant, each figure with its benchmark, instant, command and machine."""
    folder = tmp_path / "results"
    path = keep(run(1, ingest=[INGEST]), folder)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "2026-01-01T000000+0000.json"
    (figure,) = written["figures"]
    assert (figure["unit"], figure["benchmark"]) == ("events/s", "ingest")
    assert (figure["at"], figure["command"]) == ("2026-01-01T00:00:00+00:00", "python -m benchmarks")
    assert {"orbdo", "python", "system", "cores"} == set(figure["machine"])
    assert previous(folder) == {"ingest": 260_000.4}


def test_a_figure_that_was_not_measured_again_is_remembered(tmp_path: Path) -> None:
    """Measuring one benchmark alone does not forget the others, nor where they come from."""
    assert previous(tmp_path) == {}
    keep(run(1, ingest=[INGEST], gate=[GATE]), tmp_path)
    keep(run(2, gate=[Figure(name="gate", value=1.5, unit="µs", better="lower")]), tmp_path)
    assert previous(tmp_path) == {"ingest": 260_000.4, "gate": 1.5}
    assert [figure["at"][:10] for figure in kept(tmp_path)] == ["2026-01-01", "2026-01-02"]


def test_a_figure_that_a_benchmark_no_longer_has_is_forgotten(tmp_path: Path) -> None:
    """All kept figures of a benchmark are of its last run."""
    keep(run(1, ingest=[INGEST, LEFT_OUT]), tmp_path)
    keep(run(2, ingest=[INGEST]), tmp_path)
    assert [figure["name"] for figure in kept(tmp_path)] == ["ingest"]


def test_a_figure_that_was_left_out_is_kept_but_compared_with_nothing(tmp_path: Path) -> None:
    """The run before has no value for it."""
    keep(run(1, ingest=[INGEST, LEFT_OUT]), tmp_path)
    assert [figure["value"] for figure in kept(tmp_path)] == [260_000.4, None]
    assert previous(tmp_path) == {"ingest": 260_000.4}


def test_figures_are_shown_as_markdown(tmp_path: Path) -> None:
    """The table names command, instant and machine, has a row a figure, and is empty for what was never measured."""
    keep(run(1, ingest=[INGEST, LEFT_OUT], gate=[GATE]), tmp_path)
    heading, blank, *rows = markdown("ingest", tmp_path).splitlines()
    assert heading.startswith("`python -m benchmarks`, 2026-01-01T00:00:00+00:00, ")
    assert blank == ""
    assert rows == [
        "| figure | value | note |",
        "|---|---|---|",
        "| ingest | 260,000 events/s | batches of 1,000 |",
        "| rival | left out | it cannot be run here |",
    ]
    assert markdown("rating", tmp_path) == ""


def test_markdown_is_printed_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the named benchmarks are shown, from what is kept."""
    keep(run(1, ingest=[INGEST], gate=[GATE]), tmp_path)
    assert main(["--markdown", "gate"], tmp_path) == 0
    shown = capsys.readouterr().out
    assert "| gate | 2.040 µs |  |" in shown
    assert "ingest" not in shown


def test_long_benchmarks_are_benchmarks() -> None:
    """What is measured only when it is named can be named."""
    assert set(benchmark_names()) >= LONG


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none of ours fails and says which there are."""
    assert main(["no_such_thing"]) == 2
    assert "micro" in capsys.readouterr().out
