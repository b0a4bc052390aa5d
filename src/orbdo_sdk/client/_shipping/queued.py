"""Events on their way: one accepted event, the call that waits for it, and the batch it travels in.

Plain state without locks; the outbox guards it. A batch's bytes and idempotency key never change once it was made, so
that every attempt sends the same thing.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Self

import msgspec
import uuid_utils

from orbdo_sdk.errors import BatchRejectedError, EventRejectedError, OrbError

HEAD, TAIL = b'{"events":[', b"]}"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The server has the event. ``duplicate``: it had the key before, be it from an earlier attempt of this call.

    ``conflict``: what it had under the key is another event, which stays; this one is not counted.
    """

    idempotency_key: str
    duplicate: bool
    conflict: bool = False


class Call:
    """Somebody waiting for a few events; resolved once each of them was acknowledged or rejected."""

    __slots__ = ("_outcomes", "_unsettled", "deadline", "future", "keys")

    def __init__(self, keys: Sequence[str], *, deadline: float) -> None:
        self.keys = tuple(keys)
        self.deadline = deadline
        self.future: Future[list[Receipt]] = Future()
        # Cancelling the wait does not take the event back: it may be on the wire already.
        self.future.set_running_or_notify_cancel()
        self._outcomes: dict[str, Receipt | EventRejectedError] = {}
        self._unsettled = len(set(self.keys))

    def acknowledge(self, key: str, *, duplicate: bool, conflict: bool = False) -> None:
        """The server has the event of this key."""
        self._settle(key, Receipt(idempotency_key=key, duplicate=duplicate, conflict=conflict))

    def reject(self, key: str, reasons: Sequence[str]) -> None:
        """The server refused the event of this key for good."""
        self._settle(key, EventRejectedError(key, reasons))

    def fail(self, error: OrbError) -> None:
        """The call ends with this error, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)

    def _settle(self, key: str, outcome: Receipt | EventRejectedError) -> None:
        self._unsettled -= key not in self._outcomes
        self._outcomes[key] = outcome
        if self._unsettled or self.future.done():
            return
        outcomes = [self._outcomes[key] for key in self.keys]
        receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
        if len(receipts) == len(outcomes):
            self.future.set_result(receipts)
        else:
            self.future.set_exception(self._rejection(receipts))

    def _rejection(self, receipts: Sequence[Receipt]) -> OrbError:
        rejections = [outcome for outcome in self._outcomes.values() if isinstance(outcome, EventRejectedError)]
        if len(self.keys) == 1:
            return rejections[0]
        return BatchRejectedError(rejections, [receipt.idempotency_key for receipt in receipts])


class Queued(msgspec.Struct, gc=False):
    """One accepted event: its key and its JSON, when it came (monotonic), and where else it is kept.

    ``row`` is its place in the spool, 0 while it is only in memory. A withdrawn event is no longer to be sent, because
    the call that brought it has ended with an error and its caller was told.
    """

    key: str
    payload: bytes
    accepted_at: float
    row: int = 0
    call: Call | None = None
    withdrawn: bool = False


class Batch(msgspec.Struct):
    """The events of one request, with the bytes and the idempotency key that all its attempts share."""

    events: list[Queued]
    body: bytes
    idempotency_key: str
    attempts: int = 0
    # How often the server failed on this batch although it took another one since the failure before.
    setbacks: int = 0
    successes_seen: int = -1

    @classmethod
    def of(cls, events: list[Queued], *, attempts: int = 0) -> Self:
        """A batch of these events, in this order; their keys must differ from one another."""
        body = HEAD + b",".join([event.payload for event in events]) + TAIL
        return cls(events=events, body=body, idempotency_key=str(uuid_utils.uuid7()), attempts=attempts)

    @property
    def size(self) -> int:
        """The bytes of its events, without what joins them."""
        return len(self.body) - len(HEAD) - len(TAIL) - len(self.events) + 1

    @property
    def oldest_at(self) -> float:
        """When its oldest event was accepted."""
        return min(event.accepted_at for event in self.events)

    def halves(self) -> "list[Batch]":
        """Two batches that hold its events; it must have more than one."""
        assert len(self.events) > 1
        middle = len(self.events) // 2
        return [Batch.of(part, attempts=self.attempts) for part in (self.events[:middle], self.events[middle:])]

    def without_withdrawn(self) -> "Batch | None":
        """The batch itself, a smaller one when some of its events were withdrawn, None when all were."""
        wanted = [event for event in self.events if not event.withdrawn]
        if len(wanted) == len(self.events):
            return self
        return Batch.of(wanted, attempts=self.attempts) if wanted else None
