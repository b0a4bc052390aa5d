"""A stored invoice and the states it goes through. Once issued, its amounts are those of its seal and never change."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

import msgspec

from orbdo_server.core.periods import Period

# Why there is an invoice: a period of a subscription came to its end. The only reason, for now.
REASON_SUBSCRIPTION = "subscription"


class InvoiceStatus(StrEnum):
    """Where an invoice stands; the names are Orb's."""

    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    VOID = "void"


TRANSITIONS: Mapping[InvoiceStatus, frozenset[InvoiceStatus]] = MappingProxyType(
    {
        InvoiceStatus.DRAFT: frozenset({InvoiceStatus.ISSUED}),
        InvoiceStatus.ISSUED: frozenset({InvoiceStatus.PAID, InvoiceStatus.VOID}),
        InvoiceStatus.PAID: frozenset(),
        InvoiceStatus.VOID: frozenset(),
    }
)


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about a payment when the invoice was marked as paid."""

    received_at: datetime
    external_id: str | None = None
    notes: str | None = None


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice for ``period`` of a subscription; a draft has no amounts and no ``seal``, any other has both.

    ``generation`` counts the invoices for the same period and ``reason``: one more for each that was voided.
    """

    id: str
    tenant: str
    customer_id: str
    subscription_id: str
    period: Period
    currency: str
    created_at: datetime
    status: InvoiceStatus = InvoiceStatus.DRAFT
    reason: str = REASON_SUBSCRIPTION
    generation: int = 1
    number: str | None = None
    as_of: int | None = None
    seal: bytes | None = None
    seal_hash: str | None = None
    total: Decimal | None = None
    memo: str | None = None
    metadata: dict[str, str] = {}
    issued_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    payment: Payment | None = None

    @property
    def counts(self) -> bool:
        """Whether its period is invoiced by it: it is issued or paid."""
        return self.status in {InvoiceStatus.ISSUED, InvoiceStatus.PAID}


def may_become(status: InvoiceStatus, target: InvoiceStatus) -> bool:
    """Whether an invoice goes from one status to the other in one step."""
    return target in TRANSITIONS[status]


def invoice_number(count: int) -> str:
    """The number of a tenant's ``count``-th invoice: INV-000001 is the first; past 999,999 it grows."""
    assert count >= 1, "invoices are counted from one"
    return f"INV-{count:06d}"
