"""Plans as they are kept, with the prices and features of each version."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from orbdo_server.core.plans import Plan, PlanFeature, Price
from orbdo_server.storage import prices as price_rows
from orbdo_server.storage.features import feature_of
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import features, plan_features, plan_prices, plans

PLAN_COLUMNS = tuple(column.name for column in plans.columns)


def insert(connection: Connection, plan: Plan) -> None:
    """Add a plan with its prices, which exist already, and its features."""
    connection.execute(insert_into(plans).values({name: getattr(plan, name) for name in PLAN_COLUMNS}))
    for ordinal, price in enumerate(plan.prices):
        row = {"plan_id": plan.id, "plan_version": plan.version, "ordinal": ordinal, "tenant": plan.tenant}
        connection.execute(insert_into(plan_prices).values(price_id=price.id, **row))
    _insert_features(connection, plan)


def get(connection: Connection, *, tenant: str, plan_id: str) -> Plan | None:
    """A plan of the tenant."""
    statement = select(plans).where(plans.c.tenant == tenant, plans.c.id == plan_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _plan(connection, row)


def find_by_external_id(connection: Connection, *, tenant: str, external_plan_id: str) -> Plan | None:
    """The plan with this id in the caller's own system."""
    statement = select(plans).where(plans.c.tenant == tenant, plans.c.external_plan_id == external_plan_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _plan(connection, row)


def page(
    connection: Connection, *, tenant: str, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Plan], bool]:
    """Plans of the tenant, newest first, and whether there are more."""
    statement = select(plans).where(plans.c.tenant == tenant)
    rows, more = page_of(connection, statement, plans, after=after, limit=limit)
    return [_plan(connection, row._mapping) for row in rows], more


def update(connection: Connection, plan: Plan) -> None:
    """Keep a changed name, description, external id, status or metadata."""
    connection.execute(
        update_table(plans)
        .where(plans.c.tenant == plan.tenant, plans.c.id == plan.id)
        .values(
            name=plan.name,
            description=plan.description,
            external_plan_id=plan.external_plan_id,
            status=plan.status,
            metadata=plan.metadata,
        )
    )


def replace_features(connection: Connection, plan: Plan) -> None:
    """Put the plan's features in the place of those it had."""
    connection.execute(
        delete(plan_features).where(
            plan_features.c.tenant == plan.tenant,
            plan_features.c.plan_id == plan.id,
            plan_features.c.plan_version == plan.version,
        )
    )
    _insert_features(connection, plan)


def _insert_features(connection: Connection, plan: Plan) -> None:
    for ordinal, granted in enumerate(plan.features):
        connection.execute(
            insert_into(plan_features).values(
                plan_id=plan.id,
                plan_version=plan.version,
                feature_id=granted.feature.id,
                tenant=plan.tenant,
                ordinal=ordinal,
                enabled=granted.enabled,
                limit_quantity=granted.limit,
                value=granted.value,
                metric_id=granted.metric_id,
            )
        )


def _plan(connection: Connection, row: Mapping[Any, Any]) -> Plan:
    return Plan(
        prices=_prices(connection, row),
        features=_features(connection, row),
        **{name: row[name] for name in PLAN_COLUMNS},
    )


def _prices(connection: Connection, row: Mapping[Any, Any]) -> tuple[Price, ...]:
    statement = (
        select(plan_prices.c.price_id)
        .where(plan_prices.c.tenant == row["tenant"], plan_prices.c.plan_id == row["id"])
        .where(plan_prices.c.plan_version == row["version"])
        .order_by(plan_prices.c.ordinal)
    )
    price_ids = connection.execute(statement).scalars().all()
    known = price_rows.get_many(connection, tenant=row["tenant"], price_ids=price_ids)
    return tuple(known[price_id] for price_id in price_ids)


def _features(connection: Connection, row: Mapping[Any, Any]) -> tuple[PlanFeature, ...]:
    granted = plan_features.c
    statement = (
        select(features, granted.enabled, granted.limit_quantity, granted.value, granted.metric_id)
        .join(features, features.c.id == granted.feature_id)
        .where(granted.tenant == row["tenant"], granted.plan_id == row["id"], granted.plan_version == row["version"])
        .order_by(granted.ordinal)
    )
    return tuple(
        PlanFeature(
            feature=feature_of(grant),
            enabled=grant["enabled"],
            limit=grant["limit_quantity"],
            value=grant["value"],
            metric_id=grant["metric_id"],
        )
        for grant in connection.execute(statement).mappings()
    )
