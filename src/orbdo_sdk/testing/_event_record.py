"""The events that reached an in-memory Orb, counted once a key as the server counts them.

It has no clock and refuses nothing but a batch that contradicts itself; the client's own checks come before it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from orbdo_sdk.client._shipping import Receipt
from orbdo_sdk.errors import BatchRejectedError, EventRejectedError
from orbdo_sdk.wire import IngestEvent

Group = tuple[str | None, ...]


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it arrived the first time; ``customer_id`` is the id its caller used."""

    idempotency_key: str
    event_type: str
    customer_id: str
    timestamp: datetime
    properties: dict[str, object]

    def happened_in(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether its timestamp is in [start, end); None is without that bound."""
        return (start is None or self.timestamp >= start) and (end is None or self.timestamp < end)


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """How a quantity follows from the events of a type: one each, or the number in a property."""

    event_type: str
    sum_of: str | None = None

    def quantity(self, event: RecordedEvent) -> Decimal | None:
        """What the event adds; None for another type, or without a number in the property."""
        if event.event_type != self.event_type:
            return None
        return Decimal(1) if self.sum_of is None else _number(event.properties.get(self.sum_of))


class EventRecord:
    """Every event once, in the order of arrival, and how often each key arrived."""

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        self.deliveries: Counter[str] = Counter()
        self.conflicts: list[RecordedEvent] = []
        self._by_key: dict[str, RecordedEvent] = {}

    def take(self, batch: Sequence[IngestEvent]) -> list[Receipt]:
        """Record a batch; a key that is there already is a duplicate, and its first event stays.

        Raises what the client raises when one key comes with two different events in the batch: EventRejectedError or
        BatchRejectedError, and nothing of the batch is recorded.
        """
        arrived = [_recorded(event) for event in batch]
        _refuse_contradictions(arrived)
        return [self._record(event) for event in arrived]

    def usage(
        self,
        metric: Metric,
        customer_id: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        group_by: Sequence[str] = (),
        as_of: int | None = None,
    ) -> dict[Group, tuple[Decimal, int]]:
        """For each group, the quantity of the customer's events in [start, end) and how many they are.

        None is without that bound. ``as_of`` is how many of the events, in the order of arrival, are looked at.
        Without ``group_by`` there is one group, whatever is in it.
        """
        groups: dict[Group, tuple[Decimal, int]] = {} if group_by else {(): (Decimal(0), 0)}
        for event in self.events[:as_of]:
            if event.customer_id == customer_id and event.happened_in(start, end):
                quantity = metric.quantity(event)
                if quantity is not None:
                    group = tuple(_group_value(event.properties.get(name)) for name in group_by)
                    so_far, counted = groups.get(group, (Decimal(0), 0))
                    groups[group] = (so_far + quantity, counted + 1)
        return groups

    def _record(self, event: RecordedEvent) -> Receipt:
        self.deliveries[event.idempotency_key] += 1
        first = self._by_key.setdefault(event.idempotency_key, event)
        if first is event:
            self.events.append(event)
        elif first != event:
            self.conflicts.append(event)
        return Receipt(idempotency_key=event.idempotency_key, duplicate=first is not event)


def _recorded(event: IngestEvent) -> RecordedEvent:
    customer_id = event.external_customer_id or event.customer_id
    assert customer_id is not None
    return RecordedEvent(
        idempotency_key=event.idempotency_key,
        event_type=event.event_name,
        customer_id=customer_id,
        timestamp=event.timestamp,
        properties=event.properties,
    )


def _refuse_contradictions(batch: Sequence[RecordedEvent]) -> None:
    firsts: dict[str, RecordedEvent] = {}
    for event in batch:
        if firsts.setdefault(event.idempotency_key, event) != event:
            rejection = EventRejectedError(event.idempotency_key, ["the batch has another event with this key"])
            raise BatchRejectedError([rejection], [])


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        # A float is exact as it is written, which is how it travels.
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _group_value(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
