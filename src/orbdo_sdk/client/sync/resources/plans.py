# Made from src/orbdo_sdk/client/resources/plans.py by scripts/unasync.py: change that file and run it.
"""Plans: what is sold together. A plan has prices, and grants features."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from orbdo_sdk.client._plans import PlanFeatureGrant, plan_features, plan_prices
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client._vocabulary import given, path, resource_path
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Page, Plan, Price


class Plans(Resource):
    """The plans of the account."""

    def __init__(self, transport: SyncTransport, *, changed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._changed = changed

    def create(
        self,
        *,
        name: str,
        currency: str = "USD",
        prices: Iterable[str | Price] = (),
        features: Iterable[str | PlanFeatureGrant] = (),
        external_plan_id: str | None = None,
        description: str | None = None,
        net_terms: int | None = None,
        default_invoice_memo: str | None = None,
        metadata: Mapping[str, str] | None = None,
        status: Literal["active", "draft"] | None = None,
    ) -> Plan:
        """The new plan, of prices (their ids, or the prices themselves) and features (keys, or grants with a limit).

        ``net_terms`` are days until an invoice is due. Raises NotFoundError for a price or feature that does not
        exist, BadRequestError for a price in another currency, ValueError for an unknown field of a grant.
        """
        body = {
            **given(name=name, currency=currency, external_plan_id=external_plan_id, description=description),
            **given(net_terms=net_terms, default_invoice_memo=default_invoice_memo, metadata=metadata, status=status),
            "prices": plan_prices(prices),
            "features": plan_features(features),
        }
        return self._post(Plan, path("plans"), body)

    def get(self, plan_id: str) -> Plan:
        """The plan, by the server's id or your own; raises NotFoundError when there is none."""
        return self._get(Plan, _plan_path(plan_id))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> SyncPages[Plan]:
        """All plans, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Plan], path("plans"), limit=limit, cursor=cursor)

    def update(
        self,
        plan_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        external_plan_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Plan:
        """The plan after the change; what is left out stays, and ``metadata`` replaces all there was.

        Prices never change in place, for subscriptions rest on them.
        """
        body = given(name=name, description=description, external_plan_id=external_plan_id, metadata=metadata)
        return self._put(Plan, _plan_path(plan_id), body)

    def set_features(self, plan_id: str, features: Iterable[str | PlanFeatureGrant]) -> Plan:
        """The plan with exactly these features instead of those it had; its customers' entitlements follow.

        Raises as ``create`` does. Only the server's own id is good for this.
        """
        plan = self._put(Plan, path("plans", plan_id, "features"), {"features": plan_features(features)})
        self._changed()
        return plan


def _plan_path(plan_id: str) -> str:
    return resource_path("plans", plan_id, kind="plan", external="external_plan_id")
