# Made from src/orbdo_sdk/client/resources/subscriptions.py by scripts/unasync.py: change that file and run it.
"""Subscriptions: a customer on a plan, over time."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from orbdo_sdk.client._subscriptions import SubscriptionItem, added_prices, when
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client._vocabulary import Body, customer_fields, given, instants, path, plan_fields
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Page, Subscription


class Subscriptions(Resource):
    """The subscriptions of the account. What one costs at this moment is ``orb.invoices.preview``."""

    def __init__(self, transport: SyncTransport, *, changed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._changed = changed

    def create(
        self,
        *,
        customer_id: str,
        plan_id: str | None = None,
        items: Iterable[SubscriptionItem] = (),
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        align_billing_with_subscription_start_date: bool | None = None,
        billing_cycle_day: int | None = None,
        name: str | None = None,
        net_terms: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Subscription:
        """The new subscription, to a plan, to single prices (``items``), or to both; it starts now unless told when.

        Periods begin on the first of the month in the customer's zone, or on ``billing_cycle_day``, or are aligned
        with the start. Raises NotFoundError for a customer, plan or price that does not exist, BadRequestError for a
        plan in another currency than the customer's, ValueError for a naive instant.
        """
        body = {
            **customer_fields(customer_id),
            **plan_fields(plan_id),
            **instants(start_date=start_date, end_date=end_date),
            **given(name=name, net_terms=net_terms, metadata=metadata, add_prices=added_prices(items) or None),
            **given(align_billing_with_subscription_start_date=align_billing_with_subscription_start_date),
            **({} if billing_cycle_day is None else _anchored(billing_cycle_day)),
        }
        return self._change(path("subscriptions"), body)

    def get(self, subscription_id: str) -> Subscription:
        """The subscription with its price intervals; raises NotFoundError when there is none."""
        return self._get(Subscription, path("subscriptions", subscription_id))

    def list(
        self, *, customer_id: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> SyncPages[Subscription]:
        """All subscriptions, or one customer's, newest first, ``limit`` (1 to 100, the default is 20) a page."""
        query = customer_fields(customer_id)
        return self._list(Page[Subscription], path("subscriptions"), limit=limit, cursor=cursor, query=query)

    def update(
        self, subscription_id: str, *, plan_id: str, prorate: bool = True, at: datetime | None = None
    ) -> Subscription:
        """The subscription, moved to another plan.

        ``prorate=True`` moves it at once: the period is split at this instant and fees paid in advance come back as a
        credit. ``prorate=False`` moves it at the end of the current period, so that nothing is split. ``at`` names the
        instant instead. Raises NotFoundError for a plan that does not exist, BadRequestError when it cannot change.
        """
        body = {**plan_fields(plan_id), **when(at=at, at_once=prorate, option="change_option", date="change_date")}
        return self._change(path("subscriptions", subscription_id, "schedule_plan_change"), body)

    def set_details(
        self,
        subscription_id: str,
        *,
        name: str | None = None,
        net_terms: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Subscription:
        """The subscription after a change that leaves its costs alone; ``metadata`` replaces all there was.

        ``net_terms`` are days until an invoice is due.
        """
        body = given(name=name, net_terms=net_terms, metadata=metadata)
        return self._put(Subscription, path("subscriptions", subscription_id), body)

    def cancel(self, subscription_id: str, *, at_period_end: bool = True, at: datetime | None = None) -> Subscription:
        """The subscription, ending with its current period, at once (``at_period_end=False``), or ``at`` an instant.

        Usage up to the end is still invoiced. Raises BadRequestError when it has already ended.
        """
        body = when(at=at, at_once=not at_period_end, option="cancel_option", date="cancellation_date")
        return self._change(path("subscriptions", subscription_id, "cancel"), body)

    def _change(self, target: str, body: Body) -> Subscription:
        subscription = self._post(Subscription, target, body)
        self._changed()
        return subscription


def _anchored(day: int) -> Body:
    return {"billing_cycle_anchor_configuration": {"day": day}}
