"""An event: what happened, to whom, when, and under which key it is counted once. Says what a valid event is.

It reads no clock: the instant of reception is an argument. It does not know whether a key was seen before or a customer
exists; the log and the control plane do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from orbdo_server.core import event_properties
from orbdo_server.core.periods import Period

IDEMPOTENCY_KEY_LENGTH_MAX = 255
EVENT_NAME_LENGTH_MAX = 255
CUSTOMER_ID_LENGTH_MAX = 255
AHEAD_MAX = timedelta(minutes=5)
GRACE_DEFAULT = timedelta(hours=12)

_MICROSECOND = timedelta(microseconds=1)


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One thing that happened, as it travels on the wire and as it lies in the log.

    ``properties`` is the JSON text of a flat object, ``msgspec.Raw(b'{"tokens": 12}')``, so that no digit of a quantity
    is lost. ``timestamp`` is aware, and in UTC once ``in_utc`` or the reading of a batch has seen it. The bounds of the
    texts are kept by whatever decodes an event, where they cost nothing, and by ``validate``; nothing else looks.
    """

    event_name: Annotated[str, Meta(min_length=1, max_length=EVENT_NAME_LENGTH_MAX)]
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=IDEMPOTENCY_KEY_LENGTH_MAX)]
    timestamp: datetime
    properties: msgspec.Raw
    external_customer_id: Annotated[str, Meta(min_length=1, max_length=CUSTOMER_ID_LENGTH_MAX)] | None = None
    customer_id: Annotated[str, Meta(min_length=1, max_length=CUSTOMER_ID_LENGTH_MAX)] | None = None


def validate(event: Event, *, now: datetime, grace: timedelta, backfill: Period | None = None) -> tuple[str, ...]:
    """Everything that is wrong with an event received at ``now``, in words; empty when it is valid.

    Without a backfill an event may be as old as ``grace``; in one it lies in the backfill's period, however old. No
    event may be more than ``AHEAD_MAX`` ahead of ``now``.
    """
    return (
        *text_problems("event_name", event.event_name, length_max=EVENT_NAME_LENGTH_MAX),
        *text_problems("idempotency_key", event.idempotency_key, length_max=IDEMPOTENCY_KEY_LENGTH_MAX),
        *timestamp_problems(event.timestamp, now=now, grace=grace, backfill=backfill),
        *customer_problems(event.customer_id, event.external_customer_id),
        *event_properties.problems(event.properties),
    )


def accepted_instants(*, now: datetime, grace: timedelta, backfill: Period | None) -> tuple[datetime, datetime]:
    """The first and the last instant, both included, that a valid event received at ``now`` may have."""
    latest = now + AHEAD_MAX
    if backfill is None:
        return now - grace, latest
    return backfill.start, min(backfill.end - _MICROSECOND, latest)


def in_utc(event: Event) -> Event:
    """The same event with its timestamp in UTC; one without an offset is taken as UTC.

    A timestamp that UTC cannot say, in the first or the last hours of the calendar, is left alone: no check accepts it.
    """
    at = event.timestamp
    if at.tzinfo is UTC:
        return event
    try:
        moved = at.replace(tzinfo=UTC) if at.utcoffset() is None else at.astimezone(UTC)
    except OverflowError:
        return event
    return msgspec.structs.replace(event, timestamp=moved)


def same_payload(one: Event, other: Event) -> bool:
    """Whether two valid events in UTC say the same, whatever their keys.

    Order of properties, spaces, escapes and ways to write a number (``1``, ``1.0``) do not count.
    """
    return (
        one.timestamp == other.timestamp
        and one.event_name == other.event_name
        and one.external_customer_id == other.external_customer_id
        and one.customer_id == other.customer_id
        and event_properties.same(one.properties, other.properties)
    )


def text_problems(field: str, text: str, *, length_max: int) -> Iterator[str]:
    """What is wrong with a string of the event itself, which has 1 to ``length_max`` characters."""
    if not 1 <= len(text) <= length_max:
        yield f"{field}: has {len(text)} characters; expected 1 to {length_max}"
    for problem in event_properties.text_problems(text):
        yield f"{field}: {problem}"


def timestamp_problems(at: datetime, *, now: datetime, grace: timedelta, backfill: Period | None) -> Iterator[str]:
    """What is wrong with the time of an event."""
    if at.utcoffset() is None:
        yield f"timestamp: {at.isoformat()} has no offset from UTC; expected one, such as Z"
    elif at > now + AHEAD_MAX:
        yield f"timestamp: {at.isoformat()} is in the future; expected at most {(now + AHEAD_MAX).isoformat()}"
    elif backfill is not None and not backfill.contains(at):
        frame = f"{backfill.start.isoformat()} until before {backfill.end.isoformat()}"
        yield f"timestamp: {at.isoformat()} is outside the backfill; expected from {frame}"
    elif backfill is None and at < now - grace:
        earliest = (now - grace).isoformat()
        yield f"timestamp: {at.isoformat()} is older than the grace period; expected at least {earliest}, or a backfill"


def customer_problems(customer_id: str | None, external_customer_id: str | None) -> Iterator[str]:
    """What is wrong with the way an event names its customer: exactly one of the two ids is given."""
    if (customer_id is None) == (external_customer_id is None):
        found = "neither" if customer_id is None else "both"
        yield f"customer_id: found {found}; expected exactly one of customer_id and external_customer_id"
    if customer_id is not None:
        yield from text_problems("customer_id", customer_id, length_max=CUSTOMER_ID_LENGTH_MAX)
    if external_customer_id is not None:
        yield from text_problems("external_customer_id", external_customer_id, length_max=CUSTOMER_ID_LENGTH_MAX)
