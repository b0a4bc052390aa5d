"""What all lists share: ``limit``, ``cursor``, and the envelope of a page."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import Field

from orbdo_sdk.wire import Page, PaginationMetadata
from orbdo_server.api.cursors import Position, decode_cursor, encode_cursor
from orbdo_server.api.endpoints import Call, Query

LIMIT_DEFAULT = 20
LIMIT_MAX = 100


class Listed(Protocol):
    """Anything that can stand in a list: it was created at some time and has an id."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was created."""
        ...


V = TypeVar("V", bound=Listed)
W = TypeVar("W")


class ListQuery(Query):
    """The query string of a plain list."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: str | None = None


def answer_page(
    call: Call[Any, Any],
    resource: str,
    read: Callable[[tuple[datetime, str] | None, int], tuple[Sequence[V], bool]],
    render: Callable[[V], W],
) -> Page[W]:
    """One page: ``read(after, limit)`` gives values and whether there are more; the cursor is signed for the list."""
    query: ListQuery = call.query
    secret = call.stores.signing_secret
    after = None
    if query.cursor is not None:
        position = decode_cursor(query.cursor, secret=secret, tenant=call.tenant, resource=resource)
        after = (position.created_at, position.id)
    values, more = read(after, query.limit)
    cursor = None
    if more:
        last = Position(created_at=values[-1].created_at, id=values[-1].id)
        cursor = encode_cursor(last, secret=secret, tenant=call.tenant, resource=resource)
    rendered = [render(value) for value in values]
    return Page(data=rendered, pagination_metadata=PaginationMetadata(has_more=more, next_cursor=cursor))
