"""Events already sent, seen as a whole. New ones go in through ``orb.meter``."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from orbdo_sdk.client._amendments import amendment
from orbdo_sdk.client._answers import Answer
from orbdo_sdk.client._backfill_requests import BackfillRequest, cut, receipts
from orbdo_sdk.client._events import Event, EventFields, new_events
from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._pages import AsyncPages
from orbdo_sdk.client._requests import Request
from orbdo_sdk.client._shipping import Receipt
from orbdo_sdk.client._transport import AsyncTransport
from orbdo_sdk.client._vocabulary import customer_fields, given, instants, path
from orbdo_sdk.client.resources._resource import Resource
from orbdo_sdk.wire import (
    AmendedEvent,
    Backfill,
    DeprecatedEvent,
    EventTrace,
    EventVolume,
    EventVolumes,
    FoundEvent,
    FoundEvents,
    Page,
    UndoneCorrection,
)

BAD_REQUEST = 400


class Backfills(Resource):
    """Sets of events too old for the meter, which become visible all at once and can be taken back.

    Create one, ``ingest`` into it, and ``close`` it: from then on readings count it.
    """

    def __init__(self, transport: AsyncTransport, limits: BufferLimits, *, now: Callable[[], datetime]) -> None:
        super().__init__(transport)
        self._limits = limits
        self._now = now

    async def create(
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

        With ``replace_existing_events`` (the server's default) closing it hides what was there before; with a
        ``deprecation_filter``, such as ``tokens > 100 AND model = 'a'``, only what meets it. It closes by itself at
        ``close_time``, a day from now unless told. Raises BadRequestError when another open backfill overlaps,
        ValueError for a naive instant.
        """
        body = {
            **instants(timeframe_start=timeframe_start, timeframe_end=timeframe_end, close_time=close_time),
            **given(replace_existing_events=replace_existing_events, deprecation_filter=deprecation_filter),
            **customer_fields(customer_id),
        }
        return await self._post(Backfill, path("events", "backfills"), body)

    async def ingest(self, backfill_id: str, events: Iterable[Event | EventFields]) -> list[Receipt]:
        """The receipts of all events, in their order; they are counted once the backfill is closed.

        Sent in several requests, each tried again on its own. When one raises (BatchRejectedError for refused events),
        the requests before it are in and those after it are not; send all again with the same idempotency keys.
        """
        collected: list[Receipt] = []
        for request in cut(new_events(events), self._limits, now=self._now):
            collected += receipts(request.keys, await self._send(backfill_id, request), now=self._now())
        return collected

    async def get(self, backfill_id: str) -> Backfill:
        """The backfill; raises NotFoundError when there is none."""
        return await self._get(Backfill, path("events", "backfills", backfill_id))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> AsyncPages[Backfill]:
        """All backfills, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Backfill], path("events", "backfills"), limit=limit, cursor=cursor)

    async def close(self, backfill_id: str) -> Backfill:
        """The backfill, its events counted from now on. Raises BadRequestError when it is not open."""
        return await self._post(Backfill, path("events", "backfills", backfill_id, "close"))

    async def revert(self, backfill_id: str) -> Backfill:
        """The backfill, its events no longer counted, and those it replaced counted again."""
        return await self._post(Backfill, path("events", "backfills", backfill_id, "revert"))

    async def _send(self, backfill_id: str, request: BackfillRequest) -> Answer:
        query = {"backfill_id": backfill_id, "debug": "true"}
        # A refusal says which events are at fault and which are in, so that it is an answer here.
        return await self._transport.send(
            Request(method="POST", path=path("ingest"), query=query, body=request.body), also=(BAD_REQUEST,)
        )


class Events(Resource):
    """The events of the account, corrected, found, counted and traced; ``backfills`` brings in old ones.

    The id of an event is its idempotency key.
    """

    def __init__(self, transport: AsyncTransport, backfills: Backfills) -> None:
        super().__init__(transport)
        self.backfills = backfills

    async def amend(
        self,
        event_id: str,
        *,
        event_type: str,
        customer_id: str,
        timestamp: datetime,
        properties: Mapping[str, object],
    ) -> None:
        """Count another event under the id of this one, which is kept and no longer counted.

        Customer and timestamp are those of the event. Amending again is amending the amendment. Raises NotFoundError
        for an event that never came, BadRequestError when it is not of an open billing period or is not counted,
        InvalidEventError for an argument that no event can have.
        """
        body = amendment(event_type=event_type, customer_id=customer_id, timestamp=timestamp, properties=properties)
        await self._put(AmendedEvent, path("events", event_id), body)

    async def deprecate(self, event_id: str) -> None:
        """Count the event no longer; it is kept, and its key stays taken. Raises as ``amend`` does."""
        await self._put(DeprecatedEvent, path("events", event_id, "deprecate"), {})

    async def undo(self, event_id: str) -> None:
        """Take back the last ``amend`` or ``deprecate`` of the event that was not undone yet.

        Raises BadRequestError when there is none.
        """
        await self._post(UndoneCorrection, path("events", event_id, "undo"))

    async def search(
        self, event_ids: Iterable[str], *, start: datetime | None = None, end: datetime | None = None
    ) -> list[FoundEvent]:
        """Those of the events (1 to 500) with a time in ``[start, end)``, the last week unless told, in your order.

        An amended event is found as its amendment, a deprecated one says so, and an id that is not found is left out.
        Raises BadRequestError for too many ids, ValueError for a naive instant.
        """
        body = {"event_ids": [*event_ids], **instants(timeframe_start=start, timeframe_end=end)}
        return (await self._post(FoundEvents, path("events", "search"), body)).data

    async def volume(self, start: datetime, end: datetime | None = None) -> list[EventVolume]:
        """The number of events in effect in each hour that has an instant of ``[start, end)``, until now unless told.

        Hours are those of UTC, and those without events are there too. Raises BadRequestError for more than 92 days,
        ValueError for a naive instant.
        """
        query = instants(timeframe_start=start, timeframe_end=end)
        return (await self._get(EventVolumes, path("events", "volume"), query)).data

    async def trace(self, event_id: str) -> EventTrace:
        """Everything that became of one event: its rows and repeats, its customer, the metrics and invoices it is in.

        Raises NotFoundError for an event that never came.
        """
        return await self._get(EventTrace, path("events", event_id, "trace"))
