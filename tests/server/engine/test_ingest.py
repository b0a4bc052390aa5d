"""Group commit: every request is answered once, after its events are on disk, or told that they are not."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.engine.ingest import (
    GROUP_MAX,
    QUEUE_MAX,
    RETRY_AFTER_SECONDS,
    Ingest,
    Load,
    QueueFullError,
)
from orbdo_server.errors import UnavailableError
from orbdo_server.storage.event_log import (
    Action,
    Append,
    Appended,
    Backfill,
    BackfillNotOpenError,
    EventLog,
    LogUnavailableError,
    Repeated,
    Rows,
    Scope,
    SelectFrom,
    StoredEvent,
)
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import RECEIVED, TENANT, answer, close, create, event, keys, units

pytestmark = pytest.mark.anyio


class FakeLog:
    """A log whose writing a test stops, lets go and lets fail; it keeps the groups it was given."""

    def __init__(self) -> None:
        self.groups: list[list[list[str]]] = []
        self.failures: list[Exception] = []
        self.began = threading.Semaphore(0)
        self.may_write = threading.Event()
        self.may_write.set()

    def append(self, batches: Sequence[Append]) -> list[Appended]:
        """Wait until writing is let go, then fail or count."""
        self.began.release()
        assert self.may_write.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        self.groups.append([[one.idempotency_key for one in batch.events] for batch in batches])
        return [answer(len(self.groups), [one.idempotency_key for one in batch.events]) for batch in batches]

    def position(self) -> int:
        """How many groups there were."""
        return len(self.groups)

    def record(self, tenant: str, action: Action) -> int:
        """Not asked here."""
        raise AssertionError

    def stored(
        self, tenant: str, keys: Sequence[str], *, as_of: int, period: Period | None = None
    ) -> list[StoredEvent]:
        """Not asked here."""
        raise AssertionError

    def repeats(self, tenant: str, key: str) -> list[Repeated]:
        """Not asked here."""
        raise AssertionError

    def backfills(self, tenant: str, *, as_of: int) -> list[Backfill]:
        """Not asked here."""
        raise AssertionError

    def read(self, select: str | SelectFrom, *, scope: Scope, parameters: Mapping[str, object] | None = None) -> Rows:
        """Not asked here."""
        raise AssertionError

    def close(self) -> None:
        """Not asked here."""
        raise AssertionError


@pytest.fixture
def fake() -> FakeLog:
    """A log under the test's thumb."""
    return FakeLog()


@pytest.fixture
def start() -> Iterator[Callable[..., Ingest]]:
    """Starts a way in, which is closed at the end."""
    started: list[Ingest] = []

    def start(log: EventLog, **options: Load) -> Ingest:
        started.append(Ingest(log, **options))
        return started[-1]

    yield start
    for ingest in started:
        ingest.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DuckDBEventLog]:
    """An empty log on disk."""
    log = DuckDBEventLog(tmp_path / "events.duckdb", threads=1)
    yield log
    log.close()


def submitted(ingest: Ingest, *events: Event, backfill_id: str | None = None) -> "asyncio.Task[Appended]":
    """A request that is on its way."""
    return asyncio.create_task(ingest.submit(TENANT, events, received_at=RECEIVED, backfill_id=backfill_id))


async def stopped(fake: FakeLog, ingest: Ingest) -> "asyncio.Task[Appended]":
    """A request that the writer holds in its hands while the log is stopped, so that others gather behind it."""
    fake.may_write.clear()
    while fake.began.acquire(blocking=False):
        pass  # groups that were written before do not count
    first = submitted(ingest, event("first"))
    await asyncio.to_thread(fake.began.acquire)
    return first


async def test_a_request_is_answered_when_its_events_are_on_disk(
    log: DuckDBEventLog, start: Callable[..., Ingest]
) -> None:
    """The answer is the log's, and a reading at its position sees them."""
    told = await start(log).submit(TENANT, [event("a", 3), event("b", 4)], received_at=RECEIVED)
    assert told == answer(2, ["a", "b"])
    assert units(log, as_of=told.position) == 7


async def test_a_hundred_requests_at_once_are_counted_once_each(
    log: DuckDBEventLog, start: Callable[..., Ingest]
) -> None:
    """Whoever sends a key first has it; everybody is answered."""
    ingest = start(log)
    told = await asyncio.gather(*(submitted(ingest, event(f"k{number % 50}")) for number in range(100)))
    assert sum(len(one.ingested) for one in told) == 50
    assert sum(len(one.duplicates) for one in told) == 50
    assert sorted(keys(log)) == sorted(f"k{number}" for number in range(50))


async def test_what_gathers_while_the_log_writes_is_one_group(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """The next commit takes everything that waits, in order, and each learns of its own."""
    ingest = start(fake)
    first = await stopped(fake, ingest)
    waiting = [submitted(ingest, event("a"), event("b")), submitted(ingest, event("c"))]
    await asyncio.sleep(0)
    assert ingest.queued == Load(events=3, property_bytes=33)
    assert not first.done()
    fake.may_write.set()
    assert [(await one).ingested for one in (first, *waiting)] == [["first"], ["a", "b"], ["c"]]
    assert fake.groups == [[["first"]], [["a", "b"], ["c"]]]
    assert ingest.queued == Load(events=0, property_bytes=0)


async def test_a_group_has_a_bound(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """Batches up to the bound go together, one more event goes into the next group, and a larger batch goes alone."""
    ingest = start(fake, group_max=Load(events=3, property_bytes=100))
    first = await stopped(fake, ingest)
    waiting = [
        submitted(ingest, event("a"), event("b")),
        submitted(ingest, event("c")),
        submitted(ingest, event("d")),
        submitted(ingest, *[event(f"big{number}") for number in range(4)]),
    ]
    await asyncio.sleep(0)
    fake.may_write.set()
    await asyncio.gather(first, *waiting)
    assert fake.groups == [[["first"]], [["a", "b"], ["c"]], [["d"]], [["big0", "big1", "big2", "big3"]]]


async def test_the_queue_has_a_bound(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """Events up to the bound wait; a request with one more is refused at once and told when to come back."""
    ingest = start(fake, queue_max=Load(events=3, property_bytes=100))
    first = await stopped(fake, ingest)
    waiting = [submitted(ingest, event("a"), event("b")), submitted(ingest, event("c"))]
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError) as caught:
        await ingest.submit(TENANT, [event("d")], received_at=RECEIVED)
    assert caught.value.retry_after_seconds == RETRY_AFTER_SECONDS == 1
    assert caught.value.status == 429
    assert caught.value.detail == (
        "With this request more than 3 events or 100 bytes of properties would wait to be written; "
        "nothing of it was taken."
    )
    fake.may_write.set()
    await asyncio.gather(first, *waiting)
    assert (await submitted(ingest, event("d"))).ingested == ["d"]
    assert fake.groups == [[["first"]], [["a", "b"], ["c"]], [["d"]]]


async def test_a_batch_larger_than_the_queue_is_let_into_an_empty_one(
    fake: FakeLog, start: Callable[..., Ingest]
) -> None:
    """Otherwise it could never be written; behind others it is refused."""
    ingest = start(fake, queue_max=Load(events=1, property_bytes=100))
    large = [event("a"), event("b"), event("c")]
    assert (await ingest.submit(TENANT, large, received_at=RECEIVED)).ingested == ["a", "b", "c"]
    first = await stopped(fake, ingest)
    waiting = submitted(ingest, event("d"))
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError):
        await ingest.submit(TENANT, large, received_at=RECEIVED)
    fake.may_write.set()
    await asyncio.gather(first, waiting)


async def test_queue_and_group_are_bounded_in_bytes_too(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """Few events with large properties fill them as many small ones do; 11 bytes are the properties of each."""
    ingest = start(fake, queue_max=Load(events=100, property_bytes=33), group_max=Load(events=100, property_bytes=22))
    first = await stopped(fake, ingest)
    waiting = [submitted(ingest, event(key)) for key in "abc"]
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError):
        await ingest.submit(TENANT, [event("d")], received_at=RECEIVED)
    fake.may_write.set()
    await asyncio.gather(first, *waiting)
    assert fake.groups == [[["first"]], [["a"], ["b"]], [["c"]]]


def test_the_queue_holds_about_ten_groups() -> None:
    """What waits is written in ten commits at most, and a commit is as large as is worth it."""
    assert Load(events=200_000, property_bytes=268_435_456) == QUEUE_MAX
    assert Load(events=20_000, property_bytes=67_108_864) == GROUP_MAX


@pytest.mark.parametrize("failure", [LogUnavailableError(), OSError("no space left"), ZeroDivisionError()])
async def test_a_group_that_cannot_be_written_is_acknowledged_to_nobody(
    fake: FakeLog, start: Callable[..., Ingest], failure: Exception
) -> None:
    """Everyone in it is told that the log is unavailable, whatever it was, and the next group is written."""
    ingest = start(fake)
    first = await stopped(fake, ingest)
    waiting = [submitted(ingest, event("a")), submitted(ingest, event("b"))]
    await asyncio.sleep(0)
    fake.failures = [failure, failure]
    fake.may_write.set()
    for request in (first, *waiting):
        with pytest.raises(LogUnavailableError) as caught:
            await request
        assert isinstance(caught.value, UnavailableError)
        assert caught.value.status == 503
        assert caught.value.__cause__ is failure
    assert fake.groups == []
    assert (await submitted(ingest, event("a"))).ingested == ["a"]


async def test_a_closed_backfill_refuses_its_own_and_nobody_else(
    log: DuckDBEventLog, start: Callable[..., Ingest]
) -> None:
    """Others that happen to be in the same group are written."""
    create(log, "bf_open")
    create(log, "bf_closed")
    close(log, "bf_closed")
    ingest = start(log)
    told = await asyncio.gather(
        *(submitted(ingest, event(f"late{number}"), backfill_id="bf_closed") for number in range(3)),
        submitted(ingest, event("unknown"), backfill_id="bf_unknown"),
        submitted(ingest, event("in time"), backfill_id="bf_open"),
        submitted(ingest, event("live")),
        return_exceptions=True,
    )
    assert [type(one) for one in told] == [BackfillNotOpenError] * 4 + [Appended] * 2
    assert [getattr(one, "backfill_id", None) for one in told[:4]] == ["bf_closed"] * 3 + ["bf_unknown"]
    assert keys(log) == ["live"]


async def test_a_group_of_refused_requests_only_is_over(log: DuckDBEventLog, start: Callable[..., Ingest]) -> None:
    """Nothing is left to write, and the next request is served."""
    ingest = start(log)
    with pytest.raises(BackfillNotOpenError):
        await submitted(ingest, event("a"), backfill_id="bf_1")
    assert (await submitted(ingest, event("a"))).ingested == ["a"]


async def test_who_gives_up_does_no_harm(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """Its events are written with the others', who are answered; a retry finds them there."""
    ingest = start(fake)
    first = await stopped(fake, ingest)
    impatient, patient = submitted(ingest, event("a")), submitted(ingest, event("b"))
    await asyncio.sleep(0)
    first.cancel()
    impatient.cancel()
    fake.may_write.set()
    assert (await patient).ingested == ["b"]
    assert fake.groups == [[["first"]], [["a"], ["b"]]]
    assert impatient.cancelled()


async def test_who_gives_up_before_a_failure_does_no_harm(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """An error that nobody waits for is dropped."""
    ingest = start(fake)
    first = await stopped(fake, ingest)
    first.cancel()
    fake.failures = [LogUnavailableError()]
    fake.may_write.set()
    assert (await submitted(ingest, event("b"))).ingested == ["b"]


async def test_an_event_loop_that_is_gone_does_no_harm(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """Its requests are written, and those of other loops are answered."""
    ingest = start(fake)
    first = await stopped(fake, ingest)

    def submit_and_leave() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(ingest.submit(TENANT, [event("gone")], received_at=RECEIVED))
        loop.run_until_complete(asyncio.sleep(0))
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()

    await asyncio.to_thread(submit_and_leave)
    fake.may_write.set()
    await first
    assert (await submitted(ingest, event("b"))).ingested == ["b"]
    assert [keys for group in fake.groups for keys in group] == [["first"], ["gone"], ["b"]]


async def test_what_is_refused_at_once_leaves_nothing_behind(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """Whoever only takes a number for the answer hears of a full queue before there is anything to wait for."""
    ingest = start(fake, queue_max=Load(events=1, property_bytes=100))
    first = await stopped(fake, ingest)
    answer = ingest.enqueue(TENANT, [event("a")], received_at=RECEIVED)
    with pytest.raises(QueueFullError):
        ingest.enqueue(TENANT, [event("b")], received_at=RECEIVED)
    assert ingest.queued == Load(events=1, property_bytes=11)
    fake.may_write.set()
    assert [(await one).ingested for one in (first, answer)] == [["first"], ["a"]]


async def test_several_loops_share_one_way_in(log: DuckDBEventLog, start: Callable[..., Ingest]) -> None:
    """Each is answered on its own."""
    ingest = start(log)

    async def twenty(name: str) -> list[Appended]:
        return await asyncio.gather(*(submitted(ingest, event(f"{name}{number}")) for number in range(20)))

    told = await asyncio.gather(*(asyncio.to_thread(asyncio.run, twenty(name)) for name in "xyz"))
    assert [len(one) for one in told] == [20, 20, 20]
    assert log.position() == 60


async def test_closing_writes_what_waits(fake: FakeLog, start: Callable[..., Ingest]) -> None:
    """Nobody who was let in is left without an answer, and nobody else is let in."""
    ingest = start(fake)
    first = await stopped(fake, ingest)
    waiting = submitted(ingest, event("a"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(ingest.close))
    while not ingest.closing:  # noqa: ASYNC110 - another thread sets it
        await asyncio.sleep(0.001)
    with pytest.raises(LogUnavailableError) as caught:
        await ingest.submit(TENANT, [event("late")], received_at=RECEIVED)
    assert caught.value.detail == "The server is stopping; nothing of the request was taken."
    fake.may_write.set()
    await closing
    assert [(await one).ingested for one in (first, waiting)] == [["first"], ["a"]]
    assert fake.groups == [[["first"]], [["a"]]]
    ingest.close()
