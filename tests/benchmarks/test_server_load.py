"""What came of a load as figures: a rate, percentiles, stalls, ratios, and what is left out."""

from benchmarks.figures import Figure
from benchmarks.load import Outcome
from benchmarks.server_load import Load, Shape, load_figures, ratio, refused_figure, stall_figures
from benchmarks.stalls import Stalls

STALLS = Stalls(longest_acknowledgement_ms=250.0, late_acknowledgements=8, longest_silence_ms=220.0, long_silences=1)
OUTCOME = Outcome(
    events_per_second=300_000.0,
    requests_per_second=300.0,
    p50_ms=10.0,
    p99_ms=20.0,
    p999_ms=30.0,
    longest_ms=250.0,
    stalls=STALLS,
    acknowledged_events=2_100_000,
    generator_cpu_share=0.25,
)


def values(figures: list[Figure]) -> dict[str, float | None]:
    """Value by name."""
    return {figure.name: figure.value for figure in figures}


def test_a_load_has_a_rate_and_three_percentiles() -> None:
    """The rate is in events; requests, the server's CPU and the generator's share are in its note."""
    figures = list(load_figures("ingest", Load(outcome=OUTCOME, server_cpu_microseconds=2.5)))
    assert values(figures) == {"ingest": 300_000.0, "ingest p50": 10.0, "ingest p99": 20.0, "ingest p99.9": 30.0}
    assert figures[0].note == "300 requests/s, 2.50 us of the server's CPU an event, generator 25% of a core"


def test_stalls_are_four_figures() -> None:
    """The longest wait and how many, as a request and as a bystander saw it; less is better in all."""
    figures = list(stall_figures("half", STALLS, seconds=300.0))
    assert values(figures) == {
        "half, longest stall": 250.0,
        "half, late": 8,
        "half, longest silence": 220.0,
        "half, silences": 1,
    }
    assert {figure.better for figure in figures} == {"lower"}
    assert "over 200 ms in 300 s" in figures[1].note


def test_a_refused_load_is_left_out_with_the_reason() -> None:
    """10,000 events on 64 connections are 640,000 at once."""
    figure = refused_figure("ingest 10,000 x 64", Shape(batch_events=10_000, connections=64))
    assert figure.value is None
    assert figure.note == "answered 429: 640,000 events were under way at once, more than the server queues"


def test_a_ratio_is_left_out_with_either_of_its_figures() -> None:
    """Nothing is made up in the place of what was not measured."""
    assert ratio("ours / theirs", 150_000.0, 300_000.0).value == 0.5
    assert ratio("ours / theirs", None, 300_000.0).value is None
    assert ratio("ours / theirs", 150_000.0, None).value is None


def test_a_shape_is_named_by_its_events_and_connections() -> None:
    """As in the tables."""
    assert str(Shape(batch_events=1_000, connections=8)) == "1,000 x 8"
