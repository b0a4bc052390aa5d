"""Subscriptions: started, changed and ended. Every change is checked against what was already invoiced."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from orbdo_server.core.customers import Customer
from orbdo_server.core.periods import CADENCE_MONTHS, BillingCycle, Period, local_date, period_at
from orbdo_server.core.plans import Plan, Price
from orbdo_server.core.subscriptions import (
    PlanTerm,
    PriceTerm,
    Subscription,
    anchor_date,
    begin,
    change_plan,
    end,
)
from orbdo_server.engine.customers import require_customer, set_currency
from orbdo_server.engine.plans import require_plan
from orbdo_server.engine.prices import require_price
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConflictError, ConstraintViolationError, InvalidRequestError, NotFoundError
from orbdo_server.storage import invoices, prices, subscriptions

SUBSCRIPTION_PRICES_MAX = 500


class NewPriceTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A price to add to a subscription beyond its plan's; of a price of the plan, the quantity it is to have."""

    price_id: str
    quantity: Decimal | None = None
    start: datetime | None = None
    end: datetime | None = None


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription to start. Without ``anchor_day`` periods begin on the first of a month, or as it starts."""

    customer: Customer
    plan: Plan | None
    prices: Sequence[NewPriceTerm] = ()
    start: datetime
    end: datetime | None = None
    anchor_day: int | None = None
    anchor_month: int | None = None
    anchor_year: int | None = None
    align_with_start: bool = False
    name: str = ""
    net_terms: int | None = None
    metadata: dict[str, str] = {}


def create_subscription(transaction: Transaction, new: NewSubscription) -> Subscription:
    """A new subscription, from ``start`` on, which may lie in the past.

    Raises ``InvalidRequestError`` for a subscription without prices, with two currencies, or that ends before it
    begins; ``ConstraintViolationError`` for a plan that is a draft or in another currency than the customer's.
    """
    _check_new(new)
    named = [require_price(transaction, term.price_id) for term in new.prices]
    planned = new.plan.prices if new.plan else ()
    currency = _one_currency(new.plan, named)
    customer = set_currency(transaction, new.customer, currency)
    terms = [
        _price_term(transaction, price, term, where=f"add_prices[{index}]")
        for index, (price, term) in enumerate(zip(named, new.prices, strict=True))
    ]
    subscription = Subscription(
        id=transaction.new_id("sub"),
        tenant=transaction.tenant,
        customer_id=customer.id,
        timezone=customer.timezone,
        anchor=_anchor(new, customer.timezone, [*planned, *named]),
        start=new.start,
        end=new.end,
        created_at=transaction.now,
        name=new.name or (new.plan.name if new.plan else ""),
        net_terms=_net_terms(new),
        metadata=new.metadata,
    )
    begun = begin(
        subscription,
        plan=None if new.plan is None else _plan_term(transaction, new.plan, instead=terms),
        extra=tuple(term for term in terms if not _has(planned, term.price_id)),
    )
    subscriptions.insert(transaction.connection, begun)
    return begun


def require_subscription(transaction: Transaction, subscription_id: str) -> Subscription:
    """The subscription; raises ``NotFoundError``."""
    subscription = subscriptions.get(transaction.connection, tenant=transaction.tenant, subscription_id=subscription_id)
    if subscription is None:
        raise NotFoundError.of("Subscription", subscription_id)
    return subscription


def update_subscription(
    transaction: Transaction,
    subscription: Subscription,
    *,
    name: str | None,
    net_terms: int | None,
    metadata: dict[str, str] | None,
) -> Subscription:
    """The subscription with another name, payment term or metadata; None leaves what is there."""
    changed = msgspec.structs.replace(
        subscription,
        name=name or subscription.name,
        net_terms=subscription.net_terms if net_terms is None else net_terms,
        metadata=subscription.metadata if metadata is None else metadata,
        version=subscription.version + 1,
    )
    return _keep(transaction, subscription, changed)


def schedule_plan_change(
    transaction: Transaction, subscription: Subscription, *, plan_id: str, at: datetime
) -> Subscription:
    """The subscription on another plan from ``at`` on; changes scheduled for later are given up.

    A price that was added beyond the plan stays, unless the new plan has it too. Raises ``ConstraintViolationError``
    when the subscription has ended by then or ``at`` lies in a period that is invoiced, and for a plan that is a draft
    or in another currency.
    """
    plan = require_plan(transaction, plan_id)
    customer = require_customer(transaction, subscription.customer_id)
    _check_active_plan(plan)
    set_currency(transaction, customer, plan.currency)
    _check_change(transaction, subscription, at)
    if at == subscription.end:
        message = "The subscription ends at that instant, so that no plan could follow."
        raise ConstraintViolationError(message)
    changed = change_plan(
        subscription,
        at=at,
        plan=_plan_term(transaction, plan),
        replaced=_plan_price_ids(transaction, subscription) | {price.id for price in plan.prices},
    )
    return _keep(transaction, subscription, changed)


def cancel_subscription(transaction: Transaction, subscription: Subscription, *, at: datetime) -> Subscription:
    """The subscription ending at ``at``; one that was to end later ends earlier, one that ends as it starts never was.

    Raises ``ConstraintViolationError`` for an instant before its start, after its end, or in a period that is invoiced.
    """
    _check_change(transaction, subscription, at)
    return _keep(transaction, subscription, end(subscription, at=at))


def current_period(transaction: Transaction, subscription: Subscription, at: datetime) -> Period | None:
    """The billing period that ``at`` lies in, cut to the subscription; None before its start and after its end.

    Its length is that of the shortest cadence among the prices in force at ``at``, a month where none recurs.
    """
    return _cut_period(subscription, at, min(_cycles_at(transaction, subscription, at)))


def current_term(transaction: Transaction, subscription: Subscription, at: datetime) -> Period | None:
    """The same of the longest cadence: what the customer has agreed to when a subscription ends with its term."""
    return _cut_period(subscription, at, max(_cycles_at(transaction, subscription, at)))


def _cut_period(subscription: Subscription, at: datetime, months: int) -> Period | None:
    if subscription.status_at(at) != "active":
        return None
    whole = period_at(BillingCycle(months=months, anchor=subscription.anchor, zone=subscription.timezone), at)
    latest = whole.end if subscription.end is None else min(whole.end, subscription.end)
    return Period(max(whole.start, subscription.start), latest)


def _cycles_at(transaction: Transaction, subscription: Subscription, at: datetime) -> list[int]:
    price_ids = {interval.price_id for interval in subscription.price_intervals if interval.holds(at)}
    known = prices.get_many(transaction.connection, tenant=transaction.tenant, price_ids=price_ids)
    return _cycle_lengths(known.values())


def _cycle_lengths(sold: Iterable[Price]) -> list[int]:
    """Months of each cadence; a single month where no price recurs."""
    months = (CADENCE_MONTHS[price.cadence] for price in sold)
    return [length for length in months if length is not None] or [1]


def _plan_term(transaction: Transaction, plan: Plan, *, instead: Iterable[PriceTerm] = ()) -> PlanTerm:
    """A plan's prices with fresh interval ids; a term in ``instead`` stands for the plan's own of the same price."""
    given = {term.price_id: term for term in instead}
    terms = tuple(
        given.get(price.id) or _price_term(transaction, price, NewPriceTerm(price_id=price.id), where="plan")
        for price in plan.prices
    )
    return PlanTerm(interval_id=transaction.new_id("plint"), plan_id=plan.id, plan_version=plan.version, prices=terms)


def _price_term(transaction: Transaction, price: Price, term: NewPriceTerm, *, where: str) -> PriceTerm:
    if term.quantity is not None and price.is_usage:
        message = f"the price {price.id} measures usage and takes no quantity"
        raise InvalidRequestError.of(f"{where}.fixed_price_quantity", message)
    if term.quantity is not None and term.quantity < 0:
        raise InvalidRequestError.of(f"{where}.fixed_price_quantity", "is below 0")
    return PriceTerm(
        interval_id=transaction.new_id("pint"),
        price_id=price.id,
        quantity=price.fixed_price_quantity if term.quantity is None else term.quantity,
        start=term.start,
        end=term.end,
    )


def _check_new(new: NewSubscription) -> None:
    if new.plan is None and not new.prices:
        raise InvalidRequestError.of("plan_id", "a subscription needs a plan or at least one price")
    if new.plan is not None:
        _check_active_plan(new.plan)
    if new.end is not None and new.end <= new.start:
        raise InvalidRequestError.of("end_date", "is not after the start")
    planned = new.plan.prices if new.plan else ()
    seen: dict[str, list[NewPriceTerm]] = {}
    for index, term in enumerate(new.prices):
        _check_interval(new, term, where=f"add_prices[{index}]")
        if _has(planned, term.price_id) and (term.start is not None or term.end is not None):
            message = "is in the plan, which says from when to when it applies"
            raise InvalidRequestError.of(f"add_prices[{index}].price_id", message)
        if any(_overlap(term, earlier) for earlier in seen.setdefault(term.price_id, [])):
            raise InvalidRequestError.of(f"add_prices[{index}].price_id", "is given twice for the same time")
        seen[term.price_id].append(term)


def _has(prices_of_plan: Iterable[Price], price_id: str) -> bool:
    return any(price.id == price_id for price in prices_of_plan)


def _check_interval(new: NewSubscription, term: NewPriceTerm, *, where: str) -> None:
    begins, ends = term.start or new.start, term.end or new.end
    if begins < new.start:
        raise InvalidRequestError.of(f"{where}.start_date", "is before the start of the subscription")
    if ends is not None and ends <= begins:
        raise InvalidRequestError.of(f"{where}.end_date", "is not after the start")
    if new.end is not None and ends is not None and ends > new.end:
        raise InvalidRequestError.of(f"{where}.end_date", "is after the end of the subscription")


def _overlap(one: NewPriceTerm, other: NewPriceTerm) -> bool:
    """Whether both have an instant; a bound that is not given is that of the subscription, beyond all others."""
    one_first = one.end is not None and other.start is not None and one.end <= other.start
    other_first = other.end is not None and one.start is not None and other.end <= one.start
    return not (one_first or other_first)


def _check_active_plan(plan: Plan) -> None:
    if plan.status != "active":
        message = f"The plan {plan.id} is a draft."
        raise ConstraintViolationError(message)


def _one_currency(plan: Plan | None, extra: Sequence[Price]) -> str:
    currencies = {price.currency for price in extra} | ({plan.currency} if plan else set())
    if len(currencies) != 1:
        message = f"the prices are in {', '.join(sorted(currencies))}; a subscription is in one currency"
        raise InvalidRequestError.of("add_prices", message)
    return currencies.pop()


def _anchor(new: NewSubscription, zone: str, sold: Iterable[Price]) -> date:
    start = local_date(new.start, zone)
    if new.anchor_day is not None:
        return anchor_date(
            start,
            cycle_months=min(_cycle_lengths(sold)),
            day=new.anchor_day,
            month=new.anchor_month,
            year=new.anchor_year,
        )
    return start if new.align_with_start else start.replace(day=1)


def _net_terms(new: NewSubscription) -> int:
    if new.net_terms is not None:
        return new.net_terms
    return new.plan.net_terms or 0 if new.plan else 0


def _plan_price_ids(transaction: Transaction, subscription: Subscription) -> frozenset[str]:
    plan_ids = {interval.plan_id for interval in subscription.plan_intervals}
    plans = [require_plan(transaction, plan_id) for plan_id in plan_ids]
    return frozenset(price.id for plan in plans for price in plan.prices)


def _check_change(transaction: Transaction, subscription: Subscription, at: datetime) -> None:
    if at < subscription.start or (subscription.end is not None and at > subscription.end):
        message = f"The subscription runs from {subscription.start.isoformat()} to {_text(subscription.end)}."
        raise ConstraintViolationError(message)
    sealed_until = invoices.sealed_until(
        transaction.connection, tenant=transaction.tenant, subscription_id=subscription.id
    )
    if sealed_until is not None and at < sealed_until:
        message = f"The subscription is invoiced until {sealed_until.isoformat()}; void that invoice first."
        raise ConstraintViolationError(message)


def _keep(transaction: Transaction, before: Subscription, after: Subscription) -> Subscription:
    if len(after.price_intervals) > SUBSCRIPTION_PRICES_MAX:
        message = f"A subscription has at most {SUBSCRIPTION_PRICES_MAX} price intervals."
        raise ConstraintViolationError(message)
    if not subscriptions.replace(transaction.connection, after, expected_version=before.version):
        message = "The subscription was changed by another request."
        raise ConflictError(message)
    return after


def _text(instant: datetime | None) -> str:
    return "no end" if instant is None else instant.isoformat()
