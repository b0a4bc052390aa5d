# Made from src/orbdo_sdk/client/resources/metrics.py by scripts/unasync.py: change that file and run it.
"""Metrics: the questions asked of events, in SQL. A metric's id is what ``meter_id`` means elsewhere."""

from collections.abc import Mapping
from typing import Literal

from orbdo_sdk.client._vocabulary import given, path
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import BillableMetric, Page


class Metrics(Resource):
    """The billable metrics of the account."""

    def create(
        self,
        name: str,
        sql: str,
        *,
        item_id: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> BillableMetric:
        """The new metric, such as ``SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'``.

        Bare names in the SQL are properties of events; the server adds customer and period itself. Without
        ``item_id`` an item of the same name is used, and made when missing. Raises BadRequestError, with the place in
        the SQL among its ``problems``, when the SQL is more than a metric may be.
        """
        body = given(name=name, sql=sql, item_id=item_id, description=description, metadata=metadata)
        return self._post(BillableMetric, path("metrics"), body)

    def get(self, metric_id: str) -> BillableMetric:
        """The metric; raises NotFoundError when there is none."""
        return self._get(BillableMetric, path("metrics", metric_id))

    def list(
        self,
        *,
        status: Literal["active", "archived"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SyncPages[BillableMetric]:
        """All metrics, or those of one status, newest first, ``limit`` (1 to 100, the default is 20) a page."""
        query = given(status=status)
        return self._list(Page[BillableMetric], path("metrics"), limit=limit, cursor=cursor, query=query)

    def update(
        self,
        metric_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> BillableMetric:
        """The metric after the change. Its SQL never changes, for invoices rest on it: make another metric."""
        body = given(name=name, description=description, metadata=metadata)
        return self._put(BillableMetric, path("metrics", metric_id), body)

    def archive(self, metric_id: str) -> BillableMetric:
        """The metric, no longer offered to new prices; prices that use it go on."""
        return self._post(BillableMetric, path("metrics", metric_id, "archive"))

    def unarchive(self, metric_id: str) -> BillableMetric:
        """The metric, offered again."""
        return self._post(BillableMetric, path("metrics", metric_id, "unarchive"))
