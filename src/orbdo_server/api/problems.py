"""Every error as problem+json, in one table: type URIs are Orb's, so that Orb's clients raise their own classes."""

from http import HTTPStatus

from pydantic import ValidationError
from starlette.responses import Response

from orbdo_sdk.wire import FieldProblem, Problem, encode
from orbdo_server.core.errors import CoreError
from orbdo_server.errors import InvalidRequestError, ServerError, TooManyRequestsError, UnsupportedMediaError

TYPE_PREFIX = "https://docs.withorb.com/reference/error-responses#"
TYPES: dict[str, str] = {
    "request_validation_errors": "400-request-validation-errors",
    "constraint_violation": "400-constraint-violation",
    "duplicate_resource_creation": "400-duplicate-resource-creation",
    "authentication_error": "401-authentication-error",
    "resource_not_found": "404-resource-not-found",
    "url_not_found": "404-url-not-found",
    "resource_conflict": "409-resource-conflict",
    "request_too_large": "413-request-too-large",
    "too_many_requests": "429-too-many-requests",
    "internal_server_error": "500-internal-server-error",
}
# In the place of messages that speak of Python.
MESSAGES: dict[str, str] = {
    "extra_forbidden": "is not a known field",
    "missing": "is required",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON list",
    "string_type": "must be a text",
}
PROBLEMS_LISTED_MAX = 100
PROBLEMS_IN_DETAIL_MAX = 3
FIELD_CHARACTERS_MAX = 200


def problem_response(error: ServerError, *, request_id: str, headers: dict[str, str] | None = None) -> Response:
    """The answer for an error; carries the request id in the body and in ``X-Request-Id``."""
    listed = [_shortened(problem) for problem in error.problems[:PROBLEMS_LISTED_MAX]]
    problem = Problem(
        type=TYPE_PREFIX + TYPES[error.code] if error.code in TYPES else "about:blank",
        status=error.status,
        title=error.title,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
        validation_errors=[f"{problem.field}: {problem.message}" for problem in listed],
        problems=listed,
    )
    extra = {"X-Request-Id": request_id, **(headers or {})}
    if isinstance(error, TooManyRequestsError):
        extra["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, UnsupportedMediaError) and error.accept_encoding is not None:
        extra["Accept-Encoding"] = error.accept_encoding
    if error.status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    return Response(encode(problem), status_code=error.status, headers=extra, media_type="application/problem+json")


def from_core(error: CoreError) -> InvalidRequestError:
    """A rule of the core that a request broke, as an error about the field, with what was expected instead."""
    said = error.expected is None or error.expected in error.message
    expected = "" if said else f"; expected {error.expected}"
    return InvalidRequestError.of(error.field or "body", f"{error.message}{expected}")


def from_pydantic(error: ValidationError, *, where: str) -> InvalidRequestError:
    """Each field that does not fit its model: ``tiers[1].unit_amount: Input should be a valid decimal``."""
    problems = [
        FieldProblem(field=_pointer(entry["loc"]) or where, message=_message(entry["type"], entry["msg"]))
        for entry in error.errors(include_url=False, include_input=False, include_context=False)[:PROBLEMS_LISTED_MAX]
    ]
    named = [_shortened(problem) for problem in problems[:PROBLEMS_IN_DETAIL_MAX]]
    detail = "; ".join(f"{problem.field}: {problem.message}" for problem in named)
    return InvalidRequestError(detail, problems=problems)


def _shortened(problem: FieldProblem) -> FieldProblem:
    """A caller may have named a field by a whole book."""
    if len(problem.field) <= FIELD_CHARACTERS_MAX:
        return problem
    return FieldProblem(field=f"{problem.field[:FIELD_CHARACTERS_MAX]}...", message=problem.message)


def _pointer(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _message(kind: str, message: str) -> str:
    return MESSAGES.get(kind) or message.removeprefix("Value error, ")
