"""Metric definitions as they are kept. Their SQL is written once."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from orbdo_server.core.plans import MetricDefinition
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import metrics


def insert(connection: Connection, metric: MetricDefinition) -> None:
    """Add a metric."""
    connection.execute(insert_into(metrics).values(**msgspec.structs.asdict(metric)))


def get(connection: Connection, *, tenant: str, metric_id: str) -> MetricDefinition | None:
    """A metric of the tenant."""
    return get_many(connection, tenant=tenant, metric_ids=[metric_id]).get(metric_id)


def get_many(connection: Connection, *, tenant: str, metric_ids: Collection[str]) -> dict[str, MetricDefinition]:
    """Those of the named metrics that exist, by id."""
    statement = select(metrics).where(metrics.c.tenant == tenant, metrics.c.id.in_(metric_ids))
    return {row["id"]: MetricDefinition(**row) for row in connection.execute(statement).mappings()}


def page(
    connection: Connection,
    *,
    tenant: str,
    after: tuple[datetime, str] | None,
    limit: int,
    archived: bool | None = None,
) -> tuple[list[MetricDefinition], bool]:
    """Metrics of the tenant, newest first, archived or not where that is asked for, and whether there are more."""
    statement = select(metrics).where(metrics.c.tenant == tenant)
    if archived is not None:
        statement = statement.where(metrics.c.archived_at.is_not(None) if archived else metrics.c.archived_at.is_(None))
    rows, more = page_of(connection, statement, metrics, after=after, limit=limit)
    return [MetricDefinition(**row._mapping) for row in rows], more


def update(connection: Connection, metric: MetricDefinition) -> None:
    """Keep a changed name, description, metadata or time of archiving; the SQL stays."""
    connection.execute(
        update_table(metrics)
        .where(metrics.c.tenant == metric.tenant, metrics.c.id == metric.id)
        .values(
            name=metric.name,
            description=metric.description,
            metadata=metric.metadata,
            archived_at=metric.archived_at,
        )
    )
