"""The tables while a log runs: readings see what was acknowledged before they began, whatever happens to the file."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import sleep

import duckdb
import pytest

from orbdo_server.storage.event_log import LogUnavailableError, Scope
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.log_file import LogFile
from orbdo_server.storage.event_log.tail import Load
from tests.support.logged_events import TENANT, answer, event, keys, send, the_clock, units

BATCHES = 40
BATCH_EVENTS = 20


def small(path: Path) -> DuckDBEventLog:
    """A log in which everything happens all the time."""
    return DuckDBEventLog(
        path,
        threads=1,
        chunk_rows=70,
        segment_bytes_max=20_000,
        checkpoint_wal_bytes=60_000,
        checkpoint_journal_bytes=60_000,
        clock=the_clock,
    )


def running(*acts: Callable[[], None]) -> list[threading.Thread]:
    """Threads that have begun."""
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    return threads


class Traffic:
    """Threads that write and read one log, and what they noticed."""

    def __init__(self, log: DuckDBEventLog) -> None:
        self.log = log
        self.wrong: list[object] = []
        self.refused: list[Exception] = []
        self.done = threading.Event()

    def write(self, number: int) -> None:
        """Send batches, each again until it is taken."""
        for place in range(BATCHES):
            batch = [event(f"{number}-{place}-{one}") for one in range(BATCH_EVENTS)]
            while self._is_refused(partial(send, self.log, *batch)):
                sleep(0.01)

    def read(self) -> None:
        """Ask again and again how much there is at the last position."""
        while not self.done.is_set():
            self._is_refused(self._read_once)

    def disturb(self) -> None:
        """Cast doubt on the file, as any error of the tables does."""
        while not self.done.wait(0.1):
            self.log._tables.doubtful = True

    def _read_once(self) -> None:
        position = self.log.position()
        scope = Scope(tenant=TENANT, as_of=position)
        ((count, last),) = self.log.read("SELECT count(*), coalesce(max(seq), 0) FROM events", scope=scope).rows
        if (count, last) != (position, position):
            self.wrong.append((position, count, last))

    def _is_refused(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except LogUnavailableError as error:
            self.refused.append(error)
            return True
        return False


@pytest.mark.parametrize("trouble", [False, True], ids=["in peace", "while the file is opened anew"])
def test_a_reading_has_all_that_was_acknowledged_before_it_began(path: Path, trouble: bool) -> None:
    """Two threads write, two read: no reading lacks a row, has one twice, or goes back; none is refused in peace."""
    log = small(path)
    traffic = Traffic(log)
    writers = running(lambda: traffic.write(1), lambda: traffic.write(2))
    others = running(traffic.read, traffic.read, *([traffic.disturb] if trouble else []))
    for thread in writers:
        thread.join()
    traffic.done.set()
    for thread in others:
        thread.join()
    assert traffic.wrong == []
    assert trouble or traffic.refused == []
    assert log.position() == 2 * BATCHES * BATCH_EVENTS
    log.close()
    log = small(path)
    assert len(set(keys(log))) == len(keys(log)) == 2 * BATCHES * BATCH_EVENTS
    log.close()


def test_nothing_is_written_into_a_doubtful_file(log: DuckDBEventLog) -> None:
    """It is opened anew first, by whoever holds the right to write."""
    send(log, event("a"))
    log._tables.doubtful = True
    with pytest.raises(LogUnavailableError):
        log._tables.apply(Load(10, 1_000))
    assert units(log) == 1


def test_readings_of_a_file_that_was_opened_anew_do_not_cast_doubt_on_the_new_one(log: DuckDBEventLog) -> None:
    """They are refused, and that is the end of it."""
    send(log, event("a"))
    assert units(log) == 1
    old = log._tables.readers
    log._tables.doubtful = True
    assert units(log) == 1
    assert log._tables.readers is not old
    with pytest.raises(LogUnavailableError):
        log._tables.rows(old, "SELECT 1", {})
    assert not log._tables.doubtful


def test_an_error_of_a_reading_casts_doubt(log: DuckDBEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection may be beyond use: the next one opens the file anew and is served."""
    send(log, event("a"))
    assert units(log) == 1
    readers = log._tables.readers

    def broken(*_: object, **__: object) -> None:
        raise LogUnavailableError

    monkeypatch.setattr(readers, "rows", broken)
    with pytest.raises(LogUnavailableError):
        units(log)
    assert units(log) == 1
    assert log._tables.readers is not readers


def test_a_file_that_cannot_be_opened_anew_is_tried_again(log: DuckDBEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is refused until then, and nothing is lost."""
    send(log, event("a"))
    assert units(log) == 1
    log._tables.doubtful = True
    with monkeypatch.context() as patch:

        def broken(*_: object, **__: object) -> None:
            raise duckdb.IOException("the disk is sick")

        patch.setattr(LogFile, "applied", broken)
        for _ in range(2):
            with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be read"):
                units(log)
            with pytest.raises(LogUnavailableError):
                send(log, event("b"))
    assert send(log, event("b"), event("a")) == answer(2, ["b"], duplicates=["a"])
    assert keys(log) == ["a", "b"]


def test_a_file_that_cannot_even_be_closed_is_tried_again(log: DuckDBEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong on the way, the answer is that the log is unavailable."""
    send(log, event("a"))
    assert units(log) == 1
    for error in (OSError(5, "Input/output error"), duckdb.FatalException("the database has been invalidated")):
        log._tables.doubtful = True
        with monkeypatch.context() as patch:

            def broken(_: LogFile, error: Exception = error) -> None:
                raise error

            patch.setattr(LogFile, "close", broken)
            with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be opened again: "):
                units(log)
    assert units(log) == 1


def test_a_write_ahead_file_put_aside_is_put_back_when_the_log_is_refused(path: Path) -> None:
    """A file that is in use, or no database, is left with what belongs to it."""
    path.write_bytes(b"not a database" * 1_000)
    wal = path.with_name("events.duckdb.wal")
    log = DuckDBEventLog(path.with_name("other.duckdb"), threads=1)
    send(log, event("a"))
    log.close()
    journal = path.with_name("events.duckdb.journal")
    journal.mkdir()
    (journal / "head").write_bytes((path.with_name("other.duckdb.journal") / "head").read_bytes())
    wal.write_bytes(b"what was written ahead")
    with pytest.raises(LogUnavailableError, match="cannot be opened"):
        DuckDBEventLog(path)
    assert wal.read_bytes() == b"what was written ahead"


def test_a_tail_that_does_not_shrink_refuses_events(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the tables take nothing, four chunks at most are acknowledged; it goes on after that."""
    log = DuckDBEventLog(path, threads=1, chunk_rows=10, clock=the_clock)
    with monkeypatch.context() as patch:

        def broken(*_: object, **__: object) -> None:
            raise duckdb.IOException("the disk is sick")

        patch.setattr(LogFile, "apply", broken)
        taken = 0
        for number in range(30):
            try:
                send(log, *[event(f"{number}-{place}") for place in range(5)])
            except LogUnavailableError:
                sleep(0.005)
            else:
                taken += 5
        assert log.position() == taken
        assert 5 <= taken <= 45
    sleep(1.1)
    assert send(log, event("new")).position == taken + 1
    assert len(keys(log)) == taken + 1
    log.close()
