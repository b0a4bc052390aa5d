"""Cursors: opaque, signed, and good for one list of one tenant."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.api.cursors import CURSOR_CHARACTERS_MAX, Position, decode_cursor, encode_cursor
from orbdo_server.errors import InvalidRequestError

SECRET = b"secret"
POSITION = Position(created_at=datetime(2026, 3, 15, 12, 0, 0, 1, tzinfo=UTC), id="item_1")
CURSOR = encode_cursor(POSITION, secret=SECRET, tenant="main", resource="items")


def read(cursor: str, *, secret: bytes = SECRET, tenant: str = "main", resource: str = "items") -> Position:
    """What a cursor says."""
    return decode_cursor(cursor, secret=secret, tenant=tenant, resource=resource)


@given(st.datetimes(timezones=st.just(UTC)), st.text(max_size=30))
def test_a_position_comes_back(created_at: datetime, identifier: str) -> None:
    """To the microsecond."""
    position = Position(created_at=created_at, id=identifier)
    cursor = encode_cursor(position, secret=SECRET, tenant="main", resource="items")
    assert read(cursor) == position
    assert cursor.isascii()
    assert not set(cursor) & set("=+/&?#%")


def test_a_cursor_belongs_to_its_list() -> None:
    """Another server, tenant or list refuses it; no two of these can be taken for each other."""
    places: list[dict[str, Any]] = [{"secret": b"other"}, {"tenant": "other"}, {"resource": "metrics"}]
    for elsewhere in places:
        with pytest.raises(InvalidRequestError, match="cursor: is not a cursor of this list"):
            read(CURSOR, **elsewhere)
    glued = encode_cursor(POSITION, secret=SECRET, tenant="mainitem", resource="s")
    with pytest.raises(InvalidRequestError):
        read(glued)


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    """Whichever character it is; the last one may hold two bits that mean nothing."""
    place = data.draw(st.integers(0, len(CURSOR) - 2))
    other = data.draw(st.sampled_from("ABCabc019-_").filter(lambda drawn: drawn != CURSOR[place]))
    with pytest.raises(InvalidRequestError):
        read(CURSOR[:place] + other + CURSOR[place + 1 :])


@given(st.text(max_size=40))
def test_anything_else_is_refused(text: str) -> None:
    """Nobody makes one up."""
    with pytest.raises(InvalidRequestError):
        read(text)


def test_a_cursor_has_a_bound() -> None:
    """What is longer is not even looked at."""
    identifier = "x"
    while (
        len(
            longer := encode_cursor(
                Position(created_at=POSITION.created_at, id=identifier + "xxx"),
                secret=SECRET,
                tenant="main",
                resource="items",
            )
        )
        <= CURSOR_CHARACTERS_MAX
    ):
        identifier += "xxx"
    longest = encode_cursor(
        Position(created_at=POSITION.created_at, id=identifier), secret=SECRET, tenant="main", resource="items"
    )
    assert len(longest) <= CURSOR_CHARACTERS_MAX < len(longer)
    assert read(longest).id == identifier
    with pytest.raises(InvalidRequestError):
        read(longer)
