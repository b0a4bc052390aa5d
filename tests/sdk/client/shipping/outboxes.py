"""A small outbox and ways to fill and empty it, for its tests."""

from collections.abc import Sequence

from orbdo_sdk.client._options import BufferLimits, RetryPolicy
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.queued import Batch, Call, Queued
from orbdo_sdk.client._shipping.verdict import Failed
from orbdo_sdk.errors import ConnectionFailedError
from tests.sdk.client.shipping.clock import Clock

LIMITS = BufferLimits(
    events_max=8,
    bytes_max=800,
    event_bytes_max=100,
    batch_events_max=2,
    batch_bytes_max=200,
    linger_seconds=0.5,
    awaited_linger_seconds=0.1,
)
POLICY = RetryPolicy(wait_initial_seconds=2.0, wait_seconds_max=8.0)
DOWN = Failed(error=ConnectionFailedError("refused"))


def make_outbox(clock: Clock) -> Outbox:
    """An outbox for eight events of ten bytes or so, two a batch."""
    return Outbox(LIMITS, Gate(POLICY, jitter=lambda: 1.0), monotonic=clock)


def event(clock: Clock, key: str, size: int = 10, call: Call | None = None) -> Queued:
    """An event accepted now."""
    return Queued(key, b"x" * size, clock(), call=call)


def offer(outbox: Outbox, clock: Clock, keys: str) -> None:
    """Put in an event for each letter."""
    for key in keys:
        assert outbox.offer(event(clock, key))


def call_for(outbox: Outbox, clock: Clock, keys: str, size: int = 10) -> Call | None:
    """Put in a call with an event for each letter; None when there was no room."""
    call = Call(list(keys), deadline=clock() + 30)
    taken = outbox.offer_call(call, [event(clock, key, size, call) for key in keys])
    return call if taken else None


def take(outbox: Outbox) -> Batch:
    """The next batch, which must be due."""
    assert outbox.seconds_until_due() == 0
    batch = outbox.next_batch()
    assert batch is not None
    return batch


def keys(events: Sequence[Queued]) -> str:
    """The keys as one text."""
    return "".join(event.key for event in events)
