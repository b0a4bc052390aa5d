"""The rows of a log out to Parquet files while it runs, and a new log made of such files.

What lies at or before a position never changes, so that a log goes on taking events while it is exported. Properties go
out as the JSON they came in as, so that every digit survives.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar, runtime_checkable

import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # as above

from orbdo_server.storage.event_log.columns import EVENT_SCHEMA, REPEAT_SCHEMA
from orbdo_server.storage.event_log.errors import LogUnavailableError
from orbdo_server.storage.event_log.journal import Head, Mark, folder_of
from orbdo_server.storage.event_log.log_file import Applied, LogFile
from orbdo_server.storage.event_log.options import CHUNK_ROWS, LogOptions

# A part ends when it has so many rows or bytes, or took so long, which is far below what a reading may take. A row
# group, which is what is held in memory, ends at fewer.
PART_ROWS = 245_760
PART_BYTES = 64 << 20
PART_SECONDS = 3.0
ROW_GROUP_ROWS = 61_440
ROW_GROUP_BYTES = 16 << 20
# What a row group of somebody else's may say that it has. An event has at most half a MiB, a batch of them 2,048.
ROW_GROUP_ROWS_MAX = 65_536
ROW_GROUP_BYTES_MAX = 1 << 30
# What is loaded at once is a row group of DuckDB, or less of large events.
READ_ROWS = 8_192
LOADED_BYTES = 256 << 20

# Each value is written as it is: what repeats is for zstd, and no small file can stand for endless text.
_WRITTEN = {"use_dictionary": False, "compression": "zstd", "write_statistics": False}
_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED"}
_ACTION_SCHEMA = pa.schema([("seq", pa.uint64()), ("tenant", pa.string()), ("action", pa.string())])

T = TypeVar("T")


class PartError(Exception):
    """A file holds no rows of a log; the message says what is wrong with it."""


class Relation(msgspec.Struct, frozen=True):
    """A table: its columns in a file, as they are selected from it, and how they come into another log's."""

    table: str
    schema: Any
    selected: str
    insert: Callable[[LogFile, Any], None]


def _insert_actions(file: LogFile, actions: Any) -> None:
    file.connection.register("loaded", actions)
    file.connection.execute(f"INSERT INTO actions ({_ACTION}) SELECT {_ACTION} FROM loaded")  # noqa: S608 - ours
    file.connection.unregister("loaded")


_ACTION = ", ".join(_ACTION_SCHEMA.names)
_EVENT = ", ".join(name for name in EVENT_SCHEMA.names if name != "properties")
RELATIONS = {
    "events": Relation(
        "stored_events", EVENT_SCHEMA, f"{_EVENT}, properties::JSON::VARCHAR AS properties", LogFile.insert_events
    ),
    "actions": Relation("actions", _ACTION_SCHEMA, _ACTION, _insert_actions),
    "repeats": Relation("repeated_events", REPEAT_SCHEMA, ", ".join(REPEAT_SCHEMA.names), LogFile.insert_repeats),
}


@runtime_checkable
class ExportableLog(Protocol):
    """A log whose rows can be read as they are stored."""

    def identity(self) -> str:
        """The id that the log got when it was made."""
        ...

    def mark(self) -> Mark:
        """The end of its journal."""
        ...

    def export(self, sql: str, parameters: Mapping[str, object], consume: Callable[[Any], T], *, mark: Mark) -> T:
        """What ``consume`` makes of a ``pyarrow.RecordBatchReader`` of its tables, once they have the mark."""
        ...


class Part(msgspec.Struct, frozen=True):
    """A Parquet file with some rows of one relation."""

    relation: str
    path: Path
    rows: int


def export_parts(log: ExportableLog, folder: Path, *, mark: Mark, rows_max: int = PART_ROWS) -> Iterator[Part]:
    """All rows at or before the mark, as one file in ``folder`` after the other; each is its taker's to remove.

    ``LogUnavailableError``, ``ReadTimeoutError``, ``OSError``.
    """
    for name, relation in RELATIONS.items():
        # Rows keep their place in a table, and the order they have there.
        places = f"SELECT coalesce(max(rowid) + 1, 0) FROM {relation.table} WHERE seq <= $position"  # noqa: S608 - ours
        until, start = _number(log, places, mark), 0
        while start < until:
            path = folder / f"{name}.parquet"
            end = min(start + rows_max, until)
            sql = f"""
                SELECT rowid, {relation.selected} FROM {relation.table}
                WHERE seq <= $position AND rowid >= $start AND rowid < $end
            """  # noqa: S608 - ours
            span = {"position": mark.position, "start": start, "end": end}
            rows, last = log.export(sql, span, partial(_write, path, relation.schema), mark=mark)
            # A file that was filled before its span was through ends at the last row in it.
            start = end if last is None else last + 1
            yield Part(name, path, rows)


def count_rows(log: ExportableLog, *, mark: Mark) -> dict[str, int]:
    """How many rows of each relation there are at or before the mark."""
    counted = "SELECT count(*) FROM {table} WHERE seq <= $position"
    return {name: _number(log, counted.format(table=relation.table), mark) for name, relation in RELATIONS.items()}


def build_log(path: Path, parts: Iterable[Part], *, mark: Mark) -> None:
    """Make a log in the file ``path`` of exported parts, which ends at the mark. It is on disk when this returns.

    The parts of a relation come in order. ``PartError`` for a file that holds no such rows; whether they are complete
    shows when the log is opened.
    """
    # Several threads would make other row groups, which the checkpoint writes a second time.
    file = LogFile(path, LogOptions(threads=1))
    try:
        for part in parts:
            _load(file, part)
        file.mark_applied(Applied(mark.position, mark))
        file.checkpoint()
    except duckdb.Error as error:
        message = f"The event log cannot be built: {error}"
        raise LogUnavailableError(message) from error
    finally:
        file.close()
    folder_of(path).mkdir(exist_ok=True)
    head = Head(folder_of(path) / "head")
    head.write(mark)
    head.close()


def _number(log: ExportableLog, sql: str, mark: Mark) -> int:
    parameters = {"position": mark.position}
    return log.export(sql, parameters, lambda reader: int(reader.read_all().column(0)[0].as_py()), mark=mark)


def _write(path: Path, schema: Any, reader: Any) -> tuple[int, int | None]:
    """Write rows until the file is full: how many there are, and the place of the last one if it was."""
    rows = group_rows = group_bytes = 0
    group: list[Any] = []
    began = monotonic()
    with path.open("wb") as file, pq.ParquetWriter(file, schema, **_WRITTEN) as writer:
        for batch in reader:
            group.append(batch)
            group_rows, group_bytes = group_rows + batch.num_rows, group_bytes + batch.nbytes
            if group_rows >= ROW_GROUP_ROWS or group_bytes >= ROW_GROUP_BYTES:
                _write_group(writer, schema, group)
                rows, last = rows + group_rows, int(batch.column(0)[-1].as_py())
                group, group_rows, group_bytes = [], 0, 0
                if file.tell() >= PART_BYTES or monotonic() - began >= PART_SECONDS:
                    return rows, last
        if group_rows:
            _write_group(writer, schema, group)
    return rows + group_rows, None


def _write_group(writer: Any, schema: Any, group: list[Any]) -> None:
    table = pa.Table.from_batches(group)
    writer.write_table(table.select(schema.names).cast(schema), row_group_size=table.num_rows)


def _load(file: LogFile, part: Part) -> None:
    relation = RELATIONS[part.relation]
    try:
        with pq.ParquetFile(part.path) as parquet:
            _require_plain(parquet, relation.schema, part)
            for table in _tables(parquet.iter_batches(READ_ROWS)):
                relation.insert(file, table)
    except (pa.ArrowException, OSError, duckdb.ConstraintException, duckdb.DataError) as error:
        message = f"{part.path.name} cannot be read: {error}"
        raise PartError(message) from error


def _require_plain(parquet: Any, schema: Any, part: Part) -> None:
    """Only what ``export_parts`` writes: nothing that a few bytes could make large is unpacked."""
    metadata = parquet.metadata
    if not parquet.schema_arrow.equals(schema):
        message = f"{part.path.name} has other columns than rows of {part.relation} have."
        raise PartError(message)
    if metadata.num_rows != part.rows:
        message = f"{part.path.name} has {metadata.num_rows} rows, and should have {part.rows}."
        raise PartError(message)
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        columns = [group.column(column) for column in range(group.num_columns)]
        if group.num_rows > ROW_GROUP_ROWS_MAX or group.total_byte_size > ROW_GROUP_BYTES_MAX:
            message = f"{part.path.name} has {group.num_rows} rows in {group.total_byte_size} bytes at once: too many."
            raise PartError(message)
        if not _ENCODINGS.issuperset(encoding for column in columns for encoding in column.encodings):
            message = f"{part.path.name} is written in a way that backups are not."
            raise PartError(message)


def _tables(batches: Iterable[Any]) -> Iterator[Any]:
    """Row groups as DuckDB has them: what is smaller would be written twice."""
    some: list[Any] = []
    rows = size = 0
    for batch in batches:
        batch.validate(full=True)
        some.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= CHUNK_ROWS or size >= LOADED_BYTES:
            yield pa.Table.from_batches(some)
            some, rows, size = [], 0, 0
    if some:
        yield pa.Table.from_batches(some)
