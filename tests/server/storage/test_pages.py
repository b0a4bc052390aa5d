"""Pages of a list: newest first, without gap or repetition, whatever is added meanwhile."""

from datetime import datetime, timedelta

import pytest

from orbdo_server.core.plans import Item
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import items
from tests.server.conftest import NOW, TENANT


def add(transaction: Transaction, item_id: str, at: datetime) -> None:
    """An item made at an instant."""
    items.insert(transaction.connection, Item(id=item_id, tenant=TENANT, name=item_id, created_at=at))


def walk(transaction: Transaction, limit: int) -> list[list[str]]:
    """The ids of every page."""
    pages, after, more = [], None, True
    while more:
        found, more = items.page(transaction.connection, tenant=TENANT, after=after, limit=limit)
        pages.append([item.id for item in found])
        if found:
            after = (found[-1].created_at, found[-1].id)
    return pages


@pytest.mark.parametrize(
    ("limit", "pages"),
    [
        (1, [["e"], ["d"], ["c"], ["b"], ["a"]]),
        (2, [["e", "d"], ["c", "b"], ["a"]]),
        (4, [["e", "d", "c", "b"], ["a"]]),
        (5, [["e", "d", "c", "b", "a"]]),
        (6, [["e", "d", "c", "b", "a"]]),
    ],
)
def test_pages_cover_the_list_once(transaction: Transaction, limit: int, pages: list[list[str]]) -> None:
    """Rows of the same instant are told apart by their ids; a microsecond counts."""
    add(transaction, "a", NOW)
    add(transaction, "b", NOW + timedelta(microseconds=1))
    for item_id in "dce":
        add(transaction, item_id, NOW + timedelta(seconds=1))
    assert walk(transaction, limit) == pages


def test_an_empty_list_is_one_empty_page(transaction: Transaction) -> None:
    """Nothing is a page too."""
    assert walk(transaction, 3) == [[]]


def test_what_is_added_meanwhile_does_not_move_the_rest(transaction: Transaction) -> None:
    """A page goes on after the row the last one ended with, not after a number of rows."""
    for number, item_id in enumerate("abc"):
        add(transaction, item_id, NOW + timedelta(seconds=number))
    add(transaction, "z", NOW + timedelta(seconds=9))
    found, more = items.page(transaction.connection, tenant=TENANT, after=(NOW + timedelta(seconds=2), "c"), limit=10)
    assert ([item.id for item in found], more) == (["b", "a"], False)
