"""What an issued invoice counted, beside what the log says to the same questions as it stood then and as it stands now.

The first two must be one number. That the last one is another says what came in, or was corrected, after the invoice
was issued.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.invoice_states import Invoice
from orbdo_server.core.invoices import Line, Measurement, Reading, measurements
from orbdo_server.core.sealing import BrokenSealError, SealedInvoice
from orbdo_server.engine.invoicing import open_invoice
from orbdo_server.engine.metering import read_quantity
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import customers
from orbdo_server.storage.event_log import EventLog, Scope

DifferenceKind: TypeAlias = Literal[
    "in_effect", "sealed_events", "sealed_quantity", "late_events", "late_quantity", "broken_seal"
]
InvoiceState: TypeAlias = Literal["agrees", "late", "differs"]

_LATE = frozenset[DifferenceKind]({"late_events", "late_quantity"})


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two numbers that should be one, and where: an hour, or a line of an invoice; a broken seal has no numbers."""

    kind: DifferenceKind
    hour: datetime | None = None
    invoice_id: str | None = None
    line_id: str | None = None
    expected: Decimal | None = None
    found: Decimal | None = None


class ReconciledInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """The events of all lines of an invoice: by its seal, by the log when it was sealed, and by the log now.

    It is ``late`` when only the last differs. With a broken seal the numbers are 0 and ``as_of`` is None.
    """

    invoice: Invoice
    as_of: int | None
    state: InvoiceState
    events_sealed: int
    events_as_of: int
    events_now: int
    differences: list[Difference]


class _LineReadings(msgspec.Struct, frozen=True, kw_only=True):
    sealed: Line
    then: Reading
    now: Reading


def reconcile_invoice(transaction: Transaction, log: EventLog, invoice: Invoice, *, as_of: int) -> ReconciledInvoice:
    """The issued invoice beside the log as of a position, with what differs line by line."""
    try:
        sealed = open_invoice(invoice)
    except BrokenSealError:
        broken = [Difference(kind="broken_seal", invoice_id=invoice.id)]
        return _reconciled(invoice, None, [], broken)
    customer = customers.get(transaction.connection, tenant=transaction.tenant, customer_id=invoice.customer_id)
    assert customer is not None, "an invoice has a customer"
    lines = list(_lines(log, sealed, tenant=transaction.tenant, customer=customer.ref, as_of=as_of))
    differences = [difference for line in lines for difference in _differences(invoice.id, line)]
    return _reconciled(invoice, sealed.issuance.as_of, lines, differences)


def _lines(
    log: EventLog, sealed: SealedInvoice, *, tenant: str, customer: CustomerRef, as_of: int
) -> Iterator[_LineReadings]:
    terms = sealed.content.inputs.terms
    billed = {line.id: line for line in sealed.content.invoice.lines}

    def read(asked: Measurement, whose: CustomerRef, at: int) -> Reading:
        return read_quantity(log, asked.sql, scope=Scope(tenant=tenant, as_of=at, customer=whose, period=asked.period))

    for asked in measurements(terms):
        yield _LineReadings(
            sealed=billed[asked.line_id],
            then=read(asked, terms.customer, sealed.issuance.as_of),
            # By the names the customer has now: it may have been given its external id after the invoice was issued.
            now=read(asked, customer, as_of),
        )


def _differences(invoice_id: str, line: _LineReadings) -> Iterator[Difference]:
    """At most one of each pair: other events as a rule mean another quantity, which needs no saying."""
    told = _first_difference(
        "sealed_events", line.sealed.events_counted, line.then.events_counted
    ) or _first_difference("sealed_quantity", line.sealed.quantity, line.then.quantity)
    late = _first_difference("late_events", line.then.events_counted, line.now.events_counted) or _first_difference(
        "late_quantity", line.then.quantity, line.now.quantity
    )
    for found in (told, late):
        if found is not None:
            yield msgspec.structs.replace(found, invoice_id=invoice_id, line_id=line.sealed.id)


def _first_difference(kind: DifferenceKind, expected: Decimal | int, found: Decimal | int) -> Difference | None:
    if expected == found:
        return None
    return Difference(kind=kind, expected=Decimal(expected), found=Decimal(found))


def _reconciled(
    invoice: Invoice, as_of: int | None, lines: list[_LineReadings], differences: list[Difference]
) -> ReconciledInvoice:
    kinds = {difference.kind for difference in differences}
    return ReconciledInvoice(
        invoice=invoice,
        as_of=as_of,
        state="agrees" if not kinds else "late" if kinds <= _LATE else "differs",
        events_sealed=sum(line.sealed.events_counted for line in lines),
        events_as_of=sum(line.then.events_counted for line in lines),
        events_now=sum(line.now.events_counted for line in lines),
        differences=differences,
    )
