"""``orbdo demo`` from its first word to its last, and what it does when something is wrong."""

from pathlib import Path

import pytest

from orbdo_server.commands.demo import demo
from orbdo_server.commands.demonstration.server import RunningServer, ServerDidNotStartError, running_server
from orbdo_server.commands.demonstration.trace import (
    CUSTOMERS,
    UnusableTraceError,
    expected_cost,
    load_trace,
    synthetic_trace,
)

COLUMNS = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_the_demo_on_the_synthetic_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three invoices with the amounts of the trace, a flip of the limit, both denials, and a PDF."""
    monkeypatch.chdir(tmp_path)
    demo()
    said = capsys.readouterr().out
    for expected in (
        "8,819 events are in; the second import added 0.",
        "$9.275706",
        "$8.965525",
        "$9.245161",
        "acorn-labs       200  a completion",
        "nobody           403  ",
        "dogwood-live     429  ",
        "All totals are what they must be",
        "Where to look next:",
    ):
        assert expected in said
    assert (tmp_path / "orbdo-demo" / "INV-000001.pdf").read_bytes().startswith(b"%PDF-")


def test_a_trace_that_cannot_be_billed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its line, and exit status 1."""
    path = tmp_path / "trace.csv"
    path.write_text(COLUMNS + "2023-11-16 18:17:03,1,2\n2023-11-16 18:17:04,one,2\n")
    with pytest.raises(SystemExit) as ended:
        demo(data=path)
    assert ended.value.code == 1
    assert "trace.csv line 3 has no whole ContextTokens and GeneratedTokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"), [(COLUMNS, "has no rows"), (COLUMNS + "never,1,2\n", "line 2 has no timestamp")]
)
def test_a_file_without_a_trace_says_what_it_lacks(tmp_path: Path, content: str, message: str) -> None:
    """The first thing that is wrong."""
    path = tmp_path / "trace.csv"
    path.write_text(content)
    with pytest.raises(UnusableTraceError, match=message):
        load_trace(path)


def test_the_synthetic_trace_is_the_same_each_time() -> None:
    """8,819 requests, in order of time, with the totals the demo shows."""
    trace = synthetic_trace()
    assert trace == synthetic_trace()
    assert len(trace.requests) == 8_819
    assert [trace.tokens_of(customer) for customer in CUSTOMERS] == [6_275_706, 5_965_525, 6_245_161]
    assert [request.at for request in trace.requests] == sorted(request.at for request in trace.requests)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(0, "0"), (1, "0.000002"), (1_000_000, "2"), (1_000_001, "2.0000015"), (5_000_000, "8"), (6_070_187, "9.070187")],
)
def test_the_cost_by_hand(tokens: int, expected: str) -> None:
    """At the bounds of the tiers and one past them."""
    assert format(expected_cost(tokens).normalize(), "f") == expected


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """What it printed is in the message."""
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(ServerDidNotStartError), running_server(tmp_path / "data") as server:
        assert isinstance(server, RunningServer)
