"""The events that are in no batch yet, oldest first, and the making of batches from them.

Plain state without a lock; the outbox guards it.
"""

from collections import deque
from collections.abc import Sequence

from orbdo_sdk.client._shipping.queued import Queued

# A batch refused as too large makes later ones smaller, but never smaller than this.
BATCH_BYTES_MIN = 1024


class Pending:
    """A queue that knows how many full batches it holds."""

    def __init__(self, *, batch_events_max: int, batch_bytes_max: int) -> None:
        self.events: deque[Queued] = deque()
        self.bytes = 0
        self._batch_events_max = batch_events_max
        self._batch_bytes_max = batch_bytes_max

    def push(self, event: Queued, size: int) -> None:
        """Add the event, whose payload has ``size`` bytes, as the newest one."""
        self.events.append(event)
        self.bytes += size

    def full_batches(self) -> int:
        """How many batches could be made without leaving room in one."""
        return max(len(self.events) // self._batch_events_max, self.bytes // self._batch_bytes_max)

    def shrink_batches(self, refused_bytes: int) -> None:
        """A batch of this size was refused as too large: make half of it the bound from now on."""
        self._batch_bytes_max = max(BATCH_BYTES_MIN, min(self._batch_bytes_max, refused_bytes // 2))

    def take(self) -> list[Queued]:
        """The events of the next batch, at least one; there must be one.

        One key travels once in a batch, since the server refuses a batch that says two things under one key: an event
        that repeats a key stays for the next.
        """
        chosen: dict[str, Queued] = {}
        repeated: list[Queued] = []
        bytes_left = self._batch_bytes_max
        while self.events and len(chosen) + len(repeated) < self._batch_events_max:
            bytes_left -= len(self.events[0].payload) + 1
            if bytes_left < 0 and chosen:
                break
            event = self.events.popleft()
            if chosen.setdefault(event.key, event) is not event:
                repeated.append(event)
        self.events.extendleft(reversed(repeated))
        self.bytes -= sum(len(event.payload) for event in chosen.values())
        return list(chosen.values())

    def pop_newest(self, count: int) -> list[Queued]:
        """Up to ``count`` of the newest events, stopping at one that somebody waits for."""
        popped: list[Queued] = []
        while len(popped) < count and self.events and self.events[-1].call is None:
            popped.append(self.events.pop())
        self.bytes -= sum(len(event.payload) for event in popped)
        return popped

    def remove_withdrawn(self) -> Sequence[Queued]:
        """Take the withdrawn events out and give them back."""
        withdrawn = [event for event in self.events if event.withdrawn]
        if withdrawn:
            self.events = deque(event for event in self.events if not event.withdrawn)
            self.bytes -= sum(len(event.payload) for event in withdrawn)
        return withdrawn
