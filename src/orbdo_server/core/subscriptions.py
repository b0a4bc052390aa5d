"""A subscription as a timeline of price intervals, and the changes that can be made to it."""

from calendar import monthrange
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

Status = Literal["active", "ended", "upcoming"]
# Somewhere within eight years there is a 29 February, around 1900 and 2100 too.
LEAP_DAY_MONTHS = 8 * 12


class PriceInterval(msgspec.Struct, frozen=True, kw_only=True):
    """A price in force over ``[start, end)``; ``end`` None is open, and ``quantity`` is that of a fixed fee."""

    id: str
    price_id: str
    start: datetime
    end: datetime | None = None
    quantity: Decimal | None = None

    def holds(self, at: datetime) -> bool:
        """Whether the price is in force at ``at``."""
        return _holds(self, at)


class PlanInterval(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in force over ``[start, end)`` of a subscription, with the features it grants."""

    id: str
    plan_id: str
    plan_version: int
    start: datetime
    end: datetime | None = None


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's agreement. Billing periods are months kept to the day of ``anchor`` in ``timezone``."""

    id: str
    tenant: str
    customer_id: str
    timezone: str
    anchor: date
    start: datetime
    created_at: datetime
    end: datetime | None = None
    name: str = ""
    net_terms: int = 0
    metadata: dict[str, str] = {}
    version: int = 1
    plan_intervals: tuple[PlanInterval, ...] = ()
    price_intervals: tuple[PriceInterval, ...] = ()

    def status_at(self, at: datetime) -> Status:
        """Orb's word for where ``at`` lies: before, within or after ``[start, end)``, which may be empty."""
        if self.end is not None and self.end <= max(at, self.start):
            return "ended"
        return "upcoming" if at < self.start else "active"

    def plan_at(self, at: datetime) -> PlanInterval | None:
        """The plan in force at ``at``; before the start the first, after the end the last; None without any plan."""
        inside = [interval for interval in self.plan_intervals if _holds(interval, at)]
        if inside:
            return inside[-1]
        if not self.plan_intervals:
            return None
        return self.plan_intervals[0] if at < self.start else self.plan_intervals[-1]


class PriceTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A price that is to apply, with the id its interval gets; without bounds it applies as long as the plan does."""

    interval_id: str
    price_id: str
    quantity: Decimal | None = None
    start: datetime | None = None
    end: datetime | None = None


class PlanTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that is to apply, with the id its interval gets and its prices."""

    interval_id: str
    plan_id: str
    plan_version: int
    prices: tuple[PriceTerm, ...]


def anchor_date(start: date, *, cycle_months: int, day: int, month: int | None = None, year: int | None = None) -> date:
    """The local date cycles of ``cycle_months`` are counted from: ``day`` of the month of ``start``, or of another.

    Where that month is too short for the day, an earlier month of the same cycle that has it takes its place, so that
    the 31st stays the 31st in the months that have one. Where none has it, the last day of the longest stands for it.
    """
    first = date(year or start.year, month or start.month, 1)
    earlier = [_months_before(first, back) for back in range(0, LEAP_DAY_MONTHS + 1, cycle_months)]
    nearest = max(earlier, key=lambda candidate: min(day, _days_in_month(candidate)))
    return nearest.replace(day=min(day, _days_in_month(nearest)))


def begin(subscription: Subscription, *, plan: PlanTerm | None, extra: tuple[PriceTerm, ...]) -> Subscription:
    """The subscription with its first plan and the prices beyond it, from its start to its end."""
    plans = () if plan is None else (_plan_interval(plan, subscription.start, subscription.end),)
    terms = (*(plan.prices if plan else ()), *extra)
    prices = tuple(_price_interval(term, subscription.start, subscription.end) for term in terms)
    return msgspec.structs.replace(subscription, plan_intervals=plans, price_intervals=prices)


def change_plan(subscription: Subscription, *, at: datetime, plan: PlanTerm, replaced: frozenset[str]) -> Subscription:
    """The subscription on another plan from ``at`` on.

    The intervals of prices in ``replaced`` end at ``at``; those that had not begun by then are dropped, and so are plan
    changes that were scheduled for later. Prices that belong to no plan stay.
    """
    of_plans = tuple(interval for interval in subscription.price_intervals if interval.price_id in replaced)
    others = tuple(interval for interval in subscription.price_intervals if interval.price_id not in replaced)
    prices = tuple(_price_interval(term, at, subscription.end) for term in plan.prices)
    return msgspec.structs.replace(
        subscription,
        version=subscription.version + 1,
        plan_intervals=(*_cut_all(subscription.plan_intervals, at), _plan_interval(plan, at, subscription.end)),
        price_intervals=(*_cut_all(of_plans, at), *others, *prices),
    )


def end(subscription: Subscription, *, at: datetime) -> Subscription:
    """The subscription ending at ``at``: every interval ends then at the latest, those that begin later are dropped."""
    return msgspec.structs.replace(
        subscription,
        version=subscription.version + 1,
        end=at,
        plan_intervals=_cut_all(subscription.plan_intervals, at),
        price_intervals=_cut_all(subscription.price_intervals, at),
    )


IntervalT = TypeVar("IntervalT", PlanInterval, PriceInterval)


def _holds(interval: PlanInterval | PriceInterval, at: datetime) -> bool:
    return interval.start <= at and (interval.end is None or at < interval.end)


def _cut_all(intervals: tuple[IntervalT, ...], at: datetime) -> tuple[IntervalT, ...]:
    """What lies before ``at``: intervals that begin later are dropped, the one that holds ``at`` ends there."""
    return tuple(
        msgspec.structs.replace(interval, end=at) if _holds(interval, at) else interval
        for interval in intervals
        if interval.start < at
    )


def _plan_interval(term: PlanTerm, start: datetime, end: datetime | None) -> PlanInterval:
    return PlanInterval(
        id=term.interval_id,
        plan_id=term.plan_id,
        plan_version=term.plan_version,
        start=start,
        end=end,
    )


def _price_interval(term: PriceTerm, start: datetime, end: datetime | None) -> PriceInterval:
    return PriceInterval(
        id=term.interval_id,
        price_id=term.price_id,
        start=term.start or start,
        end=term.end or end,
        quantity=term.quantity,
    )


def _months_before(first: date, months: int) -> date:
    year, month0 = divmod(first.year * 12 + first.month - 1 - months, 12)
    return date(year, month0 + 1, 1)


def _days_in_month(day: date) -> int:
    return monthrange(day.year, day.month)[1]
