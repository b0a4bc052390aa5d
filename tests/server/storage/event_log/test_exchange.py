"""Rows of a log go out to files and become a log again, which has the same answers; other files are refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # as above
import pytest

from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import LogDamagedError, LogUnavailableError
from orbdo_server.storage.event_log import exchange as exchange_module
from orbdo_server.storage.event_log.columns import EVENT_SCHEMA
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.exchange import (
    ROW_GROUP_ROWS_MAX,
    ExportableLog,
    Part,
    PartError,
    build_log,
    count_rows,
    export_parts,
)
from orbdo_server.storage.event_log.journal import START, Mark
from tests.support.logged_events import (
    TENANT,
    amend,
    close,
    create,
    deprecate,
    event,
    keys,
    on,
    revert,
    send,
    undo,
    units,
)

PROPERTIES = (
    b'{"units":7,"exact":"0.1234567890123456789012345678901234567890","big":18446744073709551615,"\\u00e9":null}'
)


def odd_event(key: str) -> Event:
    """An event whose properties are easily lost: many digits, a large number, a name beyond ASCII, null."""
    return msgspec.structs.replace(event(key), properties=msgspec.Raw(PROPERTIES))


def fill(log: DuckDBEventLog) -> None:
    """Some of everything that a log can have."""
    send(log, *[event(f"k{number}", number, at=on(1 + number % 20)) for number in range(10)])
    send(log, odd_event("odd"), event("k1", 1, at=on(2)), event("k2", 99))
    send(log, event("theirs", 5), tenant="globex")
    create(log, "bf_1", replace=False)
    send(log, event("old", 100), backfill_id="bf_1")
    close(log, "bf_1")
    create(log, "bf_2", replace=True, only="units = 3")
    send(log, event("instead", 1000), backfill_id="bf_2")
    close(log, "bf_2")
    amend(log, 5, event("k4", 40))
    deprecate(log, 6, "k5")
    undo(log, 6, "k5")
    deprecate(log, 7, "k6")
    revert(log, "bf_1")


def exported(log: DuckDBEventLog, folder: Path, *, mark: Mark | None = None, rows_max: int = 4) -> list[Part]:
    """The parts of a log, each in a file of its own name."""
    folder.mkdir()
    parts = []
    for number, part in enumerate(export_parts(log, folder, mark=mark or log.mark(), rows_max=rows_max)):
        path = part.path.rename(folder / f"{number}-{part.relation}.parquet")
        parts.append(msgspec.structs.replace(part, path=path))
    return parts


def answers(log: DuckDBEventLog, as_of: int) -> list[Any]:
    """What a log says of one position in every way there is."""
    known = [*keys(log, as_of=as_of), "k1", "k2", "k4", "k5", "k6", "k3", "old", "odd"]
    return [
        units(log, as_of=as_of),
        units(log, as_of=as_of, tenant="globex"),
        keys(log, as_of=as_of),
        log.stored(TENANT, sorted(set(known)), as_of=as_of),
        log.backfills(TENANT, as_of=as_of),
        log.corrections(TENANT, as_of=as_of),
    ]


def test_a_log_of_the_parts_has_the_same_answers(log: DuckDBEventLog, tmp_path: Path) -> None:
    """At every position, to the last digit of every property; and what came again is remembered."""
    fill(log)
    assert isinstance(log, ExportableLog)
    parts = exported(log, tmp_path / "parts")
    assert [(part.relation, part.rows) for part in parts] == [
        *[("events", 4), ("events", 4), ("events", 4), ("events", 3)],
        *[("actions", 4), ("actions", 4), ("actions", 1), ("repeats", 2)],
    ]
    build_log(tmp_path / "new.duckdb", parts, mark=log.mark())
    again = DuckDBEventLog(tmp_path / "new.duckdb", threads=1)
    try:
        assert again.mark() == log.mark()
        assert again.identity() != log.identity()
        for as_of in range(log.position() + 1):
            assert answers(again, as_of) == answers(log, as_of)
        assert again.repeats(TENANT, "k2") == log.repeats(TENANT, "k2")
        assert [repeated.conflict for repeated in again.repeats(TENANT, "k2")] == [True]
        [odd] = again.stored(TENANT, ["odd"], as_of=again.position())
        assert msgspec.json.decode(odd.event.properties) == msgspec.json.decode(PROPERTIES)
    finally:
        again.close()


def test_a_log_of_the_parts_goes_on(log: DuckDBEventLog, tmp_path: Path) -> None:
    """Keys are known, positions follow, and its journal is replayed after a start that was not in order."""
    fill(log)
    build_log(tmp_path / "new.duckdb", exported(log, tmp_path / "parts"), mark=log.mark())
    for number in range(2):
        again = DuckDBEventLog(tmp_path / "new.duckdb", threads=1, clock=lambda: on(31))
        assert send(again, event("k1", 1, at=on(2)), event(f"new{number}")).ingested == [f"new{number}"]
        assert again.position() == log.position() + 1 + number
        again.close()


def test_what_came_after_the_mark_is_left_out(log: DuckDBEventLog, tmp_path: Path) -> None:
    """Though it is in the tables when they are read."""
    send(log, event("a"), event("b"))
    mark = log.mark()
    send(log, event("c"), event("a", 2))
    create(log, "bf_1")
    parts = exported(log, tmp_path / "parts", mark=mark)
    assert [(part.relation, part.rows) for part in parts] == [("events", 2)]
    assert count_rows(log, mark=mark) == {"events": 2, "actions": 0, "repeats": 0}
    assert count_rows(log, mark=log.mark()) == {"events": 3, "actions": 1, "repeats": 1}


def test_an_empty_log_has_no_parts(log: DuckDBEventLog, tmp_path: Path) -> None:
    """And a log of none is empty."""
    assert exported(log, tmp_path / "parts") == []
    build_log(tmp_path / "new.duckdb", [], mark=START)
    again = DuckDBEventLog(tmp_path / "new.duckdb", threads=1)
    assert again.position() == 0
    again.close()


@pytest.mark.parametrize("bound", ["PART_BYTES", "PART_SECONDS"])
def test_a_part_ends_when_it_is_large_or_slow_enough(
    log: DuckDBEventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """The next one goes on after the last row in it, so that nothing is lost or twice."""
    monkeypatch.setattr(exchange_module, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(exchange_module, "LOADED_BYTES", 1)
    monkeypatch.setattr(exchange_module, bound, 0)
    events = [event(f"k{number}") for number in range(5_000)]
    send(log, *events)
    parts = exported(log, tmp_path / "parts", rows_max=1 << 20)
    assert [part.rows for part in parts] == [2_048, 2_048, 904]
    build_log(tmp_path / "new.duckdb", parts, mark=log.mark())
    again = DuckDBEventLog(tmp_path / "new.duckdb", threads=1)
    assert keys(again) == [f"k{number}" for number in range(5_000)]
    again.close()


def test_a_missing_part_is_noticed_when_the_log_is_opened(log: DuckDBEventLog, tmp_path: Path) -> None:
    """A log has every position up to its last."""
    fill(log)
    parts = exported(log, tmp_path / "parts")
    build_log(tmp_path / "new.duckdb", [parts[0], *parts[2:]], mark=log.mark())
    with pytest.raises(LogDamagedError, match="should hold 23 positions and holds 19"):
        DuckDBEventLog(tmp_path / "new.duckdb")


def test_a_disk_that_is_full_ends_the_building(tmp_path: Path) -> None:
    """As whatever else DuckDB cannot do."""

    def parts() -> Iterator[Part]:
        yield from ()
        raise duckdb.IOException("No space left on device")

    with pytest.raises(LogUnavailableError, match="The event log cannot be built: No space left"):
        build_log(tmp_path / "new.duckdb", parts(), mark=START)


def test_a_closed_log_is_not_exported(log: DuckDBEventLog, tmp_path: Path) -> None:
    """As it is not read."""
    send(log, event("a"))
    mark = log.mark()
    log.close()
    with pytest.raises(LogUnavailableError):
        exported(log, tmp_path / "parts", mark=mark)


def rows(count: int = 1, **columns: list[Any]) -> Any:
    """A table of events; columns are named where they differ."""
    plain: dict[str, list[Any]] = {
        name: [None] * count for name in ("external_customer_id", "customer_id", "backfill_id", "amends")
    }
    plain |= {name: ["a"] * count for name in ("tenant", "idempotency_key", "event_name")}
    plain |= {"seq": [*range(1, count + 1)], "timestamp": [0] * count, "received_at": [0] * count}
    plain |= {"properties": ["{}"] * count, **columns}
    return pa.table({name: plain[name] for name in EVENT_SCHEMA.names}, schema=EVENT_SCHEMA)


def written(path: Path, table: Any, **options: Any) -> Path:
    """A Parquet file with the table, written as ours are unless told."""
    pq.write_table(table, path, **{"use_dictionary": False, "compression": "zstd", **options})
    return path


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.write_bytes(b"PAR1" + bytes(100) + b"PAR1"), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: written(path, rows().drop_columns(["amends"])), "has other columns than rows of events have"),
        (lambda path: written(path, rows(2)), "has 2 rows, and should have 1"),
        (lambda path: written(path, rows(), use_dictionary=True), "is written in a way that backups are not"),
        (
            lambda path: written(path, rows(), column_encoding={"properties": "DELTA_BYTE_ARRAY"}),
            "is written in a way that backups are not",
        ),
        (lambda path: written(path, rows(tenant=[None])), "cannot be read: Constraint Error: NOT NULL"),
        (lambda path: written(path, rows(properties=["{"])), "cannot be read: .*JSON"),
        (
            lambda path: written(path, rows(tenant=pa.array([b"\xff"], pa.binary()).view(pa.string()))),
            "cannot be read: .*Invalid UTF8",
        ),
    ],
)
def test_a_file_that_is_no_part_is_refused(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    """It is named with what is wrong with it."""
    path = tmp_path / "events-000000.parquet"
    make(path)
    with pytest.raises(PartError, match=rf"^events-000000\.parquet {problem}"):
        build_log(tmp_path / "new.duckdb", [Part("events", path, 1)], mark=START)


def test_a_row_group_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read at once is bounded in rows and, as the file tells them, in bytes."""
    path = tmp_path / "part.parquet"
    table = rows(ROW_GROUP_ROWS_MAX + 1)
    for size, is_taken in [(ROW_GROUP_ROWS_MAX, True), (ROW_GROUP_ROWS_MAX + 1, False)]:
        written(path, table.slice(0, size), row_group_size=size)
        check(tmp_path / str(size), path, size, is_taken=is_taken)
    size = pq.ParquetFile(written(path, rows(10))).metadata.row_group(0).total_byte_size
    for bound, is_taken in [(size, True), (size - 1, False)]:
        monkeypatch.setattr(exchange_module, "ROW_GROUP_BYTES_MAX", bound)
        check(tmp_path / f"bytes{bound}", path, 10, is_taken=is_taken)


def check(log_path: Path, path: Path, size: int, *, is_taken: bool) -> None:
    """Whether a part of so many rows is taken into a log."""
    part = Part("events", path, size)
    if is_taken:
        build_log(log_path, [part], mark=Mark(1, size, bytes(32)))
        return
    with pytest.raises(PartError, match="at once: too many"):
        build_log(log_path, [part], mark=START)
