"""Customers: their two ids, their one currency, and their calendar."""

from typing import Any

import pytest

from orbdo_server.core.customers import Customer
from orbdo_server.core.errors import UnknownCurrencyError, UnknownTimezoneError
from orbdo_server.engine import customers
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, DuplicateResourceError, InvalidRequestError, NotFoundError
from tests.server.conftest import NOW, TENANT

OURS = "cus_" + "0" * 26


def add(transaction: Transaction, **changes: Any) -> Customer:
    """Ada, or who she is changed into."""
    fields: dict[str, Any] = {
        "name": "Ada",
        "email": "ada@example.com",
        "external_customer_id": "ada",
        "currency": None,
        "timezone": "Europe/Berlin",
        "auto_issuance": None,
        "metadata": {},
        "details": {},
        **changes,
    }
    return customers.create_customer(transaction, **fields)


def test_a_customer_is_found_by_either_id(transaction: Transaction) -> None:
    """One way each, and one for both."""
    ada = add(transaction)
    assert (ada.tenant, ada.created_at, ada.timezone) == (TENANT, NOW, "Europe/Berlin")
    assert customers.require_customer(transaction, ada.id) == ada
    assert customers.require_customer_by_external_id(transaction, "ada") == ada
    for identifier in (ada.id, "ada"):
        assert customers.require_customer_by_any_id(transaction, identifier) == ada
    for named in ({"customer_id": ada.id}, {"external_customer_id": "ada"}):
        both: dict[str, str | None] = {"customer_id": None, "external_customer_id": None, **named}
        assert customers.require_customer_by_either(transaction, **both) == ada


@pytest.mark.parametrize("identifier", ["cus_" + "1" * 26, "nobody", "cus_short", ""])
def test_an_unknown_customer_is_named(transaction: Transaction, identifier: str) -> None:
    """Whichever kind of id it looks like."""
    with pytest.raises(NotFoundError, match=f"Customer with identifier: {identifier}"):
        customers.require_customer_by_any_id(transaction, identifier)


@pytest.mark.parametrize("named", [{}, {"customer_id": OURS, "external_customer_id": "ada"}])
def test_a_customer_is_named_once(transaction: Transaction, named: dict[str, str]) -> None:
    """Neither no id nor both."""
    both: dict[str, str | None] = {"customer_id": None, "external_customer_id": None, **named}
    with pytest.raises(InvalidRequestError, match="exactly one of customer_id and external_customer_id"):
        customers.require_customer_by_either(transaction, **both)


def test_an_external_id_is_taken_once(transaction: Transaction, rival: Transaction) -> None:
    """Another tenant may have an Ada of its own; customers without such an id are many."""
    ada = add(transaction)
    with pytest.raises(DuplicateResourceError, match=ada.id):
        add(transaction)
    assert add(rival).id != ada.id
    assert add(transaction, external_customer_id=None).id != add(transaction, external_customer_id=None).id


def test_an_external_id_does_not_look_like_one_of_ours(transaction: Transaction) -> None:
    """Nobody could say which of the two is meant."""
    with pytest.raises(InvalidRequestError, match="has the form of an orbdo id"):
        add(transaction, external_customer_id=OURS)
    assert add(transaction, external_customer_id=OURS[:-1]).external_customer_id == OURS[:-1]


def test_currency_and_time_zone_are_known_ones(transaction: Transaction) -> None:
    """Both are needed for every invoice to come."""
    with pytest.raises(UnknownCurrencyError):
        add(transaction, currency="XXX")
    with pytest.raises(UnknownTimezoneError):
        add(transaction, timezone="Europe/Atlantis")


def test_what_is_given_is_changed(transaction: Transaction) -> None:
    """The rest stays."""
    ada = add(transaction)
    changed = customers.update_customer(transaction, ada, {"name": "Ada L.", "details": {"tax_id": None}})
    assert (changed.name, changed.details, changed.email) == ("Ada L.", {"tax_id": None}, "ada@example.com")
    assert customers.require_customer(transaction, ada.id) == changed


def test_an_external_id_is_given_once(transaction: Transaction) -> None:
    """Events were counted under it, so that it stays; the same again is no change."""
    nameless = add(transaction, external_customer_id=None)
    named = customers.update_customer(transaction, nameless, {"external_customer_id": "ada"})
    assert customers.update_customer(transaction, named, {"external_customer_id": "ada"}) == named
    with pytest.raises(ConstraintViolationError, match="so it stays"):
        customers.update_customer(transaction, named, {"external_customer_id": "lovelace"})


def test_a_change_cannot_take_somebody_elses_id(transaction: Transaction) -> None:
    """The same rules as for a new customer."""
    ada = add(transaction)
    nameless = add(transaction, external_customer_id=None)
    with pytest.raises(DuplicateResourceError, match=ada.id):
        customers.update_customer(transaction, nameless, {"external_customer_id": "ada"})
    with pytest.raises(InvalidRequestError, match="orbdo id"):
        customers.update_customer(transaction, nameless, {"external_customer_id": OURS})


def test_a_currency_is_chosen_once(transaction: Transaction) -> None:
    """By a change or by the first subscription; from then on it stays."""
    ada = add(transaction)
    with pytest.raises(UnknownCurrencyError):
        customers.update_customer(transaction, ada, {"currency": "XXX"})
    billed = customers.set_currency(transaction, ada, "USD")
    assert billed.currency == "USD"
    assert customers.set_currency(transaction, billed, "USD") is billed
    with pytest.raises(ConstraintViolationError, match="billed in USD, the plan is in EUR"):
        customers.set_currency(transaction, billed, "EUR")
    with pytest.raises(ConstraintViolationError, match="currency does not change"):
        customers.update_customer(transaction, billed, {"currency": "EUR"})
    assert customers.update_customer(transaction, billed, {"currency": "USD"}) == billed


def test_another_tenants_customer_does_not_exist(transaction: Transaction, rival: Transaction) -> None:
    """By no id at all."""
    ada = add(transaction)
    for identifier in (ada.id, "ada"):
        with pytest.raises(NotFoundError):
            customers.require_customer_by_any_id(rival, identifier)
