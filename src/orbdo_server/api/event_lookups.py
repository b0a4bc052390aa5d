"""Looking events up over HTTP: by their ids, by the hour, and all that became of one."""

from typing import Annotated

from pydantic import Field

from orbdo_sdk import wire
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery, Query, UtcDatetime
from orbdo_server.api.render.events import render_found, render_trace
from orbdo_server.core.events import IDEMPOTENCY_KEY_LENGTH_MAX
from orbdo_server.engine import event_lookups as engine
from orbdo_server.engine.event_lookups import EVENT_IDS_MAX
from orbdo_server.engine.event_trace import trace_event

EventId = Annotated[str, Field(min_length=1, max_length=IDEMPOTENCY_KEY_LENGTH_MAX)]


class EventSearchBody(Body):
    """Which events to find, with a time in ``[timeframe_start, timeframe_end)``; by default of the last week."""

    event_ids: Annotated[list[EventId], Field(min_length=1, max_length=EVENT_IDS_MAX)]
    timeframe_start: UtcDatetime | None = None
    timeframe_end: UtcDatetime | None = None


class EventVolumeQuery(Query):
    """Which hours to count. The answer is never cut into pages, so that ``limit`` and ``cursor`` change nothing."""

    timeframe_start: UtcDatetime
    timeframe_end: UtcDatetime | None = None
    limit: int | None = None
    cursor: str | None = None


def search_events(call: Call[EventSearchBody, NoQuery]) -> wire.FoundEvents:
    """The events that are in effect or deprecated; other ids are left out."""
    found = engine.search_events(
        call.stores.log,
        tenant=call.tenant,
        event_ids=call.body.event_ids,
        start=call.body.timeframe_start,
        end=call.body.timeframe_end,
        now=call.now,
    )
    return wire.FoundEvents(data=[render_found(row) for row in found])


def list_event_volume(call: Call[NoBody, EventVolumeQuery]) -> wire.EventVolumes:
    """Every hour of the timeframe, those without events too."""
    volume = engine.event_volume(
        call.stores.log,
        tenant=call.tenant,
        start=call.query.timeframe_start,
        end=call.query.timeframe_end,
        now=call.now,
    )
    return wire.EventVolumes(
        data=[
            wire.EventVolume(count=one.events, timeframe_start=one.hour.start, timeframe_end=one.hour.end)
            for one in volume
        ]
    )


def fetch_event_trace(call: Call[NoBody, NoQuery]) -> wire.EventTrace:
    """All that became of one event."""
    return render_trace(trace_event(call.transaction, call.stores.log, call.path["event_id"]))


READ = "events:read"
ENDPOINTS = (
    Endpoint(
        "POST",
        "/events/search",
        search_events,
        READ,
        "Find events.",
        wire.FoundEvents,
        body=EventSearchBody,
        tag="events",
    ),
    Endpoint(
        "GET",
        "/events/volume",
        list_event_volume,
        READ,
        "Count events by the hour.",
        wire.EventVolumes,
        query=EventVolumeQuery,
        tag="events",
    ),
    Endpoint(
        "GET",
        "/events/{event_id}/trace",
        fetch_event_trace,
        READ,
        "Say what became of an event.",
        wire.EventTrace,
        tag="events",
    ),
)
