"""How many events a second go into the embedded event log, beside DuckDB alone with the same rows, and where time goes.

``python -m benchmarks.bench_event_log`` prints the figures. The rows have the shape of a request trace: a random key, a
customer out of a hundred, two numbers and two words. Every commit is on disk before the next begins. The log's figures
include deduplication. It answers before its tables have the events, and with as few as here it may put off all of that:
the ratio is of the time until it is closed. DuckDB alone does neither deduplication nor a checkpoint. The cost of a
step is the time of its thread.
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

import msgspec
import numpy as np
from rich.console import Console

from benchmarks import bare_duckdb
from benchmarks.figures import Figure, table
from orbdo_server.core.event_batches import read_events
from orbdo_server.core.events import Event
from orbdo_server.engine.ingest import Ingest
from orbdo_server.storage.event_log import Append, Scope
from orbdo_server.storage.event_log.columns import Origin, event_table
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.key_index import KeyIndex
from orbdo_server.storage.event_log.records import EventsRecord, encode

EVENTS = 400_000
GROUPS = (1_000, 20_000)
BATCH_EVENTS = 1_000
IN_FLIGHT = 16
KEYS_KNOWN = 1_000_000
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
GRACE = timedelta(hours=12)
NEWEST = int(NOW.timestamp()) * 1_000_000


class Stored(msgspec.Struct, frozen=True):
    """Events a second as they were answered, and until the log was closed; the CPU of all threads for each."""

    answered_per_second: float
    stored_per_second: float
    cpu_microseconds: float


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
    with _folder() as folder:
        ours = _into_log(folder / "log.duckdb", _grouped(batches, group_events))
    events = [event for batch in batches for event in batch]
    bare = bare_duckdb.append(events, commit_events=group_events, received_at=NOW)
    where = f"groups of {group_events:,}"
    note = f"{EVENTS:,} events in {where}"
    cpu = f"{ours.cpu_microseconds:.2f} us of CPU each"
    yield Figure(f"event log, {where}", ours.answered_per_second, "1/s", "higher", f"{note}, as they are answered")
    yield Figure(f"event log until it is closed, {where}", ours.stored_per_second, "1/s", "higher", f"{note}, {cpu}")
    cpu = f"{bare.cpu_microseconds:.2f} us of CPU each"
    yield Figure(f"bare DuckDB, {where}", bare.events_per_second, "1/s", "higher", f"{note}, {cpu}")
    ratio = ours.stored_per_second / bare.events_per_second
    yield Figure(f"event log / bare DuckDB, {where}", ratio, "", "higher", "the same rows, until the log is closed")


def _grouped(batches: Sequence[list[Event]], group_events: int) -> list[list[Append]]:
    size = group_events // BATCH_EVENTS
    appends = [Append(tenant="main", events=events, received_at=NOW) for events in batches]
    return [appends[start : start + size] for start in range(0, len(appends), size)]


def _into_log(path: Path, groups: Sequence[Sequence[Append]]) -> Stored:
    log = DuckDBEventLog(path)
    began, cpu = perf_counter(), process_time()
    for group in groups:
        log.append(group)
    answered = perf_counter() - began
    log.close()
    stored, cpu = perf_counter() - began, process_time() - cpu
    log = DuckDBEventLog(path)
    count = log.read("SELECT count(*) FROM events", scope=Scope(tenant="main", as_of=log.position())).rows
    assert count == [(EVENTS,)], count
    log.close()
    return Stored(EVENTS / answered, EVENTS / stored, cpu / EVENTS * 1e6)


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
        encode(EventsRecord(first=1, batches=[Append(tenant="main", events=group, received_at=NOW)]))
    yield _cost("events into a journal record", thread_time() - start, f"groups of {BATCH_EVENTS:,}")
    start = thread_time()
    for group in batches:
        origin = Origin(tenant="main", backfill_id=None, received_at=NOW, amends=None, events=len(group))
        event_table(group, [origin], np.arange(len(group), dtype=np.uint64))
    yield _cost("events into columns", thread_time() - start, f"groups of {BATCH_EVENTS:,}")
    yield _cost("find and add keys", _key_seconds(), f"groups of {BATCH_EVENTS:,}, {KEYS_KNOWN:,} keys known")


def _key_seconds() -> float:
    index, chance = KeyIndex(), np.random.default_rng(0)
    known = chance.integers(0, 1 << 64, KEYS_KNOWN, dtype=np.uint64)
    index.load(known, np.arange(KEYS_KNOWN, dtype=np.uint64), newest=NEWEST)
    groups = [chance.integers(0, 1 << 64, BATCH_EVENTS, dtype=np.uint64) for _ in range(EVENTS // BATCH_EVENTS)]
    start = thread_time()
    for first, hashes in zip(range(KEYS_KNOWN, KEYS_KNOWN + EVENTS, BATCH_EVENTS), groups, strict=True):
        assert not len(index.find(hashes)[0])
        index.add(hashes, range(first, first + BATCH_EVENTS), newest=NEWEST)
        index.settle()
    return thread_time() - start


def _cost(name: str, seconds: float, note: str) -> Figure:
    return Figure(name, seconds / EVENTS * 1e9, "ns/event", "lower", note)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    Console(width=140).print(table(measure(), {}))
