"""Reconciliation over HTTP: the hours of a time, and page by page the invoices that are for part of it."""

from typing import Annotated

from pydantic import Field

from orbdo_sdk import wire
from orbdo_sdk.wire import PaginationMetadata
from orbdo_server.api.cursors import Position, decode_cursor, encode_cursor
from orbdo_server.api.endpoints import Call, Endpoint, NoBody, Query, UtcDatetime
from orbdo_server.api.lists import LIMIT_DEFAULT, LIMIT_MAX
from orbdo_server.api.render.reconciliation import render_reconciliation
from orbdo_server.engine.reconciliation import reconcile

RESOURCE = "reconciliation"


class ReconciliationQuery(Query):
    """Which hours to reconcile, ``[start, end)``, and how many invoices a page has."""

    start: UtcDatetime
    end: UtcDatetime
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: str | None = None


def fetch_reconciliation(call: Call[NoBody, ReconciliationQuery]) -> wire.Reconciliation:
    """The hours with what differs, and a page of invoices, newest first."""
    query, secret = call.query, call.stores.signing_secret
    after = None
    if query.cursor is not None:
        position = decode_cursor(query.cursor, secret=secret, tenant=call.tenant, resource=RESOURCE)
        after = (position.created_at, position.id)
    found = reconcile(
        call.transaction, call.stores.log, start=query.start, end=query.end, after=after, limit=query.limit
    )
    cursor = None
    if found.more:
        last = found.invoices[-1].invoice
        at = Position(created_at=last.created_at, id=last.id)
        cursor = encode_cursor(at, secret=secret, tenant=call.tenant, resource=RESOURCE)
    return render_reconciliation(found, PaginationMetadata(has_more=found.more, next_cursor=cursor))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/reconciliation",
        fetch_reconciliation,
        "reconciliation:read",
        "Compare what was stored with what counts and what was invoiced.",
        wire.Reconciliation,
        query=ReconciliationQuery,
        tag="reconciliation",
    ),
)
