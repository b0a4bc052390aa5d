"""Customers on disk."""

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import customers
from tests.server.conftest import NOW, RIVAL, TENANT
from tests.support.billing import CUSTOMER

ADA = msgspec.structs.replace(
    CUSTOMER,
    auto_issuance=False,
    metadata={"team": "core"},
    details={"billing_address": {"country": "DE", "city": "K\N{LATIN SMALL LETTER O WITH DIAERESIS}ln"}},
)


def test_a_customer_is_found_by_both_ids(transaction: Transaction) -> None:
    """As it was kept, and only for its own tenant."""
    customers.insert(transaction.connection, ADA)
    get, find = customers.get, customers.find_by_external_id
    assert get(transaction.connection, tenant=TENANT, customer_id=ADA.id) == ADA
    assert get(transaction.connection, tenant=RIVAL, customer_id=ADA.id) is None
    assert find(transaction.connection, tenant=TENANT, external_customer_id="ada") == ADA
    assert find(transaction.connection, tenant=TENANT, external_customer_id="Ada") is None
    assert find(transaction.connection, tenant=RIVAL, external_customer_id="ada") is None


def test_existing_ids_are_those_of_the_tenant(transaction: Transaction) -> None:
    """Another tenant's ids do not exist."""
    customers.insert(transaction.connection, ADA)
    wanted = {ADA.id, "cus_unknown"}
    assert customers.existing_ids(transaction.connection, tenant=TENANT, customer_ids=wanted) == {ADA.id}
    assert customers.existing_ids(transaction.connection, tenant=RIVAL, customer_ids=wanted) == set()


def test_existing_external_ids_are_those_of_the_tenant(transaction: Transaction) -> None:
    """A name that another tenant's customer has is nobody's."""
    customers.insert(transaction.connection, ADA)

    def existing(tenant: str) -> set[str]:
        return customers.existing_external_ids(
            transaction.connection, tenant=tenant, external_customer_ids=["ada", "bob", ADA.id]
        )

    assert (existing(TENANT), existing(RIVAL)) == ({"ada"}, set())


def test_an_external_id_is_unique_to_the_tenant(transaction: Transaction) -> None:
    """Two tenants may have an Ada each; customers without an id of their own are many."""
    customers.insert(transaction.connection, ADA)
    customers.insert(transaction.connection, msgspec.structs.replace(ADA, id="cus_2", tenant=RIVAL))
    for number in (3, 4):
        nameless = msgspec.structs.replace(ADA, id=f"cus_{number}", external_customer_id=None)
        customers.insert(transaction.connection, nameless)
    with pytest.raises(IntegrityError):
        customers.insert(transaction.connection, msgspec.structs.replace(ADA, id="cus_5"))


def test_a_change_is_kept(transaction: Transaction) -> None:
    """All but the id, the tenant and the time of creation."""
    customers.insert(transaction.connection, ADA)
    changed = msgspec.structs.replace(
        ADA, name="Ada L.", email="al@example.com", currency="EUR", auto_issuance=None, metadata={}, details={}
    )
    customers.update(transaction.connection, msgspec.structs.replace(changed, created_at=NOW))
    assert customers.get(transaction.connection, tenant=TENANT, customer_id=ADA.id) == changed
    customers.update(transaction.connection, msgspec.structs.replace(changed, tenant=RIVAL, name="Theirs"))
    assert customers.get(transaction.connection, tenant=TENANT, customer_id=ADA.id) == changed


def test_customers_are_listed_for_their_tenant(transaction: Transaction) -> None:
    """Another tenant's list is empty."""
    customers.insert(transaction.connection, ADA)
    assert customers.page(transaction.connection, tenant=TENANT, after=None, limit=5) == ([ADA], False)
    assert customers.page(transaction.connection, tenant=RIVAL, after=None, limit=5) == ([], False)
