"""Subscriptions: what can still be changed, and which period is the present one."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orbdo_server.core.periods import Period
from orbdo_server.engine import subscriptions as engine
from orbdo_server.engine.subscriptions import SUBSCRIPTION_PRICES_MAX, NewPriceTerm
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConflictError, ConstraintViolationError, NotFoundError
from tests.server.conftest import NOW
from tests.support.subscribing import APRIL, JUNE, MARCH, START, Shop, intervals


@pytest.fixture
def shop(transaction: Transaction) -> Shop:
    """An open shop."""
    return Shop(transaction)


def test_another_plan_takes_the_place_of_the_first(shop: Shop) -> None:
    """From the instant on; a price that was added beyond the plan stays."""
    fee, extra, new = shop.fee(), shop.usage(), shop.fee()
    subscription = shop.subscribe(shop.plan(fee), NewPriceTerm(price_id=extra))
    pro = shop.plan(new)
    changed = engine.schedule_plan_change(shop.transaction, subscription, plan_id=pro.id, at=MARCH)
    assert intervals(changed) == [(fee, START, MARCH), (extra, START, None), (new, MARCH, None)]
    assert changed.version == 2
    assert engine.require_subscription(shop.transaction, subscription.id) == changed


def test_a_price_that_the_new_plan_has_too_is_not_billed_twice(shop: Shop) -> None:
    """What was added beyond the old plan ends where the new plan brings it along."""
    extra = shop.usage()
    subscription = shop.subscribe(shop.plan(), NewPriceTerm(price_id=extra))
    changed = engine.schedule_plan_change(shop.transaction, subscription, plan_id=shop.plan(extra).id, at=MARCH)
    assert intervals(changed) == [(extra, START, MARCH), (extra, MARCH, None)]


def test_a_later_change_is_given_up_for_an_earlier_one(shop: Shop) -> None:
    """Only the last word counts."""
    subscription = shop.subscribe(shop.plan())
    pro, team = shop.plan(shop.fee()), shop.plan(shop.fee())
    scheduled = engine.schedule_plan_change(shop.transaction, subscription, plan_id=pro.id, at=JUNE)
    changed = engine.schedule_plan_change(shop.transaction, scheduled, plan_id=team.id, at=MARCH)
    assert [interval.plan_id for interval in changed.plan_intervals] == [
        subscription.plan_intervals[0].plan_id,
        team.id,
    ]
    assert intervals(changed) == [(team.prices[0].id, MARCH, None)]


def test_a_plan_change_keeps_the_currency(shop: Shop) -> None:
    """A plan in another one is for another customer."""
    subscription = shop.subscribe(shop.plan())
    euros = shop.plan(currency="EUR")
    with pytest.raises(ConstraintViolationError, match="billed in USD"):
        engine.schedule_plan_change(shop.transaction, subscription, plan_id=euros.id, at=MARCH)


def test_a_change_lies_within_the_subscription(shop: Shop) -> None:
    """Not before its start, and for a plan not at its end either, where nothing could follow."""
    subscription = shop.subscribe(shop.plan(), end=JUNE)
    pro = shop.plan().id
    for at in (START - timedelta(microseconds=1), JUNE + timedelta(microseconds=1)):
        with pytest.raises(ConstraintViolationError, match="runs from 2026-01-10T00:00:00"):
            engine.schedule_plan_change(shop.transaction, subscription, plan_id=pro, at=at)
        with pytest.raises(ConstraintViolationError, match="runs from 2026-01-10T00:00:00"):
            engine.cancel_subscription(shop.transaction, subscription, at=at)
    with pytest.raises(ConstraintViolationError, match="ends at that instant"):
        engine.schedule_plan_change(shop.transaction, subscription, plan_id=pro, at=JUNE)
    at_the_start = engine.schedule_plan_change(shop.transaction, subscription, plan_id=pro, at=START)
    assert [interval.plan_id for interval in at_the_start.plan_intervals] == [pro]


def test_a_subscription_without_end_says_so(shop: Shop) -> None:
    """The message about its bounds."""
    subscription = shop.subscribe(shop.plan())
    with pytest.raises(ConstraintViolationError, match="to no end"):
        engine.cancel_subscription(shop.transaction, subscription, at=START - timedelta(days=1))


def test_what_is_invoiced_is_not_changed(shop: Shop) -> None:
    """Only from the end of the last issued invoice on; voiding it opens its period again."""
    subscription = shop.subscribe(shop.plan())
    pro = shop.plan().id
    shop.invoice_march(subscription)
    for at in (MARCH, APRIL - timedelta(microseconds=1)):
        with pytest.raises(ConstraintViolationError, match="invoiced until 2026-04-01"):
            engine.schedule_plan_change(shop.transaction, subscription, plan_id=pro, at=at)
        with pytest.raises(ConstraintViolationError, match="void that invoice first"):
            engine.cancel_subscription(shop.transaction, subscription, at=at)
    changed = engine.schedule_plan_change(shop.transaction, subscription, plan_id=pro, at=APRIL)
    assert changed.plan_intervals[-1].start == APRIL


def test_cancelling_ends_everything(shop: Shop) -> None:
    """Earlier again and again, never later."""
    fee = shop.fee()
    subscription = shop.subscribe(shop.plan(fee))
    for at in (JUNE, MARCH, MARCH):
        subscription = engine.cancel_subscription(shop.transaction, subscription, at=at)
        assert (subscription.end, intervals(subscription)) == (at, [(fee, START, at)])
    with pytest.raises(ConstraintViolationError, match="runs from"):
        engine.cancel_subscription(shop.transaction, subscription, at=APRIL)


def test_a_subscription_can_be_cancelled_from_its_start(shop: Shop) -> None:
    """It was never in force then, and nothing is left to bill."""
    subscription = shop.subscribe(shop.plan(shop.fee()), start=JUNE)
    never = engine.cancel_subscription(shop.transaction, subscription, at=JUNE)
    assert (never.status_at(NOW), never.price_intervals, never.plan_intervals) == ("ended", (), ())
    assert engine.current_period(shop.transaction, never, JUNE) is None


def test_words_and_terms_are_changed_without_the_costs(shop: Shop) -> None:
    """What is not given stays; an empty map of metadata is given, and so is a term of no days."""
    subscription = shop.subscribe(shop.plan(net_terms=30), metadata={"a": "b"})
    unchanged = engine.update_subscription(shop.transaction, subscription, name=None, net_terms=None, metadata=None)
    assert unchanged == msgspec.structs.replace(subscription, version=2)
    changed = engine.update_subscription(shop.transaction, unchanged, name="Mine", net_terms=0, metadata={})
    assert (changed.name, changed.net_terms, changed.metadata, changed.version) == ("Mine", 0, {}, 3)
    assert engine.require_subscription(shop.transaction, subscription.id) == changed


def test_of_two_changes_at_once_one_is_told(shop: Shop) -> None:
    """Whoever changes what was changed meanwhile has to look again."""
    subscription = shop.subscribe(shop.plan())
    engine.cancel_subscription(shop.transaction, subscription, at=JUNE)
    with pytest.raises(ConflictError):
        engine.cancel_subscription(shop.transaction, subscription, at=MARCH)


def test_a_timeline_has_a_bound(shop: Shop) -> None:
    """Somebody who changes plans without end is stopped at the bound."""
    plan = shop.plan(*(shop.fee() for _ in range(50)))
    subscription = shop.subscribe(plan)
    days = SUBSCRIPTION_PRICES_MAX // 50 - 1
    for day in range(1, days + 1):
        at = START + timedelta(days=day)
        subscription = engine.schedule_plan_change(shop.transaction, subscription, plan_id=plan.id, at=at)
    assert len(subscription.price_intervals) == SUBSCRIPTION_PRICES_MAX
    with pytest.raises(ConstraintViolationError, match="at most 500 price intervals"):
        engine.schedule_plan_change(
            shop.transaction, subscription, plan_id=plan.id, at=START + timedelta(days=days + 1)
        )


@pytest.mark.parametrize(
    ("at", "period"),
    [
        (START - timedelta(microseconds=1), None),
        (START, (START, datetime(2026, 2, 1, tzinfo=UTC))),
        (NOW, (MARCH, APRIL)),
        (APRIL, (APRIL, datetime(2026, 4, 20, tzinfo=UTC))),
        (datetime(2026, 4, 20, tzinfo=UTC), None),
    ],
)
def test_the_current_period_is_cut_to_the_subscription(
    shop: Shop, at: datetime, period: tuple[datetime, datetime] | None
) -> None:
    """The first and the last one are shorter, and there is none outside."""
    subscription = shop.subscribe(shop.plan(shop.fee()), end=datetime(2026, 4, 20, tzinfo=UTC))
    found = engine.current_period(shop.transaction, subscription, at)
    assert found == (None if period is None else Period(*period))


def test_periods_follow_the_prices_in_force(shop: Shop) -> None:
    """The period is the shortest of them, the term the longest, and a plan of years is not cut into months any more."""
    mixed = shop.plan(shop.usage(), shop.fee(cadence="annual"), shop.fee(cadence="one_time"))
    yearly = shop.plan(shop.fee(cadence="annual"))
    subscription = shop.subscribe(mixed, start=datetime(2026, 1, 1, tzinfo=UTC))
    changed = engine.schedule_plan_change(shop.transaction, subscription, plan_id=yearly.id, at=APRIL)
    year = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert engine.current_period(shop.transaction, changed, NOW) == Period(MARCH, APRIL)
    assert engine.current_term(shop.transaction, changed, NOW) == year
    assert engine.current_period(shop.transaction, changed, APRIL) == year


def test_without_a_recurring_price_a_period_is_a_month(shop: Shop) -> None:
    """A limit has to count in some period."""
    subscription = shop.subscribe(shop.plan(shop.fee(cadence="one_time")))
    assert engine.current_period(shop.transaction, subscription, NOW) == Period(MARCH, APRIL)
    assert engine.current_term(shop.transaction, subscription, NOW) == Period(MARCH, APRIL)


def test_another_tenants_subscription_does_not_exist(shop: Shop, rival: Transaction) -> None:
    """Its id names nothing."""
    subscription = shop.subscribe(shop.plan())
    with pytest.raises(NotFoundError, match=f"Subscription with identifier: {subscription.id}"):
        engine.require_subscription(rival, subscription.id)
    with pytest.raises(NotFoundError, match="Plan"):
        engine.schedule_plan_change(shop.transaction, subscription, plan_id=Shop(rival).plan().id, at=MARCH)
