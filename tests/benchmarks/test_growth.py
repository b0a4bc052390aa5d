"""A grown log and the server on it: what was filled is there once, and its files are counted."""

from pathlib import Path

from benchmarks.bare_duckdb import append
from benchmarks.bench_growth import Grown
from benchmarks.event_fill import EVENT_NAME, customer_name, groups
from benchmarks.server import log_bytes, log_path
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.identifiers import utc_now
from orbdo_server.storage.event_log import Scope
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog

TOKENS = "SELECT external_customer_id, sum(properties.generated_tokens) FROM events GROUP BY ALL"


def test_a_log_grows_to_each_size_and_is_known_by_customer(tmp_path: Path) -> None:
    """It is filled up, left alone when it has enough, and holds the tokens that it is said to hold."""
    grown = Grown(tmp_path / "data")
    assert grown.fill(1_000) is not None
    assert grown.fill(1_500) is not None
    assert grown.fill(1_500) is None
    assert grown.events == 1_500
    log = DuckDBEventLog(log_path(grown.folder))
    try:
        rows = log.read(TOKENS, scope=Scope(tenant=ACCOUNT, as_of=1_500)).rows
    finally:
        log.close()
    assert dict(rows) == {
        customer_name(number): tokens for number, tokens in enumerate(grown.tokens.tolist()) if tokens
    }


def test_each_size_asks_other_customers(tmp_path: Path) -> None:
    """An answer that is remembered from a smaller size is of no use."""
    grown = Grown(tmp_path)
    assert grown.customers(2) == [0, 1]
    assert grown.customers(2) == [2, 3]


def test_the_bytes_of_a_log_are_those_of_its_own_files(tmp_path: Path) -> None:
    """What lies beside its database counts too; the control plane, documents and the server's output do not."""
    files = {
        "events.duckdb": 100,
        "events.duckdb.wal": 20,
        "events.duckdb.journal/1": 3,
        "control.sqlite3": 1_000,
        "control.sqlite3-wal": 1_000,
        "documents/main/invoice.pdf": 1_000,
        "server.txt": 1_000,
    }
    for name, size in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    assert log_bytes(tmp_path) == 123


def test_duckdb_alone_stores_every_event() -> None:
    """The last commit is smaller; that all rows are there is checked where it is timed."""
    (group,) = groups(250, group_events=250, seed=1, now=utc_now())
    assert {event.event_name for event in group.events} == {EVENT_NAME}
    appended = append(group.events, commit_events=100, received_at=utc_now())
    assert appended.events_per_second > 0
    assert appended.cpu_microseconds > 0
