"""Items and metrics: what is sold, and the questions that measure it."""

import msgspec

from orbdo_server.core.metrics import parse_metric
from orbdo_server.core.plans import Item, MetricDefinition
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, NotFoundError
from orbdo_server.storage import items, metrics


def create_item(transaction: Transaction, *, name: str, metadata: dict[str, str]) -> Item:
    """A new item."""
    item = Item(
        id=transaction.new_id("item"),
        tenant=transaction.tenant,
        name=name,
        created_at=transaction.now,
        metadata=metadata,
    )
    items.insert(transaction.connection, item)
    return item


def require_item(transaction: Transaction, item_id: str) -> Item:
    """The item; raises ``NotFoundError``."""
    item = items.get(transaction.connection, tenant=transaction.tenant, item_id=item_id)
    if item is None:
        raise NotFoundError.of("Item", item_id)
    return item


def update_item(transaction: Transaction, item_id: str, *, name: str | None, metadata: dict[str, str] | None) -> Item:
    """The item with another name or metadata; None leaves what is there."""
    item = require_item(transaction, item_id)
    changed = msgspec.structs.replace(
        item, name=name or item.name, metadata=item.metadata if metadata is None else metadata
    )
    items.update(transaction.connection, changed)
    return changed


def archive_item(transaction: Transaction, item_id: str) -> Item:
    """The item, no longer for new prices; archiving it again changes nothing."""
    item = require_item(transaction, item_id)
    archived = msgspec.structs.replace(item, archived_at=item.archived_at or transaction.now)
    items.update(transaction.connection, archived)
    return archived


def require_active_item(transaction: Transaction, item_id: str) -> Item:
    """The item, which is not archived."""
    item = require_item(transaction, item_id)
    if item.archived_at is not None:
        message = f"The item {item_id} is archived."
        raise ConstraintViolationError(message)
    return item


def create_metric(
    transaction: Transaction,
    *,
    name: str,
    sql: str,
    item_id: str | None,
    description: str | None,
    metadata: dict[str, str],
) -> MetricDefinition:
    """A new metric, whose SQL was read and allowed; without an item it belongs to one of its own name.

    Raises ``InvalidMetricError``, which says where in the text the trouble is.
    """
    parse_metric(sql)
    metric = MetricDefinition(
        id=transaction.new_id("met"),
        tenant=transaction.tenant,
        name=name,
        description=description,
        item_id=_item_for_metric(transaction, item_id, name).id,
        sql=sql,
        created_at=transaction.now,
        metadata=metadata,
    )
    metrics.insert(transaction.connection, metric)
    return metric


def require_metric(transaction: Transaction, metric_id: str) -> MetricDefinition:
    """The metric; raises ``NotFoundError``."""
    metric = metrics.get(transaction.connection, tenant=transaction.tenant, metric_id=metric_id)
    if metric is None:
        raise NotFoundError.of("BillableMetric", metric_id)
    return metric


def require_active_metric(transaction: Transaction, metric_id: str) -> MetricDefinition:
    """The metric, which is not archived."""
    metric = require_metric(transaction, metric_id)
    if metric.archived_at is not None:
        message = f"The metric {metric_id} is archived."
        raise ConstraintViolationError(message)
    return metric


def update_metric(
    transaction: Transaction,
    metric_id: str,
    *,
    name: str | None,
    description: str | None,
    metadata: dict[str, str] | None,
) -> MetricDefinition:
    """The metric with another name, description or metadata; its SQL is for ever."""
    metric = require_metric(transaction, metric_id)
    changed = msgspec.structs.replace(
        metric,
        name=name or metric.name,
        description=metric.description if description is None else description,
        metadata=metric.metadata if metadata is None else metadata,
    )
    metrics.update(transaction.connection, changed)
    return changed


def set_metric_archived(transaction: Transaction, metric_id: str, *, archived: bool) -> MetricDefinition:
    """The metric, closed to new prices or open to them again; prices that use it go on measuring."""
    metric = require_metric(transaction, metric_id)
    archived_at = (metric.archived_at or transaction.now) if archived else None
    changed = msgspec.structs.replace(metric, archived_at=archived_at)
    metrics.update(transaction.connection, changed)
    return changed


def _item_for_metric(transaction: Transaction, item_id: str | None, name: str) -> Item:
    if item_id is not None:
        return require_active_item(transaction, item_id)
    known = items.find_by_name(transaction.connection, tenant=transaction.tenant, name=name)
    return known or create_item(transaction, name=name, metadata={})
