"""The thread that applies the tail: when it does, who waits for it and how long, and what becomes of its failures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import pytest

from orbdo_server.storage.event_log import LogUnavailableError, ReadTimeoutError
from orbdo_server.storage.event_log.applier import HELD_BACK_SECONDS_MAX, RETRY_SECONDS, Applier
from orbdo_server.storage.event_log.journal import START, Mark
from orbdo_server.storage.event_log.log_file import Applied
from orbdo_server.storage.event_log.records import EventsRecord, RepeatedEvent
from orbdo_server.storage.event_log.tail import Load, Tail
from tests.support.logged_events import RECEIVED, TENANT, batch, event

LONG = 60.0
CHUNK = Load(4, 1_000)


class Tables:
    """What an applier writes into: it remembers the chunks, and can be told to wait or to fail."""

    def __init__(self, *, after_seconds: float = LONG) -> None:
        self.tail = Tail()
        self.applied = Applied(0, START)
        self.chunks: list[int] = []
        self.idle = 0
        self.failure: Exception | None = None
        self.may_write = threading.Event()
        self.may_write.set()
        self.may_be_idle = threading.Event()
        self.may_be_idle.set()
        self.records = 0
        self.position = 0
        self.applier = Applier(
            self.tail,
            applied=lambda: self.applied,
            apply=self._apply,
            idle=self._idle,
            chunk=CHUNK,
            after_seconds=after_seconds,
        )

    def add(self, count: int) -> None:
        """A record of so many events; of none it tells of a repeat."""
        self.records += 1
        told = [RepeatedEvent(tenant=TENANT, idempotency_key="a", received_at=RECEIVED, conflict=False)]
        events = [event(f"k{self.position + place}") for place in range(count)]
        record = EventsRecord(first=self.position + 1, batches=[batch(*events)], repeats=[] if count else told)
        self.position += count
        self.tail.add(record, Mark(self.records, self.position, bytes(32)), size_bytes=10)
        self.applier.notice()

    def _apply(self, most: Load) -> None:
        assert self.may_write.wait(10)
        if self.failure is not None:
            raise self.failure
        chunk = self.tail.take(most)
        if chunk is not None:
            self.chunks.append(sum(piece.events for piece in chunk.pieces))
            self.tail.drop(chunk)
            self.applied = Applied(chunk.position, chunk.mark)

    def _idle(self) -> None:
        assert self.may_be_idle.wait(10)
        self.idle += 1


@pytest.fixture
def tables() -> Iterator[Tables]:
    """Some whose applier waits for a full chunk, practically."""
    with closing(Tables()) as tables:
        yield tables


@contextmanager
def closing(tables: Tables) -> Iterator[Tables]:
    """End the thread at the end."""
    try:
        yield tables
    finally:
        tables.may_write.set()
        tables.may_be_idle.set()
        tables.applier.close()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds, for five seconds at most."""
    until = monotonic() + 5
    while not holds():
        assert monotonic() < until
        sleep(0.005)


def test_a_full_chunk_is_written_at_once(tables: Tables) -> None:
    """With one event less it waits."""
    tables.add(3)
    sleep(0.05)
    assert tables.chunks == []
    tables.add(1)
    eventually(lambda: tables.chunks == [4])
    assert tables.applied.position == 4


def test_a_chunk_is_full_by_its_bytes_too(tables: Tables) -> None:
    """A few large events are as much work as many small ones."""
    for _ in range(3):
        tables.add(1)
    record = EventsRecord(first=4, batches=[batch(event("large"))])
    tables.tail.add(record, Mark(4, 4, bytes(32)), size_bytes=970)
    tables.applier.notice()
    eventually(lambda: tables.applied.position == 4)


def test_little_is_written_after_a_while() -> None:
    """Nothing waits for longer than that, whether or not more comes."""
    with closing(Tables(after_seconds=0.05)) as tables:
        tables.add(1)
        eventually(lambda: tables.chunks == [1])
        tables.add(2)
        eventually(lambda: tables.chunks == [1, 2])


def test_a_reading_has_it_written_now(tables: Tables) -> None:
    """What is beyond a full chunk too."""
    tables.add(6)
    tables.add(1)
    tables.applier.reach(7, timeout_seconds=LONG)
    assert (tables.chunks, tables.applied.position) == ([4, 3], 7)
    tables.applier.reach(7, timeout_seconds=0)


def test_a_reading_does_not_wait_for_what_else_is_due(tables: Tables) -> None:
    """A checkpoint may take a second; the rows are there before it."""
    tables.may_be_idle.clear()
    tables.add(1)
    tables.applier.reach(1, timeout_seconds=5)
    assert tables.idle == 0
    tables.may_be_idle.set()
    eventually(lambda: tables.idle > 0)


def test_a_reading_of_repeats_waits_for_records(tables: Tables) -> None:
    """They take no position."""
    tables.add(0)
    tables.applier.reach(0, timeout_seconds=0)
    tables.applier.reach(0, records=1, timeout_seconds=LONG)
    assert tables.applied.mark.records == 1


def test_a_reading_waits_for_its_time_only(tables: Tables) -> None:
    """Then it is told so; it can come again."""
    tables.may_write.clear()
    tables.add(1)
    with pytest.raises(ReadTimeoutError) as caught:
        tables.applier.reach(1, timeout_seconds=0.05)
    assert caught.value.detail == "The reading was not done within 0.05 seconds; narrow the question."
    tables.may_write.set()
    tables.applier.reach(1, timeout_seconds=LONG)


def test_a_failure_is_told_to_those_who_wait_and_tried_again(tables: Tables) -> None:
    """Readings are refused while it lasts, and served when it is over."""
    assert RETRY_SECONDS == 1.0
    tables.failure = ValueError("the disk is sick")
    tables.add(4)
    with pytest.raises(LogUnavailableError) as caught:
        tables.applier.reach(4, timeout_seconds=LONG)
    assert str(caught.value.__cause__) == "the disk is sick"
    with pytest.raises(LogUnavailableError):
        tables.applier.wait_for_room(Load(4, 1_000), timeout_seconds=LONG)
    tables.failure = None
    eventually(lambda: tables.chunks == [4])
    tables.applier.reach(4, timeout_seconds=LONG)
    tables.applier.wait_for_room(Load(1, 1_000), timeout_seconds=0)


def test_a_full_tail_holds_up_those_who_add(tables: Tables) -> None:
    """One row below the bound there is room; at the bound they wait until the tables have taken some."""
    tables.may_write.clear()
    tables.add(7)
    tables.applier.wait_for_room(Load(8, 1_000), timeout_seconds=0)
    tables.add(1)
    with pytest.raises(LogUnavailableError):
        tables.applier.wait_for_room(Load(8, 1_000), timeout_seconds=0.05)
    with pytest.raises(LogUnavailableError):
        tables.applier.wait_for_room(Load(9, 20), timeout_seconds=0.05)
    threading.Timer(0.05, tables.may_write.set).start()
    tables.applier.wait_for_room(Load(8, 1_000), timeout_seconds=LONG)
    assert tables.chunks[0] == 4


def test_a_tail_that_fills_up_slows_down_those_who_add(tables: Tables) -> None:
    """From half of the bound on a group waits about as long as the tables take for it, and never long."""
    assert HELD_BACK_SECONDS_MAX == 0.1
    tables.add(4)
    eventually(lambda: tables.idle > 0)
    tables.applier._seconds_a_row = 1_000.0
    tables.may_write.clear()
    tables.add(3)
    began = monotonic()
    tables.applier.pace(3, Load(8, 1_000))
    tables.applier.wait_for_room(Load(8, 1_000), timeout_seconds=0)
    assert monotonic() - began < 0.05
    tables.add(1)
    tables.applier.pace(1, Load(8, 1_000))
    tables.applier.wait_for_room(Load(8, 1_000), timeout_seconds=0)
    assert 0.1 <= monotonic() - began < 1


def test_closing_writes_all_that_is_left(tables: Tables) -> None:
    """In chunks, and then the thread ends; who waits meanwhile is let go."""
    tables.add(9)
    tables.add(1)
    tables.applier.close()
    assert (tables.chunks, tables.tail.is_empty()) == ([4, 4, 2], True)
    with pytest.raises(LogUnavailableError):
        tables.applier.reach(11, timeout_seconds=LONG)


def test_closing_gives_up_what_cannot_be_written(tables: Tables) -> None:
    """It is in the journal; the thread ends soon."""
    tables.failure = ValueError("the disk is sick")
    tables.add(9)
    began = monotonic()
    tables.applier.close()
    assert monotonic() - began < 0.9
    assert not tables.tail.is_empty()


def test_many_wait_for_different_positions(tables: Tables) -> None:
    """Each is let go when its own is there."""
    reached: list[int] = []

    def read(position: int) -> None:
        tables.applier.reach(position, timeout_seconds=LONG)
        assert tables.applied.position >= position
        reached.append(position)

    tables.may_write.clear()
    tables.add(20)
    threads = [threading.Thread(target=read, args=(position,)) for position in range(1, 21)]
    for thread in threads:
        thread.start()
    tables.may_write.set()
    for thread in threads:
        thread.join()
    assert sorted(reached) == list(range(1, 21))
