"""The steps of an invoice: a draft is issued, an issued invoice is paid or voided, and each step happens once.

Issuing computes the draft one last time, as of one position in the log, and seals it; from then on every reading comes
from the seal and the log is not asked again. A step states the status it starts from where it writes, so that of two at
the same time one is told that the other was first.
"""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from orbdo_server.core.invoice_states import Invoice, InvoiceStatus, Payment, invoice_number, may_become
from orbdo_server.core.sealing import Issuance, seal
from orbdo_server.engine.invoicing import (
    InvoiceView,
    compute_view,
    keep_invoice,
    period_of_draft,
    require_invoice,
    view_sealed,
)
from orbdo_server.engine.sends import require_sends
from orbdo_server.engine.subscription_facts import load_facts
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError
from orbdo_server.storage import invoices
from orbdo_server.storage.event_log import EventLog

# A payment may carry tomorrow's date where the payer's day began before ours.
PAYMENT_AHEAD_MAX = timedelta(days=1)


def issue_invoice(transaction: Transaction, log: EventLog, *, invoice_id: str) -> InvoiceView:
    """The draft, computed as of the log's present position, numbered and sealed.

    It can be issued from the end of its period on; events for the period that come in later are not on it. Raises
    ``ConstraintViolationError`` before that, for anything but a draft, for one whose period is not billed any more, and
    ``SendsPausedError`` after a restore, since its number may have been given out.
    """
    require_sends(transaction.connection)
    invoice = require_invoice(transaction, invoice_id)
    _check_step(invoice, InvoiceStatus.ISSUED)
    facts = load_facts(transaction, invoice.subscription_id)
    period = period_of_draft(transaction, facts, invoice)
    if period is None:
        message = "The subscription has nothing to bill any more in the period of this draft."
        raise ConstraintViolationError(message)
    if transaction.now < period.end:
        message = f"The period of this invoice ends at {period.end.isoformat()}; it can be issued from then on."
        raise ConstraintViolationError(message)
    view = compute_view(log, facts, msgspec.structs.replace(invoice, period=period), as_of=log.position())
    issued = _sealed(transaction, view, net_terms=timedelta(days=facts.subscription.net_terms))
    keep_invoice(transaction, issued, expected=InvoiceStatus.DRAFT)
    return msgspec.structs.replace(view, invoice=issued)


def mark_paid(transaction: Transaction, *, invoice_id: str, payment: Payment) -> InvoiceView:
    """The issued invoice, paid. Raises ``ConstraintViolationError`` when it is not issued, or paid, or void."""
    invoice = require_invoice(transaction, invoice_id)
    if payment.received_at > transaction.now + PAYMENT_AHEAD_MAX:
        raise InvalidRequestError.of("payment_received_date", "lies in the future")
    return _step(transaction, invoice, InvoiceStatus.PAID, {"paid_at": transaction.now, "payment": payment})


def void_invoice(transaction: Transaction, *, invoice_id: str) -> InvoiceView:
    """The issued invoice, void: its period is free again for another invoice, under a number of its own.

    Raises ``ConstraintViolationError`` for anything but an issued invoice.
    """
    invoice = require_invoice(transaction, invoice_id)
    return _step(transaction, invoice, InvoiceStatus.VOID, {"voided_at": transaction.now})


def _sealed(transaction: Transaction, view: InvoiceView, *, net_terms: timedelta) -> Invoice:
    issuance = Issuance(
        invoice_id=view.invoice.id,
        number=invoice_number(invoices.take_number(transaction.connection, tenant=transaction.tenant)),
        as_of=view.as_of,
        issued_at=transaction.now,
        due_at=transaction.now + net_terms,
        memo=view.invoice.memo,
    )
    kept = seal(view.content, issuance=issuance, buyer=view.buyer)
    return msgspec.structs.replace(
        view.invoice,
        status=InvoiceStatus.ISSUED,
        number=issuance.number,
        as_of=issuance.as_of,
        seal=kept.document,
        seal_hash=kept.hash,
        total=view.content.invoice.total,
        issued_at=issuance.issued_at,
        due_at=issuance.due_at,
    )


def _step(
    transaction: Transaction, invoice: Invoice, target: InvoiceStatus, changes: Mapping[str, object]
) -> InvoiceView:
    _check_step(invoice, target)
    changed = msgspec.structs.replace(invoice, status=target, **changes)
    keep_invoice(transaction, changed, expected=invoice.status)
    return view_sealed(changed)


def _check_step(invoice: Invoice, target: InvoiceStatus) -> None:
    if not may_become(invoice.status, target):
        message = f"The invoice is {invoice.status.value}; it cannot become {target.value}."
        raise ConstraintViolationError(message)
