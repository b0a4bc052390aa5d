"""The embedded event log: one DuckDB file, one writer at a time, several readers.

It keeps in memory the hash of every key and what happened to every backfill, both read from the file at start. It never
answers for a position that is not on disk. After a write that failed it looks at the file again before it goes on,
for a commit that reports an error may have been kept.
"""

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from orbdo_server.errors import ConstraintViolationError
from orbdo_server.storage.event_log import (
    Append,
    Appended,
    Backfill,
    BackfillAction,
    BackfillNotOpenError,
    LogUnavailableError,
    Rows,
    Scope,
    SelectFrom,
)
from orbdo_server.storage.event_log.backfills import Record, after, standing
from orbdo_server.storage.event_log.columns import event_table, key_table
from orbdo_server.storage.event_log.effective import EffectiveEvents
from orbdo_server.storage.event_log.errors import FuturePositionError
from orbdo_server.storage.event_log.group import Group
from orbdo_server.storage.event_log.key_index import RUN_KEYS_MAX, Hashes, KeyIndex, twins
from orbdo_server.storage.event_log.log_file import LogFile
from orbdo_server.storage.event_log.readers import RELATION, Readers
from orbdo_server.storage.event_log.repeats import Claims, Repeat
from orbdo_server.storage.event_log.schema import BACKFILL_COUNTS

MEMORY_LIMIT = "1GB"
READERS_MAX = 4
READ_TIMEOUT_SECONDS = 30.0
READ_ROWS_MAX = 100_000
# About one row group of events. A checkpoint of so much holds up commits for some 130 ms, however large the log is; one
# of much less writes the last row group again and again.
CHECKPOINT_WAL_BYTES = 32 << 20

_log = logging.getLogger(__name__)
_open_paths: set[Path] = set()
_open_paths_lock = threading.Lock()


class DuckDBEventLog:
    """An ``EventLog`` in the file ``path``, which no other process and no other log of this process has open."""

    def __init__(
        self,
        path: Path | str,
        *,
        memory_limit: str = MEMORY_LIMIT,
        threads: int | None = None,
        readers_max: int = READERS_MAX,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        read_rows_max: int = READ_ROWS_MAX,
        checkpoint_wal_bytes: int = CHECKPOINT_WAL_BYTES,
        key_hash: str | None = None,
    ) -> None:
        """Open the log, or create it; ``LogUnavailableError`` when that cannot be.

        ``key_hash`` is an SQL expression over tenant and idempotency_key; where it is the same for two keys, they are
        told apart by a look into the file. By default it differs from start to start, so nobody can aim at it.
        """
        self._path = Path(path).resolve()
        self._memory_limit = memory_limit
        self._threads = threads
        self._readers_max = readers_max
        self._read_timeout_seconds = read_timeout_seconds
        self._read_rows_max = read_rows_max
        self._checkpoint_wal_bytes = checkpoint_wal_bytes
        self._key_hash = key_hash or f"hash('{secrets.token_hex(8)}' || tenant || idempotency_key)"
        self._writer = threading.Lock()
        # The last position and how many events each backfill has there: one value, for others read it while it moves.
        self._reached: tuple[int, Counter[tuple[str, str]]] = (0, Counter())
        self._keys = KeyIndex()
        self._records: dict[str, tuple[Record, ...]] = {}
        self._backfills: dict[tuple[str, str], Backfill] = {}
        self._doubtful = False
        self._closed = False
        with _sole_use(self._path):
            self._open()

    def position(self) -> int:
        """The last committed position; 0 when the log is empty."""
        return self._reached[0]

    def append(self, batches: Sequence[Append]) -> list[Appended]:
        """Add all batches in one transaction that is on disk when this returns; see ``EventLog``."""
        with self._writing():
            for batch in batches:
                self._require_open(batch)
            group = Group(batches)
            repeats = self._insert(group) if group.events else {}
            return group.answers(repeats, position=self.position())

    def record_backfill(self, tenant: str, action: BackfillAction) -> int:
        """Record what happened to a backfill; see ``EventLog``."""
        with self._writing():
            position = self.position() + 1
            record = (position, action)
            after(self._backfills.get((tenant, action.backfill_id)), record)
            with self._file.transaction():
                self._file.insert_action(tenant, record)
            self._remember_action(tenant, record)
            self._reach(position)
            return position

    def backfills(self, tenant: str, *, as_of: int) -> list[Backfill]:
        """The tenant's backfills as they stood at a position, oldest first; quick for the last position."""
        stood = self._standing(tenant, as_of)
        position, counts = self._reached
        if stood and as_of != position:
            _, rows = self._rows(BACKFILL_COUNTS, {"tenant": tenant, "as_of": as_of})
            counts = Counter({(tenant, backfill_id): events for backfill_id, events in rows})
        return [msgspec.structs.replace(one, events_ingested=counts[tenant, one.id]) for one in stood.values()]

    def read(self, select: str | SelectFrom, *, scope: Scope, parameters: Mapping[str, object] | None = None) -> Rows:
        """Run a SELECT over the relation ``events``; see ``EventLog``."""
        relation = EffectiveEvents(
            tenant=scope.tenant,
            as_of=scope.as_of,
            customer=scope.customer,
            period=scope.period,
            backfills=self._standing(scope.tenant, scope.as_of),
        )
        if isinstance(select, str):
            asked, sql = select, f"WITH {RELATION} AS ({relation.sql}) {select}"
        else:
            asked, sql = select(RELATION), select(relation.source)
        return Rows(*self._rows(sql, {**relation.parameters, **(parameters or {})}, asked=asked))

    def maintain(self) -> None:
        """Move the write-ahead file into the database when it is large; commits wait meanwhile, readers do not."""
        with self._writer:
            if self._closed or self._doubtful or self._file.wal_bytes < self._checkpoint_wal_bytes:
                return
            try:
                self._file.checkpoint()
            except duckdb.Error:
                # A checkpoint that fails, on a full disk for one, ends the connection; nothing committed is lost by it.
                self._doubtful = True
                _log.exception("the event log could not write a checkpoint and will be opened anew")

    def close(self) -> None:
        """Close the file; what comes later is told that the log is unavailable."""
        with self._writer:
            if not self._closed:
                self._closed = True
                self._let_go()
                with _open_paths_lock:
                    _open_paths.discard(self._path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The right to write, on a file that holds what is believed of it; DuckDB's errors become ours."""
        with self._writer:
            self._make_sure()
            try:
                yield
            except ConstraintViolationError:
                raise
            except duckdb.Error as error:
                self._doubtful = True
                raise LogUnavailableError from error
            except BaseException:
                # Whatever it was, memory and file may differ now.
                self._doubtful = True
                raise

    def _make_sure(self) -> None:
        """After an error: learn what the file holds, and open it anew if the connection cannot say."""
        if self._closed:
            message = "The event log is closed."
            raise LogUnavailableError(message)
        if not self._doubtful:
            return
        try:
            self._catch_up()
        except duckdb.Error:
            self._let_go()
            self._open()
        self._doubtful = False

    def _open(self) -> None:
        self._file = LogFile(
            self._path, memory_limit=self._memory_limit, threads=self._threads, key_hash=self._key_hash
        )
        try:
            self._catch_up()
        except (duckdb.Error, msgspec.DecodeError) as error:
            self._file.close()
            message = f"The event log {self._path.name} cannot be read: {error}"
            raise LogUnavailableError(message) from error
        except BaseException:
            self._file.close()
            raise
        self._readers = Readers(
            self._file.connection,
            readers_max=self._readers_max,
            timeout_seconds=self._read_timeout_seconds,
            rows_max=self._read_rows_max,
        )

    def _let_go(self) -> None:
        self._readers.close()
        self._file.close()

    def _catch_up(self) -> None:
        """Remember what the file holds beyond the position that is known."""
        known, last = self.position(), self._file.last_position()
        if last < known:
            message = f"The event log {self._path.name} ends at position {last}, but {known} was acknowledged."
            raise LogUnavailableError(message)
        for start in range(known, last, RUN_KEYS_MAX):
            self._keys.add(*self._file.keys_between(start, min(start + RUN_KEYS_MAX, last)))
        for tenant, record in self._file.actions_after(known):
            self._remember_action(tenant, record)
        self._reach(last, self._file.backfill_counts_after(known))

    def _reach(self, position: int, added: Counter[tuple[str, str]] | None = None) -> None:
        counts = self._reached[1]
        self._reached = (position, counts + added if added else counts)

    def _remember_action(self, tenant: str, record: Record) -> None:
        key = (tenant, record[1].backfill_id)
        self._backfills[key] = after(self._backfills.get(key), record)
        # A new tuple, since other threads may be reading the old one.
        self._records[tenant] = (*self._records.get(tenant, ()), record)

    def _standing(self, tenant: str, as_of: int) -> dict[str, Backfill]:
        if as_of > self.position():
            raise FuturePositionError(as_of=as_of, position=self.position())
        return standing(self._records.get(tenant, ()), as_of=as_of)

    def _rows(
        self, sql: str, parameters: Mapping[str, object], *, asked: str | None = None
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        if self._doubtful or self._closed:
            with self._writer:
                self._make_sure()
        try:
            return self._readers.rows(sql, parameters, asked=asked)
        except LogUnavailableError:
            # The connection may be beyond use; the next one to come finds out.
            self._doubtful = True
            raise

    def _require_open(self, batch: Append) -> None:
        if batch.backfill_id is None:
            return
        backfill = self._backfills.get((batch.tenant, batch.backfill_id))
        if backfill is None or backfill.status != "pending":
            raise BackfillNotOpenError(batch.tenant, batch.backfill_id)

    def _insert(self, group: Group) -> dict[int, Repeat]:
        """Insert what is new of the group; which of its rows were not."""
        keys = key_table(group.events, group.origins)
        hashes = self._file.hashes(keys)
        repeats = self._repeats(group, hashes)
        if repeats:
            new = np.ones(len(hashes), dtype=np.bool_)
            new[list(repeats)] = False
            group, keys, hashes = group.without(repeats), keys.filter(new), hashes[new]
        if group.events:
            first = self.position() + 1
            with self._file.transaction():
                self._file.insert(event_table(group.events, group.origins, keys=keys, first_seq=first))
            self._keys.add(hashes, np.arange(first, first + len(hashes), dtype=np.uint64))
            self._reach(self.position() + len(group.events), group.backfill_counts())
        return repeats

    def _repeats(self, group: Group, hashes: Hashes) -> dict[int, Repeat]:
        """Look closely, and in order of arrival, at those rows whose key may be there already."""
        rows, positions = self._keys.find(hashes)
        suspects = {*rows.tolist(), *twins(hashes).tolist()}
        if not suspects:
            return {}
        held = self._file.entries_at(np.unique(positions).tolist())
        claims = Claims(held, self._backfills)
        claimed = {row: claims.claim(entry) for row, entry in group.entries_at(suspects)}
        return {row: repeat for row, repeat in claimed.items() if repeat is not None}


@contextmanager
def _sole_use(path: Path) -> Iterator[None]:
    """Mark the path as open, unless the block raises. DuckDB keeps other processes out, but shares within one."""
    with _open_paths_lock:
        if path in _open_paths:
            message = f"The event log {path.name} is already open in this process."
            raise LogUnavailableError(message)
        _open_paths.add(path)
    try:
        yield
    except BaseException:
        with _open_paths_lock:
            _open_paths.discard(path)
        raise
