"""Items and metrics over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import Field

from orbdo_sdk.wire import BillableMetric, Page
from orbdo_sdk.wire import Item as WireItem
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery
from orbdo_server.api.fields import Id, Metadata, Name
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.api.render.catalog import render_item, render_metric
from orbdo_server.core.plans import MetricDefinition
from orbdo_server.engine import items as engine
from orbdo_server.storage import items, metrics

SQL_LENGTH_MAX = 20_000
DESCRIPTION_LENGTH_MAX = 2_000

Description = Annotated[str, Field(max_length=DESCRIPTION_LENGTH_MAX)]


class NewItem(Body):
    """An item to make."""

    name: Name
    metadata: Metadata | None = None


class ItemChange(Body):
    """What to change of an item."""

    name: Name | None = None
    metadata: Metadata | None = None
    external_connections: Annotated[list[object], Field(max_length=0)] | None = None


class NewMetric(Body):
    """A metric to make. Without ``item_id`` it belongs to an item of its own name."""

    name: Name
    sql: Annotated[str, Field(min_length=1, max_length=SQL_LENGTH_MAX)]
    item_id: Id | None = None
    description: Description | None = None
    metadata: Metadata | None = None


class MetricChange(Body):
    """What to change of a metric; its SQL cannot be."""

    name: Name | None = None
    description: Description | None = None
    metadata: Metadata | None = None


class MetricListQuery(ListQuery):
    """Which metrics to list."""

    status: Literal["active", "archived"] | None = None


def create_item(call: Call[NewItem, NoQuery]) -> WireItem:
    """A new item."""
    return render_item(engine.create_item(call.transaction, name=call.body.name, metadata=call.body.metadata or {}))


def list_items(call: Call[NoBody, ListQuery]) -> Page[WireItem]:
    """Items, newest first."""
    connection = call.transaction.connection
    return answer_page(
        call,
        "items",
        lambda after, limit: items.page(connection, tenant=call.tenant, after=after, limit=limit),
        render_item,
    )


def fetch_item(call: Call[NoBody, NoQuery]) -> WireItem:
    """One item."""
    return render_item(engine.require_item(call.transaction, call.path["item_id"]))


def update_item(call: Call[ItemChange, NoQuery]) -> WireItem:
    """The item, changed."""
    changed = engine.update_item(
        call.transaction, call.path["item_id"], name=call.body.name, metadata=call.body.metadata
    )
    return render_item(changed)


def archive_item(call: Call[NoBody, NoQuery]) -> WireItem:
    """The item, archived."""
    return render_item(engine.archive_item(call.transaction, call.path["item_id"]))


def create_metric(call: Call[NewMetric, NoQuery]) -> BillableMetric:
    """A new metric, usable for any past period at once."""
    metric = engine.create_metric(
        call.transaction,
        name=call.body.name,
        sql=call.body.sql,
        item_id=call.body.item_id,
        description=call.body.description,
        metadata=call.body.metadata or {},
    )
    return _answer_metric(call, metric)


def list_metrics(call: Call[NoBody, MetricListQuery]) -> Page[BillableMetric]:
    """Metrics, newest first."""
    connection = call.transaction.connection
    archived = None if call.query.status is None else call.query.status == "archived"
    return answer_page(
        call,
        "metrics",
        lambda after, limit: metrics.page(connection, tenant=call.tenant, after=after, limit=limit, archived=archived),
        lambda metric: _answer_metric(call, metric),
    )


def fetch_metric(call: Call[NoBody, NoQuery]) -> BillableMetric:
    """One metric."""
    return _answer_metric(call, engine.require_metric(call.transaction, call.path["metric_id"]))


def update_metric(call: Call[MetricChange, NoQuery]) -> BillableMetric:
    """The metric, changed."""
    metric = engine.update_metric(
        call.transaction,
        call.path["metric_id"],
        name=call.body.name,
        description=call.body.description,
        metadata=call.body.metadata,
    )
    return _answer_metric(call, metric)


def archive_metric(call: Call[NoBody, NoQuery]) -> BillableMetric:
    """The metric, archived."""
    metric = engine.set_metric_archived(call.transaction, call.path["metric_id"], archived=True)
    return _answer_metric(call, metric)


def unarchive_metric(call: Call[NoBody, NoQuery]) -> BillableMetric:
    """The metric, active again."""
    metric = engine.set_metric_archived(call.transaction, call.path["metric_id"], archived=False)
    return _answer_metric(call, metric)


def _answer_metric(call: Call[Any, Any], metric: MetricDefinition) -> BillableMetric:
    return render_metric(metric, item=engine.require_item(call.transaction, metric.item_id))


READ, WRITE = "catalog:read", "catalog:write"
ENDPOINTS = (
    Endpoint("POST", "/items", create_item, WRITE, "Make an item.", WireItem, body=NewItem, tag="items"),
    Endpoint("GET", "/items", list_items, READ, "List items.", Page[WireItem], query=ListQuery, tag="items"),
    Endpoint("GET", "/items/{item_id}", fetch_item, READ, "Fetch an item.", WireItem, tag="items"),
    Endpoint("PUT", "/items/{item_id}", update_item, WRITE, "Change an item.", WireItem, body=ItemChange, tag="items"),
    Endpoint("POST", "/items/{item_id}/archive", archive_item, WRITE, "Archive an item.", WireItem, tag="items"),
    Endpoint("POST", "/metrics", create_metric, WRITE, "Make a metric.", BillableMetric, body=NewMetric, tag="metrics"),
    Endpoint(
        "GET",
        "/metrics",
        list_metrics,
        READ,
        "List metrics.",
        Page[BillableMetric],
        query=MetricListQuery,
        tag="metrics",
    ),
    Endpoint("GET", "/metrics/{metric_id}", fetch_metric, READ, "Fetch a metric.", BillableMetric, tag="metrics"),
    Endpoint(
        "PUT",
        "/metrics/{metric_id}",
        update_metric,
        WRITE,
        "Rename or describe a metric.",
        BillableMetric,
        body=MetricChange,
        tag="metrics",
    ),
    Endpoint(
        "POST",
        "/metrics/{metric_id}/archive",
        archive_metric,
        WRITE,
        "Archive a metric.",
        BillableMetric,
        tag="metrics",
    ),
    Endpoint(
        "POST",
        "/metrics/{metric_id}/unarchive",
        unarchive_metric,
        WRITE,
        "Open a metric to new prices again.",
        BillableMetric,
        tag="metrics",
    ),
)
