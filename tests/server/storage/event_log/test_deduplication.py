"""Exactly once: over the whole window and across threads, restarts and crashes; of backfills over their days too."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest

from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log import Append, Appended, LogUnavailableError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.key_index import KeyIndex
from orbdo_server.storage.event_log.log_file import LogFile
from orbdo_server.storage.event_log.options import DEDUPE_WINDOW
from tests.support.killed_logs import killed_copy
from tests.support.logged_events import (
    RECEIVED,
    TENANT,
    amend,
    answer,
    close,
    create,
    event,
    keys,
    on,
    send,
    the_clock,
    units,
)

A_MICROSECOND = timedelta(microseconds=1)
JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
IN_JANUARY = datetime(2026, 1, 15, tzinfo=UTC)
THREADS = 8


def restarted(log: DuckDBEventLog, path: Path, *, at: datetime) -> DuckDBEventLog:
    """The same log, closed and opened at another time."""
    log.close()
    return DuckDBEventLog(path, threads=1, clock=lambda: at)


def received(at: datetime, *events: Event, backfill_id: str | None = None) -> list[Append]:
    """Events that came in at an instant."""
    return [Append(tenant=TENANT, events=events, received_at=at, backfill_id=backfill_id)]


def of_threads(act: Callable[[int], None]) -> None:
    """Run it in eight threads at once, each with its number."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        start.wait()
        act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fifty() -> list[Event]:
    """The same fifty events each time."""
    return [event(f"k{number}") for number in range(50)]


def test_the_window_is_34_days() -> None:
    """As Orb has it."""
    assert timedelta(days=34) == DEDUPE_WINDOW


def test_one_key_from_many_threads_is_counted_once(log: DuckDBEventLog) -> None:
    """One of them took it, and the others are told that it was there."""
    answers: list[Appended] = []
    of_threads(lambda _: answers.extend(send(log, *fifty()) for _ in range(3)))
    ingested = Counter(key for one in answers for key in one.ingested)
    assert ingested == Counter(f"k{number}" for number in range(50))
    assert sum(len(one.duplicates) for one in answers) == 50 * (3 * THREADS - 1)
    assert (log.position(), units(log)) == (50, 50)


def test_another_payload_from_many_threads_is_a_conflict_for_all_but_one(log: DuckDBEventLog) -> None:
    """The first stays, whoever that is."""
    answers: list[Appended] = []
    of_threads(lambda number: answers.append(send(log, event("a", number + 1))))
    assert sum(one.ingested == ["a"] for one in answers) == 1
    assert sum(one.conflicts == ["a"] for one in answers) == THREADS - 1
    assert units(log) in range(1, THREADS + 1)


@pytest.mark.parametrize("settled", [False, True], ids=["not applied", "applied"])
def test_a_key_is_known_wherever_its_event_is(log: DuckDBEventLog, settled: bool) -> None:
    """In the tail or in the tables, it is looked at and compared."""
    send(log, event("a", 1), event("b", 2))
    if settled:
        assert units(log) == 3
    assert send(log, event("b", 2), event("a", 9)) == answer(2, duplicates=["b"], conflicts=["a"])


@pytest.mark.parametrize(
    ("happened", "came"),
    [(on(20), on(10)), (on(10), on(20))],
    ids=["by the time of the event", "by its arrival"],
)
def test_a_key_is_known_to_the_edge_of_the_window(path: Path, happened: datetime, came: datetime) -> None:
    """34 days after the later of the two it is a duplicate still; one microsecond more and the key is free."""
    log = DuckDBEventLog(path, threads=1, clock=lambda: on(20))
    log.append(received(came, event("a", at=happened)))
    edge = on(20) + timedelta(days=34)
    log = restarted(log, path, at=edge)
    assert log.append(received(edge, event("a", at=happened))) == [answer(1, duplicates=["a"])]
    log = restarted(log, path, at=edge + A_MICROSECOND)
    assert log.append(received(edge, event("a", at=happened))) == [answer(2, ["a"])]
    log.close()


def test_keys_beyond_the_window_do_not_fill_the_memory(path: Path) -> None:
    """A restart reads those of the window only."""
    log = DuckDBEventLog(path, threads=1, clock=lambda: on(1))
    log.append(received(on(1), *[event(f"old{number}", at=on(1)) for number in range(100)]))
    log.append(received(on(20), *[event(f"new{number}", at=on(20)) for number in range(10)]))
    assert len(log._deduplication) == 110
    log = restarted(log, path, at=on(1) + timedelta(days=35))
    assert len(log._deduplication) == 10
    log.close()


def test_keys_are_known_after_a_crash(path: Path, tmp_path: Path) -> None:
    """Those in the tables and those in the journal, and those that an amendment has again."""
    log = DuckDBEventLog(path, threads=1, clock=the_clock, chunk_rows=30)
    send(log, *[event(f"k{number}", number) for number in range(100)])
    amend(log, 7, event("k6", 1_000))
    copied = killed_copy(log, path.parent, tmp_path.with_name(f"{tmp_path.name}-copy"))
    log.close()
    copy = DuckDBEventLog(copied / path.name, threads=1, clock=the_clock)
    again = [event(f"k{number}", number) for number in range(100)]
    assert send(copy, *again) == answer(101, duplicates=[one.idempotency_key for one in again])
    assert send(copy, event("k6", 1_000), event("k5", 6)) == answer(101, duplicates=["k6"], conflicts=["k5"])
    copy.close()


def old_log(path: Path) -> DuckDBEventLog:
    """A log at the end of March with two events of January that came in then, so that their keys are not in memory."""
    log = DuckDBEventLog(path, threads=1, clock=lambda: IN_JANUARY)
    log.append(received(IN_JANUARY, event("a", 1, at=IN_JANUARY), event("b", 2, at=IN_JANUARY)))
    log.append(received(IN_JANUARY, event("early", 4, at=JANUARY.start - A_MICROSECOND)))
    log = restarted(log, path, at=RECEIVED)
    assert len(log._deduplication) == 0
    return log


def test_a_backfill_is_held_against_all_that_is_stored_of_its_days(path: Path) -> None:
    """However old: what is there is not counted again; without a backfill, or beyond its days, the key is free."""
    log = old_log(path)
    create(log, "bf_1", JANUARY, replace=False)
    sent = [event("a", 1, at=IN_JANUARY), event("b", 3, at=IN_JANUARY), event("new", at=IN_JANUARY)]
    assert send(log, *sent, backfill_id="bf_1") == answer(5, ["new"], duplicates=["a"], conflicts=["b"])
    assert send(log, *sent, backfill_id="bf_1") == answer(5, duplicates=["a", "new"], conflicts=["b"])
    early = event("early", 4, at=IN_JANUARY)
    assert send(log, early, backfill_id="bf_1") == answer(6, ["early"])
    assert send(log, event("a", 1, at=IN_JANUARY)) == answer(7, ["a"])
    close(log, "bf_1")
    assert sorted(keys(log)) == ["a", "a", "b", "early", "early", "new"]
    log.close()


def test_the_bounds_of_the_days_are_half_open(path: Path) -> None:
    """The first instant is within, the last one is not."""
    log = DuckDBEventLog(path, threads=1, clock=lambda: IN_JANUARY)
    log.append(received(IN_JANUARY, event("start", at=JANUARY.start), event("end", at=JANUARY.end - A_MICROSECOND)))
    log.append(received(IN_JANUARY, event("after", at=JANUARY.end)))
    log = restarted(log, path, at=RECEIVED)
    create(log, "bf_1", JANUARY, replace=False)
    sent = [event("start", at=JANUARY.start), event("end", at=JANUARY.end - A_MICROSECOND), event("after", at=on(1))]
    found = send(log, *sent, backfill_id="bf_1")
    assert (found.duplicates, found.ingested) == (["start", "end"], ["after"])
    log.close()


def test_backfills_within_the_window_read_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their keys are in memory."""
    log = DuckDBEventLog(path, threads=1, clock=the_clock)
    monkeypatch.delattr(LogFile, "keys_of_timeframe")
    create(log, "bf_1", Period(on(1), on(31)), replace=False)
    assert send(log, event("a"), backfill_id="bf_1") == answer(2, ["a"])
    log.close()


def test_old_keys_that_could_be_read_in_part_only_are_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of them would take a repeat for a new event."""
    log = old_log(path)
    create(log, "bf_1", JANUARY, replace=False)
    with monkeypatch.context() as patch:

        def broken(*_: object, **__: object) -> None:
            raise duckdb.IOException("the disk is sick")

        patch.setattr(LogFile, "keys_of_timeframe", broken)
        with pytest.raises(LogUnavailableError):
            send(log, event("a", 1, at=IN_JANUARY), backfill_id="bf_1")
    assert send(log, event("a", 1, at=IN_JANUARY), backfill_id="bf_1") == answer(4, duplicates=["a"])
    log.close()


def test_a_key_that_leaves_the_window_while_a_backfill_is_open_is_held_against_it_still(path: Path) -> None:
    """The index of its days is read anew when the window has moved on."""
    now = [IN_JANUARY]
    log = DuckDBEventLog(path, threads=1, clock=lambda: now[0])
    log._deduplication._keys = KeyIndex(run_keys=2, generation_keys=2)
    early = Period(JANUARY.start - timedelta(days=60), JANUARY.end)
    create(log, "bf_1", early, replace=False)
    log.append(received(IN_JANUARY, event("first", at=IN_JANUARY), backfill_id="bf_1"))
    log.append(received(IN_JANUARY, event("a", 1, at=IN_JANUARY), event("b", 2, at=IN_JANUARY)))
    assert log.append(received(IN_JANUARY, event("a", 1, at=IN_JANUARY))) == [answer(4, duplicates=["a"])]
    now[0] = RECEIVED
    send(log, event("c"), event("d"))
    assert units(log) == 1 + 2 + 1 + 1
    log._deduplication.maintain()
    assert len(log._deduplication) == 2
    again = [event("a", 1, at=IN_JANUARY), event("b", 2, at=IN_JANUARY)]
    assert send(log, *again, backfill_id="bf_1") == answer(6, duplicates=["a", "b"])
    log.close()


def test_twins_in_a_group_are_told_apart_by_their_tenant(log: DuckDBEventLog) -> None:
    """Of the same key in one group each tenant has its own, and the second of one tenant is a duplicate."""
    other = msgspec.structs.replace(received(RECEIVED, event("a", 3))[0], tenant="other")
    assert log.append([*received(RECEIVED, event("a", 1)), other, *received(RECEIVED, event("a", 1)), other]) == [
        answer(2, ["a"]),
        answer(2, ["a"]),
        answer(2, duplicates=["a"]),
        answer(2, duplicates=["a"]),
    ]
