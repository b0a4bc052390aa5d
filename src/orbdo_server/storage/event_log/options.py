"""How the embedded log is opened, read and written; every bound has its default here."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypedDict

import msgspec

from orbdo_server.storage.event_log.journal import SEGMENT_BYTES_MAX
from orbdo_server.storage.event_log.tail import Load

MEMORY_LIMIT = "768MB"
READERS_MAX = 4
READ_TIMEOUT_SECONDS = 30.0
READ_ROWS_MAX = 100_000
DEDUPE_WINDOW = timedelta(days=34)
# The rows of a row group of DuckDB, unless they are large.
CHUNK_ROWS = 122_880
CHUNK_BYTES = 128 << 20
# How much may be acknowledged and not be in the file yet; more than this waits.
TAIL_CHUNKS_MAX = 4
# So much of DuckDB's write-ahead file is moved into the database at once: about one row group.
CHECKPOINT_WAL_BYTES = 32 << 20
# And so much of the journal is kept at most, which is read again after a crash: half a million events, some seconds.
CHECKPOINT_JOURNAL_BYTES = 160 << 20


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Each with its default. Keys that share their ``key_hash`` are told apart by a look at the events."""

    memory_limit: str = MEMORY_LIMIT
    threads: int | None = None
    readers_max: int = READERS_MAX
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS
    read_rows_max: int = READ_ROWS_MAX
    dedupe_window: timedelta = DEDUPE_WINDOW
    segment_bytes_max: int = SEGMENT_BYTES_MAX
    chunk_rows: int = CHUNK_ROWS
    chunk_bytes: int = CHUNK_BYTES
    tail_chunks_max: int = TAIL_CHUNKS_MAX
    checkpoint_wal_bytes: int = CHECKPOINT_WAL_BYTES
    checkpoint_journal_bytes: int = CHECKPOINT_JOURNAL_BYTES
    key_hash: Callable[[str], int] = hash

    @property
    def chunk(self) -> Load:
        """What is written into the tables at once."""
        return Load(self.chunk_rows, self.chunk_bytes)

    @property
    def tail_max(self) -> Load:
        """How much may wait for that."""
        return Load(self.tail_chunks_max * self.chunk_rows, self.tail_chunks_max * self.chunk_bytes)


class GivenOptions(TypedDict, total=False):
    """The same as keywords, none of which has to be given."""

    memory_limit: str
    threads: int | None
    readers_max: int
    read_timeout_seconds: float
    read_rows_max: int
    dedupe_window: timedelta
    segment_bytes_max: int
    chunk_rows: int
    chunk_bytes: int
    tail_chunks_max: int
    checkpoint_wal_bytes: int
    checkpoint_journal_bytes: int
    key_hash: Callable[[str], int]
