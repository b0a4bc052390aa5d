"""Events over HTTP: ingest, which answers when the events are on disk, and backfills."""

from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from anyio import CapacityLimiter, to_thread
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orbdo_sdk import wire
from orbdo_sdk.wire import IngestDebug, IngestResponse, Page, ValidationFailed, encode
from orbdo_server.api.endpoints import Body, Call, Caller, Endpoint, NoBody, NoQuery, Query, UtcDatetime
from orbdo_server.api.event_bodies import BodyReader
from orbdo_server.api.fields import ExternalId, Id
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.api.problems import TYPE_PREFIX, TYPES
from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.errors import EventBatchTooLargeError
from orbdo_server.core.event_batches import EventBatch, RejectedEvent, read_events
from orbdo_server.core.periods import Period
from orbdo_server.engine import backfills as engine
from orbdo_server.engine.acceptance import Acceptance
from orbdo_server.engine.backfills import NewBackfill, require_backfill
from orbdo_server.engine.customers import require_customer_by_either
from orbdo_server.engine.ingest import Ingest
from orbdo_server.engine.stores import Stores
from orbdo_server.errors import InvalidRequestError, PermissionDeniedError, TooLargeError
from orbdo_server.identifiers import utc_now
from orbdo_server.storage import customers
from orbdo_server.storage.event_log import Appended, Backfill

SCOPE = "events:write"
# Reading a larger body takes long enough to be noticed by other requests, so that it is done in a thread.
READ_ON_THE_LOOP_BYTES_MAX = 128 << 10


class IngestDoor:
    """``POST /v1/ingest``: every event is taken, known already, or named with what is wrong with it.

    200 when nothing is wrong. Otherwise 400, as Orb answers; the events that are not named in ``validation_failed`` are
    in all the same.
    """

    def __init__(self, stores: Stores, ingest: Ingest, limiter: CapacityLimiter) -> None:
        self._stores = stores
        self._ingest = ingest
        self._limiter = limiter
        self._bodies = BodyReader(stores.settings, limiter)
        self._acceptance = Acceptance(stores.database, grace=stores.settings.grace)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        caller: Caller = request.scope["orbdo.caller"]
        if not caller.may(SCOPE):
            message = f"This needs a key with the scope {SCOPE}."
            raise PermissionDeniedError(message)
        backfill_id, debug = _options(request)
        batch, received_at = await self._receive(request, caller.tenant, backfill_id)
        appended = await self._ingest.submit(
            caller.tenant, batch.events, backfill_id=backfill_id, received_at=received_at
        )
        return _answer(batch, appended, request_id=request.scope["orbdo.request_id"], debug=debug)

    async def _receive(self, request: Request, tenant: str, backfill_id: str | None) -> tuple[EventBatch, datetime]:
        """The events of the body, and when it was there. The body is let go of before the events are written."""
        with self._bodies.held.body() as held:
            raw = await self._bodies.read(request, held)
            received_at = utc_now()
            return await self._read(tenant, raw, received_at, backfill_id), received_at

    async def _read(self, tenant: str, raw: bytes, received_at: datetime, backfill_id: str | None) -> EventBatch:
        def read() -> EventBatch:
            return self._read_now(tenant, raw, received_at, backfill_id)

        quick = (
            len(raw) <= READ_ON_THE_LOOP_BYTES_MAX
            and backfill_id is None
            and b'"customer_id"' not in raw
            and self._acceptance.is_remembered(tenant)
        )
        return read() if quick else await to_thread.run_sync(read, limiter=self._limiter)

    def _read_now(self, tenant: str, raw: bytes, received_at: datetime, backfill_id: str | None) -> EventBatch:
        timeframe: Period | None = None
        age_max = timedelta()
        if backfill_id is not None:
            timeframe = require_backfill(self._stores.log, tenant=tenant, backfill_id=backfill_id).timeframe
        else:
            age_max = self._acceptance.age_max(tenant, received_at)
        events_max = self._stores.settings.ingest_events_max
        try:
            batch = read_events(raw, now=received_at, grace=age_max, events_max=events_max, backfill=timeframe)
        except EventBatchTooLargeError as error:
            raise TooLargeError(error.message) from error
        return self._without_unknown_customers(tenant, batch, raw)

    def _without_unknown_customers(self, tenant: str, batch: EventBatch, raw: bytes) -> EventBatch:
        """An id of ours must exist; an external id may come to exist later."""
        named = {event.customer_id for event in batch.events if event.customer_id is not None}
        if not named:
            return batch
        with self._stores.database.read() as connection:
            known = customers.existing_ids(connection, tenant=tenant, customer_ids=named)
        unknown = {
            event.idempotency_key: (f"customer_id: no customer has the id {event.customer_id}",)
            for event in batch.events
            if event.customer_id is not None and event.customer_id not in known
        }
        if not unknown:
            return batch
        places = _places(raw)
        return EventBatch(
            events=[event for event in batch.events if event.idempotency_key not in unknown],
            duplicates=[key for key in batch.duplicates if key not in unknown],
            rejected=[*batch.rejected, *(RejectedEvent(places[key], key, why) for key, why in unknown.items())],
        )


class _Keyed(msgspec.Struct):
    idempotency_key: Any = None


class _KeyedBatch(msgspec.Struct):
    events: list[_Keyed]


def _places(raw: bytes) -> dict[str, int]:
    """Where in the batch each key stands first."""
    keys = [event.idempotency_key for event in msgspec.json.decode(raw, type=_KeyedBatch).events]
    return {key: place for place, key in reversed(list(enumerate(keys))) if isinstance(key, str)}


class EventBody(Body):
    """One event; exactly one of the two customer ids is given, properties are flat."""

    event_name: str
    idempotency_key: str
    timestamp: UtcDatetime
    properties: dict[str, str | int | Decimal | bool | None]
    external_customer_id: ExternalId | None = None
    customer_id: Id | None = None


class IngestBody(Body):
    """The events of one request, as the description of the API shows them; they are read by the core."""

    events: list[EventBody]


class IngestQuery(Query):
    """How to take them, as the description of the API shows it."""

    debug: bool = False
    backfill_id: Id | None = None


def ingest_routes(stores: Stores, ingest: Ingest, limiter: CapacityLimiter) -> list[Route]:
    """The one route that does not run in a transaction of the control plane."""
    return [Route("/ingest", IngestDoor(stores, ingest, limiter).__call__, methods=["POST"])]


def _options(request: Request) -> tuple[str | None, bool]:
    query = dict(request.query_params.multi_items())
    unknown = sorted(set(query) - {"backfill_id", "debug"})
    if unknown:
        raise InvalidRequestError.of(unknown[0] or "query", "is not a known field")
    debug = query.get("debug", "false")
    if debug not in {"true", "false"}:
        raise InvalidRequestError.of("debug", "is neither true nor false")
    return query.get("backfill_id") or None, debug == "true"


def _answer(batch: EventBatch, appended: Appended, *, request_id: str, debug: bool) -> Response:
    failed = [
        ValidationFailed(idempotency_key=wrong.idempotency_key, validation_errors=list(wrong.problems))
        for wrong in batch.rejected
    ]
    told = IngestDebug(
        duplicate=[*batch.duplicates, *appended.duplicates, *appended.conflicts],
        ingested=appended.ingested,
        conflict=appended.conflicts,
    )
    if not failed:
        content = encode(IngestResponse(validation_failed=[], debug=told if debug else None))
        return Response(content, media_type="application/json")
    problem = wire.IngestProblem(
        type=TYPE_PREFIX + TYPES["request_validation_errors"],
        status=HTTPStatus.BAD_REQUEST,
        title="Some events are not valid.",
        detail=f"{len(failed)} events are not valid and were not taken; the other {len(batch.events)} are in.",
        code="request_validation_errors",
        request_id=request_id,
        validation_errors=[f"{wrong.idempotency_key}: {wrong.problems[0]}" for wrong in batch.rejected[:100]],
        problems=[
            wire.FieldProblem(field=f"events[{wrong.index}]", message="; ".join(wrong.problems))
            for wrong in batch.rejected[:100]
        ],
        validation_failed=failed,
        debug=told if debug else None,
    )
    return Response(encode(problem), status_code=HTTPStatus.BAD_REQUEST, media_type="application/problem+json")


def _only_none(value: object) -> object:
    if value is not None:
        message = "is not supported; leave it out"
        raise ValueError(message)
    return value


NotSupported = Annotated[None, BeforeValidator(_only_none)]


class NewBackfillBody(Body):
    """A backfill to open. As in Orb it replaces what is there in its timeframe unless told otherwise."""

    timeframe_start: UtcDatetime
    timeframe_end: UtcDatetime
    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None
    replace_existing_events: bool = True
    close_time: NotSupported = None
    deprecation_filter: NotSupported = None


class BackfillListQuery(ListQuery):
    """Which backfills to list."""

    status: Literal["pending", "reflected", "pending_revert", "reverted"] | None = None


def create_backfill(call: Call[NewBackfillBody, NoQuery]) -> wire.Backfill:
    """An open backfill."""
    new = NewBackfill(
        timeframe_start=call.body.timeframe_start,
        timeframe_end=call.body.timeframe_end,
        customer=_customer(call),
        replace_existing_events=call.body.replace_existing_events,
    )
    return _render(engine.create_backfill(call.transaction, call.stores.log, new))


def list_backfills(call: Call[NoBody, BackfillListQuery]) -> Page[wire.Backfill]:
    """Backfills, newest first."""
    log = call.stores.log
    status = call.query.status
    known = [
        backfill
        for backfill in reversed(log.backfills(call.tenant, as_of=log.position()))
        if status is None or backfill.status == status
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
        close_time=backfill.closed_at,
        customer_id=None if backfill.customer is None else backfill.customer.id,
        reverted_at=backfill.reverted_at,
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
INGEST = Endpoint(
    "POST",
    "/ingest",
    IngestDoor,
    SCOPE,
    "Take events; answered when they are on disk.",
    IngestResponse,
    body=IngestBody,
    query=IngestQuery,
    tag="events",
)
