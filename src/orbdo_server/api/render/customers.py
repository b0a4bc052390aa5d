"""Customers as the wire has them."""

import msgspec

from orbdo_sdk.wire import Address
from orbdo_sdk.wire import Customer as WireCustomer
from orbdo_server.core.customers import Customer


def render_customer(customer: Customer) -> WireCustomer:
    """A customer in full."""
    details = customer.details
    return WireCustomer(
        id=customer.id,
        external_customer_id=customer.external_customer_id,
        name=customer.name,
        email=customer.email,
        currency=customer.currency,
        timezone=customer.timezone,
        created_at=customer.created_at,
        metadata=customer.metadata,
        additional_emails=details.get("additional_emails", []),
        auto_issuance=customer.auto_issuance,
        billing_address=_address(details.get("billing_address")),
        shipping_address=_address(details.get("shipping_address")),
        tax_id=details.get("tax_id"),
    )


def _address(value: object) -> Address | None:
    return None if value is None else msgspec.convert(value, type=Address)
