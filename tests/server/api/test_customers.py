"""Customers over HTTP."""

from typing import Any

import httpx
import pytest

from orbdo_server.api.customers import AddressBody, CustomerChange, NewCustomer, TaxId
from tests.support.bodies import is_taken, wrong_fields
from tests.support.shop import post

pytestmark = pytest.mark.anyio

ADA = {"name": "Ada", "email": "ada@example.com"}
ADDRESS = {"country": "DE", "city": "Berlin", "line1": "Weg 1", "line2": None, "postal_code": "10115", "state": None}


async def test_a_customer_is_answered_in_full(client: httpx.AsyncClient) -> None:
    """Every field that was given, in Orb's shape."""
    tax_id = {"country": "DE", "type": "eu_vat", "value": "DE123"}
    given = {
        **ADA,
        "external_customer_id": "ada",
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "auto_issuance": True,
        "additional_emails": ["b@example.com"],
        "billing_address": ADDRESS,
        "tax_id": tax_id,
        "metadata": {"team": "core", "gone": None},
    }
    made = await post(client, "/customers", given)
    assert made["id"].startswith("cus_")
    assert len(made["id"]) == 30
    assert {name: made[name] for name in given} == {**given, "metadata": {"team": "core"}}
    assert made["shipping_address"] is None
    for path in (f"/customers/{made['id']}", "/customers/external_customer_id/ada"):
        assert (await client.get(path)).json() == made
    assert (await client.get("/customers")).json()["data"] == [made]


async def test_little_is_needed(client: httpx.AsyncClient) -> None:
    """A name and an address; the calendar is UTC then."""
    made = await post(client, "/customers", ADA)
    assert (made["timezone"], made["currency"], made["external_customer_id"]) == ("UTC", None, None)
    assert (made["metadata"], made["additional_emails"], made["auto_issuance"]) == ({}, [], None)


async def test_a_change_leaves_what_it_does_not_name(client: httpx.AsyncClient) -> None:
    """Null leaves it as well; addresses are replaced one by one; both addresses of the customer change it."""
    made = await post(
        client, "/customers", {**ADA, "external_customer_id": "ada", "billing_address": ADDRESS, "metadata": {"a": "b"}}
    )
    shipping = {**ADDRESS, "city": "Potsdam"}
    one = await client.put(f"/customers/{made['id']}", json={"shipping_address": shipping, "email": None})
    assert one.json() == {**made, "shipping_address": shipping}
    other = await client.put("/customers/external_customer_id/ada", json={"name": "Ada L.", "metadata": {}})
    assert other.json() == {**one.json(), "name": "Ada L.", "metadata": {}}
    assert (await client.get(f"/customers/{made['id']}")).json() == other.json()


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({**ADA, "currency": "XXX"}, "request_validation_errors", "currency"),
        ({**ADA, "timezone": "Mars/Olympus"}, "request_validation_errors", "timezone"),
        ({**ADA, "external_customer_id": "cus_" + "0" * 26}, "request_validation_errors", "external_customer_id"),
        ({**ADA, "external_customer_id": "taken"}, "duplicate_resource_creation", "external_customer_id"),
    ],
)
async def test_a_wrong_customer_is_refused(client: httpx.AsyncClient, body: Any, code: str, field: str) -> None:
    """With the field and the kind of mistake."""
    await post(client, "/customers", {**ADA, "external_customer_id": "taken"})
    answer = await client.post("/customers", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


async def test_what_stays_stays(client: httpx.AsyncClient) -> None:
    """An external id and a currency are given once."""
    made = await post(client, "/customers", {**ADA, "external_customer_id": "ada", "currency": "EUR"})
    for change in ({"external_customer_id": "lovelace"}, {"currency": "USD"}):
        answer = await client.put(f"/customers/{made['id']}", json=change)
        assert (answer.status_code, answer.json()["code"]) == (400, "constraint_violation")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "x" * 256}, ["name"]),
        ({"email": "nobody"}, ["email"]),
        ({"email": "a b@example.com"}, ["email"]),
        ({"email": "a\x01b@example.com"}, ["email"]),
        ({"email": "a@" + "x" * 319}, ["email"]),
        ({"timezone": "x" * 65}, ["timezone"]),
        ({"currency": "usd"}, ["currency"]),
        ({"auto_issuance": "perhaps"}, ["auto_issuance"]),
        ({"additional_emails": ["a@b"] * 21}, ["additional_emails"]),
        ({"additional_emails": ["a@b", "nobody"]}, ["additional_emails[1]"]),
        ({"billing_address": {"country": "Germany"}}, ["billing_address.country"]),
        ({"shipping_address": {"country": "DE", "planet": "Earth"}}, ["shipping_address.planet"]),
        ({"tax_id": {"country": "DE", "type": "eu_vat"}}, ["tax_id.value"]),
        ({"metadata": {"k": 1}}, ["metadata.k"]),
        ({"payment_provider": "stripe"}, ["payment_provider"]),
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any], fields: list[str]) -> None:
    """With its place in the body."""
    assert wrong_fields(NewCustomer, {**ADA, **changes}) == fields


def test_fields_fit_at_their_bounds() -> None:
    """The longest of each."""
    assert is_taken(
        NewCustomer, {**ADA, "email": "a@" + "x" * 318, "additional_emails": ["a@b"] * 20, "timezone": "UTC"}
    )
    assert is_taken(AddressBody, {"country": "DE", "line1": "x" * 255})
    assert not is_taken(AddressBody, {"country": "DE", "line1": "x" * 256})
    assert is_taken(TaxId, {"country": "DE", "type": "x" * 64, "value": "x" * 64})
    assert not is_taken(TaxId, {"country": "DE", "type": "x" * 65, "value": "x"})
    assert not is_taken(TaxId, {"country": "DE", "type": "x", "value": "x" * 65})
    assert is_taken(CustomerChange, {})
    assert wrong_fields(CustomerChange, {"timezone": "UTC"}) == ["timezone"]
