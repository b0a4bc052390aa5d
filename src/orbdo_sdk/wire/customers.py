"""Customers on the wire, in the shape of Orb's ``Customer``."""

from datetime import datetime
from typing import Any

from orbdo_sdk.wire._envelope import Wire


class CustomerMinified(Wire, frozen=True, kw_only=True):
    """A customer as other resources refer to it."""

    id: str
    external_customer_id: str | None


class Hierarchy(Wire, frozen=True, kw_only=True):
    """Parent and child customers; always empty for now, present because Orb's clients require it."""

    children: list[CustomerMinified] = []
    parent: CustomerMinified | None = None


class Address(Wire, frozen=True, kw_only=True):
    """A postal address; any part may be missing."""

    city: str | None = None
    country: str | None = None
    line1: str | None = None
    line2: str | None = None
    postal_code: str | None = None
    state: str | None = None


class Customer(Wire, frozen=True, kw_only=True):
    """Who is billed. ``external_customer_id`` is the id in the caller's own system."""

    id: str
    external_customer_id: str | None
    name: str
    email: str
    currency: str | None
    timezone: str
    created_at: datetime
    metadata: dict[str, str]
    additional_emails: list[str] = []
    auto_collection: bool = False
    auto_issuance: bool | None = None
    balance: str = "0.00"
    billing_address: Address | None = None
    shipping_address: Address | None = None
    email_delivery: bool = False
    exempt_from_automated_tax: bool | None = None
    hierarchy: Hierarchy = Hierarchy()
    payment_provider: str | None = None
    payment_provider_id: str | None = None
    portal_url: str | None = None
    tax_id: dict[str, Any] | None = None
