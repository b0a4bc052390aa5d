"""Ingest over HTTP: the one door for events, answered when they are on disk."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from orbdo_sdk import wire
from orbdo_sdk.wire import IngestDebug, IngestResponse, ValidationFailed, encode
from orbdo_server.api.endpoints import Body, Caller, Endpoint, Query, UtcDatetime
from orbdo_server.api.event_bodies import BodyReader
from orbdo_server.api.fields import ExternalId, Id
from orbdo_server.api.middleware import REQUEST_ID, RESPONSE_HEADERS
from orbdo_server.api.problems import TYPE_PREFIX, TYPES
from orbdo_server.core.errors import EventBatchTooLargeError
from orbdo_server.core.event_batches import EventBatch, RejectedEvent, read_events
from orbdo_server.core.periods import Period
from orbdo_server.engine.acceptance import Acceptance
from orbdo_server.engine.backfills import require_backfill
from orbdo_server.engine.ingest import Ingest
from orbdo_server.engine.stores import Stores
from orbdo_server.errors import InvalidRequestError, PermissionDeniedError, TooLargeError
from orbdo_server.identifiers import utc_now
from orbdo_server.storage import customers
from orbdo_server.storage.event_log import Appended

SCOPE = "events:write"
# Reading a larger body takes long enough to be noticed by other requests, so that it is done in a thread.
READ_ON_THE_LOOP_BYTES_MAX = 128 << 10
# Where it stands in a body, perhaps in a text, the ids have to be looked up.
CUSTOMER_ID = b'"customer_id"'
DEPRECATED = "idempotency_key: is that of an event that was deprecated; send the event again under another key"
# What nearly every request is told.
_ALL_ARE_IN = Response(encode(IngestResponse(validation_failed=[], debug=None)), media_type="application/json")
ALL_ARE_IN_START = {"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": _ALL_ARE_IN.raw_headers}
ALL_ARE_IN_BODY = {"type": "http.response.body", "body": bytes(_ALL_ARE_IN.body)}
# Under this name a server may put a function into the scope that writes what follows the status 200 of an answer, and
# says whether it did. What it is given has all headers that an answer gets.
ANSWER = "orbdo.answer"
_NAMED = (
    b"".join(b"%b: %b\r\n" % header for header in (*_ALL_ARE_IN.raw_headers, *RESPONSE_HEADERS)) + REQUEST_ID + b": "
)
_BODY = b"\r\n\r\n" + bytes(_ALL_ARE_IN.body)


class _Received(msgspec.Struct, frozen=True):
    """A body, the events in it, and when it was there."""

    raw: bytes
    batch: EventBatch
    at: datetime


class IngestDoor:
    """``POST /v1/ingest``: every event is taken, known already, or named with what is wrong with it.

    200 when nothing is wrong. Otherwise 400, as Orb answers; the events that are not named in ``validation_failed`` are
    in all the same. An ASGI app behind ``RequireKey``, without the objects that Starlette makes of a request: they cost
    more than taking an event does.
    """

    def __init__(self, stores: Stores, ingest: Ingest, limiter: CapacityLimiter) -> None:
        self._stores = stores
        self._ingest = ingest
        self._limiter = limiter
        self._events_max = stores.settings.ingest_events_max
        self.bodies = BodyReader(stores.settings, limiter)
        self._acceptance = Acceptance(stores.database, grace=stores.settings.grace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        caller: Caller = scope["orbdo.caller"]
        if not caller.may(SCOPE):
            message = f"This needs a key with the scope {SCOPE}."
            raise PermissionDeniedError(message)
        backfill_id, debug = _options(scope) if scope.get("query_string") else (None, False)
        received = None
        length = self.bodies.small_length(scope["headers"], bytes_max=READ_ON_THE_LOOP_BYTES_MAX)
        if backfill_id is None and length is not None:
            first = await receive()
            received = self._read_at_once(caller.tenant, first.get("body", b""), length=length)
            receive = _beginning_with(first, receive) if received is None else receive
        if received is None:
            received = await self._receive(Request(scope, receive), caller.tenant, backfill_id)
        appended = await self._ingest.enqueue(
            caller.tenant, received.batch.events, backfill_id=backfill_id, received_at=received.at
        )
        if debug or received.batch.rejected or appended.deprecated:
            response = _answer(received, appended, request_id=scope["orbdo.request_id"], debug=debug)
            await response(scope, receive, send)
        elif ANSWER not in scope or not scope[ANSWER](_NAMED + scope["orbdo.request_id"].encode() + _BODY):
            await send(ALL_ARE_IN_START)
            await send(ALL_ARE_IN_BODY)

    async def _receive(self, request: Request, tenant: str, backfill_id: str | None) -> _Received:
        # What holds a place among the bodies gives it up before the events are written.
        with self.bodies.held.body() as held:
            raw = await self.bodies.read(request, held)
            read = partial(self._read, tenant, raw, utc_now(), backfill_id)
            return await to_thread.run_sync(read, limiter=self._limiter)

    def _read_at_once(self, tenant: str, raw: bytes, *, length: int) -> _Received | None:
        """The events of a body that came in one piece and needs no query; nearly every request has one."""
        received_at = utc_now()
        age_max = self._acceptance.remembered_age_max(tenant, received_at)
        if age_max is None or len(raw) != length or CUSTOMER_ID in raw:
            return None
        self.bodies.held.require_room(length)
        return _Received(raw, self._events(raw, received_at, age_max=age_max), received_at)

    def _read(self, tenant: str, raw: bytes, received_at: datetime, backfill_id: str | None) -> _Received:
        if backfill_id is not None:
            frame = require_backfill(self._stores.log, tenant=tenant, backfill_id=backfill_id).timeframe
            batch = self._events(raw, received_at, timeframe=frame)
        else:
            batch = self._events(raw, received_at, age_max=self._acceptance.age_max(tenant, received_at))
        return _Received(raw, self._without_unknown_customers(tenant, batch, raw), received_at)

    def _events(
        self, raw: bytes, received_at: datetime, *, age_max: timedelta = timedelta(), timeframe: Period | None = None
    ) -> EventBatch:
        try:
            return read_events(raw, now=received_at, grace=age_max, events_max=self._events_max, backfill=timeframe)
        except EventBatchTooLargeError as error:
            raise TooLargeError(error.message) from error

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


def ingest_route(door: IngestDoor) -> Route:
    """The one route that does not run in a transaction of the control plane."""
    return Route("/ingest", door, methods=["POST"])


def _beginning_with(message: Message, receive: Receive) -> Receive:
    """What hands out one message that was received already, and then receives."""
    first = [message]

    async def begin() -> Message:
        return first.pop() if first else await receive()

    return begin


def _options(scope: Scope) -> tuple[str | None, bool]:
    query = dict(Request(scope).query_params.multi_items())
    unknown = sorted(set(query) - {"backfill_id", "debug"})
    if unknown:
        raise InvalidRequestError.of(unknown[0] or "query", "is not a known field")
    debug = query.get("debug", "false")
    if debug not in {"true", "false"}:
        raise InvalidRequestError.of("debug", "is neither true nor false")
    return query.get("backfill_id") or None, debug == "true"


def _answer(received: _Received, appended: Appended, *, request_id: str, debug: bool) -> Response:
    batch = received.batch
    rejected = (
        [*batch.rejected, *_deprecated(received.raw, appended.deprecated)] if appended.deprecated else batch.rejected
    )
    told = IngestDebug(
        duplicate=[
            *(key for key in batch.duplicates if key not in appended.deprecated),
            *appended.duplicates,
            *appended.conflicts,
        ],
        ingested=appended.ingested,
        conflict=appended.conflicts,
    )
    if not rejected:
        return Response(encode(IngestResponse(validation_failed=[], debug=told)), media_type="application/json")
    others = len(batch.events) - len(appended.deprecated)
    problem = wire.IngestProblem(
        type=TYPE_PREFIX + TYPES["request_validation_errors"],
        status=HTTPStatus.BAD_REQUEST,
        title="Some events are not valid.",
        detail=f"{len(rejected)} events are not valid and were not taken; the other {others} are in.",
        code="request_validation_errors",
        request_id=request_id,
        validation_errors=[f"{wrong.idempotency_key}: {wrong.problems[0]}" for wrong in rejected[:100]],
        problems=[
            wire.FieldProblem(field=f"events[{wrong.index}]", message="; ".join(wrong.problems))
            for wrong in rejected[:100]
        ],
        validation_failed=[
            ValidationFailed(idempotency_key=wrong.idempotency_key, validation_errors=list(wrong.problems))
            for wrong in rejected
        ],
        debug=told if debug else None,
    )
    return Response(encode(problem), status_code=HTTPStatus.BAD_REQUEST, media_type="application/problem+json")


def _deprecated(raw: bytes, keys: Sequence[str]) -> Iterator[RejectedEvent]:
    places = _places(raw)
    return (RejectedEvent(places[key], key, (DEPRECATED,)) for key in keys)


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
