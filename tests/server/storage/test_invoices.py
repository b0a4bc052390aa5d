"""Invoices on disk: what goes in comes out, changes expect a status, and numbers have no gaps."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from orbdo_server.core.invoice_states import REASON_SUBSCRIPTION, Invoice, InvoiceStatus, Payment
from orbdo_server.core.periods import Period
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import customers, invoices, subscriptions
from orbdo_server.storage.database import Database
from orbdo_server.storage.tables import tenants
from tests.support.billing import CUSTOMER, MADE, TENANT, month, subscription, utc

DRAFT, ISSUED, PAID, VOID = InvoiceStatus
NOVEMBER_DRAFT = Invoice(
    id="inv_1",
    tenant=TENANT,
    customer_id=CUSTOMER.id,
    subscription_id="sub_ada",
    period=month(2023, 11),
    currency="USD",
    created_at=MADE,
    memo="Thank you",
    metadata={"po": "17"},
)


@pytest.fixture
def ledger(transaction: Transaction) -> Transaction:
    """A transaction in which Ada exists and is subscribed, without price intervals."""
    customers.insert(transaction.connection, CUSTOMER)
    agreed = msgspec.structs.replace(subscription(), price_intervals=())
    subscriptions.insert(transaction.connection, agreed)
    return transaction


def changed(**fields: object) -> Invoice:
    """The draft of November with other fields."""
    return msgspec.structs.replace(NOVEMBER_DRAFT, **fields)


def test_a_draft_comes_back_as_it_was_kept(ledger: Transaction) -> None:
    """A draft has a period, a memo and metadata, and no amounts."""
    invoices.insert(ledger.connection, NOVEMBER_DRAFT)
    assert invoices.get(ledger.connection, tenant=TENANT, invoice_id="inv_1") == NOVEMBER_DRAFT


def test_an_issued_and_paid_invoice_comes_back_as_it_was_kept(ledger: Transaction) -> None:
    """Every column of a paid invoice survives: number, seal, exact total, instants and the payment."""
    paid = changed(
        status=PAID,
        generation=2,
        number="INV-000007",
        as_of=8_819,
        seal=b'{"a":1}',
        seal_hash="f" * 64,
        total=Decimal("9.07"),
        issued_at=utc(2023, 12, 2),
        due_at=utc(2024, 1, 1),
        paid_at=utc(2023, 12, 5),
        payment=Payment(received_at=utc(2023, 12, 4), external_id="tr_1", notes="by wire"),
    )
    invoices.insert(ledger.connection, paid)
    assert invoices.get(ledger.connection, tenant=TENANT, invoice_id="inv_1") == paid


@pytest.mark.parametrize(("tenant", "invoice_id"), [("other", "inv_1"), (TENANT, "inv_2")])
def test_an_invoice_is_found_by_its_tenant_and_id_only(ledger: Transaction, tenant: str, invoice_id: str) -> None:
    """Another tenant's invoice is as unknown as one that is not there."""
    invoices.insert(ledger.connection, NOVEMBER_DRAFT)
    assert invoices.get(ledger.connection, tenant=tenant, invoice_id=invoice_id) is None


def test_a_period_has_one_invoice_of_a_generation(ledger: Transaction) -> None:
    """The database itself refuses a second invoice for the same subscription, period, reason and generation."""
    invoices.insert(ledger.connection, NOVEMBER_DRAFT)
    with pytest.raises(IntegrityError):
        invoices.insert(ledger.connection, changed(id="inv_2"))


def test_a_number_is_given_once(ledger: Transaction) -> None:
    """The database itself refuses the same number on two invoices."""
    invoices.insert(ledger.connection, changed(number="INV-000001"))
    with pytest.raises(IntegrityError):
        invoices.insert(ledger.connection, changed(id="inv_2", generation=2, number="INV-000001"))


def test_the_draft_of_a_period_is_found(ledger: Transaction) -> None:
    """A draft is looked up by the start of its period, and an issued invoice is no draft."""
    invoices.insert(ledger.connection, changed(id="inv_0", status=VOID))
    invoices.insert(ledger.connection, changed(generation=2))

    def find(month_number: int) -> Invoice | None:
        return invoices.find_draft(
            ledger.connection,
            tenant=TENANT,
            subscription_id="sub_ada",
            period_start=utc(2023, month_number, 1),
            reason=REASON_SUBSCRIPTION,
        )

    assert find(11) == changed(generation=2)
    assert find(12) is None


def test_generations_are_counted_by_period(ledger: Transaction) -> None:
    """The highest generation of a period is known, whatever became of it; a new period has none."""
    invoices.insert(ledger.connection, changed(id="inv_0", status=VOID))
    invoices.insert(ledger.connection, changed(generation=2, status=VOID))

    def last(month_number: int) -> int:
        return invoices.last_generation(
            ledger.connection,
            tenant=TENANT,
            subscription_id="sub_ada",
            period_start=utc(2023, month_number, 1),
            reason=REASON_SUBSCRIPTION,
        )

    assert (last(11), last(12)) == (2, 0)


def test_periods_are_listed_by_status(ledger: Transaction) -> None:
    """Which periods are invoiced is read without reading the invoices."""
    invoices.insert(ledger.connection, changed(id="inv_2", period=month(2023, 12), status=PAID))
    invoices.insert(ledger.connection, changed(id="inv_1", status=ISSUED))
    invoices.insert(ledger.connection, changed(id="inv_3", period=month(2024, 1)))
    found = invoices.periods(ledger.connection, tenant=TENANT, subscription_id="sub_ada", statuses=[ISSUED, PAID])
    assert found == [month(2023, 11), month(2023, 12)]


def test_sealed_time_ends_with_the_latest_invoice_that_counts(ledger: Transaction) -> None:
    """Up to where a subscription is invoiced is the latest end of an issued or paid invoice."""

    def until() -> object:
        return invoices.sealed_until(ledger.connection, tenant=TENANT, subscription_id="sub_ada")

    assert until() is None
    invoices.insert(ledger.connection, changed(id="inv_2", period=month(2023, 12), status=PAID))
    invoices.insert(ledger.connection, changed(id="inv_1", status=ISSUED))
    invoices.insert(ledger.connection, changed(id="inv_3", period=month(2024, 1), status=VOID))
    assert until() == utc(2024, 1, 1)


def test_a_page_is_filtered_and_newest_first(ledger: Transaction) -> None:
    """A list holds invoices of the asked statuses, customer and subscription, the newest first."""
    for number in range(1, 5):
        invoices.insert(
            ledger.connection,
            changed(
                id=f"inv_{number}",
                generation=number,
                status=VOID if number == 4 else ISSUED,
                created_at=MADE + timedelta(days=number),
            ),
        )

    def ids(**filters: Any) -> tuple[list[str], bool]:
        found, more = invoices.page(ledger.connection, tenant=TENANT, statuses=[ISSUED], after=None, limit=2, **filters)
        return [invoice.id for invoice in found], more

    assert ids() == (["inv_3", "inv_2"], True)
    assert ids(customer_id=CUSTOMER.id, subscription_id="sub_ada") == (["inv_3", "inv_2"], True)
    assert ids(customer_id="cus_other") == ([], False)
    assert ids(subscription_id="sub_other") == ([], False)
    assert ids(meeting=Period(utc(2023, 11, 30), utc(2024, 1, 1))) == (["inv_3", "inv_2"], True)
    # Periods that only touch do not meet.
    assert ids(meeting=Period(utc(2023, 12, 1), utc(2024, 1, 1))) == ([], False)
    assert ids(meeting=Period(utc(2023, 10, 1), utc(2023, 11, 1))) == ([], False)


def test_a_page_goes_on_after_a_position(ledger: Transaction) -> None:
    """The next page starts behind the last row of the one before."""
    for number in (1, 2):
        invoices.insert(ledger.connection, changed(id=f"inv_{number}", generation=number))
    found, more = invoices.page(ledger.connection, tenant=TENANT, statuses=[DRAFT], after=(MADE, "inv_2"), limit=2)
    assert ([invoice.id for invoice in found], more) == (["inv_1"], False)


def test_ids_are_listed_in_the_order_of_creation(ledger: Transaction) -> None:
    """Whoever goes through all invoices reads the ids first, oldest to newest."""
    invoices.insert(ledger.connection, changed(id="inv_2", status=PAID, created_at=MADE + timedelta(days=1)))
    invoices.insert(ledger.connection, changed(id="inv_3", generation=2, status=VOID))
    invoices.insert(ledger.connection, changed(id="inv_1", generation=3))
    assert invoices.ids(ledger.connection, tenant=TENANT, statuses=[PAID, VOID]) == ["inv_3", "inv_2"]
    assert invoices.ids(ledger.connection, tenant="other", statuses=[PAID, VOID]) == []


def test_a_change_expects_a_status(ledger: Transaction) -> None:
    """The second of two changes to the same draft finds it issued, and changes nothing."""
    invoices.insert(ledger.connection, NOVEMBER_DRAFT)
    first = changed(status=ISSUED, number="INV-000001")
    second = changed(status=ISSUED, number="INV-000002")
    assert invoices.replace(ledger.connection, first, expected=DRAFT) is True
    assert invoices.replace(ledger.connection, second, expected=DRAFT) is False
    assert invoices.get(ledger.connection, tenant=TENANT, invoice_id="inv_1") == first


def test_numbers_count_up_from_one_for_each_tenant(ledger: Transaction) -> None:
    """Each tenant has its own numbers."""
    ledger.connection.execute(insert(tenants).values(id="other", name="Other", created_at=MADE))
    numbers = [invoices.take_number(ledger.connection, tenant=tenant) for tenant in (TENANT, TENANT, "other")]
    assert numbers == [1, 2, 1]


def test_numbers_can_be_skipped_and_never_go_back(ledger: Transaction) -> None:
    """Of a tenant that had some, and of one that had none."""
    connection = ledger.connection
    assert invoices.skip_numbers(connection, tenant=TENANT, last_number=4) is True
    assert invoices.take_number(connection, tenant=TENANT) == 5
    assert [invoices.skip_numbers(connection, tenant=TENANT, last_number=last) for last in (4, 5, 9)] == [
        False,
        True,
        True,
    ]
    assert invoices.take_number(connection, tenant=TENANT) == 10


def test_a_number_is_given_back_when_the_transaction_is_undone(database: Database) -> None:
    """Numbers have no gaps: what a failed transaction took is taken again by the next."""

    def take_and_fail() -> None:
        with database.write() as connection:
            assert invoices.take_number(connection, tenant=TENANT) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        take_and_fail()
    with database.write() as connection:
        assert invoices.take_number(connection, tenant=TENANT) == 1


def test_fifty_parallel_transactions_take_fifty_numbers(database: Database) -> None:
    """Under contention every number from 1 to 50 is taken, each once."""
    taken: list[int] = []

    def take() -> None:
        with database.write() as connection:
            taken.append(invoices.take_number(connection, tenant=TENANT))

    threads = [threading.Thread(target=take) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 51))
