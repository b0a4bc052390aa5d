"""What all wire types share: they are frozen and keyword-only, and ignore unknown fields."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON object on the wire. Unknown fields are ignored, so that an older client reads a newer server."""


class PaginationMetadata(Wire, frozen=True, kw_only=True):
    """Where a page of a list stands; ``next_cursor`` is None on the last page."""

    has_more: bool
    next_cursor: str | None


class Page(Wire, Generic[T], frozen=True, kw_only=True):
    """One page of a list, newest first."""

    data: list[T]
    pagination_metadata: PaginationMetadata


class Problem(Wire, frozen=True, kw_only=True):
    """An error as problem+json (RFC 9457)."""

    type: str
    status: int
    title: str
    detail: str
    code: str = ""
    request_id: str | None = None
    validation_errors: list[str] = []
    problems: "list[FieldProblem]" = []


class FieldProblem(Wire, frozen=True, kw_only=True):
    """What is wrong with one field of a request: where it is and what was expected."""

    field: str
    message: str
