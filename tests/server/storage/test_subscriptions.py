"""Subscriptions on disk, with their timelines."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest

from orbdo_server.core.plans import Plan
from orbdo_server.core.subscriptions import PlanInterval, Subscription
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import customers, items, metrics, plans, prices, subscriptions
from tests.server.conftest import NOW, RIVAL, TENANT
from tests.support.billing import CUSTOMER, ITEM, METRIC, fixed_price, interval, subscription, usage_price, utc

PLAN = Plan(id="plan_1", tenant=TENANT, name="Pro", currency="USD", created_at=NOW)
SUBSCRIPTION = msgspec.structs.replace(
    subscription(
        interval("price_tokens", interval_id="pint_2"),
        interval("price_seats", utc(2023, 12, 1), utc(2024, 1, 1), quantity="2.50", interval_id="pint_1"),
        end=utc(2024, 6, 1),
        anchor=date(2023, 10, 31),
        timezone="Europe/Berlin",
    ),
    name="Pro of Ada",
    metadata={"a": "b"},
    plan_intervals=(
        PlanInterval(id="plint_2", plan_id="plan_1", plan_version=1, start=utc(2023, 11, 1), end=utc(2024, 2, 1)),
        PlanInterval(id="plint_1", plan_id="plan_1", plan_version=1, start=utc(2024, 2, 1)),
    ),
)


@pytest.fixture(autouse=True)
def _kept(transaction: Transaction) -> None:
    """What the subscription refers to."""
    customers.insert(transaction.connection, CUSTOMER)
    items.insert(transaction.connection, ITEM)
    metrics.insert(transaction.connection, METRIC)
    for price in (usage_price(), fixed_price()):
        prices.insert(transaction.connection, price)
    plans.insert(transaction.connection, PLAN)


def read(transaction: Transaction, tenant: str = TENANT) -> Subscription | None:
    """The subscription as it is kept."""
    return subscriptions.get(transaction.connection, tenant=tenant, subscription_id=SUBSCRIPTION.id)


def test_a_subscription_comes_back_as_it_was_kept(transaction: Transaction) -> None:
    """With its intervals in order, and only for its own tenant."""
    subscriptions.insert(transaction.connection, SUBSCRIPTION)
    assert read(transaction) == SUBSCRIPTION
    assert read(transaction, RIVAL) is None


def test_a_customers_subscriptions_come_oldest_first(transaction: Transaction) -> None:
    """Those of nobody else."""
    older = msgspec.structs.replace(
        SUBSCRIPTION, id="sub_old", created_at=NOW - timedelta(days=9_000), plan_intervals=(), price_intervals=()
    )
    for kept in (SUBSCRIPTION, older):
        subscriptions.insert(transaction.connection, kept)
    of_customer = subscriptions.of_customer
    assert of_customer(transaction.connection, tenant=TENANT, customer_id=CUSTOMER.id) == [older, SUBSCRIPTION]
    assert of_customer(transaction.connection, tenant=RIVAL, customer_id=CUSTOMER.id) == []
    assert of_customer(transaction.connection, tenant=TENANT, customer_id="cus_other") == []


@pytest.mark.parametrize(
    ("customer_ids", "found"),
    [(None, True), ([CUSTOMER.id], True), ([CUSTOMER.id, "cus_other"], True), (["cus_other"], False), ([], False)],
)
def test_subscriptions_are_listed_by_customer(
    transaction: Transaction, customer_ids: list[str] | None, found: bool
) -> None:
    """All of them unless customers are named; naming nobody lists nothing."""
    subscriptions.insert(transaction.connection, SUBSCRIPTION)
    page = subscriptions.page(transaction.connection, tenant=TENANT, after=None, limit=5, customer_ids=customer_ids)
    assert page == ([SUBSCRIPTION] if found else [], False)
    theirs = subscriptions.page(transaction.connection, tenant=RIVAL, after=None, limit=5, customer_ids=customer_ids)
    assert theirs == ([], False)


def test_calendars_are_the_days_and_zones_in_use(transaction: Transaction) -> None:
    """Each pair once, of the tenant alone."""
    for number in range(2):
        kept = msgspec.structs.replace(SUBSCRIPTION, id=f"sub_{number}", plan_intervals=(), price_intervals=())
        subscriptions.insert(transaction.connection, kept)
    assert subscriptions.calendars(transaction.connection, tenant=TENANT) == {(date(2023, 10, 31), "Europe/Berlin")}
    assert subscriptions.calendars(transaction.connection, tenant=RIVAL) == set()


def test_a_changed_timeline_takes_the_place_of_the_old_one(transaction: Transaction) -> None:
    """What it was agreed on at first (customer, start, anchor, zone) stays."""
    subscriptions.insert(transaction.connection, SUBSCRIPTION)
    changed = msgspec.structs.replace(
        SUBSCRIPTION,
        version=2,
        name="Less",
        end=None,
        net_terms=7,
        metadata={},
        plan_intervals=(),
        price_intervals=(interval("price_seats", quantity="3", interval_id="pint_3"),),
    )
    tried = msgspec.structs.replace(changed, timezone="UTC", anchor=date(2000, 1, 1), start=NOW)
    assert subscriptions.replace(transaction.connection, tried, expected_version=1)
    assert read(transaction) == changed
    assert changed.price_intervals[0].quantity == Decimal(3)


def test_a_change_that_comes_second_changes_nothing(transaction: Transaction) -> None:
    """Whoever read an older version has to read again; another tenant has nothing to change."""
    subscriptions.insert(transaction.connection, SUBSCRIPTION)
    changed = msgspec.structs.replace(SUBSCRIPTION, version=2, name="Mine", price_intervals=())
    assert not subscriptions.replace(transaction.connection, changed, expected_version=2)
    theirs = msgspec.structs.replace(changed, tenant=RIVAL)
    assert not subscriptions.replace(transaction.connection, theirs, expected_version=1)
    assert read(transaction) == SUBSCRIPTION
