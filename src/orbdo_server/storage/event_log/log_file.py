"""One DuckDB file, opened, locked down and ready: the statements of the log, each a method. It decides nothing.

Queries cannot reach files, the network or the settings. A commit returns after DuckDB has called ``fdatasync`` on its
write-ahead file. Moving that file into the database happens in ``checkpoint`` only, since commits wait meanwhile.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from orbdo_server.core.events import Event
from orbdo_server.storage.event_log.backfills import BackfillAction, Record
from orbdo_server.storage.event_log.columns import EVENT_SCHEMA, KEY_SCHEMA, Incoming, Table
from orbdo_server.storage.event_log.errors import LogUnavailableError
from orbdo_server.storage.event_log.key_index import Hashes, Positions
from orbdo_server.storage.event_log.repeats import Entry, Key
from orbdo_server.storage.event_log.schema import (
    BACKFILL_COUNTS_AFTER,
    ENTRIES_AT,
    FORMAT_TABLE,
    FORMAT_VERSION,
    INSERT_INCOMING,
    LAST_POSITION,
    TABLES,
)

# Only reached when nobody calls ``checkpoint``: an automatic one would hold up the commit that happens to trigger it.
AUTOMATIC_CHECKPOINT = "256MB"
SPILL_MAX = "16GB"

_ACTION = msgspec.json.Decoder[BackfillAction](BackfillAction)


class LogFile:
    """The connection that writes. One thread at a time uses it; readers take their own cursors from ``connection``."""

    def __init__(self, path: Path, *, memory_limit: str, threads: int | None, key_hash: str) -> None:
        """Open or create the file; ``LogUnavailableError`` when it is in use, damaged, or of a newer version."""
        self._wal = path.with_name(f"{path.name}.wal")
        self._key_hash = key_hash
        self._keys = Incoming(KEY_SCHEMA)
        self._incoming = Incoming(EVENT_SCHEMA)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = duckdb.connect(str(path), config=_settings(path, memory_limit, threads))
        except (duckdb.Error, OSError) as error:
            message = f"The event log {path.name} cannot be opened: {error}"
            raise LogUnavailableError(message) from error
        try:
            self._prepare()
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        """Let go of the file. DuckDB moves the write-ahead file into the database when it can."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block is on disk when it ends, or nothing of it when it raises."""
        self.connection.begin()
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def insert(self, events: Table) -> None:
        """Insert a table of ``EVENT_SCHEMA``."""
        self._incoming.table = events
        try:
            self.connection.execute("EXECUTE insert_incoming")
        finally:
            self._incoming.table = EVENT_SCHEMA.empty_table()

    def insert_action(self, tenant: str, record: Record) -> None:
        """Insert what happened to a backfill, and where."""
        position, action = record
        row = {"seq": position, "tenant": tenant, "action": msgspec.json.encode(action).decode()}
        self.connection.execute("INSERT INTO backfill_actions VALUES ($seq, $tenant, $action)", row)

    def hashes(self, keys: Table) -> Hashes:
        """The hash of each key in a table of ``KEY_SCHEMA``, in order."""
        self._keys.table = keys
        found: Hashes = self.connection.execute("EXECUTE hash_keys").fetchnumpy()["hash"]
        assert len(found) == keys.num_rows, "one hash for each key"
        return found

    def keys_between(self, after: int, until: int) -> tuple[Hashes, Positions]:
        """Hashes and positions of the events after one position and up to another, in order of position."""
        sql = f"""
            SELECT {self._key_hash} AS hash, seq FROM stored_events
            WHERE seq > $after AND seq <= $until ORDER BY seq
        """  # noqa: S608 - the hash is an expression of ours
        columns = self.connection.execute(sql, {"after": after, "until": until}).fetchnumpy()
        return columns["hash"], columns["seq"]

    def entries_at(self, positions: Sequence[int]) -> list[Entry]:
        """The events at these positions, in no order."""
        return [_entry(row) for row in self.connection.execute(ENTRIES_AT, {"positions": positions}).fetchall()]

    def actions_after(self, position: int) -> list[tuple[str, Record]]:
        """What happened to backfills after a position, with the tenant, in order."""
        sql = "SELECT tenant, seq, action FROM backfill_actions WHERE seq > $position ORDER BY seq"
        rows = self.connection.execute(sql, {"position": position}).fetchall()
        return [(tenant, (seq, _ACTION.decode(action))) for tenant, seq, action in rows]

    def backfill_counts_after(self, position: int) -> Counter[Key]:
        """How many events after a position there are for each backfill, by tenant and id."""
        rows = self.connection.execute(BACKFILL_COUNTS_AFTER, {"position": position}).fetchall()
        return Counter({(tenant, backfill_id): events for tenant, backfill_id, events in rows})

    def last_position(self) -> int:
        """The greatest position in the file, 0 when it is empty."""
        row = self.connection.execute(LAST_POSITION).fetchone()
        assert row is not None, "an aggregate has a row"
        return int(row[0])

    def checkpoint(self) -> None:
        """Move the write-ahead file into the database. Readers go on, commits wait."""
        self.connection.execute("CHECKPOINT")

    @property
    def wal_bytes(self) -> int:
        """The size of the write-ahead file."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def _prepare(self) -> None:
        try:
            self._require_format()
            for statement in TABLES:
                self.connection.execute(statement)
            self.connection.execute("SET enable_external_access = false")
            self.connection.execute("SET lock_configuration = true")
            self.connection.register("incoming", self._incoming)
            self.connection.register("incoming_keys", self._keys)
            self.connection.execute(f"PREPARE insert_incoming AS {INSERT_INCOMING}")
            # The expression is ours; its rows come in the order of the table, since that order is kept by setting.
            self.connection.execute(f"PREPARE hash_keys AS SELECT {self._key_hash} AS hash FROM incoming_keys")  # noqa: S608 - as said
        except duckdb.Error as error:
            message = f"The event log cannot be used: {error}"
            raise LogUnavailableError(message) from error

    def _require_format(self) -> None:
        self.connection.execute(FORMAT_TABLE)
        row = self.connection.execute("SELECT max(version) FROM log_format").fetchone()
        found = None if row is None else row[0]
        if found is None:
            self.connection.execute("INSERT INTO log_format VALUES ($version)", {"version": FORMAT_VERSION})
        elif found != FORMAT_VERSION:
            message = f"The event log has format {found}, and this version reads format {FORMAT_VERSION}."
            raise LogUnavailableError(message)


def _settings(path: Path, memory_limit: str, threads: int | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "memory_limit": memory_limit,
        "temp_directory": f"{path}.tmp",
        "max_temp_directory_size": SPILL_MAX,
        "checkpoint_threshold": AUTOMATIC_CHECKPOINT,
        "preserve_insertion_order": True,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    return settings if threads is None else {**settings, "threads": threads}


def _entry(row: tuple[Any, ...]) -> Entry:
    tenant, event_name, idempotency_key, timestamp, external_customer_id, customer_id, backfill_id, properties = row
    event = Event(
        event_name=event_name,
        idempotency_key=idempotency_key,
        timestamp=timestamp.replace(tzinfo=UTC),
        properties=msgspec.Raw(properties),
        external_customer_id=external_customer_id,
        customer_id=customer_id,
    )
    return Entry(tenant=tenant, event=event, backfill_id=backfill_id)
