"""Previews, drafts and sealed invoices: what each of them says, and which of them writes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from orbdo_server.core.invoice_states import Invoice, InvoiceStatus
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import Plan
from orbdo_server.core.sealing import BrokenSealError
from orbdo_server.core.subscriptions import PlanInterval
from orbdo_server.engine.invoicing import (
    create_draft,
    keep_invoice,
    preview_invoice,
    require_invoice,
    view_invoice,
)
from orbdo_server.engine.issuing import issue_invoice, void_invoice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConflictError, ConstraintViolationError, InvalidRequestError, NotFoundError
from orbdo_server.storage import customers, invoices, plans, subscriptions
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.tables import metadata
from tests.support.billing import CUSTOMER, MADE, TENANT, fixed_price, interval, month, subscription, usage_price, utc
from tests.support.enrolment import enroll
from tests.support.metered import event, send

NOVEMBER = month(2023, 11)


def preview_total(ledger: Transaction, log: DuckDBEventLog) -> Decimal:
    """What the upcoming invoice comes to."""
    return preview_invoice(ledger, log, subscription_id="sub_ada").content.invoice.total


def issue_month(ledger: Transaction, log: DuckDBEventLog) -> Invoice:
    """Issue the earliest period that is not invoiced."""
    draft = create_draft(ledger, log, subscription_id="sub_ada")
    return issue_invoice(ledger, log, invoice_id=draft.invoice.id).invoice


def rows_of(ledger: Transaction) -> dict[str, list[Any]]:
    """Everything there is in the control plane."""
    tables = metadata.sorted_tables
    return {table.name: list(ledger.connection.execute(select(table)).all()) for table in tables}


def test_a_preview_is_the_invoice_as_of_now(ledger: Transaction, log: DuckDBEventLog) -> None:
    """The preview is for the earliest month, counts what is in the log and says as of which position."""
    send(log, event("a", 6_070_187))
    view = preview_invoice(ledger, log, subscription_id="sub_ada")
    assert view.invoice == Invoice(
        id="upcoming_sub_ada",
        tenant=TENANT,
        customer_id=CUSTOMER.id,
        subscription_id="sub_ada",
        period=NOVEMBER,
        currency="USD",
        created_at=ledger.now,
    )
    assert view.content.invoice.total == Decimal("9.07")
    assert (view.as_of, view.buyer.name) == (1, "Ada")


def test_a_preview_moves_with_every_event(ledger: Transaction, log: DuckDBEventLog) -> None:
    """Two previews of one moment agree; one more event changes the next."""
    send(log, event("a", 1_000_000))
    assert (preview_total(ledger, log), preview_total(ledger, log)) == (Decimal(2), Decimal(2))
    send(log, event("b", 1_000_000))
    assert preview_total(ledger, log) == Decimal("3.5")


def test_a_preview_writes_nothing(ledger: Transaction, log: DuckDBEventLog) -> None:
    """After a preview every table holds what it held."""
    before = rows_of(ledger)
    preview_total(ledger, log)
    assert rows_of(ledger) == before


def test_a_preview_of_a_later_month_follows_an_issued_one(ledger: Transaction, log: DuckDBEventLog) -> None:
    """When November is issued, December is upcoming."""
    issue_month(ledger, log)
    assert preview_invoice(ledger, log, subscription_id="sub_ada").invoice.period == month(2023, 12)


def test_a_preview_needs_a_subscription(ledger: Transaction, log: DuckDBEventLog) -> None:
    """An unknown subscription, and another tenant's, are not found."""
    with pytest.raises(NotFoundError, match="type Subscription with identifier: sub_x"):
        preview_invoice(ledger, log, subscription_id="sub_x")
    with pytest.raises(NotFoundError, match="type Subscription with identifier: sub_ada"):
        preview_invoice(replace(ledger, tenant="other"), log, subscription_id="sub_ada")


def test_nothing_is_upcoming_after_the_last_period(transaction: Transaction, log: DuckDBEventLog) -> None:
    """A subscription that has ended and is invoiced has no upcoming invoice, and no further draft."""
    enroll(transaction, subscription(end=utc(2023, 11, 20)), usage_price())
    assert issue_month(transaction, log).period == Period(utc(2023, 11, 1), utc(2023, 11, 20))
    with pytest.raises(NotFoundError, match="has nothing left to invoice"):
        preview_invoice(transaction, log, subscription_id="sub_ada")
    with pytest.raises(ConstraintViolationError, match="that has begun is invoiced"):
        create_draft(transaction, log, subscription_id="sub_ada")


def test_a_draft_is_made_once(ledger: Transaction, log: DuckDBEventLog) -> None:
    """Asking for the draft of a month again gives the same one, with the events since."""
    first = create_draft(ledger, log, subscription_id="sub_ada", memo="Thanks", metadata={"po": "1"})
    send(log, event("a", 1_000_000))
    again = create_draft(ledger, log, subscription_id="sub_ada")
    assert again.invoice == first.invoice
    assert (first.content.invoice.total, again.content.invoice.total) == (Decimal(0), Decimal(2))
    assert (again.invoice.memo, again.invoice.metadata) == ("Thanks", {"po": "1"})


def test_a_draft_takes_another_memo_and_metadata(ledger: Transaction, log: DuckDBEventLog) -> None:
    """What is given with a draft that there is replaces what it had."""
    create_draft(ledger, log, subscription_id="sub_ada", memo="Thanks", metadata={"po": "1"})
    changed = create_draft(ledger, log, subscription_id="sub_ada", memo="", metadata={})
    assert (changed.invoice.memo, changed.invoice.metadata) == ("", {})


def test_a_draft_holds_no_amounts(ledger: Transaction, log: DuckDBEventLog) -> None:
    """What is kept of a draft has neither a number nor a total nor a seal."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice
    kept = require_invoice(ledger, draft.id)
    assert kept == draft
    assert (kept.number, kept.total, kept.seal, kept.as_of) == (None, None, None, None)


def test_a_draft_is_computed_when_it_is_read(ledger: Transaction, log: DuckDBEventLog) -> None:
    """A draft shows the events that came in after it was made."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice
    send(log, event("a", 1_000_000))
    view = view_invoice(ledger, log, draft)
    assert (view.content.invoice.total, view.as_of) == (Decimal(2), 1)


def test_a_draft_is_checked_against_its_customer(ledger: Transaction, log: DuckDBEventLog) -> None:
    """A customer who is named has to be the subscription's."""
    assert create_draft(ledger, log, subscription_id="sub_ada", customer_id=CUSTOMER.id).invoice.period == NOVEMBER
    with pytest.raises(InvalidRequestError, match="customer_id: is not the customer of the subscription sub_ada"):
        create_draft(ledger, log, subscription_id="sub_ada", customer_id="cus_bob")


def test_a_period_that_has_not_begun_has_no_draft(ledger: Transaction, log: DuckDBEventLog) -> None:
    """A subscription from next month on has an upcoming invoice, but nothing to draft yet."""
    early = replace(ledger, now=utc(2023, 10, 31, 23))
    assert preview_invoice(early, log, subscription_id="sub_ada").invoice.period == NOVEMBER
    with pytest.raises(ConstraintViolationError, match="that has begun is invoiced"):
        create_draft(early, log, subscription_id="sub_ada")
    begun = replace(ledger, now=utc(2023, 11, 1))
    assert create_draft(begun, log, subscription_id="sub_ada").invoice.period == NOVEMBER


def test_a_draft_follows_the_end_of_its_subscription(ledger: Transaction, log: DuckDBEventLog) -> None:
    """When the subscription is cancelled in November, the draft of November ends there."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice
    send(log, event("a", 1, utc(2023, 11, 5)), event("b", 10, utc(2023, 11, 25)))
    cancelled = msgspec.structs.replace(subscription(end=utc(2023, 11, 20)), version=2)
    subscriptions.replace(ledger.connection, cancelled, expected_version=1)
    view = view_invoice(ledger, log, draft)
    assert view.invoice.period == Period(utc(2023, 11, 1), utc(2023, 11, 20))
    assert [line.quantity for line in view.content.invoice.lines] == [Decimal(1)]


def test_a_draft_whose_period_is_gone_is_empty(ledger: Transaction, log: DuckDBEventLog) -> None:
    """When the subscription ends before the draft's period, nothing is left on the draft and it cannot be issued."""
    issue_month(ledger, log)
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice
    cancelled = msgspec.structs.replace(subscription(end=utc(2023, 12, 1)), version=2)
    subscriptions.replace(ledger.connection, cancelled, expected_version=1)
    view = view_invoice(ledger, log, draft)
    assert (view.invoice.period, view.content.invoice.lines) == (month(2023, 12), ())
    with pytest.raises(ConstraintViolationError, match="nothing to bill any more"):
        issue_invoice(ledger, log, invoice_id=draft.id)


def test_a_draft_of_a_later_month_stays_when_an_earlier_one_is_voided(ledger: Transaction, log: DuckDBEventLog) -> None:
    """Voiding November does not touch the draft of December; the next draft is November's again."""
    november = issue_month(ledger, log)
    december = create_draft(ledger, log, subscription_id="sub_ada").invoice
    void_invoice(ledger, invoice_id=november.id)
    assert view_invoice(ledger, log, december).invoice.period == month(2023, 12)
    again = create_draft(ledger, log, subscription_id="sub_ada").invoice
    assert (again.period, again.generation) == (NOVEMBER, 2)
    assert again.id != november.id


def test_the_plans_memo_is_on_the_draft(transaction: Transaction, log: DuckDBEventLog) -> None:
    """A draft without a memo of its own carries that of the plan in force."""
    plan = Plan(
        id="plan_pro", tenant=TENANT, name="Pro", currency="USD", created_at=MADE, default_invoice_memo="Net 30"
    )
    plans.insert(transaction.connection, plan)
    on_plan = PlanInterval(id="plint_1", plan_id="plan_pro", plan_version=1, start=utc(2023, 11, 1))
    enroll(transaction, msgspec.structs.replace(subscription(), plan_intervals=(on_plan,)), usage_price())
    assert preview_invoice(transaction, log, subscription_id="sub_ada").invoice.memo == "Net 30"
    assert create_draft(transaction, log, subscription_id="sub_ada", memo="PO 7").invoice.memo == "PO 7"


def test_both_prices_of_a_plan_change_are_on_one_invoice(transaction: Transaction, log: DuckDBEventLog) -> None:
    """Usage before and after a change is billed at its own price, and a seat by the seconds of the full month."""
    change = utc(2023, 11, 16)
    enroll(
        transaction,
        subscription(interval(end=change), interval("price_new", change), interval("price_seats", change)),
        usage_price(),
        usage_price("price_new"),
        fixed_price(amount="10.00"),
    )
    send(log, event("a", 1_000_000, utc(2023, 11, 15, 23)), event("b", 500_000, change))
    lines = preview_invoice(transaction, log, subscription_id="sub_ada").content.invoice.lines
    assert [(line.price_id, line.quantity, line.amount) for line in lines] == [
        ("price_tokens", Decimal(1_000_000), Decimal(2)),
        ("price_new", Decimal(500_000), Decimal(1)),
        ("price_seats", Decimal(1), Decimal(5)),
    ]


def test_an_issued_invoice_is_read_from_its_seal(ledger: Transaction, log: DuckDBEventLog) -> None:
    """What comes in after an invoice was issued, or happens to its customer, does not change what it says."""
    send(log, event("a", 1_000_000))
    issued = issue_month(ledger, log)
    send(log, event("b", 1_000_000))
    customers.update(ledger.connection, msgspec.structs.replace(CUSTOMER, name="Countess"))
    view = view_invoice(ledger, log, require_invoice(ledger, issued.id))
    assert (view.content.invoice.total, view.as_of, view.buyer.name) == (Decimal(2), 1, "Ada")


def test_an_altered_seal_is_never_shown(ledger: Transaction, log: DuckDBEventLog) -> None:
    """An issued invoice whose kept bytes changed is refused, not served."""
    issued = issue_month(ledger, log)
    assert issued.seal is not None
    altered = msgspec.structs.replace(issued, seal=issued.seal.replace(b'"0"', b'"9"'))
    invoices.replace(ledger.connection, altered, expected=InvoiceStatus.ISSUED)
    with pytest.raises(BrokenSealError):
        view_invoice(ledger, log, require_invoice(ledger, issued.id))


def test_an_invoice_is_found_by_its_tenant_only(ledger: Transaction, log: DuckDBEventLog) -> None:
    """Another tenant's invoice is answered like one that is not there."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice
    with pytest.raises(NotFoundError, match=f"type Invoice with identifier: {draft.id}"):
        require_invoice(replace(ledger, tenant="other"), draft.id)


def test_the_second_of_two_changes_is_told(ledger: Transaction, log: DuckDBEventLog) -> None:
    """A change that expects a status the invoice no longer has is a conflict, and changes nothing."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice
    issued = issue_invoice(ledger, log, invoice_id=draft.id).invoice
    with pytest.raises(ConflictError):
        keep_invoice(ledger, msgspec.structs.replace(draft, memo="late"), expected=InvoiceStatus.DRAFT)
    assert require_invoice(ledger, draft.id) == issued
