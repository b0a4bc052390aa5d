# Made from src/orbdo_sdk/client/resources/meter.py by scripts/unasync.py: change that file and run it.
"""The meter: what customers used goes in as events and comes out as quantities."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from orbdo_sdk.client._bridge import sync_call, sync_result
from orbdo_sdk.client._events import Event, EventFields, new_event, new_events
from orbdo_sdk.client._requests import QueryValue
from orbdo_sdk.client._shipping import DeadLetters, Receipt, Shipper, Statistics
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client._vocabulary import customer_fields, instants, path
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Usage


class Meter(Resource):
    """Events of customers, counted exactly once however often they are sent."""

    def __init__(self, transport: SyncTransport, shipper: Shipper) -> None:
        super().__init__(transport)
        self._shipper = shipper

    def ingest(
        self,
        event_type: str,
        customer_id: str,
        idempotency_key: str | None = None,
        timestamp: datetime | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> Receipt:
        """The server's receipt for one event, once it is durable; calls close in time share a request.

        ``customer_id`` is your own id or the server's, ``timestamp`` an aware instant (now, when left out). Tried again
        under one idempotency key until the retry policy's time is up; whether it is in is then unknown, so repeat it
        with the same key. Raises InvalidEventError before anything is sent, EventRejectedError when the server refuses
        the event for good, ConnectionFailedError or another OrbError when there was no acknowledgement.
        """
        event = new_event(
            event_type=event_type,
            customer_id=customer_id,
            idempotency_key=idempotency_key,
            timestamp=timestamp,
            properties=properties,
        )
        receipts = sync_result(self._shipper.submit([event]))
        return receipts[0]

    def ingest_batch(self, events: Iterable[Event | EventFields]) -> list[Receipt]:
        """The receipts of all events, in their order, once all of them are durable; no events, no receipts.

        Raises BatchRejectedError when some were refused, which names them; the others are in. Otherwise as ``ingest``.
        """
        return sync_result(self._shipper.submit(new_events(events)))

    def track(
        self,
        event_type: str,
        customer_id: str,
        idempotency_key: str | None = None,
        timestamp: datetime | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> str:
        """The event's idempotency key, at once: it is sent in the background, and kept on disk if it cannot be.

        Never blocks on the network. Raises InvalidEventError for an event that can never be delivered,
        BufferFullError when neither memory nor disk has room, ClosedError after ``close``.
        """
        return self._shipper.track(
            event_type,
            idempotency_key=idempotency_key,
            timestamp=timestamp,
            properties=properties,
            **customer_fields(customer_id),
        )

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Whether every tracked event got its final answer before the time ran out."""
        return sync_call(self._shipper.flush, timeout_seconds)

    @property
    def statistics(self) -> Statistics:
        """What became of the events so far, as counters."""
        return self._shipper.statistics

    @property
    def dead_letters(self) -> DeadLetters:
        """The events that the server refused or that grew too old, to list, replay and discard."""
        return self._shipper.dead_letters

    def get_usage(
        self,
        customer_id: str,
        metric_id: str,
        *,
        start: datetime,
        end: datetime,
        group_by: str | Sequence[str] | None = None,
        as_of: int | None = None,
    ) -> Usage:
        """The quantity of the metric in ``[start, end)``, a row for each group when ``group_by`` names properties.

        The answer's ``as_of`` is the position in the log it was read at; asked again with it, the answer is the same.
        Raises ValueError for a naive instant, NotFoundError for a metric or a customer that does not exist.
        """
        query: dict[str, QueryValue] = {
            **customer_fields(customer_id),
            "metric_id": metric_id,
            **instants(start=start, end=end),
        }
        if group_by is not None:
            query["group_by"] = group_by if isinstance(group_by, str) else ",".join(group_by)
        if as_of is not None:
            query["as_of"] = as_of
        return self._get(Usage, path("usage"), query)
