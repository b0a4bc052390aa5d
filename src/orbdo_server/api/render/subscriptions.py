"""Subscriptions as the wire has them."""

from collections.abc import Mapping
from datetime import datetime

from orbdo_sdk import wire
from orbdo_server.api.render.prices import number_or_none
from orbdo_server.core.periods import Period
from orbdo_server.core.subscriptions import PriceInterval, Subscription


def render_subscription(
    subscription: Subscription,
    *,
    customer: wire.Customer,
    plan: wire.Plan | None,
    prices: Mapping[str, wire.Price],
    period: Period | None,
    now: datetime,
) -> wire.Subscription:
    """A subscription with its customer, its plan of the moment and every interval, past and to come."""
    return wire.Subscription(
        id=subscription.id,
        customer=customer,
        plan=plan,
        status=subscription.status_at(now),
        start_date=subscription.start,
        end_date=subscription.end,
        created_at=subscription.created_at,
        billing_cycle_day=subscription.anchor.day,
        billing_cycle_anchor_configuration=wire.BillingCycleAnchor(
            day=subscription.anchor.day, month=subscription.anchor.month, year=subscription.anchor.year
        ),
        current_billing_period_start_date=period.start if period else None,
        current_billing_period_end_date=period.end if period else None,
        price_intervals=[
            _render_interval(interval, subscription, prices[interval.price_id], period)
            for interval in subscription.price_intervals
        ],
        fixed_fee_quantity_schedule=_render_quantities(subscription),
        metadata=subscription.metadata,
        name=subscription.name,
        net_terms=subscription.net_terms,
    )


def _render_quantities(subscription: Subscription) -> list[wire.FixedFeeQuantity]:
    return [
        wire.FixedFeeQuantity(
            price_id=interval.price_id,
            quantity=wire.Number.of(interval.quantity),
            start_date=interval.start,
            end_date=interval.end,
        )
        for interval in subscription.price_intervals
        if interval.quantity is not None
    ]


def _render_interval(
    interval: PriceInterval, subscription: Subscription, price: wire.Price, period: Period | None
) -> wire.PriceInterval:
    transitions = None
    quantity = number_or_none(interval.quantity)
    if quantity is not None:
        transitions = [
            wire.QuantityTransition(effective_date=interval.start, price_id=interval.price_id, quantity=quantity)
        ]
    return wire.PriceInterval(
        id=interval.id,
        price=price,
        start_date=interval.start,
        end_date=interval.end,
        billing_cycle_day=subscription.anchor.day,
        current_billing_period_start_date=period.start if period else None,
        current_billing_period_end_date=period.end if period else None,
        fixed_fee_quantity_transitions=transitions,
    )
