"""Subscriptions over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orbdo_sdk.wire import Page
from orbdo_sdk.wire import Subscription as WireSubscription
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery, UtcDatetime
from orbdo_server.api.fields import Exact, ExternalId, Id, Metadata, Name
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.api.plans import NET_TERMS_DAYS_MAX, answer_plan
from orbdo_server.api.prices import answer_prices
from orbdo_server.api.render.customers import render_customer
from orbdo_server.api.render.subscriptions import render_subscription
from orbdo_server.core.plans import Plan
from orbdo_server.core.subscriptions import Subscription
from orbdo_server.engine import subscriptions as engine
from orbdo_server.engine.customers import require_customer, require_customer_by_either
from orbdo_server.engine.plans import require_plan, require_plan_by_external_id
from orbdo_server.engine.subscriptions import NewPriceTerm, NewSubscription, current_period, current_term
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError
from orbdo_server.storage import customers, prices, subscriptions

ADDED_PRICES_MAX = 200
CUSTOMERS_LISTED_MAX = 100
ANCHOR_YEAR_MIN = 1970
ANCHOR_YEAR_MAX = 2900
NetTerms = Annotated[int, Field(ge=0, le=NET_TERMS_DAYS_MAX)]


class AnchorBody(Body):
    """The day, and for longer cadences the month and year, that billing cycles are counted from."""

    day: Annotated[int, Field(ge=1, le=31)]
    month: Annotated[int, Field(ge=1, le=12)] | None = None
    year: Annotated[int, Field(ge=ANCHOR_YEAR_MIN, le=ANCHOR_YEAR_MAX)] | None = None


class AddedPriceBody(Body):
    """A price beyond the plan's; for a fixed price that the plan has, ``fixed_price_quantity`` overrides its own."""

    price_id: Id
    fixed_price_quantity: Exact | None = None
    start_date: UtcDatetime | None = None
    end_date: UtcDatetime | None = None


class NewSubscriptionBody(Body):
    """A subscription to start, by default now and aligned with calendar months."""

    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None
    plan_id: Id | None = None
    external_plan_id: ExternalId | None = None
    add_prices: Annotated[list[AddedPriceBody], Field(max_length=ADDED_PRICES_MAX)] | None = None
    start_date: UtcDatetime | None = None
    end_date: UtcDatetime | None = None
    align_billing_with_subscription_start_date: bool | None = None
    billing_cycle_anchor_configuration: AnchorBody | None = None
    name: Name | None = None
    net_terms: NetTerms | None = None
    metadata: Metadata | None = None


class SubscriptionChange(Body):
    """What to change of a subscription without changing what it costs."""

    name: Name | None = None
    net_terms: NetTerms | None = None
    metadata: Metadata | None = None


ChangeOption = Literal["end_of_subscription_term", "immediate", "requested_date"]


class Cancellation(Body):
    """When to end: at once, at the end of the billing period, or at a given instant."""

    cancel_option: ChangeOption
    cancellation_date: UtcDatetime | None = None

    @model_validator(mode="after")
    def _has_its_date(self) -> Self:
        _check_date(self.cancel_option, self.cancellation_date, "cancellation_date")
        return self


class ScheduledPlanChange(Body):
    """Which plan to change to, and when."""

    change_option: ChangeOption
    plan_id: Id | None = None
    external_plan_id: ExternalId | None = None
    change_date: UtcDatetime | None = None

    @model_validator(mode="after")
    def _has_its_date(self) -> Self:
        _check_date(self.change_option, self.change_date, "change_date")
        return self


class SubscriptionListQuery(ListQuery):
    """Which subscriptions to list."""

    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None
    customer_ids: Annotated[list[Id] | None, Field(alias="customer_id[]", max_length=CUSTOMERS_LISTED_MAX)] = None
    external_customer_ids: Annotated[
        list[ExternalId] | None, Field(alias="external_customer_id[]", max_length=CUSTOMERS_LISTED_MAX)
    ] = None


def create(call: Call[NewSubscriptionBody, NoQuery]) -> WireSubscription:
    """A new subscription."""
    body = call.body
    anchor = body.billing_cycle_anchor_configuration
    new = NewSubscription(
        customer=require_customer_by_either(
            call.transaction, customer_id=body.customer_id, external_customer_id=body.external_customer_id
        ),
        plan=_plan(call, plan_id=body.plan_id, external_plan_id=body.external_plan_id),
        prices=[
            NewPriceTerm(
                price_id=price.price_id,
                quantity=price.fixed_price_quantity,
                start=price.start_date,
                end=price.end_date,
            )
            for price in body.add_prices or ()
        ],
        start=body.start_date or call.now,
        end=body.end_date,
        anchor_day=anchor.day if anchor else None,
        anchor_month=anchor.month if anchor else None,
        anchor_year=anchor.year if anchor else None,
        align_with_start=body.align_billing_with_subscription_start_date or False,
        name=body.name or "",
        net_terms=body.net_terms,
        metadata=body.metadata or {},
    )
    return _answer(call, engine.create_subscription(call.transaction, new))


def list_subscriptions(call: Call[NoBody, SubscriptionListQuery]) -> Page[WireSubscription]:
    """Subscriptions, newest first."""
    connection, customer_ids = call.transaction.connection, _customer_ids(call)
    return answer_page(
        call,
        "subscriptions",
        lambda after, limit: subscriptions.page(
            connection, tenant=call.tenant, after=after, limit=limit, customer_ids=customer_ids
        ),
        lambda subscription: _answer(call, subscription),
    )


def fetch(call: Call[NoBody, NoQuery]) -> WireSubscription:
    """One subscription."""
    return _answer(call, _named(call))


def update(call: Call[SubscriptionChange, NoQuery]) -> WireSubscription:
    """The subscription, changed."""
    changed = engine.update_subscription(
        call.transaction,
        _named(call),
        name=call.body.name,
        net_terms=call.body.net_terms,
        metadata=call.body.metadata,
    )
    return _answer(call, changed)


def cancel(call: Call[Cancellation, NoQuery]) -> WireSubscription:
    """The subscription with an end."""
    subscription = _named(call)
    at = _instant(call, subscription, call.body.cancel_option, call.body.cancellation_date)
    return _answer(call, engine.cancel_subscription(call.transaction, subscription, at=at))


def schedule_plan_change(call: Call[ScheduledPlanChange, NoQuery]) -> WireSubscription:
    """The subscription on another plan, now or later."""
    subscription = _named(call)
    plan = _plan(call, plan_id=call.body.plan_id, external_plan_id=call.body.external_plan_id)
    if plan is None:
        raise InvalidRequestError.of("plan_id", "give exactly one of plan_id and external_plan_id")
    at = _instant(call, subscription, call.body.change_option, call.body.change_date)
    changed = engine.schedule_plan_change(call.transaction, subscription, plan_id=plan.id, at=at)
    return _answer(call, changed)


def _named(call: Call[Any, Any]) -> Subscription:
    return engine.require_subscription(call.transaction, call.path["subscription_id"])


def _answer(call: Call[Any, Any], subscription: Subscription) -> WireSubscription:
    transaction = call.transaction
    interval = subscription.plan_at(call.now)
    price_ids = {interval.price_id for interval in subscription.price_intervals}
    known = prices.get_many(transaction.connection, tenant=call.tenant, price_ids=price_ids)
    return render_subscription(
        subscription,
        customer=render_customer(require_customer(transaction, subscription.customer_id)),
        plan=None if interval is None else answer_plan(call, require_plan(transaction, interval.plan_id)),
        prices={price.id: price for price in answer_prices(call, list(known.values()))},
        period=current_period(transaction, subscription, call.now),
        now=call.now,
    )


def _plan(call: Call[Any, Any], *, plan_id: str | None, external_plan_id: str | None) -> Plan | None:
    if plan_id is not None and external_plan_id is not None:
        raise InvalidRequestError.of("plan_id", "give one of plan_id and external_plan_id, not both")
    if plan_id is not None:
        return require_plan(call.transaction, plan_id)
    return None if external_plan_id is None else require_plan_by_external_id(call.transaction, external_plan_id)


def _instant(
    call: Call[Any, Any], subscription: Subscription, option: ChangeOption, requested: datetime | None
) -> datetime:
    """When a change takes effect; what has not begun yet is changed from its start on."""
    if requested is not None:
        return requested
    at = max(call.now, subscription.start)
    term = current_term(call.transaction, subscription, at)
    if term is None:
        message = f"The subscription {subscription.id} has ended."
        raise ConstraintViolationError(message)
    return at if option == "immediate" else term.end


def _check_date(option: ChangeOption, date: datetime | None, field: str) -> None:
    if (option == "requested_date") != (date is not None):
        message = f"{field} goes with requested_date and with no other option"
        raise ValueError(message)


def _customer_ids(call: Call[NoBody, SubscriptionListQuery]) -> list[str] | None:
    """The ids of ours for all filters together, those that name nobody left out; None without a filter."""
    query = call.query
    ours = [*(query.customer_ids or ()), *([query.customer_id] if query.customer_id else ())]
    external = [
        *(query.external_customer_ids or ()),
        *([query.external_customer_id] if query.external_customer_id else ()),
    ]
    if not ours and not external:
        return None
    named = (
        customers.find_by_external_id(call.transaction.connection, tenant=call.tenant, external_customer_id=identifier)
        for identifier in external
    )
    return [*ours, *(customer.id for customer in named if customer is not None)]


READ, WRITE = "subscriptions:read", "subscriptions:write"
ALL, ONE = "/subscriptions", "/subscriptions/{subscription_id}"
ENDPOINTS = (
    Endpoint(
        "POST",
        ALL,
        create,
        WRITE,
        "Start a subscription.",
        WireSubscription,
        body=NewSubscriptionBody,
        tag="subscriptions",
    ),
    Endpoint(
        "GET",
        ALL,
        list_subscriptions,
        READ,
        "List subscriptions.",
        Page[WireSubscription],
        query=SubscriptionListQuery,
        tag="subscriptions",
    ),
    Endpoint("GET", ONE, fetch, READ, "Fetch a subscription.", WireSubscription, tag="subscriptions"),
    Endpoint(
        "PUT",
        ONE,
        update,
        WRITE,
        "Change a subscription's name, payment term or metadata.",
        WireSubscription,
        body=SubscriptionChange,
        tag="subscriptions",
    ),
    Endpoint(
        "POST",
        f"{ONE}/cancel",
        cancel,
        WRITE,
        "End a subscription.",
        WireSubscription,
        body=Cancellation,
        tag="subscriptions",
    ),
    Endpoint(
        "POST",
        f"{ONE}/schedule_plan_change",
        schedule_plan_change,
        WRITE,
        "Change the plan, now or later.",
        WireSubscription,
        body=ScheduledPlanChange,
        tag="subscriptions",
    ),
)
