"""Work done once for everybody who wants it: on a loop, and on threads."""

import asyncio
import threading

import pytest

from orbdo_sdk import ClosedError
from orbdo_sdk.client._single_flight import AsyncSingleFlight, SyncSingleFlight
from tests.support.door import async_until, sync_until
from tests.support.forks import in_a_child


class Counted:
    """Work that can be held up; it returns how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = threading.Event()
        self.may_end.set()

    async def on_loop(self) -> int:
        """The work on an event loop."""
        self.begun += 1
        number = self.begun
        await async_until(self.may_end.is_set)
        return number

    def on_thread(self) -> int:
        """The work on a thread."""
        self.begun += 1
        number = self.begun
        assert self.may_end.wait(10)
        return number


async def failing_on_loop() -> int:
    """Work that goes wrong."""
    raise ValueError("it went wrong")


def failing_on_thread() -> int:
    """Work that goes wrong."""
    raise ValueError("it went wrong")


@pytest.mark.anyio
async def test_many_on_a_loop_share_one_flight() -> None:
    """Those who come while it is under way get the same result; who comes later, another one."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=1)
    work = Counted()
    work.may_end.clear()
    joined = [asyncio.create_task(flights.join("a", work.on_loop)) for _ in range(3)]
    other = asyncio.create_task(flights.join("b", work.on_loop))
    await async_until(lambda: work.begun == 2)
    work.may_end.set()
    assert await asyncio.gather(*joined) == [1, 1, 1]
    assert await other == 2
    assert await flights.join("a", work.on_loop) == 3


@pytest.mark.anyio
async def test_one_who_gives_up_on_a_loop_leaves_the_flight_alone() -> None:
    """Neither a timeout nor a cancelled wait ends it for the others."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=1)
    work = Counted()
    work.may_end.clear()
    patient = asyncio.create_task(flights.join("a", work.on_loop))
    cancelled = asyncio.create_task(flights.join("a", work.on_loop))
    await async_until(lambda: work.begun == 1)
    with pytest.raises(TimeoutError):
        await flights.join("a", work.on_loop, wait_seconds=0.01)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    work.may_end.set()
    assert await patient == 1


@pytest.mark.anyio
async def test_a_failure_on_a_loop_reaches_everybody_who_waits() -> None:
    """And nobody, when nobody does."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=1)
    both = await asyncio.gather(*(flights.join("a", failing_on_loop) for _ in range(2)), return_exceptions=True)
    assert [str(error) for error in both] == ["it went wrong", "it went wrong"]
    flights.start("a", failing_on_loop)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await flights.join("a", Counted().on_loop) == 1


@pytest.mark.anyio
async def test_only_so_many_flights_are_begun_beside() -> None:
    """One that is under way is not begun again, and one past the bound is not begun at all."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=2)
    work = Counted()
    work.may_end.clear()
    for key in ("a", "a", "b", "c"):
        flights.start(key, work.on_loop)
    await async_until(lambda: work.begun == 2)
    work.may_end.set()
    assert await flights.join("a", work.on_loop) in {1, 2}
    assert await flights.join("c", work.on_loop) == 3


@pytest.mark.anyio
async def test_a_thread_may_begin_a_flight_on_the_loop() -> None:
    """Once the loop is known; before that there is nowhere to fly."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=2)
    work = Counted()
    await asyncio.to_thread(flights.start, "a", work.on_loop)
    assert work.begun == 0
    assert await flights.join("a", work.on_loop) == 1
    await asyncio.to_thread(flights.start, "a", work.on_loop)
    await async_until(lambda: work.begun == 2)


def test_a_loop_that_has_ended_takes_no_more_flights() -> None:
    """It is no error to try, from a thread or from another loop."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=2)
    work = Counted()
    assert asyncio.run(flights.join("a", work.on_loop)) == 1
    flights.start("a", work.on_loop)

    async def from_another() -> None:
        flights.start("a", work.on_loop)

    asyncio.run(from_another())
    assert work.begun == 1


@pytest.mark.anyio
async def test_closing_on_a_loop_ends_every_flight() -> None:
    """Those who wait are told, and no other flight is begun."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=2)
    work = Counted()
    work.may_end.clear()
    waiting = asyncio.create_task(flights.join("a", work.on_loop))
    await async_until(lambda: work.begun == 1)
    await flights.close()
    with pytest.raises(ClosedError):
        await waiting
    with pytest.raises(ClosedError):
        await flights.join("b", work.on_loop)
    flights.start("b", work.on_loop)
    await asyncio.sleep(0)
    assert work.begun == 1


def test_a_forked_child_flies_on_a_loop_of_its_own() -> None:
    """The flights of the parent never land in the child; its own do."""
    flights: AsyncSingleFlight[int] = AsyncSingleFlight(beside_max=2)
    work = Counted()

    async def parent() -> bool:
        work.may_end.clear()
        under_way = asyncio.create_task(flights.join("a", work.on_loop))
        await async_until(lambda: work.begun == 1)
        held = in_a_child(lambda: False)
        work.may_end.set()
        assert await under_way == 1
        return held

    assert asyncio.run(parent()) is False

    def child() -> bool:
        async def fly() -> bool:
            flights.start("b", work.on_loop)
            return await flights.join("a", work.on_loop) > 0

        return asyncio.run(fly())

    assert in_a_child(child)


def test_many_threads_share_one_flight() -> None:
    """Those who come while it is under way get the same result; who comes later, another one."""
    flights: SyncSingleFlight[int] = SyncSingleFlight(beside_max=1)
    work = Counted()
    work.may_end.clear()
    results: list[int] = []
    first = threading.Thread(target=lambda: results.append(flights.join("a", work.on_thread)))
    first.start()
    sync_until(lambda: work.begun == 1)
    others = [threading.Thread(target=lambda: results.append(flights.join("a", work.on_thread))) for _ in range(2)]
    for thread in others:
        thread.start()
    with pytest.raises(TimeoutError):
        flights.join("a", work.on_thread, wait_seconds=0.01)
    work.may_end.set()
    for thread in (first, *others):
        thread.join()
    assert results[0] == 1
    assert len(results) == 3
    assert flights.join("a", work.on_thread) == work.begun


def test_a_thread_that_gives_up_leaves_the_flight_alone() -> None:
    """A flight that somebody waits for with a bound flies on a thread of its own, and lands for who comes later."""
    flights: SyncSingleFlight[int] = SyncSingleFlight(beside_max=1)
    work = Counted()
    assert flights.join("a", work.on_thread, wait_seconds=5.0) == 1
    work.may_end.clear()
    with pytest.raises(TimeoutError):
        flights.join("a", work.on_thread, wait_seconds=0.01)
    work.may_end.set()
    sync_until(lambda: flights.join("a", work.on_thread) == 3)


def test_a_failure_on_a_thread_reaches_who_waits() -> None:
    """And nobody, when nobody does."""
    flights: SyncSingleFlight[int] = SyncSingleFlight(beside_max=1)
    with pytest.raises(ValueError, match="it went wrong"):
        flights.join("a", failing_on_thread)
    with pytest.raises(ValueError, match="it went wrong"):
        flights.join("a", failing_on_thread, wait_seconds=5.0)
    flights.start("a", failing_on_thread)
    work = Counted()
    sync_until(lambda: flights.join("b", work.on_thread) > 0)


def test_only_so_many_threads_fly_beside() -> None:
    """One that is under way is not begun again, and one past the bound is not begun at all."""
    flights: SyncSingleFlight[int] = SyncSingleFlight(beside_max=2)
    work = Counted()
    work.may_end.clear()
    for key in ("a", "a", "b", "c"):
        flights.start(key, work.on_thread)
    sync_until(lambda: work.begun == 2)
    work.may_end.set()
    assert flights.join("c", work.on_thread) == 3


def test_no_thread_flies_after_closing() -> None:
    """Who wants to wait is told, and who does not is not."""
    flights: SyncSingleFlight[int] = SyncSingleFlight(beside_max=2)
    work = Counted()
    flights.close()
    flights.start("a", work.on_thread)
    with pytest.raises(ClosedError):
        flights.join("a", work.on_thread)
    assert work.begun == 0


def test_a_forked_child_flies_on_threads_of_its_own() -> None:
    """A flight that the parent's thread had begun never lands in the child, which begins its own."""
    flights: SyncSingleFlight[int] = SyncSingleFlight(beside_max=2)
    work = Counted()
    work.may_end.clear()
    flights.start("a", work.on_thread)
    sync_until(lambda: work.begun == 1)
    assert in_a_child(lambda: flights.join("a", lambda: 7, wait_seconds=5.0) == 7)
    work.may_end.set()
