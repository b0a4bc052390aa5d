"""What is read of the control plane for an invoice."""

import msgspec
import pytest

from orbdo_server.core.invoice_periods import timeline_of
from orbdo_server.engine.subscription_facts import SubscriptionFacts, load_facts
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import NotFoundError
from tests.support.billing import (
    CUSTOMER,
    ITEM,
    METRIC,
    by_id,
    fixed_price,
    interval,
    month,
    subscription,
    usage_price,
    utc,
)
from tests.support.enrolment import enroll

TWICE = subscription(
    interval(end=utc(2023, 12, 1)), interval(start=utc(2023, 12, 1), interval_id="plint_2"), interval("price_seats")
)


def test_facts_are_everything_a_subscription_refers_to(transaction: Transaction) -> None:
    """The customer, and each price, metric and item once, however many intervals name them."""
    enroll(transaction, TWICE, usage_price(), fixed_price())
    assert load_facts(transaction, "sub_ada") == SubscriptionFacts(
        customer=CUSTOMER,
        subscription=TWICE,
        prices=by_id(usage_price(), fixed_price()),
        metrics={METRIC.id: METRIC},
        items={ITEM.id: ITEM},
    )


def test_a_subscription_without_prices_has_facts_too(transaction: Transaction) -> None:
    """Where there are no prices there are no metrics and items to read."""
    enroll(transaction, msgspec.structs.replace(subscription(), price_intervals=()))
    facts = load_facts(transaction, "sub_ada")
    assert (facts.prices, facts.metrics, facts.items) == ({}, {}, {})


def test_an_unknown_subscription_is_not_found(transaction: Transaction) -> None:
    """There are no facts about what is not there."""
    with pytest.raises(NotFoundError, match="type Subscription with identifier: sub_x"):
        load_facts(transaction, "sub_x")


def test_terms_are_those_of_one_period(transaction: Transaction) -> None:
    """The terms of December hold the December interval, the metric's SQL and the item's name of the day."""
    enroll(transaction, TWICE, usage_price(), fixed_price())
    terms = load_facts(transaction, "sub_ada").terms(month(2023, 12), currency="USD")
    assert [one.id for one in terms.timeline.price_intervals] == ["plint_2", "plint_price_seats"]
    assert (terms.customer, terms.currency, terms.period) == (CUSTOMER.ref, "USD", month(2023, 12))
    assert (terms.metric_sql, terms.item_names) == ({METRIC.id: METRIC.sql}, {ITEM.id: "Tokens"})
    assert terms.timeline.timezone == timeline_of(TWICE).timezone


def test_prices_in_two_currencies_are_a_mistake(transaction: Transaction) -> None:
    """A subscription is refused where it is made; here two currencies cannot be."""
    enroll(transaction, TWICE, usage_price(), fixed_price(currency="EUR"))
    with pytest.raises(AssertionError, match="one currency"):
        assert load_facts(transaction, "sub_ada").currency


def test_the_currency_is_that_of_the_prices(transaction: Transaction) -> None:
    """An invoice is in the currency of the subscription's prices."""
    enroll(transaction, subscription(), usage_price(currency="JPY"))
    assert load_facts(transaction, "sub_ada").currency == "JPY"
