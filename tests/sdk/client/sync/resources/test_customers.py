# Made from tests/sdk/client/resources/test_customers.py by scripts/unasync.py: change that file and run it.
"""Customers as the client asks for them."""

import pytest

from orbdo_sdk import BadRequestError, NotFoundError
from tests.support.answers import CUSTOMER, CUSTOMER_ID, NOT_FOUND, page
from tests.support.door import Asked, Door, sync_orb


def test_a_customer_is_made_under_the_callers_id(door: Door) -> None:
    """The caller's id travels as the external one, what was left out does not travel, and the answer is typed."""
    door.tell(CUSTOMER, status=201)
    with sync_orb(door) as orb:
        customer = orb.customers.create(
            customer_id="acme", name="Acme", email="billing@acme.test", currency="USD", metadata={"tier": "gold"}
        )
    assert (customer.id, customer.external_customer_id, customer.name) == (CUSTOMER_ID, "acme", "Acme")
    assert door.asked == [
        Asked(
            "POST",
            "/v1/customers",
            body={
                "external_customer_id": "acme",
                "name": "Acme",
                "email": "billing@acme.test",
                "currency": "USD",
                "timezone": "UTC",
                "metadata": {"tier": "gold"},
            },
        )
    ]


def test_a_customer_without_a_name_is_called_by_its_id(door: Door) -> None:
    """The name defaults to the caller's id, and the time zone to UTC."""
    door.tell(CUSTOMER)
    with sync_orb(door) as orb:
        orb.customers.create(customer_id="acme", email="billing@acme.test", timezone="Europe/Berlin")
    assert door.asked[0].body == {
        "external_customer_id": "acme",
        "name": "acme",
        "email": "billing@acme.test",
        "timezone": "Europe/Berlin",
    }


def test_every_write_carries_an_idempotency_key(door: Door) -> None:
    """Two writes carry two keys, each of them as long as a UUID."""
    door.tell(CUSTOMER)
    door.tell(CUSTOMER)
    with sync_orb(door) as orb:
        for _ in range(2):
            orb.customers.update("acme", name="Acme Ltd")
    keys = [asked.headers["idempotency-key"] for asked in door.asked]
    assert [len(key) for key in keys] == [36, 36]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("customer_id", "path"),
    [
        ("acme", "/v1/customers/external_customer_id/acme"),
        (CUSTOMER_ID, f"/v1/customers/{CUSTOMER_ID}"),
        ("cus_short", "/v1/customers/external_customer_id/cus_short"),
        ("a/b c", "/v1/customers/external_customer_id/a%2Fb%20c"),
        ("..", "/v1/customers/external_customer_id/%2E%2E"),
    ],
)
def test_either_id_finds_a_customer(door: Door, customer_id: str, path: str) -> None:
    """The server's id and the caller's own each have an address, and no id climbs out of it."""
    door.tell(CUSTOMER)
    with sync_orb(door) as orb:
        assert (orb.customers.get(customer_id)).id == CUSTOMER_ID
    assert door.asked == [Asked("GET", path)]


def test_an_empty_id_is_refused_before_anything_is_asked(door: Door) -> None:
    """An empty id would be the address of the list."""
    with sync_orb(door) as orb, pytest.raises(ValueError, match="must not be empty"):
        orb.customers.get("")
    assert door.asked == []


def test_a_customer_that_is_not_there_is_an_error(door: Door) -> None:
    """The server's problem document becomes a NotFoundError with its detail."""
    door.tell(NOT_FOUND, status=404)
    with sync_orb(door) as orb, pytest.raises(NotFoundError, match="no such customer"):
        orb.customers.get("nobody")


def test_only_what_is_given_is_changed(door: Door) -> None:
    """A change names the fields that were given and no other."""
    door.tell(CUSTOMER)
    with sync_orb(door) as orb:
        orb.customers.update("acme", email="new@acme.test", currency="EUR", metadata={"tier": "silver"})
    assert door.asked == [
        Asked(
            "PUT",
            "/v1/customers/external_customer_id/acme",
            body={"email": "new@acme.test", "currency": "EUR", "metadata": {"tier": "silver"}},
        )
    ]


def test_customers_are_listed_page_by_page(door: Door) -> None:
    """Iterating follows the cursors, and asks for nothing once there is none."""
    door.tell(page(CUSTOMER, {**CUSTOMER, "name": "Bolt"}, next_cursor="c2"))
    door.tell(page({**CUSTOMER, "name": "Crate"}))
    with sync_orb(door) as orb:
        names = [customer.name for customer in orb.customers.list(limit=2)]
    assert names == ["Acme", "Bolt", "Crate"]
    assert door.asked == [
        Asked("GET", "/v1/customers", query=(("limit", "2"),)),
        Asked("GET", "/v1/customers", query=(("limit", "2"), ("cursor", "c2"))),
    ]


def test_a_refused_field_is_named(door: Door) -> None:
    """The problems of a bad request are attributes of the error."""
    problem = {
        "type": "https://docs.withorb.com/reference/error-responses#400-request-validation-errors",
        "status": 400,
        "title": "Request validation errors",
        "detail": "1 field is not valid",
        "problems": [{"field": "email", "message": "is not an e-mail address"}],
    }
    door.tell(problem, status=400)
    with sync_orb(door) as orb, pytest.raises(BadRequestError) as caught:
        orb.customers.create(customer_id="acme", email="nonsense")
    assert [(problem.field, problem.message) for problem in caught.value.problems] == [
        ("email", "is not an e-mail address")
    ]
