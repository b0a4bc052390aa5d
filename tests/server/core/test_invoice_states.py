"""Statuses of an invoice, the steps between them, and its number."""

import pytest

from orbdo_server.core.invoice_states import TRANSITIONS, Invoice, InvoiceStatus, invoice_number, may_become
from tests.support.billing import MADE, TENANT, month

STEPS = {("draft", "issued"), ("issued", "paid"), ("issued", "void")}


@pytest.mark.parametrize("status", list(InvoiceStatus))
@pytest.mark.parametrize("target", list(InvoiceStatus))
def test_an_invoice_takes_no_step_but_three(status: InvoiceStatus, target: InvoiceStatus) -> None:
    """A draft is issued, an issued invoice is paid or voided, and nothing else ever happens to its status."""
    assert may_become(status, target) is ((status.value, target.value) in STEPS)


def test_every_status_has_its_row() -> None:
    """No status is missing from the table of transitions."""
    assert set(TRANSITIONS) == {"draft", "issued", "paid", "void"}


@pytest.mark.parametrize(("status", "expected"), [("draft", False), ("issued", True), ("paid", True), ("void", False)])
def test_a_period_is_invoiced_by_an_issued_or_paid_invoice(status: str, expected: bool) -> None:
    """A draft does not bill its period yet, and a void invoice does not any more."""
    invoice = Invoice(
        id="inv_1",
        tenant=TENANT,
        customer_id="cus_ada",
        subscription_id="sub_ada",
        period=month(2023, 11),
        currency="USD",
        created_at=MADE,
        status=InvoiceStatus(status),
    )
    assert invoice.counts is expected


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "INV-000001"), (999_999, "INV-999999"), (1_000_000, "INV-1000000")]
)
def test_a_number_has_six_digits_or_more(count: int, expected: str) -> None:
    """Numbers are padded to six digits, and grow rather than start again."""
    assert invoice_number(count) == expected


def test_there_is_no_number_before_the_first() -> None:
    """Counting starts at one."""
    with pytest.raises(AssertionError):
        invoice_number(0)
