"""Everything the control plane knows that an invoice of a subscription depends on, read in one go."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from orbdo_server.core.customers import Customer
from orbdo_server.core.invoice_periods import Timeline, timeline_of
from orbdo_server.core.invoices import InvoiceTerms, terms_for
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import Item, MetricDefinition, Price
from orbdo_server.core.subscriptions import Subscription
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import NotFoundError
from orbdo_server.storage import customers, items, metrics, prices, subscriptions

V = TypeVar("V")


class SubscriptionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription with its customer, and the prices, metrics and items of all its intervals, by id."""

    customer: Customer
    subscription: Subscription
    prices: Mapping[str, Price]
    metrics: Mapping[str, MetricDefinition]
    items: Mapping[str, Item]

    @property
    def timeline(self) -> Timeline:
        """What invoices depend on of the subscription."""
        return timeline_of(self.subscription)

    @property
    def currency(self) -> str:
        """The one currency of its prices; only asked for when there is something to bill."""
        currencies = {price.currency for price in self.prices.values()}
        assert len(currencies) == 1, "a subscription has prices in one currency"
        return currencies.pop()

    def terms(self, period: Period, *, currency: str) -> InvoiceTerms:
        """The terms of the subscription's invoice for a period."""
        return terms_for(
            customer=self.customer.ref,
            timeline=self.timeline,
            period=period,
            currency=currency,
            prices=self.prices,
            metric_sql={metric.id: metric.sql for metric in self.metrics.values()},
            item_names={item.id: item.name for item in self.items.values()},
        )


def load_facts(transaction: Transaction, subscription_id: str) -> SubscriptionFacts:
    """The facts as they stand now; raises ``NotFoundError`` for a subscription the tenant does not have."""
    connection, tenant = transaction.connection, transaction.tenant
    subscription = subscriptions.get(connection, tenant=tenant, subscription_id=subscription_id)
    if subscription is None:
        raise NotFoundError.of("Subscription", subscription_id)
    customer = customers.get(connection, tenant=tenant, customer_id=subscription.customer_id)
    assert customer is not None, "a subscription has a customer"
    price_ids = {interval.price_id for interval in subscription.price_intervals}
    known = _all(partial(prices.get_many, connection, tenant=tenant, price_ids=price_ids), price_ids)
    metric_ids = {price.metric_id for price in known.values() if price.metric_id is not None}
    item_ids = {price.item_id for price in known.values()}
    return SubscriptionFacts(
        customer=customer,
        subscription=subscription,
        prices=known,
        metrics=_all(partial(metrics.get_many, connection, tenant=tenant, metric_ids=metric_ids), metric_ids),
        items=_all(partial(items.get_many, connection, tenant=tenant, item_ids=item_ids), item_ids),
    )


def _all(read: Callable[[], dict[str, V]], wanted: Collection[str]) -> dict[str, V]:
    found = read()
    assert found.keys() == set(wanted), "what a subscription refers to is never deleted"
    return found
