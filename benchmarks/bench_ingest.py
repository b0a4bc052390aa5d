"""How many events a second the server acknowledges over HTTP, and how long an acknowledgement takes.

The server is ``orbdo serve`` in a process of its own on a temporary folder, the load comes from another process, and
both share the machine. Each event is acknowledged once: on disk, and held against every key before it. Beside it stand
what the generator alone can send and what DuckDB alone can store of the same rows. At the end the file of the log is
opened and must hold exactly what was acknowledged.
"""

import http.client
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import duckdb
import msgspec
import numpy as np
from rich.console import Console

from benchmarks import bench_event_log
from benchmarks.figures import Figure, table
from benchmarks.ingest_requests import requests
from benchmarks.load import HOST, Outcome, Plan, answering_server, put_load
from orbdo_sdk.wire import Usage
from orbdo_server.commands.demonstration.server import RunningServer, running_server
from orbdo_server.core.event_batches import read_events

SECONDS = 6.0
# Events a request, and connections with one request under way each.
SHAPES = (
    (1, 1), (1, 8), (1, 64),
    (10, 1), (10, 64),
    (100, 8), (100, 64),
    (1_000, 1), (1_000, 8), (1_000, 64),
    (10_000, 1), (10_000, 8),
)  # fmt: skip
SINGLES = (1, 64)
BATCHES = (1_000, 8)
HALF_LOAD_SECONDS = 15.0
CAPACITY_SECONDS = 3.0
BARE_COMMIT_EVENTS = 20_000
PAIRS = 300
PAIRS_SECONDS_MAX = 10.0
REQUEST_SECONDS_MAX = 30.0
CUSTOMER = "read-after-write"
METRIC_SQL = "SELECT count(*) FROM events WHERE event_name = 'seen'"
MIB = 1 << 20


class Target(msgspec.Struct, frozen=True):
    """The server under load, and the process it is."""

    server: RunningServer
    process_id: int

    @property
    def port(self) -> int:
        """Where it listens."""
        port = urlsplit(self.server.url).port
        assert port is not None, "the server has a port of its own"
        return port


def measure() -> list[Figure]:
    """Rates and latencies by shape, reading what was written, what it took in memory and on disk, and the limits."""
    bare = _bare_append()
    figures = [*_generator_alone(), bare]
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as folder:
        with _target(Path(folder)) as target:
            figures += _read_after_write(target, "empty log")
            loaded, acknowledged = _loads(target, bare.value)
            figures += loaded
            figures += _read_after_write(target, "after the load")
            figures.append(_memory(target, acknowledged))
        figures.append(_at_rest(Path(folder), acknowledged))
    return figures


def _loads(target: Target, bare: float) -> tuple[list[Figure], int]:
    """The figures of all shapes, then of half the rate that the batches had, and how many events that was."""
    figures: list[Figure] = []
    outcomes: dict[tuple[int, int], Outcome] = {}
    for seed, shape in enumerate(SHAPES):
        outcome, cpu = _under_load(target, *shape, seconds=SECONDS, seed=seed)
        outcomes[shape] = outcome
        figures += _outcome(f"ingest {shape[0]:,} x {shape[1]}", outcome, cpu, bare)
    half = outcomes[BATCHES].events_per_second / 2
    outcome, cpu = _under_load(target, *BATCHES, seconds=HALF_LOAD_SECONDS, seed=len(SHAPES), events_per_second=half)
    figures += _outcome(f"ingest {BATCHES[0]:,} at half load", outcome, cpu, bare)
    ratio = outcomes[BATCHES].events_per_second / bare
    figures.append(Figure("ingest / bare DuckDB", ratio, "", "higher", f"{BATCHES[0]:,} x {BATCHES[1]}"))
    return figures, sum(one.acknowledged_events for one in (*outcomes.values(), outcome))


def _generator_alone() -> Iterator[Figure]:
    for batch_events, connections in (SINGLES, BATCHES):
        with answering_server() as port:
            plan = Plan(
                port=port,
                api_key="a-key-of-the-usual-length-for-a-server",
                batch_events=batch_events,
                connections=connections,
                seconds=CAPACITY_SECONDS,
                seed=0,
            )
            outcome = put_load(plan)
        note = f"{connections} connections to a server that answers at once"
        yield Figure(f"generator, {batch_events:,} x {connections}", outcome.events_per_second, "1/s", "higher", note)


def _bare_append() -> Figure:
    """The same rows, as columns that are ready, in commits of 20,000: no deduplication, no checkpoint, no HTTP."""
    now, batch_events = datetime.now(UTC), bench_event_log.BATCH_EVENTS
    sent = requests(api_key="key", batch_events=batch_events, now=now, seed=0)
    bodies = [
        bytes(request).partition(b"\r\n\r\n")[2] for request in islice(sent, bench_event_log.EVENTS // batch_events)
    ]
    grace = timedelta(days=1)
    batches = [read_events(body, now=now, grace=grace, events_max=batch_events).events for body in bodies]
    groups = bench_event_log._grouped(batches, BARE_COMMIT_EVENTS)
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as folder:
        rate, cpu = bench_event_log._into_duckdb(Path(folder) / "bare.duckdb", groups)
    note = f"{bench_event_log.EVENTS:,} events in commits of {BARE_COMMIT_EVENTS:,}, {cpu:.2f} us of CPU each"
    return Figure("ingest limit: bare DuckDB", rate, "1/s", "higher", note)


def _under_load(
    target: Target,
    batch_events: int,
    connections: int,
    *,
    seconds: float,
    seed: int,
    events_per_second: float | None = None,
) -> tuple[Outcome, float]:
    """What came of it, and the microseconds of CPU that the server spent on an event."""
    plan = Plan(
        port=target.port,
        api_key=target.server.api_key,
        batch_events=batch_events,
        connections=connections,
        seconds=seconds,
        seed=seed,
        requests_per_second=None if events_per_second is None else events_per_second / batch_events,
    )
    cpu = _cpu_seconds(target.process_id)
    outcome = put_load(plan)
    return outcome, (_cpu_seconds(target.process_id) - cpu) / outcome.acknowledged_events * 1e6


def _outcome(name: str, outcome: Outcome, cpu: float, bare: float) -> Iterator[Figure]:
    note = (
        f"{outcome.events_per_second / bare:.3f} of bare DuckDB, {cpu:.2f} us of the server's CPU an event, "
        f"generator {outcome.generator_cpu_share:.0%} of a core"
    )
    yield Figure(name, outcome.events_per_second, "1/s", "higher", note)
    for quantile, milliseconds in (("p50", outcome.p50_ms), ("p99", outcome.p99_ms), ("p99.9", outcome.p999_ms)):
        note = f"longest {outcome.longest_ms:.0f} ms" if quantile == "p99.9" else ""
        yield Figure(f"{name} {quantile}", milliseconds, "ms", "lower", note)


def _read_after_write(target: Target, where: str) -> Iterator[Figure]:
    """One event, then the usage it counts in; each answer must have all events that were sent before it."""
    customer = f"{CUSTOMER}-{where.replace(' ', '-')}"
    connection = http.client.HTTPConnection(HOST, target.port, timeout=REQUEST_SECONDS_MAX)
    ask = _Client(connection, target.server.api_key)
    ask.post("/v1/customers", {"external_customer_id": customer, "name": customer, "email": "billing@bench.example"})
    metric = msgspec.json.decode(ask.post("/v1/metrics", {"name": customer, "sql": METRIC_SQL}))
    now = datetime.now(UTC)
    period = {"start": (now - timedelta(hours=3)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    query = urlencode({"external_customer_id": customer, "metric_id": metric["id"], **period})
    writes: list[float] = []
    pairs: list[float] = []
    deadline = time.perf_counter() + PAIRS_SECONDS_MAX
    while len(pairs) < PAIRS and time.perf_counter() < deadline:
        began = time.perf_counter()
        ask.post("/v1/ingest", {"events": [_seen(customer, f"{customer}-{len(pairs)}", now)]})
        written = time.perf_counter()
        usage = msgspec.json.decode(ask.get(f"/v1/usage?{query}"), type=Usage)
        writes.append(written - began)
        pairs.append(time.perf_counter() - began)
        assert usage.data[0].events_counted == len(pairs), (usage, len(pairs))
    connection.close()
    note = f"ingest one event, then read usage that has it; {len(pairs)} pairs one after the other"
    for name, seconds in (("read after write", pairs), ("its write alone", writes)):
        for quantile in (50, 99):
            value = float(np.percentile(seconds, quantile)) * 1e3
            yield Figure(f"{name}, {where}, p{quantile}", value, "ms", "lower", note)


class _Client:
    """One connection that is kept; every answer is 200."""

    def __init__(self, connection: http.client.HTTPConnection, api_key: str) -> None:
        self._connection = connection
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}

    def post(self, path: str, body: object) -> bytes:
        """The body of the answer to a POST."""
        return self._ask("POST", path, msgspec.json.encode(body))

    def get(self, path: str) -> bytes:
        """The body of the answer to a GET."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == http.client.OK, content
        return content


def _seen(customer: str, key: str, at: datetime) -> dict[str, object]:
    return {
        "event_name": "seen",
        "idempotency_key": key,
        "timestamp": at.isoformat(),
        "external_customer_id": customer,
        "properties": {},
    }


def _memory(target: Target, acknowledged: int) -> Figure:
    resident = _resident_bytes(target.process_id) / MIB
    return Figure("server memory", resident, "MiB", "lower", f"with {acknowledged:,} events")


def _at_rest(folder: Path, acknowledged: int) -> Figure:
    """What the files of the stopped server take; the log has each acknowledged event, and none twice."""
    with duckdb.connect(str(folder / "events.duckdb"), read_only=True) as connection:
        counts = connection.execute(
            "SELECT count(*), count(DISTINCT idempotency_key) FROM stored_events WHERE event_name = 'llm_request'"
        ).fetchone()
    assert counts == (acknowledged, acknowledged), (counts, acknowledged)
    size = sum(path.stat().st_size for path in folder.glob("events.duckdb*"))
    return Figure("on disk", size / acknowledged, "bytes/event", "lower", f"{acknowledged:,} events, server stopped")


@contextmanager
def _target(folder: Path) -> Iterator[Target]:
    before = _children()
    with running_server(folder) as server:
        (process_id,) = _children() - before
        yield Target(server, process_id)


def _children() -> set[int]:
    """The processes that this one started and has not buried."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def _cpu_seconds(process_id: int) -> float:
    # After the name in brackets, which may hold anything, the 12th and 13th words are the ticks of user and system.
    words = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(process_id: int) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    (resident,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(resident) << 10


if __name__ == "__main__":
    Console(width=160).print(table(measure(), {}))
