"""Verifying invoices: what still follows from the log passes, and any damage is named."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Update, update

from orbdo_server.core.invoice_states import Invoice, InvoiceStatus, Payment
from orbdo_server.core.sealing import seal
from orbdo_server.engine.invoicing import create_draft, open_invoice
from orbdo_server.engine.issuing import issue_invoice, mark_paid, void_invoice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.engine.verification import Verification, sealed_invoice_ids, verify_invoice
from orbdo_server.errors import ConstraintViolationError, NotFoundError
from orbdo_server.storage import invoices
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.tables import metrics, prices
from tests.support.billing import utc
from tests.support.metered import event, open_log, send

LINE = "line 1 (Tokens, 2023-11-01T00:00:00+00:00 to 2023-12-01T00:00:00+00:00)"


@pytest.fixture
def invoice(ledger: Transaction, log: DuckDBEventLog) -> Invoice:
    """November with a million tokens, issued for 2.00 USD."""
    send(log, event("a", 1_000_000))
    draft = create_draft(ledger, log, subscription_id="sub_ada", memo="Thanks")
    return issue_invoice(ledger, log, invoice_id=draft.invoice.id).invoice


def problem_of(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> str | None:
    """What verifying the invoice finds."""
    found = verify_invoice(ledger, log, invoice_id=invoice.id)
    assert (found.invoice_id, found.number) == (invoice.id, "INV-000001")
    return found.problem


def overwrite(ledger: Transaction, invoice: Invoice) -> None:
    """Write an issued invoice over what is kept of it, as somebody with access to the database could."""
    assert invoices.replace(ledger.connection, invoice, expected=InvoiceStatus.ISSUED)


def test_an_issued_invoice_verifies(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """An invoice that nobody touched comes out the same when it is computed again."""
    assert verify_invoice(ledger, log, invoice_id=invoice.id) == Verification(
        invoice_id=invoice.id, number="INV-000001", problem=None
    )


def test_late_events_do_not_matter(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """What came in after the invoice was issued is not part of what is computed again."""
    send(log, event("late", 5_000_000))
    assert problem_of(ledger, log, invoice) is None


def test_paid_and_void_invoices_verify_too(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """What became of an invoice later does not change what it says."""
    mark_paid(ledger, invoice_id=invoice.id, payment=Payment(received_at=utc(2026, 1, 1)))
    second = create_draft(ledger, log, subscription_id="sub_ada").invoice
    issue_invoice(ledger, log, invoice_id=second.id)
    void_invoice(ledger, invoice_id=second.id)
    assert sealed_invoice_ids(ledger) == [invoice.id, second.id]
    assert [verify_invoice(ledger, log, invoice_id=one).problem for one in (invoice.id, second.id)] == [None, None]


def test_a_draft_is_not_verified(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """A draft has no seal; it is not listed among those to verify, and asking for it is refused."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice
    assert sealed_invoice_ids(ledger) == [invoice.id]
    with pytest.raises(ConstraintViolationError, match="A draft is not sealed"):
        verify_invoice(ledger, log, invoice_id=draft.id)


def test_a_tenant_verifies_its_own_invoices(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """Another tenant's invoices are not there."""
    stranger = replace(ledger, tenant="other")
    assert sealed_invoice_ids(stranger) == []
    with pytest.raises(NotFoundError):
        verify_invoice(stranger, log, invoice_id=invoice.id)


def test_an_altered_seal_is_named(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """Bytes that changed are told by their hash."""
    assert invoice.seal is not None
    overwrite(ledger, msgspec.structs.replace(invoice, seal=invoice.seal.replace(b'"total":"2"', b'"total":"1"')))
    assert problem_of(ledger, log, invoice) == "the sealed bytes do not have the hash they were sealed with"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"total": Decimal(1)}, "the total beside the seal is 1, sealed was 2"),
        ({"memo": "Pay me"}, "the memo beside the seal is Pay me, sealed was Thanks"),
        ({"as_of": 2}, "the as_of beside the seal is 2, sealed was 1"),
        ({"currency": "EUR"}, "the currency beside the seal is EUR, sealed was USD"),
    ],
)
def test_a_column_that_contradicts_the_seal_is_named(
    ledger: Transaction, log: DuckDBEventLog, invoice: Invoice, changes: dict[str, object], expected: str
) -> None:
    """A column that lists would show is compared with what was sealed."""
    overwrite(ledger, msgspec.structs.replace(invoice, **changes))
    assert problem_of(ledger, log, invoice) == expected


def test_missing_columns_are_named(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """An issued invoice that lost a column is damaged too."""
    overwrite(ledger, msgspec.structs.replace(invoice, as_of=None, issued_at=None, due_at=None))
    assert problem_of(ledger, log, invoice) == "the as_of beside the seal is 0, sealed was 1"


def test_a_forged_seal_does_not_follow_from_the_log(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """Whoever rewrites an amount and every hash is caught by the events; the line is named."""
    sealed = open_invoice(invoice)
    (line,) = sealed.content.invoice.lines
    lower = msgspec.structs.replace(line, amount=Decimal(1))
    forged = msgspec.structs.replace(sealed.content.invoice, lines=(lower,), subtotal=Decimal(1), total=Decimal(1))
    kept = seal(msgspec.structs.replace(sealed.content, invoice=forged), issuance=sealed.issuance, buyer=sealed.buyer)
    overwrite(ledger, msgspec.structs.replace(invoice, seal=kept.document, seal_hash=kept.hash, total=Decimal(1)))
    assert problem_of(ledger, log, invoice) == f"{LINE}: amount was sealed as 1 and is computed as 2"


def test_a_log_that_lost_events_is_named(
    ledger: Transaction, log: DuckDBEventLog, invoice: Invoice, tmp_path: Path
) -> None:
    """A log that is shorter than when the invoice was issued cannot prove it."""
    (tmp_path / "other").mkdir()
    with open_log(tmp_path / "other") as empty:
        assert problem_of(ledger, empty, invoice) == "the log ends at position 0, the invoice was computed at 1"


def test_a_log_with_other_events_is_named(
    ledger: Transaction, log: DuckDBEventLog, invoice: Invoice, tmp_path: Path
) -> None:
    """A log in which an event says something else gives another quantity, and the line is named."""
    (tmp_path / "other").mkdir()
    with open_log(tmp_path / "other") as other:
        send(other, event("a", 999_999))
        assert problem_of(ledger, other, invoice) == f"{LINE}: quantity was sealed as 1000000 and is computed as 999999"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        pytest.param(
            update(prices).values(config={"model_type": "unit", "unit_amount": "9"}),
            "the price price_tokens is not the one that was sealed",
            id="price",
        ),
        pytest.param(
            update(metrics).values(sql="SELECT count(*) FROM events"),
            "the metric met_tokens is not the one that was sealed",
            id="metric",
        ),
    ],
)
def test_a_price_or_metric_that_was_changed_is_named(
    ledger: Transaction, log: DuckDBEventLog, invoice: Invoice, damage: Update, expected: str
) -> None:
    """Prices and the SQL of metrics never change; when one did in the database, the invoice says so."""
    ledger.connection.execute(damage)
    assert problem_of(ledger, log, invoice) == expected


def test_metadata_of_a_price_may_change(ledger: Transaction, log: DuckDBEventLog, invoice: Invoice) -> None:
    """What is only said about a price is not part of what an invoice follows from."""
    ledger.connection.execute(update(prices).values(metadata={"team": "a"}))
    assert problem_of(ledger, log, invoice) is None
