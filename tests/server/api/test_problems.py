"""Errors as problem+json: type, status, field by field, and nothing that is too long to read."""

from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, ValidationError

from orbdo_sdk.wire import FieldProblem, Problem
from orbdo_server import errors
from orbdo_server.api.fields import Exact, Name
from orbdo_server.api.problems import (
    FIELD_CHARACTERS_MAX,
    PROBLEMS_LISTED_MAX,
    TYPES,
    from_core,
    from_pydantic,
    problem_response,
)
from orbdo_server.core.errors import CoreError, UnknownCurrencyError
from orbdo_server.errors import InvalidRequestError, NotFoundError, ServerError, TooManyRequestsError, UnavailableError

ORB = "https://docs.withorb.com/reference/error-responses#"


class Inner(BaseModel, extra="forbid"):
    """A part of a body."""

    amount: Exact


class Outer(BaseModel, extra="forbid"):
    """A body."""

    name: Name
    parts: list[Inner] = []
    options: dict[str, str] = {}


def said(error: ServerError, **headers: str) -> tuple[Problem, dict[str, str]]:
    """The body of the answer, and its headers."""
    answer = problem_response(error, request_id="req_1", headers=headers)
    problem = msgspec.json.decode(bytes(answer.body), type=Problem)
    assert problem.status == answer.status_code
    return problem, dict(answer.headers)


def refused(value: Any) -> list[FieldProblem]:
    """What is wrong with a body."""
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    return from_pydantic(caught.value, where="body").problems


def made(kind: type[ServerError]) -> ServerError:
    """An error of that kind."""
    if kind is errors.AuthenticationError:
        return errors.AuthenticationError()
    if issubclass(kind, TooManyRequestsError):
        return TooManyRequestsError("Later.", retry_after_seconds=7)
    return kind("Something.")


def test_an_error_is_a_problem() -> None:
    """The whole of an answer."""
    problem, headers = said(NotFoundError.of("Price", "price_1"))
    assert problem == Problem(
        type=f"{ORB}404-resource-not-found",
        status=404,
        title="A specified resource was not found.",
        detail="Could not find a resource of type Price with identifier: price_1",
        code="resource_not_found",
        request_id="req_1",
    )
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == "req_1"


def test_every_type_is_orbs_or_none() -> None:
    """Orb's clients raise their own classes by it; what Orb does not know is told by its status."""
    found = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ServerError)}
    types = {kind.code: said(made(kind))[0].type for kind in found}
    assert {code for code, kind in types.items() if kind == "about:blank"} == set(types) - set(TYPES)
    assert TYPES.keys() <= types.keys()


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (TooManyRequestsError("Later.", retry_after_seconds=7), "retry-after", "7"),
        (errors.AuthenticationError(), "www-authenticate", "Bearer"),
    ],
)
def test_some_errors_have_headers(error: ServerError, name: str, value: str) -> None:
    """As HTTP wants them."""
    assert said(error)[1][name] == value


def test_headers_can_be_given() -> None:
    """Those of the router, for example."""
    assert said(errors.MethodNotAllowedError("No."), allow="GET")[1]["allow"] == "GET"


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({}, [("name", "is required")]),
        ([], [("body", "must be a JSON object")]),
        ("x", [("body", "must be a JSON object")]),
        ({"name": "a", "nme": 1}, [("nme", "is not a known field")]),
        ({"name": 1}, [("name", "must be a text")]),
        ({"name": "a\nb"}, [("name", "contains a control character")]),
        ({"name": "a", "parts": {}}, [("parts", "must be a JSON list")]),
        ({"name": "a", "parts": [1]}, [("parts[0]", "must be a JSON object")]),
        ({"name": "a", "options": []}, [("options", "must be a JSON object")]),
        (
            {"name": "a", "parts": [{"amount": "1"}, {"amount": True}]},
            [
                ("parts[1].amount", "is not a number or a decimal string"),
            ],
        ),
        ({"name": "a", "parts": [{}], "x": 1}, [("parts[0].amount", "is required"), ("x", "is not a known field")]),
    ],
)
def test_each_wrong_field_is_named(body: Any, problems: list[tuple[str, str]]) -> None:
    """With its place in the body, in words that mean something outside Python."""
    assert [(problem.field, problem.message) for problem in refused(body)] == problems


def test_a_rule_of_the_core_says_what_it_expected() -> None:
    """The field and the message are the core's own."""
    [problem] = from_core(UnknownCurrencyError("EURO")).problems
    assert problem == FieldProblem(
        field="currency",
        message="'EURO' is not a known currency; expected an ISO 4217 code in upper case, such as USD",
    )
    [problem] = from_core(CoreError("is wrong")).problems
    assert problem == FieldProblem(field="body", message="is wrong")


def test_the_detail_names_the_first_fields() -> None:
    """Three of them; all stand in the list."""
    wrong = {f"f{number}": 1 for number in range(5)}
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"name": "a", **wrong})
    error = from_pydantic(caught.value, where="body")
    assert error.detail == "f0: is not a known field; f1: is not a known field; f2: is not a known field"
    assert len(error.problems) == 5


def test_the_list_of_problems_has_a_bound() -> None:
    """A body of a thousand mistakes is not answered with a thousand lines."""
    for count, listed in [(PROBLEMS_LISTED_MAX, 100), (PROBLEMS_LISTED_MAX + 1, 100)]:
        wrong = {f"f{number}": 1 for number in range(count)}
        problems = refused({"name": "a", **wrong})
        assert len(problems) == listed
        problem, _ = said(InvalidRequestError("x", problems=problems * 2))
        assert (len(problem.problems), len(problem.validation_errors)) == (100, 100)


def test_the_name_of_a_field_has_a_bound() -> None:
    """A caller may have called a field by a book."""
    at_the_bound, past_it = "x" * FIELD_CHARACTERS_MAX, "y" * (FIELD_CHARACTERS_MAX + 1)
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"name": "a", at_the_bound: 1, past_it: 1})
    problem, _ = said(from_pydantic(caught.value, where="body"))
    assert [wrong.field for wrong in problem.problems] == [at_the_bound, "y" * 200 + "..."]
    assert "y" * 201 not in problem.detail
    assert problem.validation_errors[1] == "y" * 200 + "...: is not a known field"


def test_what_was_not_found_has_a_bound() -> None:
    """An address may be long."""
    assert len(NotFoundError.of("Price", "x" * 10_000).detail) < 400


def test_storage_that_fails_says_to_come_again() -> None:
    """503 is Orb's internal error to its clients, which retry."""
    problem, _ = said(UnavailableError("Later."))
    assert (problem.status, problem.code, problem.type) == (503, "unavailable", "about:blank")
