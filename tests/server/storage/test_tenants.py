"""Tenants, and the few values of the server as a whole."""

import pytest
from sqlalchemy.exc import IntegrityError

from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import tenants
from tests.server.conftest import NOW, TENANT


def test_a_tenant_exists_once_it_is_added(transaction: Transaction) -> None:
    """Others do not come into being with it."""
    tenants.insert(transaction.connection, tenant="main:agent", name="agent", created_at=NOW)
    assert tenants.exists(transaction.connection, tenant="main:agent")
    assert tenants.exists(transaction.connection, tenant=TENANT)
    assert not tenants.exists(transaction.connection, tenant="main")


def test_a_value_is_written_once(transaction: Transaction) -> None:
    """The signing secret cannot be overwritten by accident, which would void every link and cursor."""
    assert tenants.read_state(transaction.connection, name="signing_secret") is None
    tenants.insert_state(transaction.connection, name="signing_secret", value="first")
    assert tenants.read_state(transaction.connection, name="signing_secret") == "first"
    with pytest.raises(IntegrityError):
        tenants.insert_state(transaction.connection, name="signing_secret", value="second")


def test_all_tenants_are_listed_in_order(transaction: Transaction) -> None:
    """By their ids, agents behind their account."""
    for tenant in ("main:b", "main", "main:a"):
        tenants.insert(transaction.connection, tenant=tenant, name=tenant, created_at=NOW)
    assert tenants.all_ids(transaction.connection) == ["acme", "globex", "main", "main:a", "main:b"]


def test_agents_are_those_of_their_account(transaction: Transaction) -> None:
    """Whatever characters stand in an id."""
    for tenant in ("main", "main:a", "main:b:c", "main_:a", "mainx:a"):
        tenants.insert(transaction.connection, tenant=tenant, name=tenant, created_at=NOW)
    assert tenants.count_agents(transaction.connection, tenant="main") == 2
    assert tenants.count_agents(transaction.connection, tenant="main_") == 1
    assert tenants.count_agents(transaction.connection, tenant="other") == 0


def test_a_value_of_the_server_can_be_replaced_and_forgotten(transaction: Transaction) -> None:
    """Whether there was one before or not."""
    connection = transaction.connection
    for value in ("first", "second"):
        tenants.put_state(connection, name="a", value=value)
        assert tenants.read_state(connection, name="a") == value
    tenants.put_state(connection, name="b", value="other")
    for _ in range(2):
        tenants.delete_state(connection, name="a")
    assert (tenants.read_state(connection, name="a"), tenants.read_state(connection, name="b")) == (None, "other")
