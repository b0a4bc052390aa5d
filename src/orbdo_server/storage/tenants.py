"""Tenants: accounts, and the agents of accounts, whose data never meets."""

from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from orbdo_server.storage.tables import server_state, tenants


def exists(connection: Connection, *, tenant: str) -> bool:
    """Whether the tenant is known."""
    return connection.execute(select(tenants.c.id).where(tenants.c.id == tenant)).one_or_none() is not None


def all_ids(connection: Connection) -> list[str]:
    """Every tenant, in the order of their ids."""
    return list(connection.execute(select(tenants.c.id).order_by(tenants.c.id)).scalars())


def count_agents(connection: Connection, *, tenant: str) -> int:
    """How many agents the account has."""
    agents = tenants.c.id.startswith(f"{tenant}:", autoescape=True)
    return connection.execute(select(func.count()).select_from(tenants).where(agents)).scalar_one()


def insert(connection: Connection, *, tenant: str, name: str, created_at: datetime) -> None:
    """Add a tenant."""
    connection.execute(insert_into(tenants).values(id=tenant, name=name, created_at=created_at))


def read_state(connection: Connection, *, name: str) -> str | None:
    """A value that belongs to the server as a whole, such as its signing secret."""
    return connection.execute(select(server_state.c.value).where(server_state.c.name == name)).scalar_one_or_none()


def insert_state(connection: Connection, *, name: str, value: str) -> None:
    """Keep a value for the server as a whole; it is written once."""
    connection.execute(insert_into(server_state).values(name=name, value=value))


def put_state(connection: Connection, *, name: str, value: str) -> None:
    """Keep a value for the server as a whole in the place of the one before, if any."""
    delete_state(connection, name=name)
    insert_state(connection, name=name, value=value)


def delete_state(connection: Connection, *, name: str) -> None:
    """Forget a value for the server as a whole."""
    connection.execute(delete_from(server_state).where(server_state.c.name == name))
