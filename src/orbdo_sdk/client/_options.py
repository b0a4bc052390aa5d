"""The options of a client as value objects: they are compared by value, checked when made and never changed.

``NOT_GIVEN`` stands for an option that was left out where ``None`` means something.
"""

import math
from enum import Enum
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from orbdo_sdk.errors import ConfigurationError


class NotGiven(Enum):
    """The type of ``NOT_GIVEN``, for annotations."""

    NOT_GIVEN = "not given"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN

API_KEY_CHARS_MAX = 512
DAY_SECONDS = 86_400.0
# The server forgets an idempotency key after 34 days; a spooled event must be gone or delivered well before that.
SPOOL_AGE_SECONDS_LIMIT = 33 * DAY_SECONDS
# Past this power of two every backoff has long reached its cap; a larger exponent would only overflow.
DOUBLINGS_MAX = 32

SpoolMode = Literal["memory", "on_pressure", "always"]


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """How long one attempt may wait for each step of a request, in seconds."""

    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    write_seconds: float = 30.0
    pool_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse bounds that are not positive."""
        _check_positive(self)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to try again: full jitter below a doubling ceiling, with the server's Retry-After as a floor.

    ``attempts_max`` and ``elapsed_seconds_max`` bound a call that somebody waits for; a tracked event is tried until
    it is in, since it can wait on disk. ``refused_*`` is the slow class: a revoked key or a wrong address does not heal
    in seconds, and hammering it helps nobody.
    """

    attempts_max: int = 4
    elapsed_seconds_max: float = 60.0
    wait_initial_seconds: float = 0.25
    wait_seconds_max: float = 20.0
    retry_after_seconds_max: float = 60.0
    refused_wait_initial_seconds: float = 300.0
    refused_wait_seconds_max: float = 3600.0

    def __post_init__(self) -> None:
        """Refuse bounds that are not positive, and ceilings below their start."""
        _check_positive(self)
        if self.wait_seconds_max < self.wait_initial_seconds:
            raise ConfigurationError("wait_seconds_max must not be below wait_initial_seconds")
        if self.refused_wait_seconds_max < self.refused_wait_initial_seconds:
            raise ConfigurationError("refused_wait_seconds_max must not be below refused_wait_initial_seconds")

    def wait_seconds(self, failures: int, *, jitter: float) -> float:
        """The pause after the given number of failures in a row (from 1); ``jitter`` is uniform in [0, 1)."""
        ceiling = self.wait_initial_seconds * 2.0 ** min(failures - 1, DOUBLINGS_MAX)
        return min(ceiling, self.wait_seconds_max) * jitter

    def refused_wait_seconds(self, failures: int, *, jitter: float) -> float:
        """The pause of the slow class: between half of its doubling ceiling and the whole of it."""
        ceiling = self.refused_wait_initial_seconds * 2.0 ** min(failures - 1, DOUBLINGS_MAX)
        return min(ceiling, self.refused_wait_seconds_max) * (0.5 + jitter / 2)


class BufferLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of the event buffer, of its batches and of what it keeps on disk."""

    events_max: int = 100_000
    bytes_max: int = 64 * 1024 * 1024
    event_bytes_max: int = 128 * 1024
    batch_events_max: int = 500
    batch_bytes_max: int = 1024 * 1024
    linger_seconds: float = 0.1
    awaited_linger_seconds: float = 0.001
    requests_in_flight_max: int = 4
    spool_bytes_max: int = 512 * 1024 * 1024
    spool_age_seconds_max: float = 30 * DAY_SECONDS
    spool_after_seconds: float = 5.0
    dead_letters_max: int = 10_000

    def __post_init__(self) -> None:
        """Refuse bounds that contradict one another or are not positive (the lingers may be zero)."""
        _check_positive(self, may_be_zero=("linger_seconds", "awaited_linger_seconds"))
        if self.batch_events_max > self.events_max:
            raise ConfigurationError("batch_events_max must not exceed events_max")
        if self.event_bytes_max > self.batch_bytes_max or self.batch_bytes_max > self.bytes_max:
            raise ConfigurationError("event_bytes_max <= batch_bytes_max <= bytes_max must hold")
        if self.spool_age_seconds_max > SPOOL_AGE_SECONDS_LIMIT:
            raise ConfigurationError("spool_age_seconds_max must stay below the server's dedupe window (33 days)")


def normalise_base_url(base_url: str) -> str:
    """The address without trailing slash and without a trailing ``/v1``, which the paths of this client bring.

    Raises ConfigurationError for anything that is not an absolute http or https address.
    """
    try:
        parts = urlsplit(base_url)
        host = parts.hostname
    except ValueError as error:
        raise ConfigurationError(f"base_url is not an address: {base_url!r}") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise ConfigurationError(f"base_url must look like https://host[:port][/path], got {base_url!r}")
    return base_url.rstrip("/").removesuffix("/v1").rstrip("/")


def check_api_key(api_key: str) -> str:
    """The key itself; raises ConfigurationError (without repeating the key) when it cannot be a header's value."""
    if not api_key or len(api_key) > API_KEY_CHARS_MAX:
        raise ConfigurationError(f"api_key must have 1 to {API_KEY_CHARS_MAX} characters")
    if not all("!" <= character <= "~" for character in api_key):
        raise ConfigurationError("api_key must be printable ASCII without spaces")
    return api_key


def _check_positive(options: msgspec.Struct, *, may_be_zero: tuple[str, ...] = ()) -> None:
    for name in options.__struct_fields__:
        value = getattr(options, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise ConfigurationError(f"{name} must be a finite number, got {value!r}")
        if "seconds" not in name and not isinstance(value, int):
            raise ConfigurationError(f"{name} must be a whole number, got {value!r}")
        if value < 0 or (value == 0 and name not in may_be_zero):
            raise ConfigurationError(f"{name} must be positive, got {value!r}")
