"""The error tree: where each class hangs, what it carries, and that it travels between processes."""

import copy
import pickle

import pytest

from orbdo_sdk import errors
from orbdo_sdk.errors import (
    ApiError,
    BadRequestError,
    BatchRejectedError,
    BufferFullError,
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    EventRejectedError,
    InvalidEventError,
    OrbError,
    RateLimitedError,
    SpoolError,
    TimedOutError,
    UnexpectedAnswerError,
    WrongEventLoopError,
)
from orbdo_sdk.wire import FieldProblem

PARENTS = {
    "ApiError": "OrbError",
    "AuthenticationError": "ApiError",
    "BadRequestError": "ApiError",
    "BatchRejectedError": "OrbError",
    "BufferFullError": "OrbError",
    "ClosedError": "OrbError",
    "ConfigurationError": "OrbError",
    "ConflictError": "ApiError",
    "ConnectionFailedError": "OrbError",
    "EventRejectedError": "OrbError",
    "InvalidEventError": "OrbError",
    "NotFoundError": "ApiError",
    "OrbError": "Exception",
    "PermissionDeniedError": "ApiError",
    "RateLimitedError": "ApiError",
    "RequestTooLargeError": "ApiError",
    "ServerError": "ApiError",
    "SpoolError": "OrbError",
    "TimedOutError": "ConnectionFailedError",
    "UnexpectedAnswerError": "OrbError",
    "WrongEventLoopError": "OrbError",
}

SAMPLES = [
    ApiError(status=418, title="No", detail="a teapot", code="teapot", request_id="req_1", retry_after_seconds=1.5),
    BatchRejectedError([EventRejectedError("a", ["old"])], ["b"]),
    BufferFullError(events_max=8, bytes_max=9),
    ClosedError(spooled=True),
    ConnectionFailedError("refused", idempotency_keys=["a"]),
    EventRejectedError("a", ["old", "unknown"]),
    InvalidEventError("timestamp", "must be aware"),
    UnexpectedAnswerError("html", status=200, request_id="req_2"),
    WrongEventLoopError(),
]


def test_the_tree_is_the_one_that_is_drawn() -> None:
    """Every exception of the module hangs where it is expected to, and its docstring's drawing names it."""
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    }
    assert {name: kind.__bases__[0].__name__ for name, kind in classes.items()} == PARENTS
    assert errors.__doc__ is not None
    assert [
        name for name in PARENTS if f"{name} " not in errors.__doc__ + " " and f"{name}\n" not in errors.__doc__
    ] == []


def test_an_api_error_reads_like_the_problem() -> None:
    """Status, title, detail and the fields at fault are the message; the facts are attributes."""
    error = BadRequestError(
        status=400,
        type="about:blank",
        title="Invalid request",
        detail="see problems",
        code="invalid",
        problems=[FieldProblem(field="name", message="is missing"), FieldProblem(field="sql", message="is empty")],
    )
    assert str(error) == "400 Invalid request: see problems [name: is missing; sql: is empty]"
    assert (error.status, error.code, error.problems[1].field, error.transient) == (400, "invalid", "sql", False)
    assert str(ApiError(status=500)) == "500 error"
    assert str(ApiError(status=500, detail="oops")) == "500 oops"


def test_messages_say_what_happened() -> None:
    """Every error with facts of its own puts them in its message."""
    assert str(EventRejectedError("k", ["old", "unknown"])) == "event k was rejected: old; unknown"
    assert str(BatchRejectedError([EventRejectedError("k", ["old"])], ["a", "b"])) == (
        "1 events were rejected, 2 are in; event k was rejected: old"
    )
    assert str(BufferFullError(events_max=8, bytes_max=9)) == (
        "the event buffer is full (8 events or 9 bytes, and no room on disk)"
    )
    assert str(InvalidEventError("timestamp", "must be aware")) == "timestamp: must be aware"
    assert str(ClosedError()) == "the client is closed"
    assert "another event loop" in str(WrongEventLoopError())


def test_a_wrong_event_is_a_value_error_too() -> None:
    """Code that guards against wrong values need not know this package."""
    with pytest.raises(ValueError, match="timestamp"):
        raise InvalidEventError("timestamp", "must be aware")


def test_plain_errors_take_a_message() -> None:
    """The classes without facts of their own are raised with a sentence."""
    for kind in (OrbError, ConfigurationError, SpoolError, TimedOutError):
        assert str(kind("it did not work")) == "it did not work"


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_can_be_copied_and_pickled(error: OrbError) -> None:
    """An error crosses to another process, or is raised for two callers, with everything it carries."""
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert str(vars(twin)) == str(vars(error))


def test_rate_limits_carry_the_wait() -> None:
    """The server's word on when to come back is an attribute, None when it gave none."""
    assert RateLimitedError(status=429, retry_after_seconds=2.0).retry_after_seconds == 2.0
    assert RateLimitedError(status=429).retry_after_seconds is None
