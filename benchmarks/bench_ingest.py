"""How many events a second the server acknowledges over HTTP, and how long an acknowledgement takes.

The server is ``orbdo serve`` in a process of its own on a temporary folder, the load comes from another process, and
both share the machine. Each event is acknowledged once: on disk, and held against every key before it. Beside it stand,
in the same run, what the generator alone can send, what DuckDB alone can store of such rows, and what a table in
PostgreSQL takes. At the end the file of the log is opened and must hold exactly what was acknowledged.

The server begins each load with nothing put off. In the few seconds of most shapes, events that it acknowledged and has
still to file away count for it; in the longer load of batches, which is compared and halved, they hardly do.
"""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice, product
from pathlib import Path
from statistics import fmean

import duckdb
import msgspec
from rich.console import Console

from benchmarks import bare_duckdb
from benchmarks.figures import Figure, table
from benchmarks.ingest_requests import requests
from benchmarks.load import Plan, answering_server, put_load
from benchmarks.postgres_inserts import BATCH_EVENTS, PostgresRates, postgres_figures, postgres_rates
from benchmarks.read_after_write import read_after_write
from benchmarks.server import Server, log_path, serving
from benchmarks.server_load import (
    BATCHES,
    SINGLES,
    SUSTAINED_SECONDS,
    Load,
    RefusedError,
    Shape,
    disk_figure,
    load_figures,
    memory_figure,
    put,
    ratio,
    refused_figure,
    stall_figures,
)
from orbdo_server.core.event_batches import read_events
from orbdo_server.core.events import Event

SECONDS = 6.0
BATCH_SIZES = (1, 10, 100, 1_000, 10_000)
CONNECTIONS = (1, 8, 64)
# More events under way than the server queues: on a server of its own, for where a request was refused it is not known
# how many events were acknowledged, and the log of all others must hold exactly those.
APART = Shape(10_000, 64)
HALF_LOAD_SECONDS = 15.0
CAPACITY_SECONDS = 3.0
BARE_EVENTS = 400_000
BARE_COMMIT_EVENTS = 20_000
LOADED = "SELECT count(*), count(DISTINCT idempotency_key) FROM stored_events WHERE event_name = 'llm_request'"


class Loaded(msgspec.Struct, kw_only=True):
    """What the loads gave: figures, the rate of each shape, and how many events were acknowledged.

    The rate of ``BATCHES`` is that of the longer load, which is the one that half of is taken and compared.
    """

    figures: list[Figure] = []
    rates: dict[Shape, float] = {}
    acknowledged: int = 0

    def add(self, name: str, load: Load) -> None:
        """Count a load that was taken and show it."""
        self.figures += load_figures(name, load)
        self.acknowledged += load.outcome.acknowledged_events


def measure() -> list[Figure]:
    """Rates and latencies by shape, reading what was written, memory and disk, and the limits and rivals as ratios."""
    figures = list(_generator_alone())
    events = _events(BARE_EVENTS)
    bare = [_bare_append(events)]
    postgres = postgres_rates(events)
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as name:
        folder = Path(name)
        with serving(folder) as server:
            figures += read_after_write(server, "empty log")
            loaded = _loads(server)
            figures += loaded.figures
            figures += read_after_write(server, "after the load")
            figures.append(memory_figure("server memory", server, loaded.acknowledged))
        figures.append(_at_rest(folder, loaded.acknowledged))
    figures += _apart()
    # Once before and once after: the speed of a machine drifts in the minutes between.
    bare.append(_bare_append(events))
    limit = _limit(bare)
    return [*figures, limit, *postgres_figures(postgres), *_ratios(loaded.rates, limit, postgres)]


def _generator_alone() -> Iterator[Figure]:
    for shape in (SINGLES, BATCHES):
        with answering_server() as port:
            plan = Plan(
                port=port,
                api_key="a-key-of-the-usual-length-for-a-server",
                batch_events=shape.batch_events,
                connections=shape.connections,
                seconds=CAPACITY_SECONDS,
                seed=0,
            )
            outcome = put_load(plan)
        note = f"{shape.connections} connections to a server that answers at once"
        yield Figure(f"generator, {shape}", outcome.events_per_second, "1/s", "higher", note)


def _events(wanted: int) -> list[Event]:
    """The events of requests as the generator sends them."""
    now, events_max = datetime.now(UTC), 1_000
    sent = islice(requests(api_key="key", batch_events=events_max, now=now, seed=0), wanted // events_max)
    bodies = [bytes(request).partition(b"\r\n\r\n")[2] for request in sent]
    read = [read_events(body, now=now, grace=timedelta(days=1), events_max=events_max).events for body in bodies]
    return [event for events in read for event in events]


def _loads(server: Server) -> Loaded:
    """Every shape as fast as answers come, then batches for longer, and at half the rate that they kept up."""
    loaded = Loaded()
    seeds = count()
    for shape in (Shape(*pair) for pair in product(BATCH_SIZES, CONNECTIONS)):
        if shape != APART:
            load = put(server, shape, seconds=SECONDS, seed=next(seeds))
            loaded.add(f"ingest {shape}", load)
            loaded.rates[shape] = load.outcome.events_per_second
    load = put(server, BATCHES, seconds=SUSTAINED_SECONDS, seed=next(seeds))
    loaded.add(f"ingest {BATCHES} for {SUSTAINED_SECONDS:.0f} s", load)
    loaded.rates[BATCHES] = load.outcome.events_per_second
    half = loaded.rates[BATCHES] / 2
    load = put(server, BATCHES, seconds=HALF_LOAD_SECONDS, seed=next(seeds), events_per_second=half)
    name = f"ingest {BATCHES} at half load"
    loaded.add(name, load)
    loaded.figures += stall_figures(name, load.outcome.stalls, seconds=HALF_LOAD_SECONDS)
    return loaded


def _apart() -> list[Figure]:
    name = f"ingest {APART}"
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as folder, serving(Path(folder)) as server:
        try:
            return list(load_figures(name, put(server, APART, seconds=SECONDS, seed=0)))
        except RefusedError:
            return [refused_figure(name, APART)]


def _at_rest(folder: Path, acknowledged: int) -> Figure:
    """What the files of the stopped server take; the log has each acknowledged event, and none twice."""
    with duckdb.connect(str(log_path(folder)), read_only=True) as connection:
        counts = connection.execute(LOADED).fetchone()
    assert counts == (acknowledged, acknowledged), (counts, acknowledged)
    return disk_figure("on disk", folder, acknowledged)


def _bare_append(events: Sequence[Event]) -> bare_duckdb.Appended:
    return bare_duckdb.append(events, commit_events=BARE_COMMIT_EVENTS, received_at=datetime.now(UTC))


def _limit(bare: Sequence[bare_duckdb.Appended]) -> Figure:
    """The mean of what DuckDB alone did."""
    rates = [one.events_per_second for one in bare]
    note = (
        f"{BARE_EVENTS:,} events in commits of {BARE_COMMIT_EVENTS:,}, {bare[0].cpu_microseconds:.2f} us of CPU each; "
        f"mean of {' and '.join(f'{rate:,.0f}' for rate in rates)}, before and after the loads"
    )
    return Figure("bare DuckDB", fmean(rates), "1/s", "higher", note)


def _ratios(rates: dict[Shape, float], limit: Figure, postgres: PostgresRates) -> Iterator[Figure]:
    """Every shape against the limit, and each form of PostgreSQL's against ours on as many connections."""
    for shape, rate in rates.items():
        seconds = SUSTAINED_SECONDS if shape == BATCHES else SECONDS
        yield ratio(f"ingest {shape} / bare DuckDB", rate, limit.value, f"for {seconds:.0f} s")
    for shape, inserted in postgres.by_shape.items():
        named = "an INSERT an event" if shape.batch_events == 1 else f"an INSERT a batch of {BATCH_EVENTS:,}"
        name = f"ingest {shape} / PostgreSQL"
        theirs = None if inserted is None else inserted.events_per_second
        yield ratio(name, rates.get(shape), theirs, f"{named}, as many connections to each")


if __name__ == "__main__":
    Console(width=160).print(table(measure(), {}))
