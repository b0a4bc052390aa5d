"""Customers as they are kept."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from orbdo_server.core.customers import Customer
from orbdo_server.storage.pages import page_of
from orbdo_server.storage.tables import customers


def insert(connection: Connection, customer: Customer) -> None:
    """Add a customer."""
    connection.execute(insert_into(customers).values(**msgspec.structs.asdict(customer)))


def get(connection: Connection, *, tenant: str, customer_id: str) -> Customer | None:
    """A customer of the tenant."""
    statement = select(customers).where(customers.c.tenant == tenant, customers.c.id == customer_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Customer(**row)


def find_by_external_id(connection: Connection, *, tenant: str, external_customer_id: str) -> Customer | None:
    """The customer with this id in the caller's own system."""
    statement = select(customers).where(
        customers.c.tenant == tenant, customers.c.external_customer_id == external_customer_id
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Customer(**row)


def existing_ids(connection: Connection, *, tenant: str, customer_ids: Collection[str]) -> set[str]:
    """Those of the ids that are customers of the tenant."""
    statement = select(customers.c.id).where(customers.c.tenant == tenant, customers.c.id.in_(customer_ids))
    return set(connection.execute(statement).scalars())


def existing_external_ids(connection: Connection, *, tenant: str, external_customer_ids: Collection[str]) -> set[str]:
    """Those of the external ids that belong to a customer of the tenant."""
    column = customers.c.external_customer_id
    statement = select(column).where(customers.c.tenant == tenant, column.in_(external_customer_ids))
    return set(connection.execute(statement).scalars())


def page(
    connection: Connection, *, tenant: str, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Customer], bool]:
    """Customers of the tenant, newest first, and whether there are more."""
    statement = select(customers).where(customers.c.tenant == tenant)
    rows, more = page_of(connection, statement, customers, after=after, limit=limit)
    return [Customer(**row._mapping) for row in rows], more


def update(connection: Connection, customer: Customer) -> None:
    """Keep a changed customer; its id, tenant and time of creation stay."""
    fixed = {"id", "tenant", "created_at"}
    values = {name: value for name, value in msgspec.structs.asdict(customer).items() if name not in fixed}
    connection.execute(
        update_table(customers)
        .where(customers.c.tenant == customer.tenant, customers.c.id == customer.id)
        .values(**values)
    )
