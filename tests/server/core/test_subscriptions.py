"""Subscriptions as timelines: beginning, changing plans, ending, and the day that cycles are counted from."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.subscriptions import (
    PlanInterval,
    PlanTerm,
    PriceInterval,
    PriceTerm,
    Status,
    Subscription,
    anchor_date,
    begin,
    change_plan,
    end,
)

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def unstarted(*, until: datetime | None = None) -> Subscription:
    """A subscription from January on, before anything applies to it."""
    return Subscription(
        id="sub_1",
        tenant="acme",
        customer_id="cus_1",
        timezone="UTC",
        anchor=date(2026, 1, 1),
        start=JANUARY,
        created_at=JANUARY,
        end=until,
    )


def term(price_id: str, *, start: datetime | None = None, end: datetime | None = None) -> PriceTerm:
    """A price that is to apply."""
    return PriceTerm(interval_id=f"pint_{price_id}", price_id=price_id, start=start, end=end)


def plan(plan_id: str, *price_ids: str) -> PlanTerm:
    """A plan that is to apply, with plain prices."""
    return PlanTerm(
        interval_id=f"plint_{plan_id}",
        plan_id=plan_id,
        plan_version=1,
        prices=tuple(term(price_id) for price_id in price_ids),
    )


def timeline(subscription: Subscription) -> list[tuple[str, datetime, datetime | None]]:
    """Every interval of a plan or a price, in order."""
    plans = [(interval.plan_id, interval.start, interval.end) for interval in subscription.plan_intervals]
    return plans + [(interval.price_id, interval.start, interval.end) for interval in subscription.price_intervals]


BASIC = begin(unstarted(), plan=plan("basic", "tokens", "seats"), extra=(term("support"),))


def test_a_subscription_begins_with_its_plan_and_what_was_added() -> None:
    """Everything applies from the start, without an end when there is none."""
    assert timeline(BASIC) == [
        ("basic", JANUARY, None),
        ("tokens", JANUARY, None),
        ("seats", JANUARY, None),
        ("support", JANUARY, None),
    ]
    assert BASIC.version == 1


def test_a_subscription_needs_no_plan() -> None:
    """Single prices are enough, and then no plan is in force."""
    subscription = begin(unstarted(), plan=None, extra=(term("tokens"),))
    assert timeline(subscription) == [("tokens", JANUARY, None)]
    assert subscription.plan_at(MARCH) is None


def test_a_price_may_have_bounds_of_its_own() -> None:
    """What a term does not say is the subscription's."""
    terms = (term("late", start=MARCH), term("early", end=MARCH), term("whole"))
    assert timeline(begin(unstarted(until=JUNE), plan=None, extra=terms)) == [
        ("late", MARCH, JUNE),
        ("early", JANUARY, MARCH),
        ("whole", JANUARY, JUNE),
    ]


def test_a_fixed_fee_keeps_its_quantity_and_its_interval_id() -> None:
    """The interval is what the term said."""
    seats = PriceTerm(interval_id="pint_7", price_id="seats", quantity=Decimal(5))
    [interval] = begin(unstarted(), plan=None, extra=(seats,)).price_intervals
    assert interval == PriceInterval(id="pint_7", price_id="seats", start=JANUARY, quantity=Decimal(5))


def test_a_plan_change_splits_the_timeline_at_the_instant() -> None:
    """The old plan ends where the new one begins; what belongs to no plan goes on."""
    changed = change_plan(BASIC, at=MARCH, plan=plan("pro", "tokens2"), replaced=frozenset({"tokens", "seats"}))
    assert timeline(changed) == [
        ("basic", JANUARY, MARCH),
        ("pro", MARCH, None),
        ("tokens", JANUARY, MARCH),
        ("seats", JANUARY, MARCH),
        ("support", JANUARY, None),
        ("tokens2", MARCH, None),
    ]
    assert changed.version == 2


def test_a_later_change_takes_the_place_of_a_scheduled_one() -> None:
    """Changing in March gives up what was to happen in June."""
    scheduled = change_plan(BASIC, at=JUNE, plan=plan("pro", "tokens2"), replaced=frozenset({"tokens", "seats"}))
    changed = change_plan(
        scheduled, at=MARCH, plan=plan("team", "tokens3"), replaced=frozenset({"tokens", "seats", "tokens2"})
    )
    assert timeline(changed) == [
        ("basic", JANUARY, MARCH),
        ("team", MARCH, None),
        ("tokens", JANUARY, MARCH),
        ("seats", JANUARY, MARCH),
        ("support", JANUARY, None),
        ("tokens3", MARCH, None),
    ]


def test_a_change_after_another_leaves_history_alone() -> None:
    """Intervals that had ended before the change stay as they were."""
    first = change_plan(BASIC, at=MARCH, plan=plan("pro", "tokens2"), replaced=frozenset({"tokens", "seats"}))
    second = change_plan(
        first, at=JUNE, plan=plan("team", "tokens3"), replaced=frozenset({"tokens", "seats", "tokens2"})
    )
    assert [entry for entry in timeline(second) if entry[2] == MARCH] == [
        ("basic", JANUARY, MARCH),
        ("tokens", JANUARY, MARCH),
        ("seats", JANUARY, MARCH),
    ]
    assert ("pro", MARCH, JUNE) in timeline(second)


def test_a_change_at_the_start_replaces_the_plan_altogether() -> None:
    """An interval without duration is none."""
    changed = change_plan(BASIC, at=JANUARY, plan=plan("pro", "tokens2"), replaced=frozenset({"tokens", "seats"}))
    assert timeline(changed) == [("pro", JANUARY, None), ("support", JANUARY, None), ("tokens2", JANUARY, None)]


def test_a_new_plan_ends_with_its_subscription() -> None:
    """A change does not make a subscription longer."""
    ending = begin(unstarted(until=JUNE), plan=plan("basic", "tokens"), extra=())
    changed = change_plan(ending, at=MARCH, plan=plan("pro", "tokens2"), replaced=frozenset({"tokens"}))
    assert timeline(changed)[1] == ("pro", MARCH, JUNE)
    assert timeline(changed)[-1] == ("tokens2", MARCH, JUNE)


def test_ending_cuts_everything() -> None:
    """Every interval ends with the subscription; one that was to begin later is dropped."""
    later = begin(unstarted(), plan=plan("basic", "tokens"), extra=(term("late", start=JUNE),))
    ended = end(later, at=MARCH)
    assert timeline(ended) == [("basic", JANUARY, MARCH), ("tokens", JANUARY, MARCH)]
    assert (ended.end, ended.version) == (MARCH, 2)


def test_ending_keeps_what_had_ended_before() -> None:
    """An interval that is over is not made longer."""
    early = begin(unstarted(), plan=None, extra=(term("early", end=MARCH),))
    assert timeline(end(early, at=JUNE)) == [("early", JANUARY, MARCH)]
    assert timeline(end(early, at=MARCH)) == [("early", JANUARY, MARCH)]


def test_ending_at_the_start_leaves_nothing() -> None:
    """A subscription that ends as it starts was never active and never will be."""
    never = end(BASIC, at=JANUARY)
    assert timeline(never) == []
    statuses = {never.status_at(at) for at in (JANUARY - INSTANT, JANUARY, MARCH)}
    assert statuses == {"ended"}


@pytest.mark.parametrize(
    ("at", "status"),
    [
        (JANUARY - INSTANT, "upcoming"),
        (JANUARY, "active"),
        (JUNE - INSTANT, "active"),
        (JUNE, "ended"),
    ],
)
def test_a_status_is_half_open(at: datetime, status: Status) -> None:
    """The start is active, the end is not."""
    assert unstarted(until=JUNE).status_at(at) == status


def test_without_an_end_a_subscription_stays_active() -> None:
    """There is no instant after an open one."""
    assert unstarted().status_at(datetime(2998, 1, 1, tzinfo=UTC)) == "active"


@pytest.mark.parametrize(
    ("at", "plan_id"),
    [
        (JANUARY - INSTANT, "basic"),
        (JANUARY, "basic"),
        (MARCH - INSTANT, "basic"),
        (MARCH, "pro"),
        (JUNE, "pro"),
        (SEPTEMBER, "pro"),
    ],
)
def test_the_plan_at_an_instant(at: datetime, plan_id: str) -> None:
    """Before the start it is the first plan, at a change the new one, after the end the last one."""
    subscription = change_plan(
        begin(unstarted(until=JUNE), plan=plan("basic"), extra=()), at=MARCH, plan=plan("pro"), replaced=frozenset()
    )
    interval = subscription.plan_at(at)
    assert interval is not None
    assert interval.plan_id == plan_id


def test_of_plans_that_overlap_the_last_counts() -> None:
    """Data of another making is still read in one way."""
    both = (
        PlanInterval(id="a", plan_id="a", plan_version=1, start=JANUARY),
        PlanInterval(id="b", plan_id="b", plan_version=1, start=MARCH),
    )
    interval = msgspec.structs.replace(unstarted(), plan_intervals=both).plan_at(JUNE)
    assert interval == both[1]


@pytest.mark.parametrize(
    ("at", "holds"), [(JANUARY - INSTANT, False), (JANUARY, True), (MARCH - INSTANT, True), (MARCH, False)]
)
def test_a_price_interval_holds_its_start_and_not_its_end(at: datetime, holds: bool) -> None:
    """Intervals are half-open."""
    assert PriceInterval(id="a", price_id="tokens", start=JANUARY, end=MARCH).holds(at) is holds


@pytest.mark.parametrize(
    ("start", "cycle_months", "day", "anchor"),
    [
        (date(2026, 3, 10), 1, 15, date(2026, 3, 15)),
        (date(2026, 3, 10), 1, 31, date(2026, 3, 31)),
        # April has no 31st, March has, and months are counted the same from either.
        (date(2026, 4, 10), 1, 31, date(2026, 3, 31)),
        (date(2026, 2, 10), 1, 30, date(2026, 1, 30)),
        (date(2026, 1, 10), 1, 31, date(2026, 1, 31)),
        # The quarters of April begin in January too, those of February in August.
        (date(2026, 4, 10), 3, 31, date(2026, 1, 31)),
        (date(2026, 2, 10), 3, 31, date(2025, 8, 31)),
        (date(2026, 2, 10), 3, 30, date(2025, 11, 30)),
        # Half a year from February is August, which has every day.
        (date(2026, 2, 10), 6, 30, date(2025, 8, 30)),
        (date(2026, 4, 10), 6, 31, date(2025, 10, 31)),
        # September and March: the year begins in September, and stays there.
        (date(2026, 9, 10), 12, 31, date(2026, 9, 30)),
        (date(2026, 2, 10), 12, 31, date(2024, 2, 29)),
        (date(2026, 2, 10), 12, 29, date(2024, 2, 29)),
        (date(2024, 2, 10), 12, 29, date(2024, 2, 29)),
        (date(2102, 2, 10), 12, 29, date(2096, 2, 29)),
    ],
)
def test_the_anchor_keeps_its_day(start: date, cycle_months: int, day: int, anchor: date) -> None:
    """A month that is too short gives way to an earlier one of the same cycle, never to one of another cycle."""
    assert anchor_date(start, cycle_months=cycle_months, day=day) == anchor


def test_an_anchor_may_name_its_month_and_year() -> None:
    """They take the place of those of the start."""
    start = date(2026, 3, 10)
    assert anchor_date(start, cycle_months=12, day=5, month=7) == date(2026, 7, 5)
    assert anchor_date(start, cycle_months=12, day=5, month=7, year=2025) == date(2025, 7, 5)
    assert anchor_date(start, cycle_months=1, day=5, year=2020) == date(2020, 3, 5)


@given(
    st.dates(date(1910, 1, 1), date(2998, 1, 1)),
    st.sampled_from([1, 3, 6, 12]),
    st.integers(1, 31),
)
def test_an_anchor_is_of_the_cycle_of_its_start(start: date, cycle_months: int, day: int) -> None:
    """The months between the anchor and the start are whole cycles, and the day is as near as can be."""
    anchor = anchor_date(start, cycle_months=cycle_months, day=day)
    apart = (start.year - anchor.year) * 12 + start.month - anchor.month
    assert apart % cycle_months == 0
    assert 0 <= apart <= 96
    assert anchor.day == day or (anchor.day < day and anchor.day >= 29)
