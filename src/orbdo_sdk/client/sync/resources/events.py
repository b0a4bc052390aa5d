# Made from src/orbdo_sdk/client/resources/events.py by scripts/unasync.py: change that file and run it.
"""Events already sent, seen as a whole. New ones go in through ``orb.meter``."""

from collections.abc import Callable, Iterable
from datetime import datetime

from orbdo_sdk.client._answers import Answer
from orbdo_sdk.client._backfill_requests import BackfillRequest, cut, receipts
from orbdo_sdk.client._events import Event, EventFields, new_events
from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._requests import Request
from orbdo_sdk.client._shipping import Receipt
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client._vocabulary import customer_fields, given, instants, path
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Backfill, Page

BAD_REQUEST = 400


class Backfills(Resource):
    """Sets of events too old for the meter, which become visible all at once and can be taken back.

    Create one, ``ingest`` into it, and ``close`` it: from then on readings count it.
    """

    def __init__(self, transport: SyncTransport, limits: BufferLimits, *, now: Callable[[], datetime]) -> None:
        super().__init__(transport)
        self._limits = limits
        self._now = now

    def create(
        self,
        *,
        timeframe_start: datetime,
        timeframe_end: datetime,
        customer_id: str | None = None,
        close_time: datetime | None = None,
        replace_existing_events: bool | None = None,
        deprecation_filter: str | None = None,
    ) -> Backfill:
        """An open backfill for ``[timeframe_start, timeframe_end)``, of one customer or of all.

        With ``replace_existing_events`` (the server's default) closing it hides what was there before. Raises
        BadRequestError when another open backfill overlaps, ValueError for a naive instant.
        """
        body = {
            **instants(timeframe_start=timeframe_start, timeframe_end=timeframe_end, close_time=close_time),
            **given(replace_existing_events=replace_existing_events, deprecation_filter=deprecation_filter),
            **customer_fields(customer_id),
        }
        return self._post(Backfill, path("events", "backfills"), body)

    def ingest(self, backfill_id: str, events: Iterable[Event | EventFields]) -> list[Receipt]:
        """The receipts of all events, in their order; they are counted once the backfill is closed.

        Sent in several requests, each tried again on its own. When one raises (BatchRejectedError for refused events),
        the requests before it are in and those after it are not; send all again with the same idempotency keys.
        """
        collected: list[Receipt] = []
        for request in cut(new_events(events), self._limits, now=self._now):
            collected += receipts(request.keys, self._send(backfill_id, request), now=self._now())
        return collected

    def get(self, backfill_id: str) -> Backfill:
        """The backfill; raises NotFoundError when there is none."""
        return self._get(Backfill, path("events", "backfills", backfill_id))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> SyncPages[Backfill]:
        """All backfills, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Backfill], path("events", "backfills"), limit=limit, cursor=cursor)

    def close(self, backfill_id: str) -> Backfill:
        """The backfill, its events counted from now on. Raises BadRequestError when it is not open."""
        return self._post(Backfill, path("events", "backfills", backfill_id, "close"))

    def revert(self, backfill_id: str) -> Backfill:
        """The backfill, its events no longer counted, and those it replaced counted again."""
        return self._post(Backfill, path("events", "backfills", backfill_id, "revert"))

    def _send(self, backfill_id: str, request: BackfillRequest) -> Answer:
        query = {"backfill_id": backfill_id, "debug": "true"}
        # A refusal says which events are at fault and which are in, so that it is an answer here.
        return self._transport.send(
            Request(method="POST", path=path("ingest"), query=query, body=request.body), also=(BAD_REQUEST,)
        )


class Events:
    """The events of the account: ``backfills`` brings in old ones."""

    def __init__(self, backfills: Backfills) -> None:
        self.backfills = backfills
