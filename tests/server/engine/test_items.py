"""Items and metrics: what can still be used, and what can be changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orbdo_server.core.metrics import InvalidMetricError
from orbdo_server.engine import items as engine
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, NotFoundError
from tests.server.conftest import NOW, TENANT

SQL = "SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'"


def metric(transaction: Transaction, *, name: str = "Tokens", item_id: str | None = None, sql: str = SQL) -> str:
    """The id of a new metric."""
    made = engine.create_metric(transaction, name=name, sql=sql, item_id=item_id, description=None, metadata={})
    return made.id


def test_an_item_is_made_and_changed(transaction: Transaction) -> None:
    """What is not given stays; an empty map of metadata is given."""
    item = engine.create_item(transaction, name="Tokens", metadata={"a": "b"})
    assert (item.tenant, item.created_at, item.archived_at) == (TENANT, NOW, None)
    renamed = engine.update_item(transaction, item.id, name="Words", metadata=None)
    assert (renamed.name, renamed.metadata) == ("Words", {"a": "b"})
    emptied = engine.update_item(transaction, item.id, name=None, metadata={})
    assert (emptied.name, emptied.metadata) == ("Words", {})
    assert engine.require_item(transaction, item.id) == emptied


def test_an_archived_item_takes_nothing_new(transaction: Transaction) -> None:
    """It stays readable, and archiving it again does not move the instant."""
    item = engine.create_item(transaction, name="Tokens", metadata={})
    archived = engine.archive_item(transaction, item.id)
    later = replace(transaction, now=NOW + timedelta(days=1))
    assert engine.archive_item(later, item.id) == archived == engine.require_item(transaction, item.id)
    with pytest.raises(ConstraintViolationError, match="is archived"):
        engine.require_active_item(transaction, item.id)
    with pytest.raises(ConstraintViolationError, match="is archived"):
        metric(transaction, item_id=item.id)


def test_a_metric_makes_its_item(transaction: Transaction) -> None:
    """Without an item it belongs to one of its own name, which a second metric shares."""
    first, second = metric(transaction), metric(transaction)
    item_id = engine.require_metric(transaction, first).item_id
    assert engine.require_metric(transaction, second).item_id == item_id
    assert engine.require_item(transaction, item_id).name == "Tokens"


def test_an_archived_item_is_not_taken_by_its_name(transaction: Transaction) -> None:
    """Another one of that name is made."""
    first = engine.require_metric(transaction, metric(transaction)).item_id
    engine.archive_item(transaction, first)
    assert engine.require_metric(transaction, metric(transaction)).item_id != first


def test_a_metric_may_name_its_item(transaction: Transaction) -> None:
    """Whatever the two are called."""
    item = engine.create_item(transaction, name="Compute", metadata={})
    assert engine.require_metric(transaction, metric(transaction, item_id=item.id)).item_id == item.id


def test_a_metric_that_makes_no_sense_is_not_kept(transaction: Transaction) -> None:
    """Its SQL is read when it is made, not when it is billed."""
    with pytest.raises(InvalidMetricError):
        metric(transaction, sql="DROP TABLE events")


def test_a_metric_is_renamed_and_described(transaction: Transaction) -> None:
    """What is not given stays."""
    metric_id = metric(transaction)
    changed = engine.update_metric(transaction, metric_id, name="Words", description="All", metadata={"a": "b"})
    assert (changed.name, changed.description, changed.metadata) == ("Words", "All", {"a": "b"})
    assert engine.update_metric(transaction, metric_id, name=None, description=None, metadata=None) == changed
    assert engine.require_metric(transaction, metric_id) == changed


def test_an_archived_metric_can_be_opened_again(transaction: Transaction) -> None:
    """Archiving twice keeps the first instant; an active one can be activated."""
    metric_id = metric(transaction)
    engine.set_metric_archived(transaction, metric_id, archived=True)
    later = replace(transaction, now=NOW + timedelta(days=1))
    assert engine.set_metric_archived(later, metric_id, archived=True).archived_at == NOW
    with pytest.raises(ConstraintViolationError, match="is archived"):
        engine.require_active_metric(transaction, metric_id)
    for _ in range(2):
        engine.set_metric_archived(transaction, metric_id, archived=False)
    assert engine.require_active_metric(transaction, metric_id).archived_at is None


def test_another_tenants_items_and_metrics_do_not_exist(transaction: Transaction, rival: Transaction) -> None:
    """Neither for reading nor for what would refer to them."""
    item = engine.create_item(transaction, name="Tokens", metadata={})
    metric_id = metric(transaction, item_id=item.id)
    with pytest.raises(NotFoundError, match=f"Item with identifier: {item.id}"):
        engine.require_item(rival, item.id)
    with pytest.raises(NotFoundError, match=f"BillableMetric with identifier: {metric_id}"):
        engine.require_metric(rival, metric_id)
    with pytest.raises(NotFoundError, match="Item"):
        metric(rival, item_id=item.id)
    assert engine.require_metric(rival, metric(rival)).item_id != item.id
