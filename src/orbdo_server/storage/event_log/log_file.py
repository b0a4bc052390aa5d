"""One DuckDB file, opened, locked down and ready: the statements of the log, each a method. It decides nothing.

Queries cannot reach files, the network or the settings. Nothing here has to be durable before ``checkpoint`` returns:
whatever was written since the last one is in the journal too, and is written again after a crash. DuckDB's write-ahead
file is therefore never read back; DuckDB opens one that was damaged without a word, and with fewer rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np

from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.identifiers import new_id
from orbdo_server.storage.event_log import Action
from orbdo_server.storage.event_log.columns import (
    EVENT_SCHEMA,
    REPEAT_SCHEMA,
    Incoming,
    Table,
    concat_tables,
    event_table,
    repeat_table,
)
from orbdo_server.storage.event_log.errors import LogDamagedError, LogUnavailableError
from orbdo_server.storage.event_log.journal import START, Mark
from orbdo_server.storage.event_log.key_index import Hashes, Positions, key_hashes
from orbdo_server.storage.event_log.options import LogOptions
from orbdo_server.storage.event_log.repeats import Entry, Key
from orbdo_server.storage.event_log.schema import (
    ALL_ACTIONS,
    ALL_BACKFILL_COUNTS,
    FORMAT_TABLE,
    FORMAT_VERSION,
    IDENTITY_TABLE,
    INSERT_INCOMING,
    KEYS_OF_TIMEFRAME,
    KEYS_SINCE,
    POSITIONS,
    READ_EVERYTHING,
    ROWS_AT,
    TABLES,
    UPGRADES,
)
from orbdo_server.storage.event_log.tail import Block, Chunk, origins_of

# Only reached when nobody calls ``checkpoint``: an automatic one would hold up whoever happens to trigger it.
AUTOMATIC_CHECKPOINT = "1GB"
SPILL_MAX = "16GB"
KEYS_AT_ONCE = 1 << 17
SLICE_ROWS = 4_096

_ACTION = msgspec.json.Decoder[Action](Action)


class Applied(NamedTuple):
    """How far the tables are: all rows up to ``position``, and the mark of the last record that is here as a whole."""

    position: int
    mark: Mark


class KnownKeys(NamedTuple):
    """Keys as the index takes them; ``newest`` is in microseconds since 1970."""

    hashes: Hashes
    positions: Positions
    newest: int


class LogFile:
    """The connection that writes. One thread at a time uses it; readers take their own cursors from ``connection``."""

    def __init__(self, path: Path, options: LogOptions) -> None:
        """Open or create the file; ``LogUnavailableError`` when it is in use, damaged, or of a newer version."""
        self._path = path
        self._key_hash = options.key_hash
        self._incoming = Incoming(EVENT_SCHEMA)
        self._incoming_repeats = Incoming(REPEAT_SCHEMA)
        try:
            self.connection = duckdb.connect(str(path), config=_settings(path, options))
        except (duckdb.Error, OSError) as error:
            message = f"The event log {path.name} cannot be opened: {error}"
            raise LogUnavailableError(message) from error
        try:
            self._prepare()
        except BaseException:
            self.connection.close()
            raise
        self._looks = self.connection.cursor()

    def close(self) -> None:
        """Let go of the file. DuckDB moves the write-ahead file into the database when it can."""
        self._looks.close()
        self.connection.close()

    def apply(self, chunk: Chunk) -> None:
        """Write a chunk into the tables in one transaction."""
        with self._transaction():
            blocks = list(chunk.blocks)
            if blocks:
                # In slices, since columns are made of Python objects, and each step of that holds up all other threads.
                self.insert_events(concat_tables([_columns(some) for some in _slices(blocks)]))
            for piece in chunk.pieces:
                for seq, tenant, action in piece.actions:
                    row = {"seq": seq, "tenant": tenant, "action": msgspec.json.encode(action).decode()}
                    self.connection.execute("INSERT INTO actions VALUES ($seq, $tenant, $action)", row)
            repeats = [repeat for piece in chunk.pieces for repeat in piece.repeats]
            if repeats:
                self.insert_repeats(repeat_table(repeats))
            self.mark_applied(Applied(chunk.position, chunk.mark))

    def applied(self) -> Applied:
        """How far the tables are, which the rows in them must bear out: ``LogDamagedError`` when some are missing."""
        row = self.connection.execute("SELECT position FROM applied").fetchone()
        position = 0 if row is None else row[0]
        counts = self.connection.execute(POSITIONS).fetchone()
        assert counts is not None, "an aggregate has a row"
        events, amendments, last_event, actions, last_action = counts
        found, last = events - amendments + actions, max(last_event, last_action)
        if (found, last) != (position, position):
            message = (
                f"The event log {self._path.name} should hold {position} positions and holds {found}, the last of them "
                f"{last}: {abs(position - found)} are missing or too many."
            )
            raise LogDamagedError(message)
        return Applied(position, self.applied_mark())

    def applied_mark(self) -> Mark:
        """The mark of the last record that is here as a whole."""
        row = self.connection.execute("SELECT records, mark_position, digest FROM applied").fetchone()
        return START if row is None else Mark(row[0], row[1], bytes.fromhex(row[2]))

    def read_everything(self) -> None:
        """Hold every block against its checksum; ``duckdb.Error`` for one that is damaged."""
        self.connection.execute(READ_EVERYTHING).fetchone()
        self.connection.execute("SELECT bit_xor(hash(COLUMNS(*))) FROM repeated_events").fetchone()

    def keys_since(self, since: datetime) -> Iterator[KnownKeys]:
        """The keys of events that happened or came in since then, in order of position."""
        return self._keys(KEYS_SINCE, {"since": _naive(since)})

    def keys_of_timeframe(self, tenant: str, timeframe: Period, *, before: datetime) -> Iterator[KnownKeys]:
        """The keys of a tenant's events of the timeframe that happened and came in before an instant."""
        parameters = {"tenant": tenant, "start": _naive(timeframe.start), "end": _naive(timeframe.end)}
        return self._keys(KEYS_OF_TIMEFRAME, {**parameters, "since": _naive(before)})

    def entries_at(self, positions: Sequence[int]) -> list[Entry]:
        """The events at these positions, in no order. It may be called while another thread writes."""
        rows = self._looks.execute(ROWS_AT, {"positions": positions}).fetchall()
        return [Entry(tenant=row[1], event=event_of(row), backfill_id=row[7], target=row[10] or row[0]) for row in rows]

    def actions(self) -> list[tuple[str, tuple[int, Action]]]:
        """All that happened to backfills and events, with the tenant and the position, in order."""
        rows = self.connection.execute(ALL_ACTIONS).fetchall()
        return [(tenant, (seq, _ACTION.decode(action))) for tenant, seq, action in rows]

    def backfill_counts(self) -> Counter[Key]:
        """How many events there are for each backfill, by tenant and id."""
        rows = self.connection.execute(ALL_BACKFILL_COUNTS).fetchall()
        return Counter({(tenant, backfill_id): events for tenant, backfill_id, events in rows})

    def checkpoint(self) -> None:
        """Have everything that was applied on disk, in the database itself. Readers go on, writes wait."""
        self.connection.execute("CHECKPOINT")

    @property
    def wal_bytes(self) -> int:
        """The size of the write-ahead file."""
        try:
            return wal_of(self._path).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.begin()
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def insert_events(self, events: Table) -> None:
        """Add events that are columns already, those of ``EVENT_SCHEMA``."""
        self._incoming.table = events
        try:
            self.connection.execute("EXECUTE insert_incoming")
        finally:
            self._incoming.table = EVENT_SCHEMA.empty_table()

    def insert_repeats(self, repeats: Table) -> None:
        """Add events that came again, as columns of ``REPEAT_SCHEMA``."""
        self._incoming_repeats.table = repeats
        try:
            self.connection.execute("INSERT INTO repeated_events FROM incoming_repeats")
        finally:
            self._incoming_repeats.table = REPEAT_SCHEMA.empty_table()

    def mark_applied(self, applied: Applied) -> None:
        """Put down how far the tables are."""
        records, mark_position, digest = applied.mark
        row = {"position": applied.position, "records": records, "mark": mark_position, "digest": digest.hex()}
        self.connection.execute("DELETE FROM applied")
        self.connection.execute("INSERT INTO applied VALUES ($position, $records, $mark, $digest)", row)

    def _keys(self, sql: str, parameters: dict[str, object]) -> Iterator[KnownKeys]:
        for batch in self._looks.sql(sql, params=parameters).to_arrow_reader(KEYS_AT_ONCE):
            if not batch.num_rows:
                continue
            tenants = batch.column("tenant").to_pylist()
            keys = batch.column("idempotency_key").to_pylist()
            hashes = key_hashes(keys, [(tenant, 1) for tenant in tenants], self._key_hash)
            newest = int(np.max(batch.column("newest").to_numpy()))
            yield KnownKeys(hashes, batch.column("seq").to_numpy(zero_copy_only=False).astype(np.uint64), newest)

    def _prepare(self) -> None:
        try:
            with self._transaction():
                self._require_format()
                for statement in TABLES:
                    self.connection.execute(statement)
                known = self._known_identity()
                self.identity = known or self._identify()
            if known is None:
                # From here on the log is the one that others may have noted.
                self.connection.execute("CHECKPOINT")
            self.connection.execute("SET enable_external_access = false")
            self.connection.execute("SET lock_configuration = true")
            self.connection.register("incoming", self._incoming)
            self.connection.register("incoming_repeats", self._incoming_repeats)
            self.connection.execute(f"PREPARE insert_incoming AS {INSERT_INCOMING}")
        except duckdb.Error as error:
            message = f"The event log cannot be used: {error}"
            raise LogUnavailableError(message) from error

    def _require_format(self) -> None:
        self.connection.execute(FORMAT_TABLE)
        row = self.connection.execute("SELECT max(version) FROM log_format").fetchone()
        found = None if row is None else row[0]
        if found is None:
            self.connection.execute("INSERT INTO log_format VALUES ($version)", {"version": FORMAT_VERSION})
        elif found in UPGRADES:
            self._upgrade(found)
        elif found != FORMAT_VERSION:
            message = f"The event log has format {found}, and this version reads format {FORMAT_VERSION}."
            raise LogUnavailableError(message)

    def _known_identity(self) -> str | None:
        """The id that the log got when it was made; None of a new one."""
        self.connection.execute(IDENTITY_TABLE)
        row = self.connection.execute("SELECT id FROM log_identity").fetchone()
        return None if row is None else str(row[0])

    def _identify(self) -> str:
        identity = new_id("log")
        self.connection.execute("INSERT INTO log_identity VALUES ($id)", {"id": identity})
        return identity

    def _upgrade(self, version: int) -> None:
        for statement in (*UPGRADES[version], *TABLES):
            self.connection.execute(statement)
        counts = self.connection.execute(POSITIONS).fetchone()
        assert counts is not None, "an aggregate has a row"
        position = max(counts[2], counts[4])
        self.mark_applied(Applied(position, Mark(0, position, START.digest)))


def _columns(blocks: Sequence[Block]) -> Table:
    events = [event for block in blocks for event in block.events]
    ranges = [np.arange(block.first, block.first + len(block.events), dtype=np.uint64) for block in blocks]
    return event_table(events, origins_of(blocks), np.concatenate(ranges))


def _slices(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """The blocks, a few thousand events at a time."""
    some: list[Block] = []
    rows = 0
    for block in blocks:
        some.append(block)
        rows += len(block.events)
        if rows >= SLICE_ROWS:
            yield some
            some, rows = [], 0
    if some:
        yield some


def wal_of(path: Path) -> Path:
    """The write-ahead file that DuckDB keeps beside a database."""
    return path.with_name(f"{path.name}.wal")


def event_of(row: tuple[Any, ...]) -> Event:
    """The event of a ``schema.ROW``."""
    _, _, event_name, idempotency_key, timestamp, external_customer_id, customer_id, _, properties, *_ = row
    return Event(
        event_name=event_name,
        idempotency_key=idempotency_key,
        timestamp=timestamp.replace(tzinfo=UTC),
        properties=msgspec.Raw(properties),
        external_customer_id=external_customer_id,
        customer_id=customer_id,
    )


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def _settings(path: Path, options: LogOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "memory_limit": options.memory_limit,
        "temp_directory": f"{path}.tmp",
        "max_temp_directory_size": SPILL_MAX,
        "checkpoint_threshold": AUTOMATIC_CHECKPOINT,
        "preserve_insertion_order": True,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    return settings if options.threads is None else {**settings, "threads": options.threads}
