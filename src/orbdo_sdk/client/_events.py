"""Events as users write them, one by one or many at once, made into what the shipper takes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Required, TypedDict

import msgspec

from orbdo_sdk.client._shipping import NewEvent
from orbdo_sdk.client._vocabulary import customer_fields
from orbdo_sdk.errors import InvalidEventError


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened: to whom, when (now, when left out), and what is to be counted of it.

    Properties are flat: text, numbers and booleans by name. An ``idempotency_key`` derived from what happened makes a
    repeated call count once; without one a key is minted.
    """

    event_type: str
    customer_id: str
    idempotency_key: str | None = None
    timestamp: datetime | None = None
    properties: Mapping[str, object] = {}


class EventFields(TypedDict, total=False):
    """An ``Event`` as a dict."""

    event_type: Required[str]
    customer_id: Required[str]
    idempotency_key: str | None
    timestamp: datetime | None
    properties: Mapping[str, object] | None


def new_event(
    *,
    event_type: str,
    customer_id: str,
    idempotency_key: str | None = None,
    timestamp: datetime | None = None,
    properties: Mapping[str, object] | None = None,
) -> NewEvent:
    """The event with its customer under the field that fits the id; the shipper checks the rest."""
    return NewEvent(
        event_type=event_type,
        idempotency_key=idempotency_key,
        timestamp=timestamp,
        properties=properties or {},
        **customer_fields(customer_id),
    )


def new_events(events: Iterable[Event | EventFields]) -> list[NewEvent]:
    """Each event, in their order; raises InvalidEventError for one with an unknown or a missing field."""
    return [_new_event(event, where=f"events[{index}]") for index, event in enumerate(events)]


def _new_event(event: Event | EventFields, *, where: str) -> NewEvent:
    if isinstance(event, Event):
        return new_event(
            event_type=event.event_type,
            customer_id=event.customer_id,
            idempotency_key=event.idempotency_key,
            timestamp=event.timestamp,
            properties=event.properties,
        )
    unknown = sorted(event.keys() - EventFields.__annotations__.keys())
    if unknown:
        known = ", ".join(EventFields.__annotations__)
        raise InvalidEventError(f"{where}.{unknown[0]}", f"is no field of an event; it takes {known}")
    missing = sorted({"event_type", "customer_id"} - event.keys())
    if missing:
        raise InvalidEventError(f"{where}.{missing[0]}", "is missing")
    return new_event(**event)
