"""What the server's answers mean: a problem document becomes the error of its kind, a header becomes seconds.

Pure: no I/O, no clock, no retry. The transport and the shipper both read answers here and nowhere else.
"""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from orbdo_sdk.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTooLargeError,
    ServerError,
    UnexpectedAnswerError,
)
from orbdo_sdk.wire import FieldProblem

T = TypeVar("T")

ERRORS_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: BadRequestError,
    429: RateLimitedError,
}
TRANSIENT_STATUSES = frozenset({408, 425, 429})
NOT_MODIFIED = 304


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer, read to its end; ``headers`` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        """The server's name for this exchange, to quote in a report; None when it gave none."""
        return self.headers.get("x-request-id")

    @property
    def succeeded(self) -> bool:
        """Whether the server did what was asked; an unchanged resource (304) counts as success."""
        return 200 <= self.status < 300 or self.status == NOT_MODIFIED

    def decode(self, kind: type[T]) -> T:
        """The JSON body as ``kind``; raises UnexpectedAnswerError when it is not one."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.DecodeError as error:
            message = f"the server's answer ({self.status}) is not what was expected: {error}"
            raise UnexpectedAnswerError(message, status=self.status, request_id=self.request_id) from error


class _Problem(msgspec.Struct):
    # The server's wire.Problem with every member optional: a proxy on the way sends less, or no JSON at all.
    type: str | None = None
    title: str | None = None
    detail: str | None = None
    code: str | None = None
    problems: list[FieldProblem] = []


def error_of(answer: Answer, *, now: datetime) -> ApiError:
    """The error that an unsuccessful answer stands for; a body that is no problem document costs only its details."""
    problem = _read_problem(answer.body)
    kind = ServerError if answer.status >= 500 else ERRORS_BY_STATUS.get(answer.status, ApiError)
    return kind(
        status=answer.status,
        type=problem.type,
        title=problem.title,
        detail=problem.detail,
        request_id=answer.request_id,
        code=problem.code,
        problems=problem.problems,
        retry_after_seconds=retry_after_seconds(answer.headers, now=now),
        transient=_is_transient(answer),
    )


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """The Retry-After header in seconds from ``now``, never negative; None when absent or unreadable."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date without zone ("-0000") is read as naive and cannot be compared with an instant.
    return max(0.0, (at - now).total_seconds()) if at.tzinfo is not None else None


def _is_transient(answer: Answer) -> bool:
    # The server's own word wins. A conflict is only worth repeating when the server says when: then another request
    # with the same key is under way. Any other conflict is a fact that repeating does not change.
    word = answer.headers.get("x-should-retry")
    if word in {"true", "false"}:
        return word == "true"
    if answer.status == 409:
        return "retry-after" in answer.headers
    return answer.status in TRANSIENT_STATUSES or answer.status >= 500


def _read_problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return _Problem()
