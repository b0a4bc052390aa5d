# Made from tests/sdk/client/resources/test_items.py by scripts/unasync.py: change that file and run it.
"""Items as the client asks for them."""

from tests.support.answers import ITEM, page
from tests.support.door import Asked, Door, sync_orb


def test_an_item_is_made(door: Door) -> None:
    """A name is all an item needs."""
    door.tell(ITEM)
    with sync_orb(door) as orb:
        assert (orb.items.create(name="Tokens")).id == "item_1"
    assert door.asked == [Asked("POST", "/v1/items", body={"name": "Tokens"})]


def test_an_item_is_found_changed_and_archived(door: Door) -> None:
    """Each has its address below the item's id."""
    door.tell(ITEM)
    door.tell(ITEM)
    door.tell({**ITEM, "archived_at": "2026-03-01T00:00:00Z"})
    with sync_orb(door) as orb:
        assert (orb.items.get("item_1")).archived_at is None
        assert (orb.items.update("item_1", name="Tokens", metadata={"team": "core"})).name == "Tokens"
        assert (orb.items.archive("item_1")).archived_at is not None
    assert door.asked == [
        Asked("GET", "/v1/items/item_1"),
        Asked("PUT", "/v1/items/item_1", body={"name": "Tokens", "metadata": {"team": "core"}}),
        Asked("POST", "/v1/items/item_1/archive", body={}),
    ]


def test_items_are_listed_from_a_cursor(door: Door) -> None:
    """One page can be asked for by itself."""
    door.tell(page(ITEM, next_cursor="c3"))
    with sync_orb(door) as orb:
        first = orb.items.list(cursor="c2").page()
    assert ([item.name for item in first.data], first.pagination_metadata.next_cursor) == (["Tokens"], "c3")
    assert door.asked == [Asked("GET", "/v1/items", query=(("cursor", "c2"),))]
