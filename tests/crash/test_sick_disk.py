"""A disk that fails now and then, at every place where the log writes: what was acknowledged is there, once.

Errors are injected before a call and after it was done, in the journal, in its head and in the tables, while threads
write and read. A batch that was refused is sent again a few times, as a client would.
"""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import duckdb
import pytest

from orbdo_server.storage.event_log import LogUnavailableError, ReadTimeoutError, Scope
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.journal import Head
from orbdo_server.storage.event_log.log_file import LogFile
from tests.support.logged_events import TENANT, event, keys, send, the_clock, units

ROUNDS = int(os.environ.get("ORBDO_CRASH_ROUNDS", "2"))
SECONDS_A_ROUND = 1.0
WRITERS = 3
ATTEMPTS_MAX = 5


def disk_error() -> Exception:
    """What the system says."""
    return OSError(5, "Input/output error")


def database_error() -> Exception:
    """What DuckDB says once it gives up."""
    return duckdb.FatalException("the database has been invalidated")


PLACES: tuple[tuple[object, str, float, Callable[[], Exception]], ...] = (
    (os, "fdatasync", 0.05, disk_error),
    (os, "fsync", 0.03, disk_error),
    (os, "pwritev", 0.02, disk_error),
    (Head, "write", 0.03, disk_error),
    (LogFile, "apply", 0.05, database_error),
    (LogFile, "checkpoint", 0.1, database_error),
    (LogFile, "entries_at", 0.05, database_error),
)


def make_sick(patch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Have each place fail now and then, half of the time after it did what it was asked to."""
    for owner, name, probability, error in PLACES:
        patch.setattr(owner, name, _failing(getattr(owner, name), probability, error, chance, after=name != "write"))


def _failing(
    real: Callable[..., object],
    probability: float,
    error: Callable[[], Exception],
    chance: random.Random,
    *,
    after: bool,
) -> Callable[..., object]:
    def call(*args: object, **options: object) -> object:
        if chance.random() >= probability:
            return real(*args, **options)
        if after and chance.random() < 0.5:
            real(*args, **options)
        raise error()

    return call


class Clients:
    """Threads that write and read a log for a while."""

    def __init__(self, log: DuckDBEventLog, name: str, chance: random.Random) -> None:
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.short: list[object] = []
        self._log = log
        self._name = name
        self._chance = chance
        self._ends_at = monotonic() + SECONDS_A_ROUND

    def run(self) -> None:
        """Blocks until all of them are done."""
        threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        threads.append(threading.Thread(target=self._read))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write(self, number: int) -> None:
        place = 0
        while monotonic() < self._ends_at:
            place += 1
            batch = [event(f"{self._name}-{number}-{place}-{one}") for one in range(self._chance.randrange(1, 40))]
            self.sent |= {one.idempotency_key for one in batch}
            for _ in range(self._chance.randrange(1, ATTEMPTS_MAX)):
                try:
                    send(self._log, *batch)
                except LogUnavailableError:
                    continue
                self.acknowledged |= {one.idempotency_key for one in batch}
                break

    def _read(self) -> None:
        while monotonic() < self._ends_at:
            position = self._log.position()
            scope = Scope(tenant=TENANT, as_of=position)
            try:
                found = self._log.read("SELECT count(*), coalesce(max(seq), 0) FROM events", scope=scope).rows
            except (LogUnavailableError, ReadTimeoutError):
                continue
            if found != [(position, position)]:
                self.short.append((position, found))


def opened(path: Path) -> DuckDBEventLog:
    """A log in which chunks, segments and checkpoints come all the time."""
    return DuckDBEventLog(
        path,
        threads=1,
        chunk_rows=60,
        segment_bytes_max=15_000,
        checkpoint_wal_bytes=50_000,
        checkpoint_journal_bytes=50_000,
        read_rows_max=10_000_000,
        clock=the_clock,
    )


@pytest.mark.crash
def test_what_was_acknowledged_on_a_sick_disk_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No reading is short of anything, and after a start on a healthy disk nothing is missing or there twice."""
    monkeypatch.setattr("orbdo_server.storage.event_log.applier.RETRY_SECONDS", 0.02)
    path = tmp_path / "events.duckdb"
    chance = random.Random(7)
    acknowledged: set[str] = set()
    sent: set[str] = set()
    for number in range(ROUNDS):
        log = opened(path)
        clients = Clients(log, str(number), chance)
        with monkeypatch.context() as patch:
            make_sick(patch, chance)
            clients.run()
        log.close()
        acknowledged |= clients.acknowledged
        sent |= clients.sent
        assert clients.short == []
        log = opened(path)
        there = keys(log)
        assert len(set(there)) == len(there) == units(log) == log.position()
        assert acknowledged <= set(there) <= sent
        log.close()
    assert acknowledged
