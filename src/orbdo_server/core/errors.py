"""The mistakes a caller can make that the core can name. A programmer's mistake is an assert or a TypeError instead.

::

    CoreError
    ├── ConflictingEventsError
    ├── EventBatchTooLargeError
    ├── InvalidBillingCycleError
    ├── InvalidEventBatchError
    ├── InvalidGroupError           in core/metrics/errors.py
    ├── InvalidMetricError          in core/metrics/errors.py
    ├── InvalidPeriodError
    ├── InvalidPriceError
    ├── InvalidQuantityError
    ├── UnknownCurrencyError
    └── UnknownTimezoneError

Nothing here knows about HTTP: the API turns ``code``, ``field``, ``message`` and ``expected`` into its answer.
"""

import reprlib
from typing import ClassVar


def shown(value: object) -> str:
    """The value as a message may quote it: its ``repr``, cut to some 30 characters whatever was sent."""
    return reprlib.repr(value)


class CoreError(Exception):
    """A value is not one that billing can work with."""

    code: ClassVar[str] = "invalid"

    def __init__(self, message: str = "", *, field: str | None = None, expected: str | None = None) -> None:
        """Keep the facts; without a message, the first sentence of the class is the message."""
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.field = field
        self.expected = expected
        super().__init__(self.message)


class ConflictingEventsError(CoreError):
    """One batch has an idempotency key twice, with different events."""

    code = "conflicting_events"

    def __init__(self, idempotency_key: str) -> None:
        self.idempotency_key = idempotency_key
        super().__init__(
            f"the idempotency key {shown(idempotency_key)} is in the batch twice, with different events",
            field="events",
            expected="one event for each idempotency key",
        )


class EventBatchTooLargeError(CoreError):
    """A batch has more events than are taken at once."""

    code = "event_batch_too_large"

    def __init__(self, events: int, *, events_max: int) -> None:
        self.events = events
        self.events_max = events_max
        super().__init__(
            f"the batch has {events} events, at most {events_max} are taken at once",
            field="events",
            expected=f"at most {events_max} events",
        )


class InvalidBillingCycleError(CoreError):
    """A billing cycle is not a whole number of months or of days within the bounds."""

    code = "invalid_billing_cycle"


class InvalidEventBatchError(CoreError):
    """The body of an ingest request is not a JSON object with a list of events."""

    code = "invalid_event_batch"


class InvalidPeriodError(CoreError):
    """A period has no time zone, does not end after it starts, or lies outside the calendar that is supported."""

    code = "invalid_period"


class InvalidPriceError(CoreError):
    """The configuration of a price is incomplete or contradicts itself."""

    code = "invalid_price"


class InvalidQuantityError(CoreError):
    """A quantity is not a finite number within the digits that are priced exactly."""

    code = "invalid_quantity"


class UnknownCurrencyError(CoreError):
    """A currency is not an ISO 4217 code in upper case that has a minor unit."""

    code = "unknown_currency"

    def __init__(self, currency: str, *, field: str = "currency") -> None:
        self.currency = currency
        super().__init__(
            f"{shown(currency)} is not a known currency",
            field=field,
            expected="an ISO 4217 code in upper case, such as USD",
        )


class UnknownTimezoneError(CoreError):
    """A time zone is not a name of the IANA database."""

    code = "unknown_timezone"

    def __init__(self, zone: str, *, field: str = "timezone") -> None:
        self.zone = zone
        super().__init__(
            f"{shown(zone)} is not a known time zone", field=field, expected="an IANA name, such as Europe/Berlin"
        )
