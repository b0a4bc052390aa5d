"""What a user would otherwise write: events into a table of PostgreSQL, each counted once by a unique key.

One INSERT an event comes from pgbench, PostgreSQL's own load generator in C with prepared statements, so that no client
in Python is the limit. A batch goes by COPY into a temporary table and from there by one INSERT, which of COPY,
``unnest`` of arrays, a list of VALUES and a JSON document was the fastest with psycopg. Every commit is on disk before
it is answered. The table has the one index that counting once takes, and none for reading.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec
import numpy as np
import psycopg

from benchmarks.figures import Figure
from benchmarks.postgres import Postgres, PostgresUnavailableError, running_postgres
from benchmarks.server_load import Shape
from orbdo_server.core.events import Event
from orbdo_server.engine.keys import ACCOUNT

BATCH_EVENTS = 1_000
SECONDS = 6.0
SINGLES_CONNECTIONS = (1, 8, 64)
BATCHES_CONNECTIONS = (1, 8)
TABLE = """
    CREATE TABLE events (
        tenant text NOT NULL,
        idempotency_key text NOT NULL,
        event_name text NOT NULL,
        timestamp timestamptz NOT NULL,
        external_customer_id text NOT NULL,
        received_at timestamptz NOT NULL,
        properties jsonb NOT NULL,
        UNIQUE (tenant, idempotency_key)
    )
"""
STAGING = "CREATE TEMPORARY TABLE incoming (LIKE events) ON COMMIT DELETE ROWS"
COPY = "COPY incoming FROM STDIN"
INSERT_BATCH = "INSERT INTO events SELECT * FROM incoming ON CONFLICT DO NOTHING"
# A key as long as a UUID, in pgbench's language, which has numbers only.
INSERT_ONE = r"""
\set high random(1000000000000000000, 9000000000000000000)
\set low random(1000000000000000, 9000000000000000)
\set ago random(1, 7200)
\set customer random(10, 99)
INSERT INTO events VALUES ('main', :high::bigint || '-' || :low::bigint, 'llm_request',
    now() - :ago * interval '1 second', 'customer-' || :customer::int, now(),
    '{"context_tokens":3456,"generated_tokens":321,"model":"large","region":"eu-west-1"}')
ON CONFLICT DO NOTHING;
"""

Row = tuple[str, str, str, datetime, str | None, datetime, str]


class Inserted(msgspec.Struct, frozen=True):
    """Events a second that were committed, and how long a commit took."""

    events_per_second: float
    p50_ms: float
    p99_ms: float


class PostgresRates(msgspec.Struct, frozen=True):
    """What each form reached, by events a commit and connections; None for all of them when PostgreSQL did not run.

    ``note`` says how it ran, or why it did not.
    """

    by_shape: dict[Shape, Inserted | None]
    note: str


def postgres_rates(events: Sequence[Event], *, seconds: float = SECONDS) -> PostgresRates:
    """Single events for ``seconds`` on each number of connections, then the given ones in batches on each number.

    There must be one batch for each connection at least. When PostgreSQL cannot be run, nothing is measured.
    """
    try:
        with running_postgres() as postgres:
            by_shape: dict[Shape, Inserted | None] = {}
            for connections in SINGLES_CONNECTIONS:
                _empty_table(postgres)
                by_shape[Shape(1, connections)] = _singles(postgres, connections, seconds=seconds)
            for connections in BATCHES_CONNECTIONS:
                _empty_table(postgres)
                by_shape[Shape(BATCH_EVENTS, connections)] = _batches(postgres, connections, events)
            return PostgresRates(by_shape, f"PostgreSQL {postgres.version}, its defaults, fsync on, over a socket")
    except PostgresUnavailableError as error:
        shapes = [Shape(1, connections) for connections in SINGLES_CONNECTIONS]
        shapes += [Shape(BATCH_EVENTS, connections) for connections in BATCHES_CONNECTIONS]
        return PostgresRates(dict.fromkeys(shapes), f"PostgreSQL cannot be run here: {error}")


def postgres_figures(rates: PostgresRates) -> Iterator[Figure]:
    """Rate and latencies of each form; left out with the reason when PostgreSQL did not run."""
    for shape, inserted in rates.by_shape.items():
        by = "pgbench, prepared" if shape.batch_events == 1 else "psycopg, COPY then one INSERT"
        name = f"PostgreSQL, {shape}"
        if inserted is None:
            yield Figure(name, None, "1/s", "higher", rates.note)
            continue
        yield Figure(name, inserted.events_per_second, "1/s", "higher", f"{by}; {rates.note}")
        yield Figure(f"{name} p50", inserted.p50_ms, "ms", "lower")
        yield Figure(f"{name} p99", inserted.p99_ms, "ms", "lower")


def _empty_table(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS events")
        connection.execute(TABLE)


def _singles(postgres: Postgres, connections: int, *, seconds: float) -> Inserted:
    script, log = postgres.folder / "insert.sql", postgres.folder / f"singles-{connections}"
    script.write_text(INSERT_ONE)
    options = ("--no-vacuum", "--protocol=prepared", f"--client={connections}", f"--time={max(1, round(seconds))}")
    postgres.run("pgbench", *options, f"--file={script}", "--log", f"--log-prefix={log}")
    (written,) = postgres.folder.glob(f"{log.name}.*")
    # Client, transaction, microseconds it took, script, and the instant of its end as seconds and microseconds.
    columns = np.loadtxt(written, usecols=(2, 4, 5), dtype=np.int64, ndmin=2)
    ends = columns[:, 1] + columns[:, 2] / 1e6
    assert _count(postgres) == len(columns), "every transaction inserted its event"
    first = float((ends - columns[:, 0] / 1e6).min())
    return _inserted(len(columns), float(ends.max()) - first, columns[:, 0] / 1e6)


def _batches(postgres: Postgres, connections: int, events: Sequence[Event]) -> Inserted:
    received_at = datetime.now(UTC)
    starts = range(0, len(events), BATCH_EVENTS)
    batches = [[_row(event, received_at) for event in events[start : start + BATCH_EVENTS]] for start in starts]
    # Each thread takes the next; an iterator of a list is safe to share.
    waiting, taken = iter(batches), list[float]()
    with ExitStack() as stack:
        opened = [stack.enter_context(postgres.connect()) for _ in range(connections)]
        for connection in opened:
            connection.execute(STAGING)
        threads = [threading.Thread(target=_insert, args=(connection, waiting, taken)) for connection in opened]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall = time.perf_counter() - began
    assert _count(postgres) == len(events), "every event was inserted"
    return _inserted(len(events), wall, taken)


def _insert(connection: psycopg.Connection, waiting: Iterator[list[Row]], taken: list[float]) -> None:
    for batch in waiting:
        began = time.perf_counter()
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(COPY) as copy:
                for row in batch:
                    copy.write_row(row)
            cursor.execute(INSERT_BATCH)
        taken.append(time.perf_counter() - began)


def _row(event: Event, received_at: datetime) -> Row:
    return (
        ACCOUNT,
        event.idempotency_key,
        event.event_name,
        event.timestamp,
        event.external_customer_id,
        received_at,
        bytes(event.properties).decode(),
    )


def _count(postgres: Postgres) -> int:
    with postgres.connect() as connection:
        counted = connection.execute("SELECT count(*) FROM events").fetchone()
    assert counted is not None, "a count is a row"
    return int(counted[0])


def _inserted(
    events: int, seconds: float, latencies_seconds: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Inserted:
    p50, p99 = np.percentile(latencies_seconds, (50, 99)).tolist()
    return Inserted(events / seconds, p50 * 1e3, p99 * 1e3)
