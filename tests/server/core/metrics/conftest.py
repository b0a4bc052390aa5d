"""A DuckDB in memory with the relation that metrics are measured over."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import duckdb
import pytest

from orbdo_server.core.metrics import duckdb_select, parse_metric

Reading: TypeAlias = tuple[Decimal | None, int, int, int]
Add: TypeAlias = Callable[..., None]
Measure: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="package")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """One database for all tests of the folder, since opening one takes longer than most of them."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE events (event_name VARCHAR, idempotency_key VARCHAR, timestamp TIMESTAMP,"
        " external_customer_id VARCHAR, customer_id VARCHAR, properties VARIANT)"
    )
    yield connection
    connection.close()


@pytest.fixture
def database(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """An empty relation ``events``."""
    connection.execute("DELETE FROM events")
    return connection


@pytest.fixture
def add(database: duckdb.DuckDBPyConnection) -> Add:
    """Adds an event with the given JSON text as its properties."""

    def add_event(
        properties: str,
        *,
        name: str = "llm_request",
        at: str = "2024-01-01 00:00:00",
        external_customer_id: str | None = "acme",
        customer_id: str | None = None,
    ) -> None:
        database.execute(
            "INSERT INTO events SELECT ?, 'key-' || count(*), CAST(? AS TIMESTAMP), ?, ?, ?::JSON::VARIANT FROM events",
            [name, at, external_customer_id, customer_id, properties],
        )

    return add_event


@pytest.fixture
def trace(add: Add) -> None:
    """Six events an hour apart: a number in every form, and everything that is not one."""
    add('{"model": "a", "tokens": 100, "ms": 250, "gb": 0.5, "is_cached": false}', at="2024-01-01 00:00:00")
    add('{"model": "b", "tokens": 250, "ms": 1000, "gb": 2, "is_cached": true}', at="2024-01-01 01:00:00")
    add('{"model": "a", "tokens": "12.5", "ms": 40, "gb": 0.25}', at="2024-01-01 02:00:00", external_customer_id="bee")
    add('{"model": "c", "tokens": "abc", "note": "100% \'sure\'"}', at="2024-01-01 03:00:00", customer_id="cus_1")
    add('{"model": "a", "tokens": true, "is_cached": "true"}', at="2024-01-01 04:00:00", external_customer_id="bee")
    add('{"gb": -7.5, "model": null}', name="storage", at="2024-01-01 05:00:00", external_customer_id=None)


@pytest.fixture
def measure(database: duckdb.DuckDBPyConnection) -> Measure:
    """(quantity, counted, skipped, missing) of a metric, or rows of (groups..., quantity, ...) with ``group_by``."""

    def measure_events(sql: str, group_by: Sequence[str] = ()) -> Any:
        rows = database.execute(duckdb_select(parse_metric(sql), group_by)).fetchall()
        return sorted(rows, key=repr) if group_by else rows[0]

    return measure_events
