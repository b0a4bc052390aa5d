"""What invoices say: the upcoming one and drafts computed live, issued ones read from their seals.

A draft keeps no amounts; it is computed whenever it is read, as of that moment. How it comes to be issued, paid or void
is decided in ``issuing``.
"""

import msgspec

from orbdo_server.core.invoice_periods import next_period
from orbdo_server.core.invoice_states import (
    REASON_SUBSCRIPTION,
    Invoice,
    InvoiceStatus,
)
from orbdo_server.core.invoices import InvoiceInputs, InvoiceTerms, compute_invoice, measurements
from orbdo_server.core.periods import Period
from orbdo_server.core.sealing import (
    Buyer,
    InvoiceContent,
    Seal,
    SealedInvoice,
    content_hash,
    open_seal,
)
from orbdo_server.engine.metering import read_quantity
from orbdo_server.engine.subscription_facts import SubscriptionFacts, load_facts
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConflictError, ConstraintViolationError, InvalidRequestError, NotFoundError
from orbdo_server.storage import invoices, plans
from orbdo_server.storage.event_log import EventLog, Scope

SEALED = (InvoiceStatus.ISSUED, InvoiceStatus.PAID, InvoiceStatus.VOID)
COUNTING = (InvoiceStatus.ISSUED, InvoiceStatus.PAID)


class InvoiceView(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice with what it says: computed now for a draft, read from the seal for any other."""

    invoice: Invoice
    content: InvoiceContent
    content_hash: str
    as_of: int
    buyer: Buyer


def preview_invoice(transaction: Transaction, log: EventLog, *, subscription_id: str) -> InvoiceView:
    """The earliest period of the subscription that is not invoiced, computed as of now; nothing is written.

    Raises ``NotFoundError`` when the subscription is unknown or has nothing left to invoice.
    """
    facts = load_facts(transaction, subscription_id)
    period = next_period(facts.timeline, facts.prices, _invoiced(transaction, facts))
    if period is None:
        message = f"The subscription {subscription_id} has nothing left to invoice."
        raise NotFoundError(message)
    draft = _new_draft(transaction, facts, period, invoice_id=f"upcoming_{subscription_id}")
    return compute_view(log, facts, draft, as_of=log.position())


def create_draft(
    transaction: Transaction,
    log: EventLog,
    *,
    subscription_id: str,
    customer_id: str | None = None,
    memo: str | None = None,
    metadata: dict[str, str] | None = None,
) -> InvoiceView:
    """The draft of the earliest period that is not invoiced; the one there is, or else a new one.

    A memo and metadata that are given replace those of a draft there is. Raises ``NotFoundError`` for an unknown
    subscription, ``InvalidRequestError`` when ``customer_id`` is not its own, and ``ConstraintViolationError``
    when every period that has begun is invoiced.
    """
    facts = load_facts(transaction, subscription_id)
    if customer_id is not None and customer_id != facts.customer.id:
        raise InvalidRequestError.of("customer_id", f"is not the customer of the subscription {subscription_id}")
    period = next_period(facts.timeline, facts.prices, _invoiced(transaction, facts))
    if period is None or transaction.now < period.start:
        message = f"Every period of the subscription {subscription_id} that has begun is invoiced."
        raise ConstraintViolationError(message)
    found = _find_draft(transaction, facts, period)
    draft = found or _new_draft(transaction, facts, period, invoice_id=transaction.new_id("inv"))
    draft = msgspec.structs.replace(
        draft,
        period=period,
        memo=draft.memo if memo is None else memo,
        metadata=draft.metadata if metadata is None else metadata,
    )
    if found is None:
        invoices.insert(transaction.connection, draft)
    else:
        keep_invoice(transaction, draft, expected=InvoiceStatus.DRAFT)
    return compute_view(log, facts, draft, as_of=log.position())


def require_invoice(transaction: Transaction, invoice_id: str) -> Invoice:
    """The invoice; raises ``NotFoundError``."""
    invoice = invoices.get(transaction.connection, tenant=transaction.tenant, invoice_id=invoice_id)
    if invoice is None:
        raise NotFoundError.of("Invoice", invoice_id)
    return invoice


def view_invoice(transaction: Transaction, log: EventLog, invoice: Invoice) -> InvoiceView:
    """What the invoice says. Raises ``BrokenSealError`` rather than show an issued invoice that was altered."""
    if invoice.status is not InvoiceStatus.DRAFT:
        return view_sealed(invoice)
    facts = load_facts(transaction, invoice.subscription_id)
    period = period_of_draft(transaction, facts, invoice)
    draft = msgspec.structs.replace(invoice, period=period or invoice.period)
    return compute_view(log, facts, draft, as_of=log.position())


def view_sealed(invoice: Invoice) -> InvoiceView:
    """What an invoice that was issued says, from its seal alone; raises ``BrokenSealError`` when it was altered."""
    sealed = open_invoice(invoice)
    return InvoiceView(
        invoice=invoice,
        content=sealed.content,
        content_hash=sealed.content_hash,
        as_of=sealed.issuance.as_of,
        buyer=sealed.buyer,
    )


def open_invoice(invoice: Invoice) -> SealedInvoice:
    """The seal of an invoice that was issued; raises ``BrokenSealError`` when it was altered."""
    assert invoice.seal is not None, "an invoice is sealed when it is issued"
    assert invoice.seal_hash is not None, "a seal has a hash"
    return open_seal(Seal(document=invoice.seal, hash=invoice.seal_hash))


def compute_view(log: EventLog, facts: SubscriptionFacts, invoice: Invoice, *, as_of: int) -> InvoiceView:
    """What a draft says, computed from the facts and from the log as of a position."""
    terms = facts.terms(invoice.period, currency=invoice.currency)
    inputs = read_inputs(log, terms, tenant=invoice.tenant, as_of=as_of)
    content = InvoiceContent(inputs, compute_invoice(inputs))
    customer = facts.customer
    return InvoiceView(
        invoice=invoice,
        content=content,
        content_hash=content_hash(content),
        as_of=as_of,
        buyer=Buyer(name=customer.name, email=customer.email, details=customer.details),
    )


def period_of_draft(transaction: Transaction, facts: SubscriptionFacts, invoice: Invoice) -> Period | None:
    """The draft's period as the subscription has it now, which may end earlier; None when it bills nothing any more."""
    taken = _invoiced(transaction, facts)
    start, beginning = invoice.period.start, facts.subscription.start
    if start > beginning:
        # Whether earlier periods are invoiced does not matter to this one.
        taken.append(Period(beginning, start))
    period = next_period(facts.timeline, facts.prices, taken)
    return period if period is not None and period.start == start else None


def keep_invoice(transaction: Transaction, invoice: Invoice, *, expected: InvoiceStatus) -> None:
    """Keep a changed invoice; raises ``ConflictError`` when its status is not the expected one any more."""
    if not invoices.replace(transaction.connection, invoice, expected=expected):
        message = "The invoice was changed by another request."
        raise ConflictError(message)


def read_inputs(log: EventLog, terms: InvoiceTerms, *, tenant: str, as_of: int) -> InvoiceInputs:
    """The terms with the answers of the log, as of a position, to everything they have to measure."""
    readings = {
        asked.line_id: read_quantity(
            log,
            asked.sql,
            scope=Scope(tenant=tenant, as_of=as_of, customer=terms.customer, period=asked.period),
        )
        for asked in measurements(terms)
    }
    return InvoiceInputs(terms, readings)


def _invoiced(transaction: Transaction, facts: SubscriptionFacts) -> list[Period]:
    return invoices.periods(
        transaction.connection,
        tenant=transaction.tenant,
        subscription_id=facts.subscription.id,
        statuses=COUNTING,
    )


def _find_draft(transaction: Transaction, facts: SubscriptionFacts, period: Period) -> Invoice | None:
    return invoices.find_draft(
        transaction.connection,
        tenant=transaction.tenant,
        subscription_id=facts.subscription.id,
        period_start=period.start,
        reason=REASON_SUBSCRIPTION,
    )


def _new_draft(transaction: Transaction, facts: SubscriptionFacts, period: Period, *, invoice_id: str) -> Invoice:
    generation = invoices.last_generation(
        transaction.connection,
        tenant=transaction.tenant,
        subscription_id=facts.subscription.id,
        period_start=period.start,
        reason=REASON_SUBSCRIPTION,
    )
    return Invoice(
        id=invoice_id,
        tenant=transaction.tenant,
        customer_id=facts.customer.id,
        subscription_id=facts.subscription.id,
        period=period,
        currency=facts.currency,
        created_at=transaction.now,
        generation=generation + 1,
        memo=_default_memo(transaction, facts, period),
    )


def _default_memo(transaction: Transaction, facts: SubscriptionFacts, period: Period) -> str | None:
    """The memo of the plan in force when the period began."""
    interval = facts.subscription.plan_at(period.start)
    if interval is None:
        return None
    plan = plans.get(transaction.connection, tenant=transaction.tenant, plan_id=interval.plan_id)
    return None if plan is None else plan.default_invoice_memo
