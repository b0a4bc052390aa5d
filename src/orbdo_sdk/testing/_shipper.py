"""Where the events of an in-memory Orb go instead of to a server: checked as ever, recorded at once.

In an outage, tracked events wait and awaited ones fail. Batching, retrying and the spool are not imitated.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime

from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping import NewEvent, Receipt, Statistics
from orbdo_sdk.client._shipping.encoding import encode_event
from orbdo_sdk.errors import ClosedError, ConnectionFailedError, OrbError
from orbdo_sdk.testing._event_record import EventRecord
from orbdo_sdk.wire import IngestEvent, decode

EVENT_BYTES_MAX = BufferLimits().event_bytes_max


class InMemoryShipper:
    """Takes what the client's shipper takes and answers what it answers."""

    def __init__(self, record: EventRecord, *, now: Callable[[], datetime]) -> None:
        self._record = record
        self._now = now
        self._waiting: list[IngestEvent] = []
        self._accepted = 0
        self._reachable = True
        self.closed = False

    @property
    def reachable(self) -> bool:
        """Whether events arrive; those that wait do so as soon as it is set to True."""
        return self._reachable

    @reachable.setter
    def reachable(self, reachable: bool) -> None:
        self._reachable = reachable
        if reachable:
            # One by one: what was tracked was not sent as one batch.
            for event in self._waiting:
                self._record.take([event])
            self._waiting = []

    def track(
        self,
        event_type: str,
        *,
        external_customer_id: str | None = None,
        customer_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Record one event, or keep it until the outage is over; raises InvalidEventError or ClosedError."""
        event = self._checked(
            NewEvent(
                event_type=event_type,
                external_customer_id=external_customer_id,
                customer_id=customer_id,
                properties=properties or {},
                timestamp=timestamp,
                idempotency_key=idempotency_key,
            )
        )
        self._accepted += 1
        if self._reachable:
            self._record.take([event])
        else:
            self._waiting.append(event)
        return event.idempotency_key

    def submit(self, events: Sequence[NewEvent]) -> Future[list[Receipt]]:
        """Record all of these events, or none in an outage; raises InvalidEventError or ClosedError at once."""
        batch = [self._checked(event) for event in events]
        done: Future[list[Receipt]] = Future()
        try:
            if not self._reachable:
                raise ConnectionFailedError("the in-memory Orb is unreachable")
            done.set_result(self._record.take(batch))
            self._accepted += len(batch)
        except OrbError as error:
            done.set_exception(error)
        return done

    @property
    def is_empty(self) -> bool:
        """Whether every event that was tracked has arrived."""
        return not self._waiting

    @property
    def statistics(self) -> Statistics:
        """The client's counters, as far as they mean something without a network."""
        deliveries = self._record.deliveries.total()
        return Statistics(
            accepted=self._accepted,
            adopted=0,
            replayed=0,
            sent=deliveries,
            retried=0,
            acknowledged=deliveries,
            duplicate=deliveries - len(self._record.events),
            rejected=0,
            withdrawn=0,
            dropped={},
            spooled=0,
            in_memory=len(self._waiting),
            on_disk=0,
            oldest_age_seconds=0.0,
        )

    def _checked(self, event: NewEvent) -> IngestEvent:
        if self.closed:
            raise ClosedError
        _, payload = encode_event(
            event_type=event.event_type,
            external_customer_id=event.external_customer_id,
            customer_id=event.customer_id,
            properties=event.properties,
            timestamp=event.timestamp,
            idempotency_key=event.idempotency_key,
            now=self._now,
            event_bytes_max=EVENT_BYTES_MAX,
        )
        # Read back, an event is what a server would have seen of it, and nobody can change it any more.
        return decode(payload, IngestEvent)
