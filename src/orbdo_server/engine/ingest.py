"""Group commit: events of many requests go to the log in one transaction, and each request is answered after it.

A queue with a bound stands between the event loop and the one thread that writes. A request is answered only when its
events are on disk, refused at once when the queue is full, and told so when the log could not write. Nothing is retried
here: a caller that was not answered sends its events again, under the same keys.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from orbdo_server.core.events import Event
from orbdo_server.errors import TooManyRequestsError
from orbdo_server.storage.event_log import (
    Append,
    Appended,
    BackfillNotOpenError,
    EventLog,
    LogUnavailableError,
)

RETRY_AFTER_SECONDS = 1

_log = logging.getLogger(__name__)


class Load(NamedTuple):
    """How much something holds: events, and bytes of their properties, which are most of their size."""

    events: int
    property_bytes: int


QUEUE_MAX = Load(events=200_000, property_bytes=256 << 20)
# A group is as large as what gathered while the last one was written, up to here: more would only delay the answers.
GROUP_MAX = Load(events=20_000, property_bytes=64 << 20)


class QueueFullError(TooManyRequestsError):
    """More waits to be written than is held; nothing of the request was taken."""

    def __init__(self, queue_max: Load, *, retry_after_seconds: int) -> None:
        super().__init__(
            f"With this request more than {queue_max.events} events or {queue_max.property_bytes} bytes of properties "
            "would wait to be written; nothing of it was taken.",
            retry_after_seconds=retry_after_seconds,
        )


class _Waiter(msgspec.Struct, frozen=True, eq=False):
    """A batch on its way to the log, how large it is, and who wants to know."""

    batch: Append
    events: int
    property_bytes: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Appended]"


class Ingest:
    """The way into a log, for any number of tasks on any number of event loops."""

    def __init__(self, log: EventLog, *, queue_max: Load = QUEUE_MAX, group_max: Load = GROUP_MAX) -> None:
        self._log = log
        self._queue_max = queue_max
        self._group_max = group_max
        self._waiters: deque[_Waiter] = deque()
        self._queued_events = 0
        self._queued_property_bytes = 0
        self._closing = False
        # Guards all of these. The writer says that it is idle and waits for ``_wake``, which the next request lets go,
        # once. A condition does the same with several times the work for each request.
        self._lock = threading.Lock()
        self._is_idle = False
        self._wake = threading.Lock()
        self._wake.acquire()
        self._thread = threading.Thread(target=self._write_groups, name="orbdo-ingest", daemon=True)
        self._thread.start()

    async def submit(
        self, tenant: str, events: Sequence[Event], *, received_at: datetime, backfill_id: str | None = None
    ) -> Appended:
        """What became of valid events with distinct keys, once they are on disk.

        ``QueueFullError`` at once when there is no room, ``BackfillNotOpenError`` when the backfill takes no events,
        ``LogUnavailableError`` when they could not be written or the way is closed. One batch is always let into an
        empty queue, however large. Who gives up waiting takes nothing back: the events are written all the same.
        """
        return await self.enqueue(tenant, events, received_at=received_at, backfill_id=backfill_id)

    def enqueue(
        self, tenant: str, events: Sequence[Event], *, received_at: datetime, backfill_id: str | None = None
    ) -> "asyncio.Future[Appended]":
        """The same as an answer to wait for on the running loop; what is refused at once is raised here."""
        batch = Append(tenant=tenant, events=events, received_at=received_at, backfill_id=backfill_id)
        property_bytes = sum([len(event.properties) for event in events])
        loop = asyncio.get_running_loop()
        waiter = _Waiter(batch, len(events), property_bytes, loop, loop.create_future())
        self._let_in(waiter)
        return waiter.answer

    @property
    def queued(self) -> Load:
        """How much waits to be written."""
        return Load(self._queued_events, self._queued_property_bytes)

    @property
    def closing(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closing

    def close(self) -> None:
        """Write what waits, then stop; blocks until then. The log stays open. Closing twice is closing once."""
        with self._lock:
            self._closing = True
            self._wake_writer()
        self._thread.join()

    def _let_in(self, waiter: _Waiter) -> None:
        with self._lock:
            if self._closing:
                message = "The server is stopping; nothing of the request was taken."
                raise LogUnavailableError(message)
            events = self._queued_events + waiter.events
            property_bytes = self._queued_property_bytes + waiter.property_bytes
            most = self._queue_max
            if self._waiters and (events > most.events or property_bytes > most.property_bytes):
                raise QueueFullError(most, retry_after_seconds=RETRY_AFTER_SECONDS)
            self._waiters.append(waiter)
            self._queued_events, self._queued_property_bytes = events, property_bytes
            self._wake_writer()

    def _wake_writer(self) -> None:
        if self._is_idle:
            self._is_idle = False
            self._wake.release()

    def _write_groups(self) -> None:
        while group := self._next_group():
            self._write(group)

    def _next_group(self) -> list[_Waiter]:
        """All that waits, up to the bound of a group; empty only when the queue is closed and drained."""
        while True:
            with self._lock:
                if self._waiters or self._closing:
                    return self._taken()
                self._is_idle = True
            self._wake.acquire()

    def _taken(self) -> list[_Waiter]:
        group: list[_Waiter] = []
        events = property_bytes = 0
        while self._waiters:
            waiter = self._waiters[0]
            events += waiter.events
            property_bytes += waiter.property_bytes
            if group and (events > self._group_max.events or property_bytes > self._group_max.property_bytes):
                break
            group.append(self._waiters.popleft())
            self._queued_events -= waiter.events
            self._queued_property_bytes -= waiter.property_bytes
        return group

    def _write(self, group: list[_Waiter]) -> None:
        while group:
            try:
                answers = self._log.append([waiter.batch for waiter in group])
            except BackfillNotOpenError as error:
                # Nothing was written: the others of the group go on without those it is about.
                refused = [waiter for waiter in group if _is_about(error, waiter)]
                assert refused, "the log refuses a backfill of the group"
                _tell([(waiter, BackfillNotOpenError(error.tenant, error.backfill_id)) for waiter in refused])
                group = [waiter for waiter in group if waiter not in refused]
            except Exception as error:
                # Whatever went wrong, those who wait must hear of it, and the next group may fare better.
                _log.exception("the event log could not write a group of %d requests", len(group))
                _tell([(waiter, _unavailable(error)) for waiter in group])
                return
            else:
                _tell(list(zip(group, answers, strict=True)))
                return


def _is_about(error: BackfillNotOpenError, waiter: _Waiter) -> bool:
    return (waiter.batch.tenant, waiter.batch.backfill_id) == (error.tenant, error.backfill_id)


def _unavailable(error: Exception) -> LogUnavailableError:
    # One error for each waiter: an exception gathers the traceback of whoever raises it.
    unavailable = LogUnavailableError()
    unavailable.__cause__ = error
    return unavailable


def _tell(answers: list[tuple[_Waiter, Appended | Exception]]) -> None:
    """Answer each waiter on its own loop, with one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiter, Appended | Exception]]] = {}
    for waiter, answer in answers:
        by_loop.setdefault(waiter.loop, []).append((waiter, answer))
    for loop, theirs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, theirs)
        except RuntimeError:
            # A loop that was closed has nobody left who waits.
            _log.warning("%d requests were written whose event loop is gone", len(theirs))


def _resolve(answers: list[tuple[_Waiter, Appended | Exception]]) -> None:
    for waiter, answer in answers:
        if waiter.answer.done():
            continue
        if isinstance(answer, Exception):
            waiter.answer.set_exception(answer)
        else:
            waiter.answer.set_result(answer)
