"""Everything that goes wrong in the SDK, as one tree; no other module defines an exception.

OrbError
├── ConfigurationError            an option or credential that can never work
├── InvalidEventError             an event the caller built wrongly (also a ValueError)
├── WrongEventLoopError           an async client used on a second event loop
├── ClosedError                   the client was closed
├── BufferFullError               no room left for an event that was not accepted
├── SpoolError                    the spool on disk cannot be read or written
├── EventRejectedError            the server refused one event for good
├── BatchRejectedError            the server refused some events of one call
├── ConnectionFailedError         no answer: refused, reset, unreachable, cut short
│   └── TimedOutError             no answer in time
├── UnexpectedAnswerError         an answer that is not what the server promises
└── ApiError                      the server answered with an error
    ├── BadRequestError           400, 422
    ├── AuthenticationError       401
    ├── PermissionDeniedError     403
    ├── NotFoundError             404
    ├── ConflictError             409
    ├── RequestTooLargeError      413
    ├── RateLimitedError          429
    └── ServerError               5xx

Each class says in its first sentence when it happens; the facts are attributes.
"""

from collections.abc import Sequence
from typing import Any

from orbdo_sdk.wire import FieldProblem


class OrbError(Exception):
    """Something went wrong in the orbdo client."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild without calling the constructor, so that every error of the tree can be copied and pickled."""
        return _rebuild, (type(self), self.args, self.__dict__)


class ConfigurationError(OrbError):
    """An option can never work: a bad URL, a missing key, a bound that is not positive."""


class InvalidEventError(OrbError, ValueError):
    """An event was built wrongly and was not accepted; ``field`` names the argument at fault."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


class WrongEventLoopError(OrbError):
    """An async client is bound to the event loop of its first call and was used on another one."""

    def __init__(self) -> None:
        super().__init__("this client is bound to another event loop; make one client a loop, or use the sync client")


class ClosedError(OrbError):
    """The client was closed; ``spooled`` says whether the events of this call wait on disk for the next process."""

    def __init__(self, message: str = "the client is closed", *, spooled: bool = False) -> None:
        super().__init__(message)
        self.spooled = spooled


class BufferFullError(OrbError):
    """There was no room for an event and it was not accepted; ``events_max`` and ``bytes_max`` are the bounds."""

    def __init__(self, *, events_max: int, bytes_max: int) -> None:
        super().__init__(f"the event buffer is full ({events_max} events or {bytes_max} bytes, and no room on disk)")
        self.events_max = events_max
        self.bytes_max = bytes_max


class SpoolError(OrbError):
    """The spool on disk could not be used; the cause is the error of the file system or of SQLite."""


class EventRejectedError(OrbError):
    """The server refused one event for good; it is kept among the dead letters and can be replayed."""

    def __init__(self, idempotency_key: str, reasons: Sequence[str]) -> None:
        super().__init__(f"event {idempotency_key} was rejected: {'; '.join(reasons)}")
        self.idempotency_key = idempotency_key
        self.reasons = tuple(reasons)


class BatchRejectedError(OrbError):
    """Some events of one call were refused and the others are in; ``rejections`` names the former one by one."""

    def __init__(self, rejections: Sequence[EventRejectedError], acknowledged_keys: Sequence[str]) -> None:
        super().__init__(f"{len(rejections)} events were rejected, {len(acknowledged_keys)} are in; {rejections[0]}")
        self.rejections = tuple(rejections)
        self.acknowledged_keys = tuple(acknowledged_keys)


class ConnectionFailedError(OrbError):
    """The server gave no answer; whether it acted on the request is unknown, so repeat it with the same key.

    ``idempotency_keys`` are those of the events of a failed ingest call; it is empty for any other call.
    """

    def __init__(self, message: str, *, idempotency_keys: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.idempotency_keys = tuple(idempotency_keys)


class TimedOutError(ConnectionFailedError):
    """The server gave no answer in time; whether it acted on the request is unknown."""


class UnexpectedAnswerError(OrbError):
    """The server answered with something this client does not understand, or that is too large to read."""

    def __init__(self, message: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class ApiError(OrbError):
    """The server answered with an error; the attributes are those of its problem document (RFC 9457).

    ``code`` is the stable name of the problem, ``problems`` the fields at fault and what was expected of each.
    ``transient`` says that the same request may well succeed later, ``retry_after_seconds`` when the server wants it.
    """

    def __init__(
        self,
        *,
        status: int,
        type: str | None = None,  # noqa: A002 - the member's name in the problem document
        title: str | None = None,
        detail: str | None = None,
        request_id: str | None = None,
        code: str | None = None,
        problems: Sequence[FieldProblem] = (),
        retry_after_seconds: float | None = None,
        transient: bool = False,
    ) -> None:
        text = ": ".join(part for part in (title, detail) if part)
        faults = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        super().__init__(f"{status} {text or 'error'}" + (f" [{faults}]" if faults else ""))
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.code = code
        self.problems = tuple(problems)
        self.retry_after_seconds = retry_after_seconds
        self.transient = transient


class BadRequestError(ApiError):
    """The request was refused as malformed or against the rules; ``problems`` names what to change."""


class AuthenticationError(ApiError):
    """The API key is unknown, revoked or expired."""


class PermissionDeniedError(ApiError):
    """The API key may not do this."""


class NotFoundError(ApiError):
    """No such resource for this account."""


class ConflictError(ApiError):
    """The request contradicts the state of the resource, or its idempotency key was used for something else."""


class RequestTooLargeError(ApiError):
    """The request is larger than the server takes."""


class RateLimitedError(ApiError):
    """Too many requests; ``retry_after_seconds`` is the server's word on when to come back, or None."""


class ServerError(ApiError):
    """The server failed or is not available."""


def _rebuild(kind: type[OrbError], args: tuple[Any, ...], attributes: dict[str, Any]) -> OrbError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error
