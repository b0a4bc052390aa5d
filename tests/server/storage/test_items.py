"""Items on disk."""

from datetime import timedelta

import msgspec

from orbdo_server.core.plans import Item
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import items
from tests.server.conftest import NOW, RIVAL, TENANT

ITEM = Item(id="item_1", tenant=TENANT, name="Tokens", created_at=NOW, metadata={"team": "core"})


def test_an_item_comes_back_as_it_was_kept(transaction: Transaction) -> None:
    """Only for its own tenant."""
    items.insert(transaction.connection, ITEM)
    assert items.get(transaction.connection, tenant=TENANT, item_id="item_1") == ITEM
    assert items.get(transaction.connection, tenant=RIVAL, item_id="item_1") is None
    assert items.get(transaction.connection, tenant=TENANT, item_id="item_2") is None


def test_many_items_are_read_at_once(transaction: Transaction) -> None:
    """Those that do not exist are left out."""
    items.insert(transaction.connection, ITEM)
    found = items.get_many(transaction.connection, tenant=TENANT, item_ids={"item_1", "item_2"})
    assert found == {"item_1": ITEM}
    assert items.get_many(transaction.connection, tenant=TENANT, item_ids=set()) == {}


def test_an_item_is_found_by_its_name(transaction: Transaction) -> None:
    """The oldest of several that is not archived."""
    for days, item_id in [(0, "old"), (1, "middle"), (2, "young")]:
        item = msgspec.structs.replace(ITEM, id=item_id, created_at=NOW + timedelta(days=days))
        items.insert(transaction.connection, item)
    found = items.find_by_name(transaction.connection, tenant=TENANT, name="Tokens")
    assert found is not None
    assert found.id == "old"
    items.update(transaction.connection, msgspec.structs.replace(found, archived_at=NOW))
    found = items.find_by_name(transaction.connection, tenant=TENANT, name="Tokens")
    assert found is not None
    assert found.id == "middle"
    assert items.find_by_name(transaction.connection, tenant=TENANT, name="tokens") is None
    assert items.find_by_name(transaction.connection, tenant=RIVAL, name="Tokens") is None


def test_a_change_is_kept(transaction: Transaction) -> None:
    """Name, metadata and the time of archiving; another tenant's change reaches nothing."""
    items.insert(transaction.connection, ITEM)
    changed = msgspec.structs.replace(ITEM, name="Words", metadata={}, archived_at=NOW)
    items.update(transaction.connection, msgspec.structs.replace(changed, tenant=RIVAL))
    assert items.get(transaction.connection, tenant=TENANT, item_id="item_1") == ITEM
    items.update(transaction.connection, changed)
    assert items.get(transaction.connection, tenant=TENANT, item_id="item_1") == changed


def test_items_are_listed_for_their_tenant(transaction: Transaction) -> None:
    """Another tenant's list is empty."""
    items.insert(transaction.connection, ITEM)
    assert items.page(transaction.connection, tenant=TENANT, after=None, limit=5) == ([ITEM], False)
    assert items.page(transaction.connection, tenant=RIVAL, after=None, limit=5) == ([], False)
