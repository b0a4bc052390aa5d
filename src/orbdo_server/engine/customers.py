"""Customers: added, changed, found by either of their ids."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from orbdo_server.core.customers import Customer
from orbdo_server.core.money import minor_digits
from orbdo_server.core.periods import zone_info
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, DuplicateResourceError, InvalidRequestError, NotFoundError
from orbdo_server.storage import customers

# An external id of this form could not be told from one of ours.
OUR_ID = re.compile(r"cus_[0-9a-z]{26}")


def create_customer(
    transaction: Transaction,
    *,
    name: str,
    email: str,
    external_customer_id: str | None,
    currency: str | None,
    timezone: str,
    auto_issuance: bool | None,
    metadata: dict[str, str],
    details: dict[str, Any],
) -> Customer:
    """A new customer; raises ``DuplicateResourceError`` when the external id is taken."""
    zone_info(timezone)
    if currency is not None:
        minor_digits(currency)
    _check_external_id(transaction, external_customer_id, customer_id=None)
    customer = Customer(
        id=transaction.new_id("cus"),
        tenant=transaction.tenant,
        external_customer_id=external_customer_id,
        name=name,
        email=email,
        currency=currency,
        timezone=timezone,
        created_at=transaction.now,
        auto_issuance=auto_issuance,
        metadata=metadata,
        details=details,
    )
    customers.insert(transaction.connection, customer)
    return customer


def require_customer(transaction: Transaction, customer_id: str) -> Customer:
    """The customer with this id of ours; raises ``NotFoundError``."""
    customer = customers.get(transaction.connection, tenant=transaction.tenant, customer_id=customer_id)
    if customer is None:
        raise NotFoundError.of("Customer", customer_id)
    return customer


def require_customer_by_external_id(transaction: Transaction, external_customer_id: str) -> Customer:
    """The customer with this id in the caller's own system; raises ``NotFoundError``."""
    customer = customers.find_by_external_id(
        transaction.connection, tenant=transaction.tenant, external_customer_id=external_customer_id
    )
    if customer is None:
        raise NotFoundError.of("Customer", external_customer_id)
    return customer


def require_customer_by_either(
    transaction: Transaction, *, customer_id: str | None, external_customer_id: str | None
) -> Customer:
    """The customer named by exactly one of the two ids; raises ``InvalidRequestError`` for none or both."""
    if (customer_id is None) == (external_customer_id is None):
        message = "give exactly one of customer_id and external_customer_id"
        raise InvalidRequestError.of("customer_id", message)
    if external_customer_id is not None:
        return require_customer_by_external_id(transaction, external_customer_id)
    assert customer_id is not None, "one of the two is given"
    return require_customer(transaction, customer_id)


def require_customer_by_any_id(transaction: Transaction, identifier: str) -> Customer:
    """The customer whose external id, or else whose id of ours, this is; raises ``NotFoundError``."""
    if OUR_ID.fullmatch(identifier):
        return require_customer(transaction, identifier)
    return require_customer_by_external_id(transaction, identifier)


def update_customer(transaction: Transaction, customer: Customer, changes: Mapping[str, Any]) -> Customer:
    """The customer with those fields changed.

    Events keep the external id they were sent with, so an external id can be given once and not be taken away again.
    """
    changed: Customer = msgspec.structs.replace(customer, **changes)
    external_id = changed.external_customer_id
    if external_id != customer.external_customer_id:
        if customer.external_customer_id is not None:
            message = "The external_customer_id is set; events were counted under it, so it stays."
            raise ConstraintViolationError(message)
        _check_external_id(transaction, external_id, customer_id=customer.id)
    if changed.currency is not None:
        minor_digits(changed.currency)
    if customer.currency is not None and changed.currency != customer.currency:
        message = f"The customer is billed in {customer.currency}; a customer's currency does not change."
        raise ConstraintViolationError(message)
    customers.update(transaction.connection, changed)
    return changed


def set_currency(transaction: Transaction, customer: Customer, currency: str) -> Customer:
    """The customer billed in ``currency`` from the first subscription on.

    Raises ``ConstraintViolationError`` when it is billed in another.
    """
    if customer.currency == currency:
        return customer
    if customer.currency is not None:
        message = f"The customer is billed in {customer.currency}, the plan is in {currency}."
        raise ConstraintViolationError(message)
    return update_customer(transaction, customer, {"currency": currency})


def _check_external_id(transaction: Transaction, external_id: str | None, *, customer_id: str | None) -> None:
    if external_id is None:
        return
    if OUR_ID.fullmatch(external_id):
        raise InvalidRequestError.of("external_customer_id", "has the form of an orbdo id; choose another")
    known = customers.find_by_external_id(
        transaction.connection, tenant=transaction.tenant, external_customer_id=external_id
    )
    if known is not None and known.id != customer_id:
        raise DuplicateResourceError.of("external_customer_id", f"is that of the customer {known.id} already")
