"""Subscriptions as they are kept, with their timelines."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from orbdo_server.core.subscriptions import PlanInterval, PriceInterval, Subscription
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import plan_intervals, price_intervals, subscriptions


def insert(connection: Connection, subscription: Subscription) -> None:
    """Add a subscription with its intervals."""
    connection.execute(
        insert_into(subscriptions).values(
            id=subscription.id,
            tenant=subscription.tenant,
            customer_id=subscription.customer_id,
            created_at=subscription.created_at,
            timezone=subscription.timezone,
            anchor=subscription.anchor.isoformat(),
            start_at=subscription.start,
            **_changeable(subscription),
        )
    )
    _insert_intervals(connection, subscription)


def get(connection: Connection, *, tenant: str, subscription_id: str) -> Subscription | None:
    """A subscription of the tenant."""
    statement = select(subscriptions).where(subscriptions.c.tenant == tenant, subscriptions.c.id == subscription_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _subscription(connection, row)


def of_customer(connection: Connection, *, tenant: str, customer_id: str) -> list[Subscription]:
    """All subscriptions of a customer, oldest first."""
    statement = (
        select(subscriptions)
        .where(subscriptions.c.tenant == tenant, subscriptions.c.customer_id == customer_id)
        .order_by(subscriptions.c.created_at, subscriptions.c.id)
    )
    return [_subscription(connection, row) for row in connection.execute(statement).mappings()]


def page(
    connection: Connection,
    *,
    tenant: str,
    after: tuple[datetime, str] | None,
    limit: int,
    customer_ids: Collection[str] | None = None,
) -> tuple[list[Subscription], bool]:
    """Subscriptions of the tenant, of some customers where they are named, newest first, and whether there are more."""
    statement = select(subscriptions).where(subscriptions.c.tenant == tenant)
    if customer_ids is not None:
        statement = statement.where(subscriptions.c.customer_id.in_(customer_ids))
    rows, more = page_of(connection, statement, subscriptions, after=after, limit=limit)
    return [_subscription(connection, row._mapping) for row in rows], more


def calendars(connection: Connection, *, tenant: str) -> set[tuple[date, str]]:
    """The days and time zones that the tenant's subscriptions keep, each pair once."""
    statement = (
        select(subscriptions.c.anchor, subscriptions.c.timezone).where(subscriptions.c.tenant == tenant).distinct()
    )
    return {(date.fromisoformat(anchor), zone) for anchor, zone in connection.execute(statement)}


def replace(connection: Connection, subscription: Subscription, *, expected_version: int) -> bool:
    """Keep a changed subscription and its timeline; False when another change came in between."""
    changed = connection.execute(
        update_table(subscriptions)
        .where(
            subscriptions.c.tenant == subscription.tenant,
            subscriptions.c.id == subscription.id,
            subscriptions.c.version == expected_version,
        )
        .values(**_changeable(subscription))
    )
    if changed.rowcount != 1:
        return False
    for table in (plan_intervals, price_intervals):
        owned = (table.c.tenant == subscription.tenant, table.c.subscription_id == subscription.id)
        connection.execute(delete(table).where(*owned))
    _insert_intervals(connection, subscription)
    return True


def _changeable(subscription: Subscription) -> dict[str, Any]:
    return {
        "name": subscription.name,
        "end_at": subscription.end,
        "net_terms": subscription.net_terms,
        "metadata": subscription.metadata,
        "version": subscription.version,
    }


def _insert_intervals(connection: Connection, subscription: Subscription) -> None:
    owner = {"tenant": subscription.tenant, "subscription_id": subscription.id}
    for table, intervals in (
        (plan_intervals, subscription.plan_intervals),
        (price_intervals, subscription.price_intervals),
    ):
        for ordinal, interval in enumerate(intervals):
            row = msgspec.structs.asdict(interval)
            start, end = row.pop("start"), row.pop("end")
            connection.execute(insert_into(table).values(ordinal=ordinal, start_at=start, end_at=end, **owner, **row))


def _subscription(connection: Connection, row: Mapping[Any, Any]) -> Subscription:
    plans = [
        PlanInterval(
            id=interval["id"],
            plan_id=interval["plan_id"],
            plan_version=interval["plan_version"],
            start=interval["start_at"],
            end=interval["end_at"],
        )
        for interval in _intervals(connection, plan_intervals, row)
    ]
    prices = [
        PriceInterval(
            id=interval["id"],
            price_id=interval["price_id"],
            start=interval["start_at"],
            end=interval["end_at"],
            quantity=interval["quantity"],
        )
        for interval in _intervals(connection, price_intervals, row)
    ]
    return Subscription(
        id=row["id"],
        tenant=row["tenant"],
        customer_id=row["customer_id"],
        timezone=row["timezone"],
        anchor=date.fromisoformat(row["anchor"]),
        start=row["start_at"],
        end=row["end_at"],
        created_at=row["created_at"],
        name=row["name"],
        net_terms=row["net_terms"],
        metadata=row["metadata"],
        version=row["version"],
        plan_intervals=tuple(plans),
        price_intervals=tuple(prices),
    )


def _intervals(connection: Connection, table: Table, row: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    statement = (
        select(table)
        .where(table.c.tenant == row["tenant"], table.c.subscription_id == row["id"])
        .order_by(table.c.ordinal)
    )
    return list(connection.execute(statement).mappings())
