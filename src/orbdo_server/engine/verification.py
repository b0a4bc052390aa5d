"""Proving an issued invoice: computed again from what was sealed with it and from the log as it stood, and compared."""

import msgspec

from orbdo_server.core.invoice_states import Invoice
from orbdo_server.core.invoices import InvoiceTerms, compute_invoice
from orbdo_server.core.sealing import BrokenSealError, Issuance, SealedInvoice, first_difference
from orbdo_server.engine.invoicing import SEALED, open_invoice, read_inputs, require_invoice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError
from orbdo_server.storage import invoices, metrics, prices
from orbdo_server.storage.event_log import EventLog


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What became of computing an invoice again; ``problem`` is None when it came out the same."""

    invoice_id: str
    number: str
    problem: str | None


def sealed_invoice_ids(transaction: Transaction) -> list[str]:
    """The ids of all invoices of the tenant that can be verified, oldest first."""
    return invoices.ids(transaction.connection, tenant=transaction.tenant, statuses=SEALED)


def verify_invoice(transaction: Transaction, log: EventLog, *, invoice_id: str) -> Verification:
    """Whether the invoice still follows from its sealed terms and the log; nothing is written.

    The problem names the first thing that is wrong: the seal, a column beside it, a price or metric that was changed,
    or the first line that differs. Raises ``NotFoundError``, and ``ConstraintViolationError`` for a draft.
    """
    invoice = require_invoice(transaction, invoice_id)
    if invoice.status not in SEALED:
        message = "A draft is not sealed; there is nothing to verify."
        raise ConstraintViolationError(message)
    return Verification(
        invoice_id=invoice.id, number=invoice.number or "", problem=_first_problem(transaction, log, invoice)
    )


def _first_problem(transaction: Transaction, log: EventLog, invoice: Invoice) -> str | None:
    try:
        sealed = open_invoice(invoice)
    except BrokenSealError as error:
        return str(error)
    return (
        _changed_column(invoice, sealed)
        or _changed_terms(transaction, sealed.content.inputs.terms)
        or _changed_lines(log, sealed, tenant=invoice.tenant)
    )


def _changed_column(invoice: Invoice, sealed: SealedInvoice) -> str | None:
    """The first column that contradicts the seal, which lists and joins would believe."""
    columns = Issuance(
        invoice_id=invoice.id,
        number=invoice.number or "",
        as_of=invoice.as_of or 0,
        issued_at=invoice.issued_at or invoice.created_at,
        due_at=invoice.due_at or invoice.created_at,
        memo=invoice.memo,
    )
    terms = sealed.content.inputs.terms
    pairs = [(field, getattr(columns, field), getattr(sealed.issuance, field)) for field in Issuance.__struct_fields__]
    pairs += [
        ("total", invoice.total, sealed.content.invoice.total),
        ("currency", invoice.currency, terms.currency),
        ("period", invoice.period, terms.period),
        ("customer_id", invoice.customer_id, terms.customer.id),
        ("subscription_id", invoice.subscription_id, terms.timeline.subscription_id),
    ]
    wrong = (
        f"the {field} beside the seal is {kept}, sealed was {meant}" for field, kept, meant in pairs if kept != meant
    )
    return next(wrong, None)


def _changed_terms(transaction: Transaction, terms: InvoiceTerms) -> str | None:
    """The first price or metric that is not what it was sealed as, though neither ever changes."""
    connection, tenant = transaction.connection, transaction.tenant
    known = prices.get_many(connection, tenant=tenant, price_ids=terms.prices)
    for price_id, price in terms.prices.items():
        now = known.get(price_id)
        if now is None or msgspec.structs.replace(now, metadata=price.metadata) != price:
            return f"the price {price_id} is not the one that was sealed"
    asked = metrics.get_many(connection, tenant=tenant, metric_ids=terms.metric_sql)
    for metric_id, sql in terms.metric_sql.items():
        if metric_id not in asked or asked[metric_id].sql != sql:
            return f"the metric {metric_id} is not the one that was sealed"
    return None


def _changed_lines(log: EventLog, sealed: SealedInvoice, *, tenant: str) -> str | None:
    as_of = sealed.issuance.as_of
    position = log.position()
    if position < as_of:
        return f"the log ends at position {position}, the invoice was computed at {as_of}"
    inputs = read_inputs(log, sealed.content.inputs.terms, tenant=tenant, as_of=as_of)
    return first_difference(sealed.content.invoice, compute_invoice(inputs))
