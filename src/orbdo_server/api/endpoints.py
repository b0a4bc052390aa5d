"""What an endpoint is: an address, a scope, the shapes it takes and gives, and one plain function that answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from orbdo_server.core.api_keys import allows
from orbdo_server.core.periods import CALENDAR_YEAR_MAX, CALENDAR_YEAR_MIN
from orbdo_server.engine.stores import Stores
from orbdo_server.engine.transaction import Transaction

# The scope of an endpoint that any valid key may ask.
ANY_KEY = "any"
# For a text that its field does not bound more narrowly.
TEXT_LENGTH_MAX = 20_000

B = TypeVar("B", bound=BaseModel)
Q = TypeVar("Q", bound=BaseModel)


def _to_text_with_offset(value: object) -> str:
    """Orb's clients send a datetime without an offset when theirs is naive; on this wire that is UTC."""
    if not isinstance(value, str):
        message = "must be a text in ISO 8601, such as 2026-01-31T00:00:00Z"
        raise ValueError(message)
    if len(value) == len("2026-01-31"):
        return f"{value}T00:00:00Z"
    has_offset = value.endswith(("Z", "z")) or "+" in value[10:] or "-" in value[10:]
    return value if has_offset else f"{value}Z"


def _to_utc(value: datetime) -> datetime:
    # Away from the ends of the calendar, so that no time zone and no cycle leads out of it.
    if not CALENDAR_YEAR_MIN < value.year < CALENDAR_YEAR_MAX:
        message = f"must lie in the years {CALENDAR_YEAR_MIN + 1} to {CALENDAR_YEAR_MAX - 1}"
        raise ValueError(message)
    return value.astimezone(UTC)


UtcDatetime = Annotated[AwareDatetime, BeforeValidator(_to_text_with_offset), AfterValidator(_to_utc)]
"""An instant on the wire: ISO 8601 with ``Z`` or an offset; without either it is UTC. A date is its midnight."""


class Body(BaseModel):
    """A request body. Unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=TEXT_LENGTH_MAX)


class Query(BaseModel):
    """The query string of a request, with the same rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=TEXT_LENGTH_MAX)


class NoBody(Body):
    """An endpoint that takes no body accepts an empty one or ``{}``."""


class NoQuery(Query):
    """An endpoint without a query string."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the tenant, the key and what the key may do."""

    tenant: str
    key_id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether one of the scopes covers ``resource:mode``; every key covers ``ANY_KEY``."""
        return scope == ANY_KEY or allows(self.scopes, scope)


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request, parsed and authorised, inside the transaction it will be committed with."""

    stores: Stores
    transaction: Transaction
    caller: Caller
    path: Mapping[str, str]
    body: B
    query: Q
    headers: Mapping[str, str]
    base_url: str

    @property
    def tenant(self) -> str:
        """Whose data this request sees."""
        return self.caller.tenant

    @property
    def now(self) -> datetime:
        """The instant of this request."""
        return self.transaction.now


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status or headers of its own; a handler that needs neither returns the value itself."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table of routes. ``handler`` is called in a worker thread, inside a transaction.

    ``writes`` endpoints commit, are recorded in the audit trail and, unless their answer holds a secret that must not
    be kept, can be repeated with an ``Idempotency-Key``.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    scope: str
    summary: str
    answer: Any
    body: type[BaseModel] = NoBody
    query: type[BaseModel] = NoQuery
    tag: str = ""
    repeatable: bool = True

    @property
    def writes(self) -> bool:
        """Whether the handler may change anything."""
        return self.scope.endswith(":write")
