"""Who is asking: functions that find the customer id in an ASGI scope, without reading the body.

They authenticate nobody. A header is whatever the caller wrote into it, unless something in front of the application
sets it; put the gate inside of the authentication and read ``scope["user"]`` where callers are not trusted.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeGuard

from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware._asgi import Scope, route_path

CustomerResolver = Callable[[Scope], str | Awaitable[str | None] | None]

DEFAULT_HEADER = "X-Customer-Id"

# Longer than any id in use; the id becomes a cache key and part of a URL, and may come from a stranger.
CUSTOMER_ID_CHARS_MAX = 256

_HEADER_NAME_CHARS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def header(name: str = DEFAULT_HEADER) -> CustomerResolver:
    """The customer id is the value of this request header; None when it is missing or sent with two values.

    Raises ConfigurationError when no header can have that name.
    """
    if not isinstance(name, str) or not name or not _HEADER_NAME_CHARS.issuperset(name.lower()):
        raise ConfigurationError(f"not a header name: {name!r}")
    wanted = name.lower().encode("ascii")

    def from_header(scope: Scope) -> str | None:
        found: bytes | None = None
        for key, value in scope["headers"]:
            if key == wanted:
                # Two different values mean that a proxy added its own beside the caller's: neither can be believed.
                if found is not None and found != value:
                    return None
                found = value
        return None if found is None else found.decode("latin-1")

    return from_header


def path_segment(position: int) -> CustomerResolver:
    """The customer id is a segment of the path, from 0: 1 is ``acme`` in ``/customers/acme/usage``; None past the end.

    A negative position counts from the end. A mounted application counts from its own root.
    """
    if not isinstance(position, int) or isinstance(position, bool):
        raise ConfigurationError(f"position must be an int, got {position!r}")

    def from_path(scope: Scope) -> str | None:
        segments = route_path(scope).strip("/").split("/")
        if -len(segments) <= position < len(segments):
            return segments[position] or None
        return None

    return from_path


def user_attribute(name: str) -> CustomerResolver:
    """The customer id is an attribute (or a key) of ``scope["user"]``, which authentication sets; None without it.

    What is found there is turned into text, so that an integer id will do.
    """
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"not the name of an attribute: {name!r}")

    def from_user(scope: Scope) -> str | None:
        user = scope.get("user")
        found = user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)
        return None if found is None else str(found)

    return from_user


def check_resolver(customer: CustomerResolver | None) -> CustomerResolver:
    """The resolver, or the one that reads ``X-Customer-Id``; raises ConfigurationError when it is no function."""
    if customer is None:
        return header(DEFAULT_HEADER)
    if not callable(customer):
        raise ConfigurationError(f"customer must be a function of the scope, got {customer!r}")
    return customer


def is_customer_id(found: object) -> TypeGuard[str]:
    """Whether a resolver found an id that can be asked about."""
    return isinstance(found, str) and 0 < len(found) <= CUSTOMER_ID_CHARS_MAX


async def finish(found: str | Awaitable[str | None] | None) -> str | None:
    """The customer id a resolver gave or promised; None for none, an empty one or one that is too long.

    Raises ConfigurationError when it is neither text nor None.
    """
    customer = await found if isinstance(found, Awaitable) else found
    if customer is not None and not isinstance(customer, str):
        raise ConfigurationError(f"the customer resolver must give a str or None, got {type(customer).__name__}")
    return customer if is_customer_id(customer) else None
