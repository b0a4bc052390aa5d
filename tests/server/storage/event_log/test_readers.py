"""Readings have bounds: of time, of rows, of how many run at once, and of what they may name."""

import threading
from pathlib import Path
from time import monotonic, sleep

import duckdb
import pytest

from orbdo_server.storage.event_log import LogUnavailableError, ReadTimeoutError, ResultTooLargeError, Scope
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.errors import OutOfRangeError
from orbdo_server.storage.event_log.readers import SELECTS_REMEMBERED_MAX
from tests.support.logged_events import TENANT, event, send, units

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"
EMPTY = Scope(tenant=TENANT, as_of=0)


def test_columns_and_rows_come_by_name(log: DuckDBEventLog) -> None:
    """Columns are named as the SELECT says; parameters are values, whatever is in them."""
    send(log, event("a"), event("b'); DROP TABLE stored_events; --"))
    rows = log.read(
        "SELECT idempotency_key AS k, 1 AS one FROM events WHERE idempotency_key = $key",
        scope=Scope(tenant=TENANT, as_of=2),
        parameters={"key": "b'); DROP TABLE stored_events; --"},
    )
    assert (rows.columns, rows.rows) == (("k", "one"), [("b'); DROP TABLE stored_events; --", 1)])


def test_sums_are_exact(log: DuckDBEventLog) -> None:
    """Integers beyond a double and decimals come as such."""
    send(log, event("a", 2**63 - 1), event("b", 2**63 - 1), event("c", "0.000000000001"))
    scope = Scope(tenant=TENANT, as_of=3)
    rows = log.read("SELECT sum(try_cast(properties.units::VARCHAR AS DECIMAL(38,12))) FROM events", scope=scope).rows
    assert str(rows[0][0]) == "18446744073709551614.000000000001"


def test_a_result_has_a_bound(path: Path) -> None:
    """As many rows as the bound are given out, one more is refused."""
    log = DuckDBEventLog(path, threads=1, read_rows_max=3)
    send(log, event("a"), event("b"), event("c"), event("d"))
    assert len(log.read("SELECT seq FROM events", scope=Scope(tenant=TENANT, as_of=3)).rows) == 3
    with pytest.raises(ResultTooLargeError) as caught:
        log.read("SELECT seq FROM events", scope=Scope(tenant=TENANT, as_of=4))
    assert caught.value.detail == "The result has more than 3 rows; narrow the question."
    log.close()


def test_a_sum_beyond_the_digits_that_are_kept_is_an_answer_not_a_crash(log: DuckDBEventLog) -> None:
    """Two numbers of 26 digits are more than an exact sum holds; the next reading is served."""
    send(log, event("a"), event("b"))
    scope = Scope(tenant=TENANT, as_of=2)
    with pytest.raises(OutOfRangeError) as caught:
        log.read("SELECT sum(CAST('99999999999999999999999999' AS DECIMAL(38,12))) FROM events", scope=scope)
    assert caught.value.status == 400
    assert units(log) == 2


def test_a_reading_is_interrupted_when_it_takes_too_long(path: Path) -> None:
    """It fails soon after its time, and its cursor serves the next."""
    log = DuckDBEventLog(path, threads=1, readers_max=1, read_timeout_seconds=0.2)
    start = monotonic()
    with pytest.raises(ReadTimeoutError) as caught:
        log.read(ENDLESS, scope=EMPTY)
    assert 0.2 <= monotonic() - start < 5
    assert caught.value.detail == "The reading was not done within 0.2 seconds; narrow the question."
    assert units(log) == 0
    log.close()


def test_no_more_readings_run_than_there_are_cursors(path: Path) -> None:
    """One that finds none free waits its time and is refused; the one that runs ends by its own."""
    log = DuckDBEventLog(path, threads=1, readers_max=1, read_timeout_seconds=0.3)
    failures: list[Exception] = []

    def read() -> None:
        try:
            log.read(ENDLESS, scope=EMPTY)
        except ReadTimeoutError as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 2
    assert units(log) == 0
    log.close()


def test_closing_ends_what_still_reads(path: Path) -> None:
    """A reading that runs is interrupted, one that waits is refused, and the file is let go."""
    log = DuckDBEventLog(path, threads=1, readers_max=1)
    failures: list[Exception] = []

    def read() -> None:
        try:
            log.read(ENDLESS, scope=EMPTY)
        except LogUnavailableError as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    sleep(0.1)
    log.close()
    for thread in threads:
        thread.join()
    assert len(failures) == 2


@pytest.mark.parametrize(
    "select",
    [
        "SELECT * FROM stored_events",
        "SELECT * FROM events JOIN actions ON true",
        "SELECT (SELECT count(*) FROM main.stored_events) FROM events",
        "SELECT * FROM events WHERE seq = $p AND seq IN (SELECT seq FROM stored_events)",
        "EXPLAIN SELECT 1",
        "SET enable_external_access = true",
    ],
)
def test_a_reading_names_nothing_but_its_relation(log: DuckDBEventLog, select: str) -> None:
    """Tables of the log hold all tenants, so that no SELECT may name them."""
    with pytest.raises(ValueError, match="a reading is one SELECT over events"):
        log.read(select, scope=EMPTY)
    with pytest.raises(ValueError, match="a reading is one SELECT over events"):
        log.read(lambda _: select, scope=EMPTY)


@pytest.mark.parametrize(
    "select",
    [
        "SELECT 1; SELECT 2",
        "DELETE FROM stored_events",
        "SELECT * FROM read_csv('events.csv')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM events, no_such_table",
    ],
)
def test_a_mistake_in_a_select_is_the_callers(log: DuckDBEventLog, select: str) -> None:
    """It is told as DuckDB tells it, and nothing was read or written."""
    send(log, event("a"))
    with pytest.raises((duckdb.Error, ValueError)):
        log.read(select, scope=EMPTY)
    assert units(log) == 1


def test_more_selects_than_are_remembered_still_work(log: DuckDBEventLog) -> None:
    """What is known to be harmless is remembered up to a bound, and forgotten beyond it."""
    assert SELECTS_REMEMBERED_MAX == 1_024
    for number in range(SELECTS_REMEMBERED_MAX + 2):
        assert log.read(f"SELECT {number}", scope=EMPTY).rows == [(number,)]
