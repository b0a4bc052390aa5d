"""The SDK's words as the wire's words: which id goes into which field, how paths and instants are written.

Pure; what a body means is the server's to say.
"""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

# An id made by the server: a prefix and 26 lower-case Crockford base32 characters.
_SERVER_ID = re.compile(r"(?P<kind>[a-z]+)_[0-9a-hjkmnp-tv-z]{26}")

Body = dict[str, Any]


def is_server_id(value: str, kind: str) -> bool:
    """Whether the server made this id of the given kind (``cus``, ``plan``, ...), rather than the caller."""
    found = _SERVER_ID.fullmatch(value)
    return found is not None and found["kind"] == kind


def customer_fields(customer_id: str | None) -> dict[str, str]:
    """The field that names a customer: its external id, unless the id is one that the server made."""
    return _one_of("customer_id", "external_customer_id", customer_id, kind="cus")


def plan_fields(plan_id: str | None) -> dict[str, str]:
    """The field that names a plan: the server's id or the caller's own."""
    return _one_of("plan_id", "external_plan_id", plan_id, kind="plan")


def path(*parts: str) -> str:
    """The path of a resource under ``/v1``, every part escaped; raises ValueError for an empty part.

    An id of dots alone is escaped too, for ``..`` would otherwise climb to another resource.
    """
    return "/v1/" + "/".join(_segment(part) for part in parts)


def resource_path(collection: str, identifier: str, *, kind: str, external: str) -> str:
    """The path of one resource by the server's id, or by the caller's own below ``external``."""
    if is_server_id(identifier, kind):
        return path(collection, identifier)
    return path(collection, external, identifier)


def given(**fields: Any) -> Body:
    """The fields that have a value; None is how a field is left out."""
    return {name: value for name, value in fields.items() if value is not None}


def instant(at: object, *, name: str) -> str:
    """The instant in UTC as ISO 8601 with a ``Z``; raises TypeError or ValueError naming the argument."""
    if not isinstance(at, datetime):
        message = f"{name} must be a datetime, not {type(at).__name__}"
        raise TypeError(message)
    if at.utcoffset() is None:
        message = f"{name} must be an aware datetime; a naive one could mean any instant"
        raise ValueError(message)
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instants(**named: datetime | None) -> dict[str, str]:
    """Each given instant under its name, written as ``instant`` writes it."""
    return {name: instant(at, name=name) for name, at in named.items() if at is not None}


def _one_of(own: str, external: str, value: str | None, *, kind: str) -> dict[str, str]:
    if value is None:
        return {}
    # Anything but text is the caller's mistake, and the field's own check names it.
    return {own if isinstance(value, str) and is_server_id(value, kind) else external: value}


def _segment(part: str) -> str:
    if not part:
        raise ValueError("an id must not be empty")
    escaped = quote(part, safe="")
    return escaped if escaped.strip(".") else escaped.replace(".", "%2E")
