"""The entitlement snapshot of a customer: plan features from the control plane, usage from the log."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from orbdo_server.core.customers import Customer
from orbdo_server.core.entitlements import Grant, Standing, most_generous, version_of
from orbdo_server.core.plans import FeatureType
from orbdo_server.engine.items import require_metric
from orbdo_server.engine.metering import measure
from orbdo_server.engine.plans import require_plan
from orbdo_server.engine.subscriptions import current_period
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import subscriptions
from orbdo_server.storage.event_log import EventLog


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's standing with every feature, and the position of the log it was counted at."""

    customer: Customer
    standings: dict[str, Standing]
    as_of: int
    version: str


def take_snapshot(transaction: Transaction, log: EventLog, customer: Customer) -> Snapshot:
    """Everything the customer may do at this instant."""
    as_of = log.position()
    grants = most_generous(_grants(transaction, customer))
    standings = {
        key: Standing(grant=grant, used=_used(transaction, log, customer, grant, as_of))
        for key, grant in grants.items()
    }
    return Snapshot(customer=customer, standings=standings, as_of=as_of, version=version_of(standings.values()))


def _grants(transaction: Transaction, customer: Customer) -> Iterator[Grant]:
    for subscription in subscriptions.of_customer(
        transaction.connection, tenant=transaction.tenant, customer_id=customer.id
    ):
        period = current_period(transaction, subscription, transaction.now)
        interval = subscription.plan_at(transaction.now)
        if period is not None and interval is not None:
            for granted in require_plan(transaction, interval.plan_id).features:
                is_limit = granted.feature.type is FeatureType.LIMIT
                yield Grant(granted=granted, period=period if is_limit else None)


def _used(transaction: Transaction, log: EventLog, customer: Customer, grant: Grant, as_of: int) -> Decimal:
    if grant.period is None or grant.granted.metric_id is None:
        return Decimal(0)
    metric = require_metric(transaction, grant.granted.metric_id)
    return measure(log, metric, customer=customer, period=grant.period, as_of=as_of).quantity
