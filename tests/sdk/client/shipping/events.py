"""Events for the tests of the shipper, by the letter or by the number."""

import threading
from collections.abc import Callable

from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping import NewEvent, Shipper
from tests.sdk.client.shipping.ingest_server import IngestServer, Reply

MakeShipper = Callable[..., Shipper]

FLUSH_SECONDS = 15.0
SMALL = BufferLimits(
    events_max=8, bytes_max=8_000, event_bytes_max=300, batch_events_max=2, batch_bytes_max=1_000, linger_seconds=0.001
)


def track(shipper: Shipper, *keys: str) -> None:
    """Track an event for each key."""
    for key in keys:
        shipper.track("call", external_customer_id="acme", idempotency_key=key)


def new(key: str) -> NewEvent:
    """An event to submit."""
    return NewEvent(event_type="call", external_customer_id="acme", idempotency_key=key)


def numbered(count: int) -> list[str]:
    """That many keys."""
    return [f"k{number}" for number in range(count)]


def hold(server: IngestServer) -> threading.Event:
    """Have the server answer nothing until the event is set; everything is stored then."""
    release = threading.Event()
    server.decide = lambda seen: Reply(until=release)
    return release
