"""Reading answers: which error a status and a problem document stand for, and when to come back."""

from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from orbdo_sdk.client._answers import Answer, error_of, retry_after_seconds
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
from orbdo_sdk.wire import FieldProblem, Ping

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    """An answer with these headers, given with underscores."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Answer(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), content)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ApiError),
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, ApiError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, RequestTooLargeError),
        (422, BadRequestError),
        (429, RateLimitedError),
        (499, ApiError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[ApiError]) -> None:
    """The class is the exact one, so that catching one kind catches no other."""
    assert type(error_of(answer(status), now=NOON)) is kind


def test_a_problem_document_becomes_attributes() -> None:
    """Everything the server says about the problem is on the error."""
    body = {
        "type": "https://orbdo.test/errors/invalid",
        "status": 400,
        "title": "Invalid request",
        "detail": "one field",
        "code": "invalid",
        "problems": [{"field": "name", "message": "is missing"}],
        "validation_errors": ["name: is missing"],
    }
    error = error_of(answer(400, body, x_request_id="req_7"), now=NOON)
    assert (error.type, error.title, error.detail) == (
        "https://orbdo.test/errors/invalid",
        "Invalid request",
        "one field",
    )
    assert (error.code, error.request_id) == ("invalid", "req_7")
    assert error.problems == (FieldProblem(field="name", message="is missing"),)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"title": 5}'])
def test_a_body_that_is_no_problem_document_costs_only_the_details(body: bytes) -> None:
    """A proxy's page still becomes the error of its status."""
    error = error_of(answer(502, body), now=NOON)
    assert (error.status, error.title, error.problems, error.request_id) == (502, None, (), None)


@pytest.mark.parametrize(
    ("status", "headers", "transient"),
    [
        (400, {}, False),
        (401, {}, False),
        (404, {}, False),
        (408, {}, True),
        (409, {}, False),
        (409, {"retry_after": "1"}, True),
        (425, {}, True),
        (429, {}, True),
        (500, {}, True),
        (503, {}, True),
        (500, {"x_should_retry": "false"}, False),
        (400, {"x_should_retry": "true"}, True),
        (400, {"x_should_retry": "maybe"}, False),
    ],
)
def test_what_may_succeed_later_is_transient(status: int, headers: dict[str, str], transient: bool) -> None:
    """Overload and accidents pass, facts do not; a conflict only when the server says when; its own word wins."""
    assert error_of(answer(status, **headers), now=NOON).transient is transient


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:59:30 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    """Both forms of the header are read; a date in the past means now, and anything else means nothing."""
    assert retry_after_seconds({"retry-after": text}, now=NOON) == seconds
    assert retry_after_seconds({}, now=NOON) is None


def test_success_is_2xx_and_unchanged() -> None:
    """An unchanged resource is what was asked for."""
    assert [status for status in (199, 200, 299, 300, 304, 400) if answer(status).succeeded] == [200, 299, 304]


def test_a_body_is_decoded_into_the_type_asked_for() -> None:
    """Another shape is an error that says so, with the request to quote."""
    assert answer(200, {"response": "pong", "more": 1}).decode(Ping) == Ping(response="pong")
    with pytest.raises(UnexpectedAnswerError, match="not what was expected") as caught:
        answer(200, b"<html>", x_request_id="req_8").decode(Ping)
    assert (caught.value.status, caught.value.request_id) == (200, "req_8")
