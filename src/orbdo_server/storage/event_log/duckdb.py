"""The embedded event log: a journal that is written first, and one DuckDB file that follows it and is read.

An append is answered when its record is on disk in the journal. A thread of the log writes what is there into the file,
a row group at a time, and a reading waits until the position it is of has come that far. In memory are the hash of
every key of the dedupe window, what happened to backfills and events, and the tail that is not in the file yet; all of
it is read from the files at start.
"""

import fcntl
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, Unpack

import duckdb
import msgspec
import numpy as np

from orbdo_server.core.periods import Period
from orbdo_server.errors import ConstraintViolationError
from orbdo_server.identifiers import utc_now
from orbdo_server.storage.event_log import (
    Action,
    Append,
    Appended,
    Backfill,
    BackfillNotOpenError,
    CorrectionRecord,
    EventAmended,
    HourOfState,
    LogUnavailableError,
    Repeated,
    Rows,
    Scope,
    SelectFrom,
    StoredEvent,
)
from orbdo_server.storage.event_log.applier import Applier
from orbdo_server.storage.event_log.deduplication import Deduplication, newest
from orbdo_server.storage.event_log.effective import EffectiveEvents
from orbdo_server.storage.event_log.errors import FuturePositionError
from orbdo_server.storage.event_log.group import Group
from orbdo_server.storage.event_log.journal import Journal, Mark, folder_of
from orbdo_server.storage.event_log.key_index import Hashes
from orbdo_server.storage.event_log.options import GivenOptions, LogOptions
from orbdo_server.storage.event_log.overlay import Overlay
from orbdo_server.storage.event_log.readers import RELATION, Readers
from orbdo_server.storage.event_log.records import ActionRecord, Record, encode, last_position
from orbdo_server.storage.event_log.recovery import (
    is_as_closed,
    require_readable,
    require_whole,
    write_closed,
)
from orbdo_server.storage.event_log.schema import BACKFILL_COUNTS, REPEATS
from orbdo_server.storage.event_log.states import bounds_of, hours_of_states, rows_with_states, stored_event
from orbdo_server.storage.event_log.tables import Tables
from orbdo_server.storage.event_log.tail import Load

ROOM_TIMEOUT_SECONDS = 30.0

_log = logging.getLogger(__name__)

T = TypeVar("T")


class DuckDBEventLog:
    """An ``EventLog`` in the file ``path`` and the folder beside it, which nobody else has open."""

    def __init__(
        self,
        path: Path | str,
        *,
        accept_loss: bool = False,
        clock: Callable[[], datetime] = utc_now,
        **given: Unpack[GivenOptions],
    ) -> None:
        """Open the log, or create it; what may be ``given`` are the ``LogOptions``.

        ``LogUnavailableError`` when it is in use or of a newer version, ``LogDamagedError`` when its files lack
        something that was acknowledged. With ``accept_loss`` it is opened with what is left where that can be read.
        """
        self._options = LogOptions(**given)
        self._path = Path(path).resolve()
        self._writer = threading.Lock()
        self._position = 0
        self._overlay = Overlay()
        self._closed = False
        self._folder = folder_of(self._path)
        self._lock = _sole_use(self._folder)
        try:
            self._journal = Journal(self._folder, segment_bytes_max=self._options.segment_bytes_max)
            self._tables = Tables(self._path, self._folder, self._options)
            self._deduplication = Deduplication(self._tables, self._overlay, self._options, clock=clock)
            self._open(accept_loss=accept_loss)
        except OSError as error:
            self._lock.close()
            raise _cannot_be_opened(self._path, error) from error
        except BaseException:
            self._lock.close()
            raise
        self._applier = Applier(
            self._tables.tail,
            applied=lambda: self._tables.applied,
            apply=self._apply,
            idle=self._idle,
            chunk=self._options.chunk,
        )

    def position(self) -> int:
        """The last committed position; 0 when the log is empty."""
        return self._position

    def identity(self) -> str:
        """The id that the log got when it was made."""
        return self._tables.file.identity

    def mark(self) -> Mark:
        """The end of the journal: the last committed position, and the digest of everything up to it."""
        return self._journal.end

    def export(self, sql: str, parameters: Mapping[str, object], consume: Callable[[Any], T], *, mark: Mark) -> T:
        """What ``consume`` makes of a ``pyarrow.RecordBatchReader`` of the tables, once they have the mark.

        The SELECT may name any table. ``ReadTimeoutError``, ``LogUnavailableError``.
        """
        readers = self._reach(mark.position, records=mark.records)
        return readers.stream(sql, parameters, consume)

    def append(self, batches: Sequence[Append]) -> list[Appended]:
        """Add all batches in one record that is on disk when this returns; see ``EventLog``."""
        with self._writing():
            for batch in batches:
                self._require_open(batch)
            group = Group(batches)
            hashes = self._deduplication.hashes(group.events, group.tenants)
            repeats = self._deduplication.repeats(group, hashes)
            if group.events:
                new = group.without(repeats) if repeats else group
                record = new.record(first=self._position + 1, repeats=group.repeated(repeats))
                at = max((newest(batch.events, batch.received_at) for batch in record.batches), default=0)
                count = partial(self._overlay.count, new.backfill_counts())
                self._write(record, np.delete(hashes, list(repeats)), newest=at, remember=count)
            return group.answers(repeats, position=self._position)

    def record(self, tenant: str, action: Action) -> int:
        """Record an action on a backfill or an event; see ``EventLog``."""
        with self._writing():
            position = self._position + 1
            self._overlay.check(tenant, position, action)
            amended = [action.event] if isinstance(action, EventAmended) else []
            hashes = self._deduplication.hashes(amended, [(tenant, len(amended))])
            record = ActionRecord(position=position, tenant=tenant, action=action)
            remember = partial(self._overlay.remember, tenant, position, action)
            self._write(record, hashes, newest=newest(amended, action.at), remember=remember)
            return position

    def backfills(self, tenant: str, *, as_of: int) -> list[Backfill]:
        """The tenant's backfills as they stood at a position, oldest first; quick for the last position."""
        stood = self._standing(tenant, as_of)
        counts: dict[str, int] | None = None
        if stood and as_of != self._position:
            _, rows = self._rows(BACKFILL_COUNTS, {"tenant": tenant, "as_of": as_of}, as_of=as_of)
            counts = {row[0]: row[1] for row in rows}
        return self._overlay.counted(tenant, stood.values(), counts)

    def corrections(self, tenant: str, *, as_of: int) -> list[CorrectionRecord]:
        """What was done to single events of the tenant at or before a position, oldest first."""
        return self._overlay.corrections(tenant, as_of)

    def due_backfills(self, *, at: datetime) -> list[tuple[str, str]]:
        """The open backfills of all tenants whose close time has come, as tenant and id, the earliest first."""
        return self._overlay.due(at)

    def stored(
        self, tenant: str, keys: Sequence[str], *, as_of: int, period: Period | None = None
    ) -> list[StoredEvent]:
        """Every row with one of the keys at or before a position, in order of position; see ``EventLog``."""
        scope = Scope(tenant=tenant, as_of=as_of, period=period, keys=tuple(keys))
        sql, parameters = rows_with_states(self._effective(scope), *self._history(tenant, as_of))
        named = {"tenant": tenant, "as_of": as_of, "keys": list(keys), **bounds_of(period)}
        _, rows = self._rows(sql, {**parameters, **named}, as_of=as_of)
        return [stored_event(row) for row in rows]

    def states_by_hour(self, tenant: str, period: Period, *, as_of: int) -> list[HourOfState]:
        """How many rows of each state there are in each hour of the period; see ``EventLog``."""
        scope = Scope(tenant=tenant, as_of=as_of, period=period)
        sql, parameters = hours_of_states(self._effective(scope), *self._history(tenant, as_of))
        named = {"tenant": tenant, "as_of": as_of, **bounds_of(period)}
        _, rows = self._rows(sql, {**parameters, **named}, as_of=as_of)
        return [HourOfState(hour=hour.replace(tzinfo=UTC), state=state, events=events) for hour, state, events in rows]

    def repeats(self, tenant: str, key: str) -> list[Repeated]:
        """How often an event came again under its key and was not taken, oldest first."""
        # A record that only tells of repeats takes no position, so that positions do not tell when it is there.
        self._reach(0, records=self._journal.end.records)
        _, rows = self._rows(REPEATS, {"tenant": tenant, "key": key}, as_of=self._position)
        return [
            Repeated(idempotency_key=key, received_at=at.replace(tzinfo=UTC), conflict=conflict)
            for at, conflict in rows
        ]

    def read(self, select: str | SelectFrom, *, scope: Scope, parameters: Mapping[str, object] | None = None) -> Rows:
        """Run a SELECT over the relation ``events``; see ``EventLog``."""
        relation = self._effective(scope)
        if isinstance(select, str):
            asked, sql = select, f"WITH {RELATION} AS ({relation.sql}) {select}"
        else:
            asked, sql = select(RELATION), select(relation.source)
        return Rows(*self._rows(sql, {**relation.parameters, **(parameters or {})}, as_of=scope.as_of, asked=asked))

    def close(self) -> None:
        """Write everything into the file and close it; what comes later is told that the log is unavailable."""
        with self._writer:
            if self._closed:
                return
            self._closed = True
        self._applier.close()
        with self._lock, closing(self._journal):
            is_whole = self._finish()
            self._tables.close()
            if is_whole:
                self._tidy()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The right to write, once there is room in the tail; errors of the files become ours."""
        self._applier.wait_for_room(self._options.tail_max, timeout_seconds=ROOM_TIMEOUT_SECONDS)
        with self._writer:
            self._make_sure()
            try:
                yield
            except ConstraintViolationError:
                raise
            except duckdb.Error as error:
                self._tables.doubtful = True
                raise LogUnavailableError from error
            except OSError as error:
                raise LogUnavailableError from error

    def _make_sure(self) -> None:
        """After an error of the tables: open them anew, from the journal. The right to write is held."""
        if self._closed:
            message = "The event log is closed."
            raise LogUnavailableError(message)
        if self._tables.doubtful:
            self._tables.reopen(until=self._journal.end)

    def _reach(self, position: int, *, records: int = 0) -> Readers:
        """The readers of the tables, once those have come so far.

        They are taken before: should the tables be opened anew meanwhile, and have less for a while, they are closed.
        """
        if self._tables.doubtful or self._closed:
            with self._writer:
                self._make_sure()
        readers = self._tables.readers
        self._applier.reach(position, records=records, timeout_seconds=self._options.read_timeout_seconds)
        return readers

    def _write(self, record: Record, hashes: Hashes, *, newest: int, remember: Callable[[], None]) -> None:
        """Have a record on disk, then in memory, and only then let readings be of its position."""
        payload = encode(record)
        self._journal.append(payload, position=last_position(record))
        self._deduplication.add(hashes, first=self._position + 1, newest=newest)
        self._tables.tail.add(record, self._journal.end, size_bytes=len(payload))
        remember()
        self._applier.pace(self._journal.end.position - self._position, self._options.tail_max)
        self._position = self._journal.end.position
        self._applier.notice()

    def _require_open(self, batch: Append) -> None:
        if batch.backfill_id is None:
            return
        backfill = self._overlay.backfills.get((batch.tenant, batch.backfill_id))
        if backfill is None or backfill.status != "pending":
            raise BackfillNotOpenError(batch.tenant, batch.backfill_id)

    def _effective(self, scope: Scope) -> EffectiveEvents:
        return EffectiveEvents(
            tenant=scope.tenant,
            as_of=scope.as_of,
            customer=scope.customer,
            period=scope.period,
            keys=scope.keys,
            backfills=self._standing(scope.tenant, scope.as_of),
            superseded=self._overlay.superseded(scope.tenant, scope.as_of, scope.customer),
        )

    def _history(self, tenant: str, as_of: int) -> tuple[dict[str, Backfill], list[CorrectionRecord]]:
        return self._standing(tenant, as_of), self._overlay.corrections(tenant, as_of)

    def _standing(self, tenant: str, as_of: int) -> dict[str, Backfill]:
        if as_of > self._position:
            raise FuturePositionError(as_of=as_of, position=self._position)
        return self._overlay.standing(tenant, as_of)

    def _rows(
        self, sql: str, parameters: Mapping[str, object], *, as_of: int, asked: str | None = None
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Rows of the tables, once they have the position."""
        readers = self._reach(as_of)
        return self._tables.rows(readers, sql, parameters, asked=asked)

    def _open(self, *, accept_loss: bool) -> None:
        """Read the files, and hold them together; see ``recovery``."""
        untouched = is_as_closed(self._path, self._folder / "closed")
        head = self._journal.head.read(accept_loss=accept_loss)
        replay = self._tables.open(
            check=lambda end: require_whole(end, head, accept_loss=accept_loss),
            accept_loss=accept_loss,
            has_journal=head is not None,
        )
        try:
            if not untouched:
                require_readable(self._tables.file)
            self._remember()
        except (duckdb.Error, msgspec.DecodeError) as error:
            self._tables.close()
            message = f"The event log {self._path.name} cannot be read: {error}"
            raise LogUnavailableError(message) from error
        except BaseException:
            self._tables.close()
            raise
        self._position = replay.end.position
        self._journal.resume(replay.segments, replay.end, replay.offset)
        for path in replay.unused:
            path.unlink()

    def _remember(self) -> None:
        """Have in memory what is kept there: of the file first, then of the tail."""
        file, tail = self._tables.file, self._tables.tail
        self._deduplication.load()
        for tenant, (position, action) in chain(file.actions(), tail.actions()):
            self._overlay.remember(tenant, position, action)
        self._overlay.count(file.backfill_counts())
        for block in tail.blocks():
            if block.backfill_id is not None and block.amends is None:
                self._overlay.count({(block.tenant, block.backfill_id): len(block.events)})

    def _apply(self, most: Load) -> None:
        """One step of the applier."""
        if self._tables.doubtful:
            with self._writer:
                self._make_sure()
        self._tables.apply(most)

    def _finish(self) -> bool:
        """Have all of the log in the file; whether that was possible. Otherwise the rest is in the journal."""
        if not self._tables.tail.is_empty() or self._tables.doubtful:
            return False
        try:
            self._tables.checkpoint(self._journal, at_once=True)
        except duckdb.Error:
            _log.exception("the event log could not write its last checkpoint; the next start reads the journal")
            return False
        return True

    def _tidy(self) -> None:
        """Leave one file that is known to be whole."""
        try:
            write_closed(self._path, self._folder / "closed")
            self._journal.forget_all()
        except OSError:
            _log.exception("the event log could not put down that it was closed; the next start reads all of it")

    def _idle(self) -> None:
        """What is due beside the applying, off the way of those who append."""
        self._deduplication.maintain()
        self._tables.checkpoint(self._journal)
        self._journal.prepare()


def _sole_use(folder: Path) -> TextIOWrapper:
    """A lock that is held as long as its file is open; ``LogUnavailableError`` when somebody else holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise _cannot_be_opened(folder, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"The event log in {folder.name} is in use by another process, or twice by this one."
        raise LogUnavailableError(message) from error
    return lock


def _cannot_be_opened(path: Path, error: OSError) -> LogUnavailableError:
    return LogUnavailableError(f"The event log {path.name} cannot be opened: {error}")
