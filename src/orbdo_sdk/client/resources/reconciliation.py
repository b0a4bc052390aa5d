"""Reconciliation: whether what was stored, what counts and what was invoiced are the same."""

from datetime import datetime

from orbdo_sdk.client._requests import QueryValue
from orbdo_sdk.client._vocabulary import given, instants, path
from orbdo_sdk.client.resources._resource import Resource
from orbdo_sdk.wire import Reconciliation


class Reconciliations(Resource):
    """Comparisons of the event log with itself and with the invoices."""

    async def get(
        self, start: datetime, end: datetime, *, limit: int | None = None, cursor: str | None = None
    ) -> Reconciliation:
        """The hours of ``[start, end)``, and a page of ``limit`` (1 to 100) invoices that are for part of that time.

        Both instants are on the hour, at most 31 days apart. ``differences`` is empty when all is well. More invoices
        come with the ``cursor`` that is the ``next_cursor`` of ``pagination_metadata``. Raises BadRequestError for
        other instants, ValueError for naive ones.
        """
        query: dict[str, QueryValue] = {**instants(start=start, end=end), **given(limit=limit, cursor=cursor)}
        return await self._get(Reconciliation, path("reconciliation"), query)
