"""Subscriptions: what can be sold together, and from when to when."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orbdo_server.engine import customers
from orbdo_server.engine import subscriptions as engine
from orbdo_server.engine.subscriptions import NewPriceTerm
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError, NotFoundError
from tests.server.conftest import NOW
from tests.support.subscribing import APRIL, JUNE, MARCH, START, Shop, field_of, intervals


@pytest.fixture
def shop(transaction: Transaction) -> Shop:
    """An open shop."""
    return Shop(transaction)


def test_a_subscription_is_to_a_plan(shop: Shop) -> None:
    """It is named after the plan, has its terms of payment, and sets the customer's currency."""
    usage, fee = shop.usage(), shop.fee(quantity="2.5")
    plan = shop.plan(usage, fee, net_terms=30)
    subscription = shop.subscribe(plan, metadata={"a": "b"})
    assert intervals(subscription) == [(usage, START, None), (fee, START, None)]
    assert [interval.quantity for interval in subscription.price_intervals] == [None, Decimal("2.5")]
    assert (subscription.name, subscription.net_terms, subscription.created_at) == ("Pro", 30, NOW)
    [interval] = subscription.plan_intervals
    assert (interval.plan_id, interval.plan_version, interval.start, interval.end) == (plan.id, 1, START, None)
    assert customers.require_customer(shop.transaction, shop.ada.id).currency == "USD"
    assert engine.require_subscription(shop.transaction, subscription.id) == subscription


def test_a_subscription_may_be_to_single_prices(shop: Shop) -> None:
    """Each with bounds of its own where it has some."""
    one, other = shop.usage(), shop.fee()
    terms = (NewPriceTerm(price_id=one), NewPriceTerm(price_id=other, start=MARCH, end=APRIL, quantity=Decimal(7)))
    subscription = shop.subscribe(None, *terms, end=JUNE)
    assert intervals(subscription) == [(one, START, JUNE), (other, MARCH, APRIL)]
    assert subscription.price_intervals[1].quantity == Decimal(7)
    assert (subscription.name, subscription.net_terms, subscription.plan_intervals) == ("", 0, ())


def test_what_is_given_stands_for_the_plans_own(shop: Shop) -> None:
    """A name, terms of payment, and the quantity of a fee of the plan, which is not billed twice for that."""
    fee, extra = shop.fee(quantity="1"), shop.usage()
    terms = (NewPriceTerm(price_id=fee, quantity=Decimal(5)), NewPriceTerm(price_id=extra))
    subscription = shop.subscribe(shop.plan(fee, net_terms=30), *terms, name="Ada's", net_terms=0)
    assert [(interval.price_id, interval.quantity) for interval in subscription.price_intervals] == [
        (fee, Decimal(5)),
        (extra, None),
    ]
    assert (subscription.name, subscription.net_terms) == ("Ada's", 0)


def test_a_subscription_is_to_something(shop: Shop) -> None:
    """Neither plan nor price is nothing; an empty plan is a plan."""
    with pytest.raises(InvalidRequestError, match="needs a plan or at least one price") as caught:
        shop.subscribe()
    assert field_of(caught) == "plan_id"
    assert intervals(shop.subscribe(shop.plan())) == []


def test_nobody_subscribes_to_a_draft(shop: Shop) -> None:
    """Nor changes to one."""
    draft = shop.plan(status="draft")
    with pytest.raises(ConstraintViolationError, match="is a draft"):
        shop.subscribe(draft)
    subscription = shop.subscribe(shop.plan())
    with pytest.raises(ConstraintViolationError, match="is a draft"):
        engine.schedule_plan_change(shop.transaction, subscription, plan_id=draft.id, at=MARCH)


@pytest.mark.parametrize(
    ("term", "field"),
    [
        ({"start": START - timedelta(days=1)}, "add_prices[1].start_date"),
        ({"end": START}, "add_prices[1].end_date"),
        ({"start": APRIL, "end": MARCH}, "add_prices[1].end_date"),
        ({"start": JUNE}, "add_prices[1].end_date"),
        ({"end": JUNE + timedelta(microseconds=1)}, "add_prices[1].end_date"),
        ({"quantity": Decimal("-0.1")}, "add_prices[1].fixed_price_quantity"),
    ],
)
def test_a_price_applies_within_its_subscription(shop: Shop, term: dict[str, Any], field: str) -> None:
    """The answer names the price and the field."""
    terms = (NewPriceTerm(price_id=shop.usage()), NewPriceTerm(price_id=shop.fee(), **term))
    with pytest.raises(InvalidRequestError) as caught:
        shop.subscribe(None, *terms, end=JUNE)
    assert field_of(caught) == field


def test_a_price_may_fill_its_subscription(shop: Shop) -> None:
    """At its bounds it is still within."""
    fee = shop.fee()
    subscription = shop.subscribe(None, NewPriceTerm(price_id=fee, start=START, end=JUNE), end=JUNE)
    assert intervals(subscription) == [(fee, START, JUNE)]


def test_a_usage_price_takes_no_quantity(shop: Shop) -> None:
    """It is measured, in a plan or beside one."""
    usage = shop.usage()
    for plan in (None, shop.plan(usage)):
        with pytest.raises(InvalidRequestError, match="measures usage") as caught:
            shop.subscribe(plan, NewPriceTerm(price_id=usage, quantity=Decimal(1)))
        assert field_of(caught) == "add_prices[0].fixed_price_quantity"


def test_a_price_of_the_plan_keeps_the_plans_bounds(shop: Shop) -> None:
    """Bounds that would be ignored are refused."""
    fee = shop.fee()
    with pytest.raises(InvalidRequestError, match="is in the plan") as caught:
        shop.subscribe(shop.plan(fee), NewPriceTerm(price_id=fee, end=MARCH))
    assert field_of(caught) == "add_prices[0].price_id"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"end": APRIL}, {}),
        ({"end": APRIL}, {"start": MARCH}),
        ({"start": MARCH}, {"end": APRIL}),
        ({"start": MARCH}, {"start": APRIL}),
    ],
)
def test_a_price_is_not_billed_twice_at_once(shop: Shop, first: dict[str, Any], second: dict[str, Any]) -> None:
    """The same price for the same time is one too many."""
    fee = shop.fee()
    with pytest.raises(InvalidRequestError, match="given twice for the same time") as caught:
        shop.subscribe(None, NewPriceTerm(price_id=fee, **first), NewPriceTerm(price_id=fee, **second))
    assert field_of(caught) == "add_prices[1].price_id"


def test_a_quantity_may_change_over_time(shop: Shop) -> None:
    """The same price one after the other, in whichever order they are given."""
    fee = shop.fee()
    later = NewPriceTerm(price_id=fee, start=MARCH, quantity=Decimal(2))
    earlier = NewPriceTerm(price_id=fee, end=MARCH)
    assert intervals(shop.subscribe(None, later, earlier)) == [(fee, MARCH, None), (fee, START, MARCH)]
    assert intervals(shop.subscribe(None, earlier, later)) == [(fee, START, MARCH), (fee, MARCH, None)]


def test_a_subscription_ends_after_it_starts(shop: Shop) -> None:
    """At the start is too early."""
    with pytest.raises(InvalidRequestError, match="is not after the start") as caught:
        shop.subscribe(shop.plan(), end=START)
    assert field_of(caught) == "end_date"


def test_a_subscription_is_in_one_currency(shop: Shop) -> None:
    """That of its plan, of its prices, and of its customer."""
    with pytest.raises(InvalidRequestError, match="EUR, USD") as caught:
        shop.subscribe(shop.plan(), NewPriceTerm(price_id=shop.fee(currency="EUR")))
    assert field_of(caught) == "add_prices"
    with pytest.raises(ConstraintViolationError, match="billed in JPY"):
        shop.subscribe(shop.plan(), customer=shop.customer("kenji", currency="JPY"))


def test_a_price_has_to_exist(shop: Shop, rival: Transaction) -> None:
    """For this tenant."""
    with pytest.raises(NotFoundError, match="Price"):
        shop.subscribe(None, NewPriceTerm(price_id=Shop(rival).fee()))


@pytest.mark.parametrize(
    ("more", "anchor"),
    [
        ({}, date(2026, 1, 1)),
        ({"align_with_start": True}, date(2026, 1, 10)),
        ({"anchor_day": 31}, date(2026, 1, 31)),
        ({"anchor_day": 31, "anchor_month": 4}, date(2026, 3, 31)),
        ({"anchor_day": 5, "anchor_month": 7, "anchor_year": 2025}, date(2025, 7, 5)),
        ({"anchor_day": 5, "align_with_start": True}, date(2026, 1, 5)),
    ],
)
def test_periods_are_counted_from_an_anchor(shop: Shop, more: dict[str, Any], anchor: date) -> None:
    """The first of the month, the day of the start, or a day that is named."""
    assert shop.subscribe(shop.plan(shop.fee()), **more).anchor == anchor


def test_an_anchor_belongs_to_the_shortest_cadence(shop: Shop) -> None:
    """A year from 31 April begins on 30 April, a quarter from it on 31 January."""
    plan = shop.plan(shop.fee(cadence="annual"), shop.fee(cadence="one_time"))
    more = {"anchor_day": 31, "anchor_month": 4}
    assert shop.subscribe(plan, **more).anchor == date(2026, 4, 30)
    quarterly = NewPriceTerm(price_id=shop.usage(cadence="quarterly"))
    assert shop.subscribe(plan, quarterly, **more).anchor == date(2026, 1, 31)


def test_the_calendar_is_the_customers(shop: Shop) -> None:
    """What is the last of January in UTC is February in Tokyo already."""
    kenji = shop.customer("kenji", timezone="Asia/Tokyo")
    start = datetime(2026, 1, 31, 20, tzinfo=UTC)
    subscription = shop.subscribe(shop.plan(), customer=kenji, start=start)
    assert (subscription.timezone, subscription.anchor) == ("Asia/Tokyo", date(2026, 2, 1))
