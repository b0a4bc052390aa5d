"""The snapshot of what a customer may do: from the plans in force and the usage of the period."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from orbdo_server.core.customers import Customer
from orbdo_server.core.periods import Cadence, Period
from orbdo_server.core.plans import FeatureType, Plan
from orbdo_server.engine import customers, items, plans, subscriptions
from orbdo_server.engine.entitlements import take_snapshot
from orbdo_server.engine.plans import NewPlan, NewPlanFeature
from orbdo_server.engine.prices import NewPrice
from orbdo_server.engine.subscriptions import NewSubscription
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.metered import event, send

SQL = "SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'"
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def metric_id(transaction: Transaction) -> str:
    """Tokens, and a feature of each kind to grant."""
    for key, kind in [("tokens", FeatureType.LIMIT), ("region", FeatureType.CONFIG), ("sso", FeatureType.BOOLEAN)]:
        plans.create_feature(transaction, key=key, name=key, kind=kind, metadata={})
    made = items.create_metric(transaction, name="Tokens", sql=SQL, item_id=None, description=None, metadata={})
    return made.id


@pytest.fixture
def ada(transaction: Transaction) -> Customer:
    """A customer without a plan."""
    return customers.create_customer(
        transaction,
        name="Ada",
        email="ada@example.com",
        external_customer_id="ada",
        currency=None,
        timezone="UTC",
        auto_issuance=None,
        metadata={},
        details={},
    )


def plan(transaction: Transaction, *granted: NewPlanFeature, cadence: Cadence = "monthly") -> Plan:
    """A plan that grants these features, billed at a cadence."""
    item_id = items.create_item(transaction, name="Fee", metadata={}).id
    fee = NewPrice(
        name="Fee",
        item_id=item_id,
        currency="USD",
        cadence=cadence,
        model_type="unit",
        config={"unit_amount": "1"},
        fixed_price_quantity=Decimal(1),
    )
    return plans.create_plan(transaction, NewPlan(name="Plan", currency="USD", prices=[fee], features=granted))


def subscribe(transaction: Transaction, customer: Customer, to: Plan, **more: Any) -> None:
    """A subscription from January 2026 on, unless told."""
    fields: dict[str, Any] = {"start": JANUARY, **more}
    found = customers.require_customer(transaction, customer.id)
    subscriptions.create_subscription(transaction, NewSubscription(customer=found, plan=to, **fields))


def test_a_customer_without_a_plan_may_nothing(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """The snapshot is there all the same."""
    snapshot = take_snapshot(transaction, log, ada)
    assert (snapshot.customer, snapshot.standings, snapshot.as_of) == (ada, {}, 0)


def test_a_limit_counts_what_was_used_in_the_period(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """In this month, not in the last; under either of the customer's names, and nobody else's."""
    limited = NewPlanFeature(feature="tokens", limit=Decimal(100), metric_id=metric_id)
    subscribe(transaction, ada, plan(transaction, limited, NewPlanFeature(feature="sso")))
    send(
        log,
        event("last month", 1_000, FEBRUARY),
        event("first", 40, MARCH),
        event("second", 2, datetime(2026, 3, 15, tzinfo=UTC)),
        event("next month", 1_000, APRIL),
        event("somebody else", 1_000, MARCH, customer="bob"),
    )
    snapshot = take_snapshot(transaction, log, ada)
    standing = snapshot.standings["tokens"]
    assert (standing.used, standing.grant.period, standing.grant.granted.limit) == (
        Decimal(42),
        Period(MARCH, APRIL),
        Decimal(100),
    )
    switch = snapshot.standings["sso"]
    assert (switch.used, switch.grant.period, switch.grant.granted.enabled) == (Decimal(0), None, True)
    assert snapshot.as_of == 5


def test_a_limit_without_end_measures_nothing(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """Where no metric counts, nothing was used."""
    subscribe(transaction, ada, plan(transaction, NewPlanFeature(feature="tokens")))
    send(log, event("first", 40, MARCH))
    assert take_snapshot(transaction, log, ada).standings["tokens"].used == Decimal(0)


def test_an_archived_metric_goes_on_counting(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """Archiving closes it to new plans, not to those that use it."""
    limited = NewPlanFeature(feature="tokens", limit=Decimal(100), metric_id=metric_id)
    subscribe(transaction, ada, plan(transaction, limited))
    items.set_metric_archived(transaction, metric_id, archived=True)
    send(log, event("first", 40, MARCH))
    assert take_snapshot(transaction, log, ada).standings["tokens"].used == Decimal(40)


def test_the_most_generous_plan_counts(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """With its own period: a limit a year counts the year."""
    monthly = NewPlanFeature(feature="tokens", limit=Decimal(100), metric_id=metric_id)
    yearly = NewPlanFeature(feature="tokens", limit=Decimal(500), metric_id=metric_id)
    subscribe(transaction, ada, plan(transaction, monthly, NewPlanFeature(feature="region", value="eu")))
    subscribe(
        transaction, ada, plan(transaction, yearly, NewPlanFeature(feature="region", value="us"), cadence="annual")
    )
    send(log, event("january", 30, JANUARY), event("march", 12, MARCH))
    standings = take_snapshot(transaction, log, ada).standings
    assert (standings["tokens"].grant.granted.limit, standings["tokens"].used) == (Decimal(500), Decimal(42))
    assert standings["region"].grant.granted.value == "eu"


@pytest.mark.parametrize("more", [{"start": APRIL}, {"end": MARCH}])
def test_only_plans_in_force_grant_anything(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str, more: dict[str, Any]
) -> None:
    """Neither one to come nor one that has ended."""
    subscribe(transaction, ada, plan(transaction, NewPlanFeature(feature="sso")), **more)
    assert take_snapshot(transaction, log, ada).standings == {}


def test_a_subscription_without_a_plan_grants_nothing(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """Single prices bring no feature along."""
    [price] = plan(transaction).prices
    term = subscriptions.NewPriceTerm(price_id=price.id)
    new = NewSubscription(customer=ada, plan=None, prices=[term], start=JANUARY)
    subscriptions.create_subscription(transaction, new)
    assert take_snapshot(transaction, log, ada).standings == {}


def test_a_changed_plan_is_felt_at_once(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """By everyone who is on it, and the version says that there is something new."""
    basic = plan(transaction, NewPlanFeature(feature="sso"))
    subscribe(transaction, ada, basic)
    before = take_snapshot(transaction, log, ada)
    plans.set_plan_features(transaction, basic, [NewPlanFeature(feature="sso", enabled=False)])
    after = take_snapshot(transaction, log, ada)
    assert not after.standings["sso"].grant.granted.enabled
    assert before.version != after.version


def test_the_same_entitlements_have_the_same_version(
    transaction: Transaction, log: DuckDBEventLog, ada: Customer, metric_id: str
) -> None:
    """Events that count for nothing and time that passes within the period are no news."""
    limited = NewPlanFeature(feature="tokens", limit=Decimal(100), metric_id=metric_id)
    subscribe(transaction, ada, plan(transaction, limited))
    before = take_snapshot(transaction, log, ada)
    send(log, event("somebody else", 1_000, MARCH, customer="bob"))
    later = replace(transaction, now=datetime(2026, 3, 31, tzinfo=UTC))
    after = take_snapshot(later, log, ada)
    assert (before.version, before.as_of) != (after.version, after.as_of)
    assert before.version == after.version
    assert take_snapshot(replace(transaction, now=APRIL), log, ada).version != before.version
