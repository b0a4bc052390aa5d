"""The body of an ingest request, read into events: the valid ones apart from those that are named with what is wrong.

A batch is looked at as a whole, in C, and only what does not pass that way event by event. It refuses a batch that is
no list of events, that is too long, or that has one key for two different events; it drops no event without a word.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from orbdo_server.core.errors import ConflictingEventsError, EventBatchTooLargeError, InvalidEventBatchError, shown
from orbdo_server.core.event_properties import exactly_kept, surely_valid
from orbdo_server.core.event_properties import problems as property_problems
from orbdo_server.core.events import (
    CUSTOMER_ID_LENGTH_MAX,
    EVENT_NAME_LENGTH_MAX,
    IDEMPOTENCY_KEY_LENGTH_MAX,
    Event,
    accepted_instants,
    customer_problems,
    in_utc,
    same_payload,
    text_problems,
    timestamp_problems,
    validate,
)
from orbdo_server.core.periods import Period


class RejectedEvent(msgspec.Struct, frozen=True):
    """An event that is not taken: its place in the batch, its key if it has one, and all that is wrong with it."""

    index: int
    idempotency_key: str
    problems: tuple[str, ...]


class EventBatch(msgspec.Struct, frozen=True):
    """A batch sorted out: ``events`` have distinct keys, ``duplicates`` are keys that came twice with one event."""

    events: list[Event]
    duplicates: list[str]
    rejected: list[RejectedEvent]


class _Reception(msgspec.Struct, frozen=True):
    """When and how a batch came in: what the time of an event is held against, and whether a text may hold a NUL."""

    now: datetime
    grace: timedelta
    backfill: Period | None
    first: datetime
    last: datetime
    has_escapes: bool


class _Typed(msgspec.Struct):
    events: list[Event]


class _Untyped(msgspec.Struct):
    events: list[msgspec.Raw]


_TYPED = msgspec.json.Decoder(_Typed)
_UNTYPED = msgspec.json.Decoder(_Untyped)
_EVENT = msgspec.json.Decoder(Event)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REQUIRED = ("event_name", "idempotency_key", "timestamp", "properties")
_TEXT_LENGTHS = {
    "event_name": EVENT_NAME_LENGTH_MAX,
    "idempotency_key": IDEMPOTENCY_KEY_LENGTH_MAX,
    "customer_id": CUSTOMER_ID_LENGTH_MAX,
    "external_customer_id": CUSTOMER_ID_LENGTH_MAX,
}
_NULLABLE = ("customer_id", "external_customer_id")
_ONLY_UTC = {UTC}
# What the first character of a JSON value says about the rest.
_KINDS = {'"': "a string", "{": "an object", "[": "a list", "t": "a boolean", "f": "a boolean", "n": "null"}


def read_events(
    body: bytes, *, now: datetime, grace: timedelta, events_max: int, backfill: Period | None = None
) -> EventBatch:
    """The events of ``{"events": [...]}`` received at ``now``; timestamps in UTC, without an offset they are UTC.

    ``InvalidEventBatchError`` when the body is no such object, ``EventBatchTooLargeError`` beyond ``events_max``,
    ``ConflictingEventsError`` when one key comes with two different events, of which one may be invalid.
    """
    _require_utf8(body)
    first, last = accepted_instants(now=now, grace=grace, backfill=backfill)
    reception = _Reception(now, grace, backfill, first, last, has_escapes=b"\\" in body)
    try:
        events = _TYPED.decode(body).events
    except (msgspec.ValidationError, RecursionError):
        raws = _untyped(body)
        _require_count(len(raws), events_max=events_max)
        return _distinct(*_sorted_out([_typed(raw, reception, index) for index, raw in enumerate(raws)], reception))
    except msgspec.DecodeError as error:
        raise _not_a_batch(error) from error
    _require_count(len(events), events_max=events_max)
    if _surely_valid(events, reception):
        return _distinct(events, [])
    return _distinct(*_sorted_out(events, reception))


def _surely_valid(events: Sequence[Event], reception: _Reception) -> bool:
    """Whether each event is valid, in UTC and exactly kept, decided for all at once. False only means: look closer.

    The decoder held the lengths of all texts against their bounds.
    """
    if not events:
        return True
    times = [event.timestamp for event in events]
    return (
        {at.tzinfo for at in times} == _ONLY_UTC
        and reception.first <= min(times)
        and max(times) <= reception.last
        and not [event for event in events if (event.customer_id is None) == (event.external_customer_id is None)]
        and not (reception.has_escapes and _has_nul(events))
        and surely_valid([event.properties for event in events])
    )


def _has_nul(events: Sequence[Event]) -> bool:
    """Whether a text outside the properties has a NUL, which JSON can only write as an escape."""
    return any(
        "\x00" in "".join(texts)
        for texts in (
            [event.idempotency_key for event in events],
            # Names and customers repeat, so that few are left to look at once they are sets.
            {event.event_name for event in events},
            {event.customer_id or event.external_customer_id or "" for event in events},
        )
    )


def _sorted_out(
    entries: Sequence[Event | RejectedEvent], reception: _Reception
) -> tuple[list[Event], list[RejectedEvent]]:
    rejected = [entry for entry in entries if isinstance(entry, RejectedEvent)]
    indexed = [(index, in_utc(entry)) for index, entry in enumerate(entries) if isinstance(entry, Event)]
    accepted: list[Event] = []
    for checked in _checked(indexed, reception):
        if isinstance(checked, Event):
            accepted.append(checked)
        else:
            rejected.append(checked)
    return accepted, sorted(rejected, key=lambda wrong: wrong.index)


def _checked(indexed: Sequence[tuple[int, Event]], reception: _Reception) -> Iterator[Event | RejectedEvent]:
    """Each event, or what is wrong with it. Halving finds a few wrong ones among many without a close look at all."""
    events = [event for _, event in indexed]
    if _surely_valid(events, reception):
        yield from events
    elif len(indexed) == 1:
        yield _checked_closely(*indexed[0], reception)
    else:
        half = len(indexed) // 2
        yield from _checked(indexed[:half], reception)
        yield from _checked(indexed[half:], reception)


def _checked_closely(index: int, event: Event, reception: _Reception) -> Event | RejectedEvent:
    if problems := validate(event, now=reception.now, grace=reception.grace, backfill=reception.backfill):
        return RejectedEvent(index, event.idempotency_key, problems)
    kept = exactly_kept(event.properties)
    return event if kept is event.properties else msgspec.structs.replace(event, properties=kept)


def _distinct(events: list[Event], rejected: list[RejectedEvent]) -> EventBatch:
    keys = {event.idempotency_key for event in events}
    for wrong in rejected:
        if wrong.idempotency_key in keys:
            raise ConflictingEventsError(wrong.idempotency_key)
    if len(keys) == len(events):
        return EventBatch(events, [], rejected)
    first: dict[str, Event] = {}
    duplicates: list[str] = []
    for event in events:
        earlier = first.setdefault(event.idempotency_key, event)
        if earlier is not event:
            if not same_payload(earlier, event):
                raise ConflictingEventsError(event.idempotency_key)
            duplicates.append(event.idempotency_key)
    return EventBatch(list(first.values()), duplicates, rejected)


def _typed(raw: msgspec.Raw, reception: _Reception, index: int) -> Event | RejectedEvent:
    try:
        return _EVENT.decode(raw)
    except msgspec.ValidationError:
        key, problems = _misshapen(raw, reception)
        return RejectedEvent(index, key, tuple(problems))


def _misshapen(raw: msgspec.Raw, reception: _Reception) -> tuple[str, list[str]]:
    """The key of an event that has not the shape of one, as far as it has one, and what is wrong with each field."""
    if _kind(raw) != "an object":
        return "", [f"event: found {_kind(raw)}; expected an object"]
    fields = _FIELDS.decode(raw)
    problems = [f"{field}: is missing" for field in _REQUIRED if field not in fields]
    for field, value in fields.items():
        problems.extend(_field_problems(field, value, reception))
    if not any(field in fields and _kind(fields[field]) not in {"a string", "null"} for field in _NULLABLE):
        given = [_text(fields[field]) if field in fields else None for field in _NULLABLE]
        problems.extend(customer_problems(given[0], given[1]))
    key = fields.get("idempotency_key")
    return (_text(key) or "" if key else ""), problems


def _field_problems(field: str, value: msgspec.Raw, reception: _Reception) -> Iterator[str]:
    if field == "properties":
        yield from property_problems(value)
    elif field == "timestamp":
        yield from _time_problems(value, reception)
    elif field not in _TEXT_LENGTHS:
        yield f"{shown(field)}: is not a field of an event"
    elif _kind(value) == "a string":
        if field not in _NULLABLE:
            yield from text_problems(field, _text(value) or "", length_max=_TEXT_LENGTHS[field])
    elif not (field in _NULLABLE and _kind(value) == "null"):
        yield f"{field}: found {_kind(value)}; expected a string"


def _time_problems(value: msgspec.Raw, reception: _Reception) -> Iterator[str]:
    try:
        at = msgspec.json.decode(value, type=datetime)
    except msgspec.ValidationError:
        found = shown(_text(value)) if _kind(value) == "a string" else _kind(value)
        yield f"timestamp: found {found}; expected an RFC 3339 date and time, such as 2026-03-15T12:00:00Z"
    else:
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        yield from timestamp_problems(at, now=reception.now, grace=reception.grace, backfill=reception.backfill)


def _kind(value: msgspec.Raw) -> str:
    return _KINDS.get(chr(memoryview(value)[0]), "a number")


def _text(value: msgspec.Raw) -> str | None:
    return msgspec.json.decode(value, type=str) if _kind(value) == "a string" else None


def _untyped(body: bytes) -> list[msgspec.Raw]:
    try:
        return _UNTYPED.decode(body).events
    except RecursionError as error:
        message = "the body is nested too deeply"
        raise InvalidEventBatchError(message, field="body", expected='{"events": [...]}') from error
    except msgspec.DecodeError as error:
        raise _not_a_batch(error) from error


def _not_a_batch(error: Exception) -> InvalidEventBatchError:
    return InvalidEventBatchError(
        f"the body is no batch of events: {error}", field="body", expected='{"events": [...]}'
    )


def _require_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidEventBatchError("the body is not UTF-8", field="body", expected="UTF-8") from error


def _require_count(events: int, *, events_max: int) -> None:
    if events > events_max:
        raise EventBatchTooLargeError(events, events_max=events_max)
