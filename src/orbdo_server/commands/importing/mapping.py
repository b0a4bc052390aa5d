"""From a row to an event: which column is what. A row that does not fit is told why, never dropped in silence."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from orbdo_sdk import Event
from orbdo_sdk.wire import Number, plain
from orbdo_server.commands.importing.rows import Row

SIGNIFICANT_DIGITS_EXACT = 15
EPOCH_SECONDS_DIGITS = 10
EPOCH_MILLIS_DIGITS = 13
KEY_DIGEST_BYTES = 16


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Which column is what. ``key`` None takes a stable hash of the row; ``properties`` None takes all the others."""

    timestamp: str
    customer: str | None = None
    key: str | None = None
    event_type: str | None = None
    properties: tuple[str, ...] | None = None


class Constants(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for every row."""

    customer_id: str | None = None
    event_type: str | None = None
    zone: str = "UTC"


class BadRow(msgspec.Struct, frozen=True):
    """A row that did not become an event."""

    line: int
    reason: str


class Mapping:
    """Turns rows into events, one after the other in the order of the file.

    A row without a key of its own gets the hash of its values and of how often the same row came before, so that two
    equal rows are two events and the same file read twice gives the same keys.
    """

    def __init__(self, columns: Columns, constants: Constants) -> None:
        self._columns = columns
        self._constants = constants
        self._zone = ZoneInfo(constants.zone)
        self._seen: Counter[bytes] = Counter()

    def event(self, row: Row) -> Event | BadRow:
        """The event in a row, or what is wrong with it."""
        if row.problem is not None:
            return BadRow(row.line, row.problem)
        try:
            return Event(
                event_type=self._text(row, self._columns.event_type, self._constants.event_type, "event type"),
                idempotency_key=self._key(row),
                timestamp=self._timestamp(row),
                customer_id=self._text(row, self._columns.customer, self._constants.customer_id, "customer"),
                properties=self._properties(row),
            )
        except _UnfitError as error:
            return BadRow(row.line, str(error))

    def _text(self, row: Row, column: str | None, constant: str | None, what: str) -> str:
        if column is None:
            if constant is None:
                raise _UnfitError(f"has no {what}")
            return constant
        value = _column(row, column)
        if value is None or value == "" or isinstance(value, dict | list):
            raise _UnfitError(f"has no {what} in column {column!r}")
        return str(value)

    def _key(self, row: Row) -> str:
        if self._columns.key is not None:
            return self._text(row, self._columns.key, None, "idempotency key")
        content = msgspec.json.encode(row.values, order="sorted", enc_hook=str)
        digest = hashlib.blake2b(content, digest_size=KEY_DIGEST_BYTES).digest()
        earlier = self._seen[digest]
        self._seen[digest] += 1
        return f"row-{digest.hex()}" + (f"-{earlier + 1}" if earlier else "")

    def _timestamp(self, row: Row) -> datetime:
        value = _column(row, self._columns.timestamp)
        try:
            instant = _instant(value)
        except (ValueError, OverflowError, OSError) as error:
            message = f"has no timestamp in column {self._columns.timestamp!r}: found {value!r}"
            raise _UnfitError(message) from error
        local = instant if instant.tzinfo is not None else instant.replace(tzinfo=self._zone)
        return local.astimezone(UTC)

    def _properties(self, row: Row) -> dict[str, object]:
        used = {self._columns.timestamp, self._columns.customer, self._columns.key, self._columns.event_type}
        names = self._columns.properties
        chosen = [name for name in row.values if name not in used] if names is None else list(names)
        return {name: _property(name, value) for name in chosen if (value := row.values.get(name)) is not None}


def mapping_problem(columns: Columns, found: Sequence[str]) -> str | None:
    """What is wrong with a mapping for a file with these columns; None when every column it names is there."""
    named = [columns.timestamp, columns.customer, columns.key, columns.event_type, *(columns.properties or ())]
    missing = [repr(name) for name in named if name is not None and name not in found]
    if not missing:
        return None
    return f"has no column {' or '.join(missing)}; its columns are {', '.join(found)}"


class _UnfitError(Exception):
    """A row does not fit the mapping."""


def _column(row: Row, name: str) -> Any:
    if name not in row.values:
        raise _UnfitError(f"has no column {name!r}")
    return row.values[name]


def _instant(value: Any) -> datetime:
    """ISO 8601 text, a datetime, or whole seconds or milliseconds since 1970."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return datetime.fromisoformat(value.strip())
    if isinstance(value, int) and not isinstance(value, bool):
        digits = len(str(abs(value)))
        if digits <= EPOCH_SECONDS_DIGITS:
            return datetime.fromtimestamp(value, UTC)
        if digits <= EPOCH_MILLIS_DIGITS:
            seconds, millis = divmod(value, 1_000)
            return datetime.fromtimestamp(seconds, UTC).replace(microsecond=millis * 1_000)
    raise ValueError(value)


def _property(name: str, value: Any) -> object:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise _UnfitError(f"has {value} in column {name!r}, which is not a finite number")
        exact = len(value.normalize().as_tuple().digits) <= SIGNIFICANT_DIGITS_EXACT
        return Number.of(value) if exact else plain(value)
    if isinstance(value, str | int | bool):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    raise _UnfitError(f"has a value in column {name!r} that is neither text, number nor boolean")
