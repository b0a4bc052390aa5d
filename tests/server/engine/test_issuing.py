"""Issuing, paying and voiding: each step once, sealed, with numbers that have no gaps."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from orbdo_server.core.events import Event
from orbdo_server.core.invoice_states import InvoiceStatus, Payment
from orbdo_server.core.sealing import Seal, open_seal
from orbdo_server.engine.invoicing import InvoiceView, create_draft, preview_invoice, require_invoice
from orbdo_server.engine.issuing import issue_invoice, mark_paid, void_invoice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError, NotFoundError, ServerError
from orbdo_server.identifiers import new_id
from orbdo_server.storage import subscriptions
from orbdo_server.storage.database import Database
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.tables import tenants
from tests.support.billing import MADE, TENANT, interval, month, subscription, usage_price, utc
from tests.support.enrolment import enroll
from tests.support.metered import event, open_log, send

NOW = utc(2026, 3, 15, 12)
WIRED = Payment(received_at=utc(2026, 3, 14), external_id="tr_1", notes="by wire")


def drafted(ledger: Transaction, log: DuckDBEventLog) -> str:
    """The id of the draft of the earliest month."""
    return create_draft(ledger, log, subscription_id="sub_ada").invoice.id


def issued(ledger: Transaction, log: DuckDBEventLog) -> str:
    """The id of the earliest month's invoice, issued."""
    return issue_invoice(ledger, log, invoice_id=drafted(ledger, log)).invoice.id


def test_issuing_numbers_and_seals(ledger: Transaction, log: DuckDBEventLog) -> None:
    """An issued invoice has a number, a total, a date it is due and the position it was computed at."""
    position = send(log, event("a", 6_070_187))
    view = issue_invoice(ledger, log, invoice_id=drafted(ledger, log))
    invoice = require_invoice(ledger, view.invoice.id)
    assert invoice == view.invoice
    assert (invoice.status, invoice.number, invoice.total, invoice.as_of) == (
        "issued",
        "INV-000001",
        Decimal("9.07"),
        position,
    )
    assert (invoice.issued_at, invoice.due_at) == (NOW, NOW + timedelta(days=30))


def test_the_seal_holds_what_was_issued(ledger: Transaction, log: DuckDBEventLog) -> None:
    """The seal says the content, the act of issuing and the buyer."""
    draft = create_draft(ledger, log, subscription_id="sub_ada", memo="Thanks")
    view = issue_invoice(ledger, log, invoice_id=draft.invoice.id)
    assert view.invoice.seal is not None
    assert view.invoice.seal_hash is not None
    sealed = open_seal(Seal(view.invoice.seal, view.invoice.seal_hash))
    assert (sealed.content, sealed.content_hash, sealed.buyer) == (view.content, view.content_hash, view.buyer)
    assert (sealed.issuance.invoice_id, sealed.issuance.number, sealed.issuance.memo) == (
        view.invoice.id,
        "INV-000001",
        "Thanks",
    )


def test_a_preview_has_the_hash_of_the_invoice_it_becomes(ledger: Transaction, log: DuckDBEventLog) -> None:
    """Preview, draft and issued invoice of the same usage are the same content."""
    send(log, event("a", 7))
    upcoming = preview_invoice(ledger, log, subscription_id="sub_ada")
    view = issue_invoice(ledger, log, invoice_id=drafted(ledger, log))
    assert upcoming.content_hash == view.content_hash


@pytest.mark.parametrize(("now", "allowed"), [(utc(2023, 11, 30, 23), False), (utc(2023, 12, 1), True)])
def test_a_period_is_over_before_it_is_issued(
    ledger: Transaction, log: DuckDBEventLog, now: datetime, allowed: bool
) -> None:
    """A draft can be issued by hand from the very end of its period on."""
    then = replace(ledger, now=now)
    invoice_id = drafted(then, log)
    if allowed:
        assert issue_invoice(then, log, invoice_id=invoice_id).invoice.status is InvoiceStatus.ISSUED
    else:
        with pytest.raises(ConstraintViolationError, match="ends at 2023-12-01T00:00:00"):
            issue_invoice(then, log, invoice_id=invoice_id)


def test_a_draft_that_ended_early_is_issued_for_what_is_left(ledger: Transaction, log: DuckDBEventLog) -> None:
    """The period of the issued invoice ends where the subscription was cancelled."""
    invoice_id = drafted(ledger, log)
    cancelled = msgspec.structs.replace(subscription(end=utc(2023, 11, 20)), version=2)
    subscriptions.replace(ledger.connection, cancelled, expected_version=1)
    assert issue_invoice(ledger, log, invoice_id=invoice_id).invoice.period.end == utc(2023, 11, 20)
    assert require_invoice(ledger, invoice_id).period.end == utc(2023, 11, 20)


def test_a_refused_invoice_takes_no_number(ledger: Transaction, log: DuckDBEventLog) -> None:
    """An invoice that cannot be issued leaves no gap before the next one."""
    early = replace(ledger, now=utc(2023, 11, 20))
    with pytest.raises(ConstraintViolationError):
        issue_invoice(early, log, invoice_id=drafted(early, log))
    first, second = issued(ledger, log), issued(ledger, log)
    numbers = [require_invoice(ledger, invoice_id).number for invoice_id in (first, second)]
    assert numbers == ["INV-000001", "INV-000002"]


def test_an_issued_invoice_is_paid(ledger: Transaction, log: DuckDBEventLog) -> None:
    """A payment is kept with the invoice; when it was told and when it was received are two instants."""
    invoice_id = issued(ledger, log)
    mark_paid(ledger, invoice_id=invoice_id, payment=WIRED)
    invoice = require_invoice(ledger, invoice_id)
    assert (invoice.status, invoice.paid_at, invoice.payment) == ("paid", NOW, WIRED)


@pytest.mark.parametrize(
    ("ahead", "accepted"),
    [(timedelta(days=1), True), (timedelta(days=1, microseconds=1), False)],
)
def test_a_payment_is_at_most_a_day_ahead(
    ledger: Transaction, log: DuckDBEventLog, ahead: timedelta, accepted: bool
) -> None:
    """Tomorrow's date may be a payer's today; what lies further ahead was not received."""
    invoice_id, payment = issued(ledger, log), Payment(received_at=NOW + ahead)
    if accepted:
        assert mark_paid(ledger, invoice_id=invoice_id, payment=payment).invoice.status is InvoiceStatus.PAID
    else:
        with pytest.raises(InvalidRequestError, match="payment_received_date: lies in the future"):
            mark_paid(ledger, invoice_id=invoice_id, payment=payment)


def test_a_voided_invoice_says_what_it_said(ledger: Transaction, log: DuckDBEventLog) -> None:
    """A void invoice keeps its number and its amounts."""
    send(log, event("a", 1_000_000))
    view = void_invoice(ledger, invoice_id=issued(ledger, log))
    assert (view.invoice.status, view.invoice.number, view.invoice.voided_at) == ("void", "INV-000001", NOW)
    assert view.content.invoice.total == Decimal(2)


def test_a_voided_period_is_invoiced_again_with_late_usage(ledger: Transaction, log: DuckDBEventLog) -> None:
    """After voiding, the month is issued again under a new number, with what came in since."""
    send(log, event("a", 1_000_000))
    void_invoice(ledger, invoice_id=issued(ledger, log))
    send(log, event("late", 1_000_000))
    again = issue_invoice(ledger, log, invoice_id=drafted(ledger, log))
    assert (again.invoice.period, again.invoice.number, again.invoice.generation) == (month(2023, 11), "INV-000002", 2)
    assert again.content.invoice.total == Decimal("3.50")


Step = Callable[[Transaction, DuckDBEventLog, str], object]
STEPS: dict[str, Step] = {
    "issued": lambda ledger, log, invoice_id: issue_invoice(ledger, log, invoice_id=invoice_id),
    "paid": lambda ledger, _log, invoice_id: mark_paid(ledger, invoice_id=invoice_id, payment=WIRED),
    "void": lambda ledger, _log, invoice_id: void_invoice(ledger, invoice_id=invoice_id),
}


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ((), "paid"),
        ((), "void"),
        (("issued",), "issued"),
        (("issued", "paid"), "issued"),
        (("issued", "paid"), "paid"),
        (("issued", "paid"), "void"),
        (("issued", "void"), "issued"),
        (("issued", "void"), "paid"),
        (("issued", "void"), "void"),
    ],
)
def test_a_step_that_is_not_in_the_table_is_refused(
    ledger: Transaction, log: DuckDBEventLog, before: tuple[str, ...], step: str
) -> None:
    """Whatever is not draft to issued, issued to paid or issued to void leaves the invoice as it is."""
    invoice_id = drafted(ledger, log)
    for earlier in before:
        STEPS[earlier](ledger, log, invoice_id)
    kept = require_invoice(ledger, invoice_id)
    with pytest.raises(ConstraintViolationError, match=f"cannot become {step}"):
        STEPS[step](ledger, log, invoice_id)
    assert require_invoice(ledger, invoice_id) == kept


@pytest.mark.parametrize("step", ["issued", "paid", "void"])
def test_a_step_of_an_unknown_invoice_is_not_found(ledger: Transaction, log: DuckDBEventLog, step: str) -> None:
    """There is no step for an invoice of nobody."""
    with pytest.raises(NotFoundError):
        STEPS[step](ledger, log, "inv_x")


def in_parallel(database: Database, count: int, run: Callable[[Transaction, int], object]) -> list[object]:
    """Run a step ``count`` times at once, each in a transaction of its own; what each gave or raised."""
    outcomes: list[object] = []

    def attempt(number: int) -> None:
        try:
            with database.write() as connection:
                outcome = run(Transaction(connection=connection, tenant=TENANT, now=NOW, new_id=new_id), number)
        except ServerError as error:
            outcome = error
        outcomes.append(outcome)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_race_between_paying_and_voiding_is_settled_once(database: Database, log: DuckDBEventLog) -> None:
    """Of many payments and voidings at the same time one wins, and all others are told."""
    with database.write() as connection:
        start = Transaction(connection=connection, tenant=TENANT, now=NOW, new_id=new_id)
        enroll(start, subscription(), usage_price())
        invoice_id = issued(start, log)
    outcomes = in_parallel(
        database, 10, lambda ledger, number: STEPS["paid" if number % 2 else "void"](ledger, log, invoice_id)
    )
    winners = [outcome for outcome in outcomes if isinstance(outcome, InvoiceView)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, ConstraintViolationError) for outcome in outcomes) == 9
    with database.read() as connection:
        kept = require_invoice(Transaction(connection=connection, tenant=TENANT, now=NOW, new_id=new_id), invoice_id)
    assert kept == winners[0].invoice


def test_fifty_parallel_issues_have_fifty_numbers(database: Database, log: DuckDBEventLog) -> None:
    """Under contention invoices are numbered from 1 to 50 without a gap, and no draft is issued twice."""
    with database.write() as connection:
        start = Transaction(connection=connection, tenant=TENANT, now=NOW, new_id=new_id)
        enroll(start, subscription(), usage_price())
        for number in range(50):
            intervals = (interval(interval_id=f"plint_{number}"),)
            another = msgspec.structs.replace(subscription(), id=f"sub_{number}", price_intervals=intervals)
            subscriptions.insert(connection, another)
        drafts = [create_draft(start, log, subscription_id=f"sub_{number}").invoice.id for number in range(50)]
    outcomes = in_parallel(
        database, 100, lambda ledger, number: issue_invoice(ledger, log, invoice_id=drafts[number % 50])
    )
    numbers = sorted(outcome.invoice.number or "" for outcome in outcomes if isinstance(outcome, InvoiceView))
    assert numbers == [f"INV-0000{number:02d}" for number in range(1, 51)]
    assert sum(isinstance(outcome, ConstraintViolationError) for outcome in outcomes) == 50


def content_hash_of(batches: list[list[Event]]) -> str:
    """The hash of November's invoice when its events came in these batches."""
    with TemporaryDirectory() as folder, open_log(Path(folder)) as log:
        database = Database(f"sqlite:///{folder}/control.sqlite3")
        database.migrate()
        for batch in batches:
            send(log, *batch)
        with database.write() as connection:
            connection.execute(insert(tenants).values(id=TENANT, name="Acme", created_at=MADE))
            ledger = Transaction(connection=connection, tenant=TENANT, now=NOW, new_id=new_id)
            enroll(ledger, subscription(), usage_price())
            view = issue_invoice(ledger, log, invoice_id=drafted(ledger, log))
        database.close()
        return view.content_hash


arrivals = st.lists(
    st.tuples(st.decimals(min_value=0, max_value=9_999, places=4), st.integers(0, 29)), min_size=1, max_size=10
).flatmap(
    lambda drawn: st.tuples(
        st.just(
            [event(f"k{number}", str(tokens), utc(2023, 11, day + 1)) for number, (tokens, day) in enumerate(drawn)]
        ),
        st.permutations(range(len(drawn))),
        st.sets(st.integers(0, len(drawn))),
    )
)


@settings(max_examples=8)
@given(arrivals)
def test_order_and_batching_of_events_do_not_change_the_hash(
    arrival: tuple[list[Event], list[int], set[int]],
) -> None:
    """The same events in any order and in any batches, some of them sent twice, give the same invoice hash."""
    events, order, cuts = arrival
    shuffled = [events[position] for position in order]
    bounds = sorted({0, *cuts, len(events)})
    batches = [shuffled[start:end] for start, end in pairwise(bounds)]
    assert content_hash_of([*batches, shuffled[:3]]) == content_hash_of([events])
