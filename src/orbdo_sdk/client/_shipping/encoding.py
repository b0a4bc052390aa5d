"""From the caller's arguments to the bytes of one event, checked and encoded before ``track()`` returns.

It refuses what the server could only refuse later, when nobody is left to hear of it: nested or non-finite properties,
naive instants, no customer or two, what is too long. It has no clock of its own and keeps nothing.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import uuid_utils

from orbdo_sdk.errors import InvalidEventError
from orbdo_sdk.wire import IngestEvent, encode

# The bounds of the server. An event's own texts and the names of its properties have the same one.
TEXT_CHARS_MAX = 255
PROPERTIES_MAX = 100
PROPERTY_CHARS_MAX = 1_024
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
PROPERTY_TYPES = "must be a str, int, float, bool, Decimal or None; nest nothing, spell the path in the name instead"


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a caller describes it; exactly one of the customer ids is given.

    ``timestamp`` is an aware instant (now, when left out). ``idempotency_key`` is minted when left out; bring your own,
    derived from what happened, to make a repeated call count once.
    """

    event_type: str
    external_customer_id: str | None = None
    customer_id: str | None = None
    properties: Mapping[str, object] = {}
    timestamp: datetime | None = None
    idempotency_key: str | None = None


def encode_event(
    *,
    event_type: str,
    external_customer_id: str | None,
    customer_id: str | None,
    properties: Mapping[str, object] | None,
    timestamp: datetime | None,
    idempotency_key: str | None,
    now: Callable[[], datetime],
    event_bytes_max: int,
) -> tuple[str, bytes]:
    """The event's idempotency key and its JSON; raises InvalidEventError naming the argument at fault."""
    _check_text("event_type", event_type)
    if external_customer_id is not None:
        _check_text("external_customer_id", external_customer_id)
    if customer_id is not None:
        _check_text("customer_id", customer_id)
    if idempotency_key is not None:
        _check_text("idempotency_key", idempotency_key)
    if (external_customer_id is None) == (customer_id is None):
        raise InvalidEventError("customer_id", "give exactly one of external_customer_id and customer_id")
    key = str(uuid_utils.uuid7()) if idempotency_key is None else idempotency_key
    event = IngestEvent(
        event_name=event_type,
        idempotency_key=key,
        timestamp=now() if timestamp is None else _in_utc(timestamp),
        properties=_checked_properties(properties) if properties else {},
        external_customer_id=external_customer_id,
        customer_id=customer_id,
    )
    return key, _encoded(event, event_bytes_max)


def _check_text(field: str, text: str) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= TEXT_CHARS_MAX:
        raise InvalidEventError(field, f"must be a str of 1 to {TEXT_CHARS_MAX} characters")


def _in_utc(timestamp: datetime) -> datetime:
    if not isinstance(timestamp, datetime) or timestamp.utcoffset() is None:
        raise InvalidEventError("timestamp", "must be an aware datetime; a naive one could mean any instant")
    return timestamp.astimezone(UTC)


def _checked_properties(properties: Mapping[str, object]) -> dict[str, object]:
    if not isinstance(properties, Mapping):
        raise InvalidEventError("properties", "must be a mapping of names to plain values")
    if len(properties) > PROPERTIES_MAX:
        raise InvalidEventError("properties", f"are {len(properties)}, at most {PROPERTIES_MAX} are allowed")
    checked = dict(properties)
    for name, value in checked.items():
        if not isinstance(name, str) or not 1 <= len(name) <= TEXT_CHARS_MAX:
            raise InvalidEventError("properties", f"names must be str of 1 to {TEXT_CHARS_MAX} characters: {name!r}")
        # The usual case is told by its exact type, which takes no call.
        if type(value) is not str or len(value) > PROPERTY_CHARS_MAX:
            checked[name] = _plain(name, value)
    return checked


def _plain(name: str, value: object) -> object:
    match value:
        case None | bool():
            return value
        case str():
            if len(value) <= PROPERTY_CHARS_MAX:
                return str.__str__(value)
            raise InvalidEventError(f"properties.{name}", f"must have at most {PROPERTY_CHARS_MAX} characters")
        case int():
            if INTEGER_MIN <= value <= INTEGER_MAX:
                return int(value)
            raise InvalidEventError(f"properties.{name}", "does not fit 64 bits; pass it as a Decimal or a str")
        case float() if math.isfinite(value):
            return float(value)
        case Decimal() if value.is_finite():
            return value
        case float() | Decimal():
            raise InvalidEventError(f"properties.{name}", "must be finite")
        case _:
            raise InvalidEventError(f"properties.{name}", f"{PROPERTY_TYPES}, not {type(value).__name__}")


def _encoded(event: IngestEvent, bytes_max: int) -> bytes:
    try:
        payload = encode(event)
    except UnicodeError as error:
        # Half of a surrogate pair, in a name or a value.
        raise InvalidEventError("event", f"holds text that is not Unicode: {error}") from error
    if b"\\u0000" in payload and _holds_nul(event):
        raise InvalidEventError("event", "holds a NUL character")
    if len(payload) > bytes_max:
        raise InvalidEventError("properties", f"the event takes {len(payload)} bytes, at most {bytes_max} are allowed")
    return payload


def _holds_nul(event: IngestEvent) -> bool:
    texts = (event.event_name, event.idempotency_key, event.external_customer_id, event.customer_id)
    values = (*texts, *event.properties, *event.properties.values())
    return any(isinstance(value, str) and "\0" in value for value in values)
