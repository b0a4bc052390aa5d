"""Load on a server as figures: rate, latencies, stalls, and what it cost the server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.figures import Figure
from benchmarks.load import LoadError, Outcome, Plan, put_load
from benchmarks.server import Server, log_bytes, log_path
from benchmarks.stalls import STALL_SECONDS, Stalls

# For so long that what the server may have acknowledged and not yet filed away, at most a few row groups, no longer
# counts for much: the rate is one that it keeps up.
SUSTAINED_SECONDS = 20.0
REFUSED = "429 Too Many Requests"
STALL_MS = STALL_SECONDS * 1e3
MIB = 1 << 20


class Shape(msgspec.Struct, frozen=True):
    """Events a request, and connections with one request under way each."""

    batch_events: int
    connections: int

    def __str__(self) -> str:
        return f"{self.batch_events:,} x {self.connections}"


BATCHES = Shape(batch_events=1_000, connections=8)
SINGLES = Shape(batch_events=1, connections=64)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a load, and the microseconds of CPU that the server spent on an event."""

    outcome: Outcome
    server_cpu_microseconds: float


class RefusedError(Exception):
    """The server said that too much was under way; how much of the load it took is not known."""


def put(server: Server, shape: Shape, *, seconds: float, seed: int, events_per_second: float | None = None) -> Load:
    """A load as fast as answers come, or at a rate, once the server is quiet. Each ``seed`` gives other keys.

    Raises ``RefusedError`` when the server answered that its queue was full, ``LoadError`` for any other failure.
    """
    plan = Plan(
        port=server.port,
        api_key=server.api_key,
        batch_events=shape.batch_events,
        connections=shape.connections,
        seconds=seconds,
        seed=seed,
        requests_per_second=None if events_per_second is None else events_per_second / shape.batch_events,
    )
    server.wait_until_quiet()
    cpu = server.cpu_seconds()
    try:
        outcome = put_load(plan)
    except LoadError as error:
        if REFUSED in str(error):
            raise RefusedError from error
        raise
    spent = server.cpu_seconds() - cpu
    return Load(outcome=outcome, server_cpu_microseconds=spent / outcome.acknowledged_events * 1e6)


def load_figures(name: str, load: Load) -> Iterator[Figure]:
    """The rate of a load and the percentiles of its acknowledgements."""
    outcome = load.outcome
    note = (
        f"{outcome.requests_per_second:,.0f} requests/s, {load.server_cpu_microseconds:.2f} us of the server's CPU an "
        f"event, generator {outcome.generator_cpu_share:.0%} of a core"
    )
    yield Figure(name, outcome.events_per_second, "1/s", "higher", note)
    yield Figure(f"{name} p50", outcome.p50_ms, "ms", "lower")
    yield Figure(f"{name} p99", outcome.p99_ms, "ms", "lower")
    yield Figure(f"{name} p99.9", outcome.p999_ms, "ms", "lower", f"longest {outcome.longest_ms:.0f} ms")


def refused_figure(name: str, shape: Shape) -> Figure:
    """A load that the server did not take has no rate."""
    under_way = shape.batch_events * shape.connections
    note = f"answered 429: {under_way:,} events were under way at once, more than the server queues"
    return Figure(name, None, "1/s", "higher", note)


def stall_figures(name: str, stalls: Stalls, *, seconds: float) -> Iterator[Figure]:
    """The longest stall as one request saw it and as nobody was answered, and how many there were."""
    over, during = f"over {STALL_MS:.0f} ms", f"in {seconds:,.0f} s"
    longest = f"longest acknowledgement {during}, from the instant its request was due"
    yield Figure(f"{name}, longest stall", stalls.longest_acknowledgement_ms, "ms", "lower", longest)
    late = f"acknowledgements {over} {during}; one stall delays all that are under way"
    yield Figure(f"{name}, late", stalls.late_acknowledgements, "", "lower", late)
    silence = f"longest time {during} without an acknowledgement to anybody"
    yield Figure(f"{name}, longest silence", stalls.longest_silence_ms, "ms", "lower", silence)
    yield Figure(f"{name}, silences", stalls.long_silences, "", "lower", f"times {during} without one {over}")


def disk_figure(name: str, data: Path, events: int) -> Figure:
    """What an event takes in the files of a stopped server's log, and how much of it is not the database."""
    total = log_bytes(data)
    beside = (total - log_path(data).stat().st_size) / MIB
    note = f"{events:,} events, server stopped; {total / MIB:,.1f} MiB, {beside:,.1f} of them beside the database"
    return Figure(name, total / events, "bytes/event", "lower", note)


def memory_figure(name: str, server: Server, events: int) -> Figure:
    """What the server has in memory with so many events, and what it had at most."""
    note = f"with {events:,} events; {server.resident_bytes_peak() / MIB:,.0f} at its peak"
    return Figure(name, server.resident_bytes() / MIB, "MiB", "lower", note)


def ratio(
    name: str,
    figure: float | None,
    to: float | None,
    note: str = "",
    *,
    better: Literal["higher", "lower"] = "higher",
) -> Figure:
    """One figure divided by another; left out when either was."""
    if figure is None or to is None:
        return Figure(name, None, "", better, "one of its two figures was left out")
    return Figure(name, figure / to, "", better, note)
