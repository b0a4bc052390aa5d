"""Items, metrics, features and plans as the wire has them."""

from orbdo_sdk.wire import BillableMetric, Product
from orbdo_sdk.wire import Feature as WireFeature
from orbdo_sdk.wire import Item as WireItem
from orbdo_sdk.wire import Plan as WirePlan
from orbdo_sdk.wire import PlanFeature as WirePlanFeature
from orbdo_sdk.wire import Price as WirePrice
from orbdo_server.core.plans import Feature, Item, MetricDefinition, Plan, PlanFeature


def render_item(item: Item) -> WireItem:
    """An item in full."""
    return WireItem(
        id=item.id, name=item.name, created_at=item.created_at, metadata=item.metadata, archived_at=item.archived_at
    )


def render_metric(metric: MetricDefinition, *, item: Item) -> BillableMetric:
    """A metric with its item."""
    return BillableMetric(
        id=metric.id,
        name=metric.name,
        description=metric.description,
        item=render_item(item),
        sql=metric.sql,
        status="active" if metric.archived_at is None else "archived",
        metadata=metric.metadata,
        created_at=metric.created_at,
    )


def render_feature(feature: Feature) -> WireFeature:
    """A feature."""
    return WireFeature(
        id=feature.id,
        key=feature.key,
        name=feature.name,
        type=feature.type.value,
        created_at=feature.created_at,
        metadata=feature.metadata,
    )


def render_plan(plan: Plan, *, prices: list[WirePrice]) -> WirePlan:
    """A plan with its prices, which the caller has rendered."""
    return WirePlan(
        id=plan.id,
        name=plan.name,
        description=plan.description,
        currency=plan.currency,
        invoicing_currency=plan.currency,
        external_plan_id=plan.external_plan_id,
        status=plan.status,
        version=plan.version,
        created_at=plan.created_at,
        prices=prices,
        product=Product(id=plan.id, name=plan.name, created_at=plan.created_at),
        features=[_render_plan_feature(granted) for granted in plan.features],
        metadata=plan.metadata,
        net_terms=plan.net_terms,
        default_invoice_memo=plan.default_invoice_memo,
    )


def _render_plan_feature(granted: PlanFeature) -> WirePlanFeature:
    return WirePlanFeature(
        feature_id=granted.feature.id,
        key=granted.feature.key,
        type=granted.feature.type.value,
        enabled=granted.enabled,
        limit=granted.limit,
        value=granted.value,
        metric_id=granted.metric_id,
    )
