"""Work that is done once for everybody who wants its result at the same time, waited for or beside.

Two classes with the same methods: one for an event loop, one for threads. Neither knows what the work is, keeps a
result, or tries anything twice.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from orbdo_sdk.errors import ClosedError

T = TypeVar("T")


class AsyncSingleFlight(Generic[T]):
    """Flights on the event loop of the first one; a forked child begins anew on its own loop."""

    def __init__(self, *, beside_max: int) -> None:
        self._beside_max = beside_max
        self._flying: dict[Hashable, asyncio.Task[T]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._closed = False

    async def join(
        self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]], *, wait_seconds: float | None = None
    ) -> T:
        """The result of the flight under this key, begun when there is none.

        Raises whatever the work raises, TimeoutError when it takes longer than ``wait_seconds`` and ClosedError when
        the flights were closed. Giving up ends only this wait, never the flight.
        """
        self._forget_parent()
        flight = self._flying.get(key) or self._begin(key, work)
        await asyncio.wait({flight}, timeout=wait_seconds)
        if not flight.done():
            raise TimeoutError
        if flight.cancelled():
            raise ClosedError
        return flight.result()

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Begin a flight that nobody waits for, unless it is under way or too many are; never blocks.

        It may be called from any thread once the first flight has begun; before that, only on a loop.
        """
        self._forget_parent()
        running = _running_loop()
        loop = self._loop or running
        if loop is None:
            return
        if loop is running:
            self._start_here(key, work)
            return
        # A loop that has ended takes no more work, and the next one who waits is told so.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._start_here, key, work)

    async def close(self) -> None:
        """Cancel every flight and begin no more; those who wait get a ClosedError."""
        self._closed = True
        flights = list(self._flying.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _start_here(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        if not self._closed and key not in self._flying and len(self._flying) < self._beside_max:
            self._begin(key, work)

    def _begin(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        if self._closed:
            raise ClosedError
        self._loop = asyncio.get_running_loop()
        flight = self._flying[key] = self._loop.create_task(work())
        flight.add_done_callback(lambda landed: self._land(key, landed))
        return flight

    def _land(self, key: Hashable, flight: asyncio.Task[T]) -> None:
        self._flying.pop(key, None)
        if not flight.cancelled():
            # Asking marks it as seen: nobody may be waiting, and asyncio complains of unseen ones.
            flight.exception()

    def _forget_parent(self) -> None:
        if self._pid != os.getpid():
            self._flying, self._loop, self._pid = {}, None, os.getpid()


class SyncSingleFlight(Generic[T]):
    """Flights on the threads of those who want them, or on threads of their own."""

    def __init__(self, *, beside_max: int) -> None:
        self._beside_max = beside_max
        self._flying: dict[Hashable, Future[T]] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False

    def join(self, key: Hashable, work: Callable[[], T], *, wait_seconds: float | None = None) -> T:
        """The result of the flight under this key, begun when there is none.

        Raises whatever the work raises, TimeoutError when it takes longer than ``wait_seconds`` and ClosedError when
        the flights were closed. Giving up ends only this wait, never the flight.
        """
        with self._guard():
            if self._closed:
                raise ClosedError
            flight = self._flying.get(key)
            begins = flight is None
            if flight is None:
                flight = self._flying[key] = Future()
        if begins and wait_seconds is None:
            self._fly(key, flight, work)
        elif begins:
            self._fly_beside(key, flight, work)
        return flight.result(wait_seconds)

    def start(self, key: Hashable, work: Callable[[], T]) -> None:
        """Begin a flight that nobody waits for, unless it is under way or too many are; never blocks."""
        with self._guard():
            if self._closed or key in self._flying or len(self._flying) >= self._beside_max:
                return
            flight = self._flying[key] = Future()
        self._fly_beside(key, flight, work)

    def close(self) -> None:
        """Begin no more flights; those in the air end by themselves, at the latest when their connection is closed."""
        self._closed = True

    def _fly_beside(self, key: Hashable, flight: Future[T], work: Callable[[], T]) -> None:
        threading.Thread(target=self._fly, args=(key, flight, work), name="orbdo-refresh", daemon=True).start()

    def _fly(self, key: Hashable, flight: Future[T], work: Callable[[], T]) -> None:
        try:
            flight.set_result(work())
        except BaseException as error:  # whoever waits must not wait for ever, whatever ended the work
            flight.set_exception(error)
        finally:
            with self._guard():
                self._flying.pop(key, None)

    def _guard(self) -> threading.Lock:
        if self._pid != os.getpid():
            # The lock and the flights belong to threads that do not exist in this child.
            self._lock, self._flying, self._pid = threading.Lock(), {}, os.getpid()
        return self._lock


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
