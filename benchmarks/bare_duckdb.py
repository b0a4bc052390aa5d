"""DuckDB alone: the least that storing events durably takes, with nothing held against anything and no checkpoint.

The events become columns before the clock starts. They go into the log's own table by the names of its columns, one
INSERT and one commit a group, each on disk before the next begins.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, TypeAlias

import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs

from orbdo_server.core.events import Event
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.storage.event_log.schema import TABLES

Table: TypeAlias = Any
"""A ``pyarrow.Table``, which is known to no type checker."""

INSERT = "INSERT INTO stored_events BY NAME SELECT * REPLACE (properties::JSON::VARIANT AS properties) FROM rows"
SCHEMA = pa.schema(
    [
        ("seq", pa.uint64()),
        ("tenant", pa.string()),
        ("idempotency_key", pa.string()),
        ("event_name", pa.string()),
        ("timestamp", pa.timestamp("us")),
        ("external_customer_id", pa.string()),
        ("customer_id", pa.string()),
        ("received_at", pa.timestamp("us")),
        ("properties", pa.string()),
    ]
)


class Appended(msgspec.Struct, frozen=True):
    """What came of it: events a second, and the CPU of all threads for each."""

    events_per_second: float
    cpu_microseconds: float


def append(events: Sequence[Event], *, commit_events: int, received_at: datetime) -> Appended:
    """Store the events in commits of ``commit_events`` in a file that goes away."""
    tables = [
        _columns(events[start : start + commit_events], first=start, received_at=received_at)
        for start in range(0, len(events), commit_events)
    ]
    with _database() as connection:
        wall, cpu = perf_counter(), process_time()
        for rows in tables:
            connection.begin()
            connection.register("rows", rows)
            connection.execute(INSERT)
            connection.commit()
        wall, cpu = perf_counter() - wall, process_time() - cpu
        stored = connection.execute("SELECT count(*) FROM stored_events").fetchone()
        assert stored == (len(events),), stored
    return Appended(len(events) / wall, cpu / len(events) * 1e6)


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as folder:
        path = Path(folder) / "bare.duckdb"
        with duckdb.connect(str(path), config={"checkpoint_threshold": "1TB"}) as connection:
            for statement in TABLES:
                connection.execute(statement)
            yield connection


def _columns(events: Sequence[Event], *, first: int, received_at: datetime) -> Table:
    count = len(events)
    return pa.table(
        [
            list(range(first + 1, first + count + 1)),
            [ACCOUNT] * count,
            [event.idempotency_key for event in events],
            [event.event_name for event in events],
            [event.timestamp.replace(tzinfo=None) for event in events],
            [event.external_customer_id for event in events],
            [event.customer_id for event in events],
            [received_at.replace(tzinfo=None)] * count,
            [bytes(event.properties).decode() for event in events],
        ],
        schema=SCHEMA,
    )
