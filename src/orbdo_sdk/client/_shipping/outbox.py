"""The events held in memory, from acceptance to their final answer, and who may take which of them when.

One lock guards it all and is held for microseconds. It bounds memory by count and bytes; it does no I/O and knows
neither spool nor request. Times are monotonic seconds.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain

from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.client._shipping.pending import Pending
from orbdo_sdk.client._shipping.queued import Batch, Call, Queued
from orbdo_sdk.client._shipping.verdict import Failed
from orbdo_sdk.errors import ClosedError

# Above the first share of its bounds the outbox asks for its newest events to be moved to disk, down to the second.
CROWDED_SHARE, RELIEVED_SHARE = 0.75, 0.5
# Below this share it asks for what waits on disk.
HUNGRY_SHARE = 0.25
RELIEF_EVENTS = 2_000


class Outbox:
    """Events in memory: pending, in a batch on the wire, or in a batch that waits to be sent again."""

    def __init__(self, limits: BufferLimits, gate: Gate, *, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._gate = gate
        self._monotonic = monotonic
        # Reentrant: a finalizer that runs while it is held may well track an event.
        self._lock = threading.RLock()
        self._sender_wakes = threading.Condition(self._lock)
        self._keeper_wakes = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._pending = Pending(batch_events_max=limits.batch_events_max, batch_bytes_max=limits.batch_bytes_max)
        self._retries: deque[Batch] = deque()
        self._in_flight: dict[int, Batch] = {}
        self._calls: dict[Call, None] = {}
        self._due_at = math.inf
        self._full_batches_announced = 0
        self._flushes = 0
        self._keeper_called = False
        self._more_waits = False
        # Infinite while the keeper is at work: what comes up then is looked at in one more round.
        self._keeper_wakes_at = math.inf
        self._stopped = False
        self.closed = False
        self.held = 0
        self.held_bytes = 0
        self.accepted = 0
        self.successes = 0

    def offer(self, event: Queued) -> bool:
        """Take the event in; False when there is no room. Raises ClosedError once intake has ended."""
        with self._lock:
            if self.closed:
                raise ClosedError
            size = len(event.payload)
            if self.held >= self._limits.events_max or self.held_bytes + size > self._limits.bytes_max:
                return False
            self.accepted += 1
            self._push(event, size)
            self._wake_for(event.accepted_at + self._limits.linger_seconds)
            return True

    def offer_call(self, call: Call, events: Sequence[Queued]) -> bool:
        """Take in the events somebody waits for, all or none; False when there is no room beside other calls.

        A call that is alone is taken whatever its size: its caller holds the events in memory anyway.
        """
        with self._lock:
            if self.closed:
                raise ClosedError
            held = self.held + len(events)
            held_bytes = self.held_bytes + sum(len(event.payload) for event in events)
            if self._calls and (held > self._limits.events_max or held_bytes > self._limits.bytes_max):
                return False
            self._calls[call] = None
            self.accepted += len(events)
            for event in events:
                self._push(event, len(event.payload))
            self._due_at = min(self._due_at, events[0].accepted_at + self._limits.awaited_linger_seconds)
            self._sender_wakes.notify()
            if call.deadline < self._keeper_wakes_at:
                self.call_keeper()
            return True

    def accept_elsewhere(self, count: int) -> None:
        """Count events that were accepted without entering memory; the keeper loads them when there is room."""
        with self._lock:
            self.accepted += count
            self.call_keeper()

    def restore(self, events: Sequence[Queued]) -> None:
        """Take in events that were accepted before; they are due at once and there is always room for them."""
        with self._lock:
            for event in events:
                self._push(event, len(event.payload))
            self._due_at = -math.inf
            self._sender_wakes.notify()

    def next_batch(self) -> Batch | None:
        """The next batch to send, waiting for one as long as it takes; None once the outbox was stopped."""
        with self._lock:
            while not self._stopped:
                seconds = self.seconds_until_due()
                if seconds == 0:
                    return self._take()
                self._sender_wakes.wait(seconds)
            return None

    def seconds_until_due(self) -> float | None:
        """How long until a batch may be taken, 0 for now; None while that depends on something else happening."""
        with self._lock:
            if not (self._retries or self._pending.events) or (self._gate.failing and self._in_flight):
                return None
            now = self._monotonic()
            closed_for = self._gate.seconds_until_open(now, urgent=bool(self._calls or self._flushes))
            if closed_for or self._retries or self._flushes or self._pending.full_batches():
                return closed_for
            return max(0.0, self._due_at - now)

    def landed(self, batch: Batch, *, again: Sequence[Batch] = (), too_large: bool = False) -> None:
        """The server answered: the batch is done, except for the parts that are to be sent ``again``."""
        with self._lock:
            self.successes += 1
            self._gate.succeeded()
            if too_large:
                self._pending.shrink_batches(batch.size)
            self._finish(batch, again)

    def failed(self, batch: Batch, failure: Failed, *, began_at: float, again: Sequence[Batch]) -> None:
        """There was no usable answer: the parts ``again`` of the batch are sent when the gate opens."""
        with self._lock:
            if not self._gate.failing:
                self.call_keeper()
            self._gate.failed(
                failure.error,
                began_at=began_at,
                now=self._monotonic(),
                refused=failure.refused,
                retry_after=failure.retry_after_seconds,
            )
            self._finish(batch, again)

    def returned(self, batch: Batch, *, again: Sequence[Batch]) -> None:
        """The batch was not sent; only the parts ``again`` of it are still to be."""
        with self._lock:
            self._finish(batch, again)

    def withdraw(self, calls: Collection[Call]) -> list[Queued]:
        """Let go of the events of calls that end with an error; those on the wire are only marked."""
        with self._lock:
            withdrawn = [event for event in self._all_events() if event.call in calls and not event.withdrawn]
            for event in withdrawn:
                event.withdrawn = True
            for call in calls:
                self._calls.pop(call, None)
            self._uncount(self._pending.remove_withdrawn())
            for _ in range(len(self._retries)):
                self._retry_wanted_of(self._retries.popleft())
            self._progress.notify_all()
            return withdrawn

    def calls_due(self) -> list[Call]:
        """The calls whose time is up."""
        with self._lock:
            now = self._monotonic()
            return [call for call in self._calls if call.deadline <= now]

    def next_deadline(self) -> float:
        """When the first waiting call runs out of time; infinity when nobody waits."""
        with self._lock:
            return min((call.deadline for call in self._calls), default=math.inf)

    def wanted_events(self) -> list[Queued]:
        """Every event in memory that is still to be delivered, those on the wire first."""
        with self._lock:
            return [event for event in self._all_events() if not event.withdrawn]

    def oldest_at(self) -> float | None:
        """When the oldest event in memory was accepted; None when there is none."""
        with self._lock:
            return min((event.accepted_at for event in self._all_events()), default=None)

    def relieve(self) -> list[Queued]:
        """Take out some of the newest pending events while memory is short, to be kept elsewhere; awaited ones stay."""
        with self._lock:
            by_count = self.held - RELIEVED_SHARE * self._limits.events_max
            by_bytes = self.held - RELIEVED_SHARE * self._limits.bytes_max * self.held / max(1, self.held_bytes)
            excess = math.ceil(max(0.0, by_count, by_bytes))
            popped = self._pending.pop_newest(min(excess, RELIEF_EVENTS))
            self._uncount(popped)
            return popped

    @property
    def crowded(self) -> bool:
        """Whether memory runs short."""
        return self._is_above(CROWDED_SHARE)

    def room(self) -> int:
        """How many events may be loaded from disk now without crowding the outbox."""
        with self._lock:
            if self._gate.failing:
                # When nothing else is left to probe the server with, one batch from disk does.
                return 0 if self.held else self._limits.batch_events_max
            if self.held_bytes > RELIEVED_SHARE * self._limits.bytes_max:
                return 0
            return max(0, math.ceil(RELIEVED_SHARE * self._limits.events_max) - self.held)

    def wait_until_empty(self, seconds: float, *, elsewhere: Callable[[], int]) -> bool:
        """Send without lingering until nothing is left here nor ``elsewhere``; False when time ran out first."""
        deadline = self._monotonic() + seconds
        with self._lock:
            self._flushes += 1
            try:
                self._wake_everyone()
                while self.held or elsewhere():
                    left = deadline - self._monotonic()
                    if left <= 0 or self._stopped:
                        return False
                    self._progress.wait(left)
                return True
            finally:
                self._flushes -= 1

    def wait_for_keeper_call(self, pause_seconds: Callable[[], float]) -> bool:
        """Wait until the keeper has something to do or its pause is over; False once stopped."""
        with self._lock:
            if not (self._keeper_called or self._stopped):
                seconds = pause_seconds()
                self._keeper_wakes_at = self._monotonic() + seconds
                self._keeper_wakes.wait(seconds)
            self._keeper_called = False
            self._keeper_wakes_at = math.inf
            return not self._stopped

    def call_keeper(self) -> None:
        """There is something for the keeper to do."""
        with self._lock:
            self._keeper_called = True
            self._keeper_wakes.notify()

    def expect_more(self, *, waits: bool) -> None:
        """Whether events wait on disk; then the keeper is called as soon as memory has plenty of room for them."""
        with self._lock:
            self._more_waits = waits

    def close_intake(self) -> None:
        """Take no event any more."""
        with self._lock:
            self.closed = True

    def stop(self) -> None:
        """Hand out no batch any more and let everybody who waits go."""
        with self._lock:
            self.closed = self._stopped = True
            self._wake_everyone()

    def _push(self, event: Queued, size: int) -> None:
        self._pending.push(event, size)
        self.held += 1
        self.held_bytes += size

    def _wake_for(self, due_at: float) -> None:
        # A sender is woken for the first event, to mind its linger, and for each batch that is full.
        if due_at < self._due_at:
            self._due_at = due_at
            self._sender_wakes.notify()
        elif self._pending.full_batches() > self._full_batches_announced:
            self._full_batches_announced += 1
            self._sender_wakes.notify()
        if not self._keeper_called and self._is_above(CROWDED_SHARE):
            self.call_keeper()

    def _take(self) -> Batch:
        # While the server fails a fresh batch goes first, so that one batch it cannot digest does not hold up the rest.
        if self._retries and not (self._gate.failing and self._pending.events):
            batch = self._retries.popleft()
        else:
            batch = Batch.of(self._pending.take())
            self._full_batches_announced = self._pending.full_batches()
            self._due_at = self._next_due_at()
        batch.attempts += 1
        self._in_flight[id(batch)] = batch
        if self.seconds_until_due() == 0:
            self._sender_wakes.notify()
        return batch

    def _next_due_at(self) -> float:
        if not self._pending.events:
            return math.inf
        linger = self._limits.awaited_linger_seconds if self._calls else self._limits.linger_seconds
        return self._pending.events[0].accepted_at + linger

    def _finish(self, batch: Batch, again: Sequence[Batch]) -> None:
        del self._in_flight[id(batch)]
        self._uncount(batch.events)
        for part in again:
            self.held += len(part.events)
            self.held_bytes += part.size
            self._retry_wanted_of(part)
        for event in batch.events:
            if event.call is not None and event.call.future.done():
                self._calls.pop(event.call, None)
        if self._more_waits and self.held <= HUNGRY_SHARE * self._limits.events_max:
            self.call_keeper()
        self._sender_wakes.notify_all()
        self._progress.notify_all()

    def _retry_wanted_of(self, batch: Batch) -> None:
        wanted = batch.without_withdrawn()
        if wanted is not batch:
            self._uncount([event for event in batch.events if event.withdrawn])
        if wanted is not None:
            self._retries.append(wanted)

    def _uncount(self, events: Sequence[Queued]) -> None:
        self.held -= len(events)
        self.held_bytes -= sum(len(event.payload) for event in events)

    def _all_events(self) -> Iterator[Queued]:
        batches = chain(self._in_flight.values(), self._retries)
        return chain(chain.from_iterable(batch.events for batch in batches), self._pending.events)

    def _is_above(self, share: float) -> bool:
        return self.held > share * self._limits.events_max or self.held_bytes > share * self._limits.bytes_max

    def _wake_everyone(self) -> None:
        for condition in (self._sender_wakes, self._keeper_wakes, self._progress):
            condition.notify_all()
