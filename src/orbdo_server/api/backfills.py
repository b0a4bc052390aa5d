"""Backfills over HTTP: older events that come into effect together."""

from datetime import datetime
from typing import Literal

from orbdo_sdk import wire
from orbdo_sdk.wire import Page
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery, UtcDatetime
from orbdo_server.api.fields import ExternalId, Id
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.core.customers import CustomerRef
from orbdo_server.engine import backfills as engine
from orbdo_server.engine.backfills import NewBackfill, require_backfill
from orbdo_server.engine.customers import require_customer_by_either
from orbdo_server.storage.event_log import Backfill


class NewBackfillBody(Body):
    """A backfill to open. As in Orb it replaces what is there in its timeframe unless told otherwise."""

    timeframe_start: UtcDatetime
    timeframe_end: UtcDatetime
    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None
    replace_existing_events: bool = True
    close_time: UtcDatetime | None = None
    deprecation_filter: str | None = None


class BackfillListQuery(ListQuery):
    """Which backfills to list."""

    status: Literal["pending", "reflected", "pending_revert", "reverted"] | None = None
    customer_id: Id | None = None


def create_backfill(call: Call[NewBackfillBody, NoQuery]) -> wire.Backfill:
    """An open backfill."""
    new = NewBackfill(
        timeframe_start=call.body.timeframe_start,
        timeframe_end=call.body.timeframe_end,
        customer=_customer(call),
        replace_existing_events=call.body.replace_existing_events,
        close_time=call.body.close_time,
        deprecation_filter=call.body.deprecation_filter,
    )
    return _render(engine.create_backfill(call.transaction, call.stores.log, new))


def list_backfills(call: Call[NoBody, BackfillListQuery]) -> Page[wire.Backfill]:
    """Backfills, newest first."""
    log = call.stores.log
    status, customer_id = call.query.status, call.query.customer_id
    known = [
        backfill
        for backfill in reversed(log.backfills(call.tenant, as_of=log.position()))
        if status in {None, backfill.status}
        and (customer_id is None or (backfill.customer is not None and backfill.customer.id == customer_id))
    ]

    def read(after: tuple[datetime, str] | None, limit: int) -> tuple[list[Backfill], bool]:
        rest = [backfill for backfill in known if after is None or (backfill.created_at, backfill.id) < after]
        return rest[:limit], len(rest) > limit

    return answer_page(call, "backfills", read, _render)


def fetch_backfill(call: Call[NoBody, NoQuery]) -> wire.Backfill:
    """One backfill."""
    return _render(require_backfill(call.stores.log, tenant=call.tenant, backfill_id=call.path["backfill_id"]))


def close_backfill(call: Call[NoBody, NoQuery]) -> wire.Backfill:
    """The backfill, in effect."""
    return _render(engine.close_backfill(call.transaction, call.stores.log, call.path["backfill_id"]))


def revert_backfill(call: Call[NoBody, NoQuery]) -> wire.Backfill:
    """The backfill, undone."""
    return _render(engine.revert_backfill(call.transaction, call.stores.log, call.path["backfill_id"]))


def _customer(call: Call[NewBackfillBody, NoQuery]) -> CustomerRef | None:
    body = call.body
    if body.customer_id is None and body.external_customer_id is None:
        return None
    customer = require_customer_by_either(
        call.transaction, customer_id=body.customer_id, external_customer_id=body.external_customer_id
    )
    return customer.ref


def _render(backfill: Backfill) -> wire.Backfill:
    return wire.Backfill(
        id=backfill.id,
        status=backfill.status,
        timeframe_start=backfill.timeframe.start,
        timeframe_end=backfill.timeframe.end,
        replace_existing_events=backfill.replace_existing_events,
        events_ingested=backfill.events_ingested,
        created_at=backfill.created_at,
        close_time=backfill.closed_at or backfill.close_time,
        customer_id=None if backfill.customer is None else backfill.customer.id,
        reverted_at=backfill.reverted_at,
        deprecation_filter=backfill.deprecation_filter,
    )


READ, WRITE = "backfills:read", "backfills:write"
ALL, ONE = "/events/backfills", "/events/backfills/{backfill_id}"
ENDPOINTS = (
    Endpoint(
        "POST", ALL, create_backfill, WRITE, "Open a backfill.", wire.Backfill, body=NewBackfillBody, tag="backfills"
    ),
    Endpoint(
        "GET",
        ALL,
        list_backfills,
        READ,
        "List backfills.",
        Page[wire.Backfill],
        query=BackfillListQuery,
        tag="backfills",
    ),
    Endpoint("GET", ONE, fetch_backfill, READ, "Fetch a backfill.", wire.Backfill, tag="backfills"),
    Endpoint("POST", f"{ONE}/close", close_backfill, WRITE, "Close a backfill.", wire.Backfill, tag="backfills"),
    Endpoint("POST", f"{ONE}/revert", revert_backfill, WRITE, "Undo a backfill.", wire.Backfill, tag="backfills"),
)
