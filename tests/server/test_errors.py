"""The tree of errors: what the server says no with, and what it does not start for."""

import pytest

from orbdo_sdk.wire import FieldProblem
from orbdo_server import errors
from orbdo_server.errors import (
    AuthenticationError,
    DamagedDatabaseError,
    DuplicateResourceError,
    InvalidRequestError,
    NewerDatabaseError,
    NotFoundError,
    ServerError,
    StartError,
    TooManyRequestsError,
)

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ServerError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_a_code_and_a_sentence(kind: type[ServerError]) -> None:
    """They are what callers rely on."""
    assert 400 <= kind.status < 600
    assert kind.code.replace("_", "").isalpha()
    assert kind.code == kind.code.lower()
    assert kind.title.endswith(".")


def test_codes_tell_errors_apart() -> None:
    """No two errors share one."""
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)


def test_every_error_stands_in_the_tree() -> None:
    """The drawing at the top of the module is whole."""
    drawn = errors.__doc__ or ""
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    assert [kind.__name__ for kind in own if kind.__name__ not in drawn] == []


@pytest.mark.parametrize("kind", [InvalidRequestError, DuplicateResourceError])
def test_an_error_about_a_field_names_it(kind: type[InvalidRequestError]) -> None:
    """In its sentence and as a fact."""
    error = kind.of("name", "is required")
    assert type(error) is kind
    assert str(error) == error.detail == "name: is required"
    assert error.problems == [FieldProblem(field="name", message="is required")]


def test_an_error_without_fields_has_none() -> None:
    """Its own list, that nobody else adds to."""
    one, other = ServerError("One."), ServerError("Other.")
    one.problems.append(FieldProblem(field="a", message="b"))
    assert other.problems == []


def test_what_was_not_found_is_named_up_to_a_bound() -> None:
    """255 characters are more than any id has."""
    at_the_bound = NotFoundError.of("Price", "x" * 255).detail
    assert at_the_bound.endswith("identifier: " + "x" * 255)
    assert NotFoundError.of("Price", "x" * 256).detail == at_the_bound


def test_nobody_is_told_what_is_wrong_with_a_key() -> None:
    """There is one sentence for all of it."""
    assert AuthenticationError().detail == "Send a valid key as 'Authorization: Bearer <key>'."


def test_too_much_says_when_to_come_again() -> None:
    """In whole seconds."""
    assert TooManyRequestsError("Later.", retry_after_seconds=7).retry_after_seconds == 7


def test_a_server_that_does_not_start_says_what_to_do() -> None:
    """For whoever runs it."""
    newer = NewerDatabaseError(found="0007", known="0003")
    assert (newer.found, newer.known) == ("0007", "0003")
    assert "revision 0007, this version knows 0003" in str(newer)
    damaged = DamagedDatabaseError(problem="row 3 missing from index")
    assert damaged.problem in str(damaged)
    assert all(issubclass(kind, StartError) for kind in (NewerDatabaseError, DamagedDatabaseError))
