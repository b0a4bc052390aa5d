"""Issued invoices beside the log they were computed from."""

from decimal import Decimal

import msgspec
import pytest

from orbdo_server.core.invoice_states import Invoice, InvoiceStatus
from orbdo_server.engine.customers import update_customer
from orbdo_server.engine.invoicing import create_draft
from orbdo_server.engine.issuing import issue_invoice
from orbdo_server.engine.reconciled_invoices import Difference, ReconciledInvoice, reconcile_invoice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import customers, invoices
from tests.support.billing import CUSTOMER, subscription, usage_price, utc
from tests.support.enrolment import enroll
from tests.support.metered import event
from tests.support.told_log import ToldLog


@pytest.fixture
def told() -> ToldLog:
    """A log with two events of November that says what it is told."""
    log = ToldLog()
    log.put(event("a", 5), event("b", 7))
    return log


@pytest.fixture
def invoice(ledger: Transaction, told: ToldLog) -> Invoice:
    """November, issued."""
    return issue(ledger, told)


def issue(transaction: Transaction, log: ToldLog) -> Invoice:
    """Issue the earliest month that is not invoiced."""
    draft = create_draft(transaction, log, subscription_id="sub_ada")
    return issue_invoice(transaction, log, invoice_id=draft.invoice.id).invoice


def reconciled(ledger: Transaction, log: ToldLog, invoice: Invoice) -> ReconciledInvoice:
    """The invoice as of now."""
    return reconcile_invoice(ledger, log, invoice, as_of=log.position())


def counts(found: ReconciledInvoice) -> tuple[int, int, int]:
    """The events by the seal, by the log then, and by the log now."""
    return found.events_sealed, found.events_as_of, found.events_now


def differences(found: ReconciledInvoice) -> list[tuple[str, Decimal | None, Decimal | None]]:
    """What differs, with both numbers; every one names the invoice."""
    assert {one.invoice_id for one in found.differences} <= {found.invoice.id}
    return [(one.kind, one.expected, one.found) for one in found.differences]


def test_an_invoice_agrees_with_its_log(ledger: Transaction, told: ToldLog, invoice: Invoice) -> None:
    """Both events are on it, then as now; the position is that of the seal."""
    found = reconciled(ledger, told, invoice)
    assert (found.state, found.as_of, counts(found), found.differences) == ("agrees", 2, (2, 2, 2), [])


def test_late_usage_is_named(ledger: Transaction, told: ToldLog, invoice: Invoice) -> None:
    """An event that came after the invoice is the difference between then and now, and the line is named."""
    told.put(event("late", 9), event("of another month", 9, utc(2023, 12, 1)))
    found = reconciled(ledger, told, invoice)
    assert (found.state, counts(found)) == ("late", (2, 2, 3))
    assert differences(found) == [("late_events", Decimal(2), Decimal(3))]
    assert (found.differences[0].line_id or "").startswith("line_")


def test_an_amendment_after_the_invoice_is_named(ledger: Transaction, told: ToldLog, invoice: Invoice) -> None:
    """As many events and another quantity."""
    told.turn("a", "amended")
    told.put(event("a", 6), amends=1)
    found = reconciled(ledger, told, invoice)
    assert (found.state, counts(found)) == ("late", (2, 2, 2))
    assert differences(found) == [("late_quantity", Decimal(12), Decimal(13))]


def test_a_log_that_lost_an_event_differs(ledger: Transaction, told: ToldLog, invoice: Invoice) -> None:
    """At the position of the seal the log has one event fewer than was sealed."""
    del told.rows[0]
    found = reconciled(ledger, told, invoice)
    assert (found.state, counts(found)) == ("differs", (2, 1, 1))
    assert differences(found) == [("sealed_events", Decimal(2), Decimal(1))]


def test_a_log_that_changed_an_event_differs(ledger: Transaction, told: ToldLog, invoice: Invoice) -> None:
    """Another quantity of as many events is seen too, beside what came late."""
    changed = event("a", 100)
    told.rows[0].stored = msgspec.structs.replace(told.rows[0].stored, event=changed)
    told.put(event("late", 1))
    found = reconciled(ledger, told, invoice)
    assert found.state == "differs"
    assert differences(found) == [
        ("sealed_quantity", Decimal(12), Decimal(107)),
        ("late_events", Decimal(2), Decimal(3)),
    ]


def test_a_broken_seal_is_named(ledger: Transaction, told: ToldLog, invoice: Invoice) -> None:
    """What an altered invoice says is not compared with anything."""
    assert invoice.seal is not None
    altered = msgspec.structs.replace(invoice, seal=invoice.seal.replace(b'"total":"', b'"total":"9'))
    assert invoices.replace(ledger.connection, altered, expected=InvoiceStatus.ISSUED)
    found = reconciled(ledger, told, altered)
    assert (found.state, found.as_of, counts(found)) == ("differs", None, (0, 0, 0))
    assert found.differences == [Difference(kind="broken_seal", invoice_id=invoice.id)]


def test_events_by_an_external_id_given_later_are_late(transaction: Transaction, told: ToldLog) -> None:
    """The customer had no external id when the invoice was issued; with it come the events that name it."""
    enroll(transaction, subscription(), usage_price())
    nameless = msgspec.structs.replace(CUSTOMER, external_customer_id=None)
    customers.update(transaction.connection, nameless)
    invoice = issue(transaction, told)
    assert counts(reconciled(transaction, told, invoice)) == (0, 0, 0)
    update_customer(transaction, nameless, {"external_customer_id": "ada"})
    found = reconciled(transaction, told, invoice)
    assert (found.state, counts(found)) == ("late", (0, 0, 2))
