"""What a log that has grown costs: starting, ingesting, memory, disk and a customer's month at 1, 10 and 50 million.

The log is filled from inside, as fast as one process can append. Then ``orbdo serve`` opens it and takes the same load
as a server on an empty log just before, so that the ratio compares two neighbours in time. The files have just been
written, so that starts and readings find them in the memory of the system.

``python -m benchmarks.bench_growth EVENTS ...`` takes other sizes and keeps nothing.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import numpy as np
from rich.console import Console

from benchmarks.event_fill import CUSTOMERS, DAYS, EVENT_NAME, Counts, customer_name, groups
from benchmarks.figures import Figure, table
from benchmarks.server import Client, Server, log_path, serving
from benchmarks.server_load import (
    BATCHES,
    SINGLES,
    SUSTAINED_SECONDS,
    Load,
    Shape,
    disk_figure,
    load_figures,
    memory_figure,
    put,
    ratio,
)
from orbdo_sdk.wire import Usage
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.storage.event_log import Append
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog

SIZES = (1_000_000, 10_000_000, 50_000_000)
# Batches for longer, so that filing events away in a grown log is part of their rate.
SECONDS: Mapping[Shape, float] = {BATCHES: SUSTAINED_SECONDS, SINGLES: 6.0}
GROUP_EVENTS = 20_000
CUSTOMERS_ASKED = 40
METRIC_SQL = f"SELECT sum(properties.generated_tokens) FROM events WHERE event_name = '{EVENT_NAME}'"


class Grown:
    """A log that is filled and loaded in turn, and what must be in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = 0
        self.tokens: Counts = np.zeros(CUSTOMERS, dtype=np.int64)
        self._seeds = count()
        self._unasked = iter(range(CUSTOMERS))

    def fill(self, events: int) -> float | None:
        """Append until the log has so many events; how many a second, until all were written out.

        None for a log that has so many already, which is left as it is.
        """
        missing, now = max(0, events - self.events), datetime.now(UTC)
        self.folder.mkdir(parents=True, exist_ok=True)
        log = DuckDBEventLog(log_path(self.folder))
        assert log.position() == self.events, (log.position(), self.events)
        seconds = 0.0
        for group in groups(missing, group_events=GROUP_EVENTS, seed=next(self._seeds), now=now):
            began = time.perf_counter()
            (answer,) = log.append([Append(tenant=ACCOUNT, events=group.events, received_at=now)])
            seconds += time.perf_counter() - began
            assert len(answer.ingested) == len(group.events), "every key is new"
            self.tokens += group.tokens
        began = time.perf_counter()
        log.close()
        seconds += time.perf_counter() - began
        self.events += missing
        return missing / seconds if missing else None

    def customers(self, number: int) -> list[int]:
        """The numbers of so many customers who were not given before."""
        return list(islice(self._unasked, number))

    def load(self, server: Server, shape: Shape, *, seconds: float) -> Load:
        """Put a load of new keys on the server of this log."""
        load = put(server, shape, seconds=seconds, seed=next(self._seeds))
        self.events += load.outcome.acknowledged_events
        return load


def measure(sizes: Sequence[int] = SIZES, *, seconds: Mapping[Shape, float] = SECONDS) -> list[Figure]:
    """The figures of a log of each size; ``sizes`` ascend, and ``seconds`` are those of the load of each shape."""
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as name:
        grown = Grown(Path(name) / "grown")
        return [figure for size in sizes for figure in _at(grown, size, seconds=seconds)]


def _at(grown: Grown, size: int, *, seconds: Mapping[Shape, float]) -> Iterator[Figure]:
    where = f"at {size:,}"
    rate = grown.fill(size)
    note = f"groups of {GROUP_EVENTS:,} in one process, until all is written out"
    if rate is not None:
        yield Figure(f"{where}: filling", rate, "1/s", "higher", note)
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as name:
        empty = Grown(Path(name))
        with serving(empty.folder) as server:
            before = {shape: empty.load(server, shape, seconds=lasting) for shape, lasting in seconds.items()}
    with serving(grown.folder) as server:
        note = f"of the process with {grown.events:,} events, until it could accept events"
        yield Figure(f"{where}: start", server.start_seconds, "s", "lower", note)
        yield _months(server, grown, where)
        for shape, on_empty in before.items():
            yield from _loaded(where, shape, grown.load(server, shape, seconds=seconds[shape]), on_empty)
        yield memory_figure(f"{where}: server memory", server, grown.events)
    yield disk_figure(f"{where}: on disk", grown.folder, grown.events)


def _loaded(where: str, shape: Shape, load: Load, on_empty: Load) -> Iterator[Figure]:
    yield from load_figures(f"{where}: ingest {shape}", load)
    ours, empty = load.outcome, on_empty.outcome
    note = f"just before on an empty log: {empty.events_per_second:,.0f} events/s, p99 {empty.p99_ms:.1f} ms"
    name = f"{where}: ingest {shape} / empty log"
    yield ratio(name, ours.events_per_second, empty.events_per_second, note)
    yield ratio(f"{name} p99", ours.p99_ms, empty.p99_ms, note, better="lower")


def _months(server: Server, grown: Grown, where: str) -> Figure:
    """The tokens of a customer's month, asked once for each of some customers, others at each size."""
    now = datetime.now(UTC)
    period = {"start": (now - timedelta(days=DAYS + 1)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    asked = grown.customers(CUSTOMERS_ASKED)
    seconds: list[float] = []
    counted = 0
    with Client(server) as client:
        metric = msgspec.json.decode(client.post("/v1/metrics", {"name": f"tokens {where}", "sql": METRIC_SQL}))
        for number in asked:
            name = customer_name(number)
            client.post("/v1/customers", {"external_customer_id": name, "name": name, "email": "billing@bench.example"})
            named = {"external_customer_id": name, "metric_id": metric["id"]}
            began = time.perf_counter()
            answer = client.get(f"/v1/usage?{urlencode({**named, **period})}")
            seconds.append(time.perf_counter() - began)
            (row,) = msgspec.json.decode(answer, type=Usage).data
            assert row.quantity == Decimal(int(grown.tokens[number])), (row, grown.tokens[number])
            counted += row.events_counted
    p50, p99 = np.percentile(seconds, (50, 99)).tolist()
    note = (
        f"{len(asked)} customers of {CUSTOMERS:,}, {counted / len(asked):,.0f} events each, asked once; "
        f"first {seconds[0] * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
    )
    return Figure(f"{where}: a customer's month p50", p50 * 1e3, "ms", "lower", note)


if __name__ == "__main__":
    chosen = tuple(int(size.replace("_", "")) for size in sys.argv[1:])
    Console(width=160).print(table(measure(chosen or SIZES), {}))
