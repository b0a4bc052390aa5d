"""How many events a second go into the embedded event log, beside DuckDB alone with the same rows, and where time goes.

``python -m benchmarks.bench_event_log`` prints the figures. The rows have the shape of a request trace: a random key, a
customer out of a hundred, two numbers and two words. Every commit is on disk before the next begins. The log's figures
include deduplication and checkpoints, those of DuckDB alone neither; the cost of a step is the time of its thread.
"""

import asyncio
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time, thread_time
from uuid import UUID

import duckdb
import numpy as np
from rich.console import Console

from benchmarks.figures import Figure, table
from orbdo_server.core.event_batches import read_events
from orbdo_server.core.events import Event
from orbdo_server.engine.ingest import Ingest
from orbdo_server.storage.event_log import Append, Scope
from orbdo_server.storage.event_log.columns import Origin, event_table, key_table
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.key_index import KeyIndex
from orbdo_server.storage.event_log.schema import TABLES

EVENTS = 400_000
GROUPS = (1_000, 20_000)
BATCH_EVENTS = 1_000
IN_FLIGHT = 16
KEYS_KNOWN = 1_000_000
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
GRACE = timedelta(hours=12)


def measure() -> list[Figure]:
    """Rates for groups of two sizes, the whole way from bodies to disk, and the cost of each step."""
    bodies = [_body(seed) for seed in range(EVENTS // BATCH_EVENTS)]
    batches = [read_events(body, now=NOW, grace=GRACE, events_max=BATCH_EVENTS).events for body in bodies]
    return [
        *(figure for group_events in GROUPS for figure in _rates(batches, group_events)),
        _way_in(bodies),
        *_steps(bodies, batches),
    ]


def _body(seed: int) -> bytes:
    chance = random.Random(seed)
    events = [
        {
            "event_name": "llm_request",
            "idempotency_key": str(UUID(int=chance.getrandbits(128))),
            "timestamp": (NOW - timedelta(microseconds=chance.randrange(10**10))).isoformat(),
            "external_customer_id": f"customer-{chance.randrange(100)}",
            "properties": {
                "context_tokens": chance.randrange(4_000),
                "generated_tokens": chance.randrange(1_000),
                "model": chance.choice(("large", "small")),
                "region": chance.choice(("eu-west-1", "us-east-1")),
            },
        }
        for _ in range(BATCH_EVENTS)
    ]
    return json.dumps({"events": events}).encode()


def _rates(batches: Sequence[list[Event]], group_events: int) -> Iterator[Figure]:
    groups = _grouped(batches, group_events)
    with _folder() as folder:
        ours, ours_cpu = _into_log(folder / "log.duckdb", groups)
    with _folder() as folder:
        bare, bare_cpu = _into_duckdb(folder / "bare.duckdb", groups)
    note = f"{EVENTS:,} events in groups of {group_events:,}"
    yield Figure(
        f"event log, groups of {group_events:,}", ours, "1/s", "higher", f"{note}, {ours_cpu:.2f} us of CPU each"
    )
    yield Figure(
        f"bare DuckDB, groups of {group_events:,}", bare, "1/s", "higher", f"{note}, {bare_cpu:.2f} us of CPU each"
    )
    yield Figure(f"event log / bare DuckDB, groups of {group_events:,}", ours / bare, "", "higher", "the same rows")


def _grouped(batches: Sequence[list[Event]], group_events: int) -> list[list[Append]]:
    size = group_events // BATCH_EVENTS
    appends = [Append(tenant="main", events=events, received_at=NOW) for events in batches]
    return [appends[start : start + size] for start in range(0, len(appends), size)]


def _into_log(path: Path, groups: Sequence[Sequence[Append]]) -> tuple[float, float]:
    log = DuckDBEventLog(path)
    wall, cpu = perf_counter(), process_time()
    for group in groups:
        log.append(group)
        log.maintain()
    wall, cpu = perf_counter() - wall, process_time() - cpu
    count = log.read("SELECT count(*) FROM events", scope=Scope(tenant="main", as_of=log.position())).rows
    assert count == [(EVENTS,)], count
    log.close()
    return EVENTS / wall, cpu / EVENTS * 1e6


def _into_duckdb(path: Path, groups: Sequence[Sequence[Append]]) -> tuple[float, float]:
    """The least that inserting these rows durably takes: columns that are ready, one INSERT and one commit a group."""
    connection = duckdb.connect(str(path), config={"checkpoint_threshold": "1TB"})
    for statement in TABLES:
        connection.execute(statement)
    tables = [_columns(group, first) for first, group in enumerate(groups)]
    wall, cpu = perf_counter(), process_time()
    for rows in tables:
        connection.begin()
        connection.register("rows", rows)
        connection.execute(
            "INSERT INTO stored_events SELECT * REPLACE (properties::JSON::VARIANT AS properties) FROM rows"
        )
        connection.commit()
    wall, cpu = perf_counter() - wall, process_time() - cpu
    connection.close()
    return EVENTS / wall, cpu / EVENTS * 1e6


def _way_in(bodies: Sequence[bytes]) -> Figure:
    """Bodies are read on the event loop and submitted by several tasks, as the API does without its HTTP."""
    with _folder() as folder:
        log = DuckDBEventLog(folder / "log.duckdb")
        ingest = Ingest(log)
        wall = perf_counter()
        asyncio.run(_submit_all(ingest, bodies))
        wall = perf_counter() - wall
        ingest.close()
        assert log.position() == EVENTS, log.position()
        log.close()
    note = f"from JSON bodies of {BATCH_EVENTS:,} to the answer, {IN_FLIGHT} in flight"
    return Figure("ingest without HTTP", EVENTS / wall, "1/s", "higher", note)


async def _submit_all(ingest: Ingest, bodies: Sequence[bytes]) -> None:
    waiting = iter(bodies)

    async def submit() -> None:
        for body in waiting:
            events = read_events(body, now=NOW, grace=GRACE, events_max=BATCH_EVENTS).events
            answer = await ingest.submit("main", events, received_at=NOW)
            assert len(answer.ingested) == BATCH_EVENTS

    await asyncio.gather(*(submit() for _ in range(IN_FLIGHT)))


def _steps(bodies: Sequence[bytes], batches: Sequence[list[Event]]) -> Iterator[Figure]:
    start = thread_time()
    for body in bodies:
        read_events(body, now=NOW, grace=GRACE, events_max=BATCH_EVENTS)
    yield _cost("read and validate a body", thread_time() - start, f"bodies of {BATCH_EVENTS:,}")
    start = thread_time()
    for group in batches:
        _columns([Append(tenant="main", events=group, received_at=NOW)], 0)
    yield _cost("events into columns", thread_time() - start, f"groups of {BATCH_EVENTS:,}")
    index = KeyIndex()
    chance = np.random.default_rng(0)
    index.add(chance.integers(0, 1 << 64, KEYS_KNOWN, dtype=np.uint64), np.arange(KEYS_KNOWN, dtype=np.uint64))
    hashes = [chance.integers(0, 1 << 64, BATCH_EVENTS, dtype=np.uint64) for _ in batches]
    start = thread_time()
    for position, some in enumerate(hashes, start=KEYS_KNOWN // BATCH_EVENTS):
        assert not len(index.find(some)[0])
        index.add(some, np.arange(BATCH_EVENTS, dtype=np.uint64) + np.uint64(position * BATCH_EVENTS))
    yield _cost("find and add keys", thread_time() - start, f"groups of {BATCH_EVENTS:,}, {KEYS_KNOWN:,} keys known")


def _cost(name: str, seconds: float, note: str) -> Figure:
    return Figure(name, seconds / EVENTS * 1e9, "ns/event", "lower", note)


def _columns(group: Sequence[Append], first: int) -> object:
    events = [event for append in group for event in append.events]
    origins = [Origin(append.tenant, append.backfill_id, append.received_at, len(append.events)) for append in group]
    return event_table(events, origins, keys=key_table(events, origins), first_seq=first)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    Console(width=140).print(table(measure(), {}))
