"""From a request to an answer: read, parse, authorise, run the handler in one transaction, encode.

A handler runs in a worker thread, so that no query ever stands on the event loop. A write, its audit entry and the
record that makes it repeatable are committed together or not at all.
"""

import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orbdo_sdk.wire import encode
from orbdo_server.api.compressed_body import encoding_of
from orbdo_server.api.endpoints import Call, Caller, Endpoint, Reply
from orbdo_server.api.json_body import parse_json
from orbdo_server.api.problems import from_core, from_pydantic
from orbdo_server.core.errors import CoreError, shown
from orbdo_server.engine.audit import record_change
from orbdo_server.engine.stores import Stores
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import (
    ConflictError,
    InvalidRequestError,
    PermissionDeniedError,
    TooLargeError,
    UrlNotFoundError,
)
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.storage import idempotent_requests
from orbdo_server.storage.idempotent_requests import StoredAnswer

Handler = Callable[[Request], Awaitable[Response]]

IDEMPOTENCY_KEY_LENGTH_MAX = 255
QUERY_VALUES_MAX = 200
READERS = 8
# The database lets one in at a time; the others wait here, where they keep no thread from a reader.
WRITERS = 1


def bind(
    endpoint: Endpoint, stores: Stores, limiter: CapacityLimiter, *, committed: Callable[[], None] = lambda: None
) -> Handler:
    """The Starlette endpoint for a row of the table of routes; ``committed`` is called after each change."""

    async def answer(request: Request) -> Response:
        caller: Caller = request.scope["orbdo.caller"]
        if not caller.may(endpoint.scope):
            message = f"This needs a key with the scope {endpoint.scope}."
            raise PermissionDeniedError(message)
        raw = await read_body(request, bytes_max=stores.settings.body_bytes_max)
        run = partial(_execute, endpoint, stores, caller, request, raw)
        response = await to_thread.run_sync(run, limiter=limiter)
        if endpoint.writes:
            committed()
        return response

    return answer


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """The whole body, counted while it comes in; raises ``TooLargeError`` at the first byte past the bound.

    A body is taken as it is: ``UnsupportedMediaError`` for one that is compressed.
    """
    encoding_of(request, supported=())
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            message = f"The body may have at most {bytes_max} bytes."
            raise TooLargeError(message)
        chunks.append(chunk)
    return b"".join(chunks)


def _execute(endpoint: Endpoint, stores: Stores, caller: Caller, request: Request, raw: bytes) -> Response:
    try:
        body = _parse_body(endpoint.body, raw)
        query = _parse_query(endpoint.query, request)
        path = {name: _path_value(value) for name, value in request.path_params.items()}
        make_call = partial(
            Call,
            stores=stores,
            caller=caller,
            path=path,
            body=body,
            query=query,
            headers=request.headers,
            base_url=(stores.settings.public_url or str(request.base_url)).rstrip("/"),
        )
        if endpoint.writes:
            return _write(endpoint, stores, request, raw, make_call)
        with stores.database.read() as connection:
            transaction = Transaction(connection=connection, tenant=caller.tenant, now=utc_now(), new_id=new_id)
            return _encode(_reply(endpoint.handler(make_call(transaction=transaction))))
    except CoreError as error:
        raise from_core(error) from error


def _write(
    endpoint: Endpoint, stores: Stores, request: Request, raw: bytes, make_call: Callable[..., Call[Any, Any]]
) -> Response:
    key = _idempotency_key(request) if endpoint.repeatable else None
    fingerprint = _fingerprint(request, raw)
    caller: Caller = request.scope["orbdo.caller"]
    now = utc_now()
    with stores.database.write() as connection:
        transaction = Transaction(connection=connection, tenant=caller.tenant, now=now, new_id=new_id)
        if key is not None:
            stored = idempotent_requests.find(connection, tenant=caller.tenant, key=key, now=now)
            if stored is not None:
                return _replay(stored, fingerprint, key)
        reply = _reply(endpoint.handler(make_call(transaction=transaction)))
        response = _encode(reply)
        body = bytes(response.body)
        if key is not None:
            response.headers["Idempotency-Key"] = key
            answer = StoredAnswer(fingerprint=fingerprint, status_code=response.status_code, body=body)
            idempotent_requests.insert(connection, tenant=caller.tenant, key=key, answer=answer, now=now)
        record_change(
            transaction,
            actor=caller.key_id,
            action=f"{endpoint.method} {endpoint.path}",
            resource_id=getattr(reply.value, "id", None),
            request_id=request.scope["orbdo.request_id"],
            address=request.client.host if request.client else "",
            request_hash=fingerprint,
            response_hash=hashlib.sha256(body).hexdigest(),
        )
    return response


def _fingerprint(request: Request, raw: bytes) -> str:
    """What tells one request from another: its method, its address and every byte of its body."""
    parts = (request.method.encode(), request.url.path.encode(), request.url.query.encode(), raw)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _replay(stored: StoredAnswer, fingerprint: str, key: str) -> Response:
    if stored.fingerprint != fingerprint:
        message = f"The Idempotency-Key {shown(key)} was used for another request."
        raise ConflictError(message)
    headers = {"Idempotency-Key": key, "Idempotent-Replayed": "true"}
    return Response(stored.body, status_code=stored.status_code, headers=headers, media_type="application/json")


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        message = f"must have 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters"
        raise InvalidRequestError.of("Idempotency-Key", message)
    return key if request.method == "POST" else None


def _parse_body(model: type[BaseModel], raw: bytes) -> BaseModel:
    value = parse_json(raw) if raw.strip() else {}
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise from_pydantic(error, where="body") from error


def _parse_query(model: type[BaseModel], request: Request) -> BaseModel:
    """The query string as the model: ``key[]=a&key[]=b`` is a list under ``key[]``, a repeated key is refused."""
    values: dict[str, str | list[str]] = {}
    pairs = request.query_params.multi_items()
    if len(pairs) > QUERY_VALUES_MAX:
        raise InvalidRequestError.of("query", f"has more than {QUERY_VALUES_MAX} values")
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise InvalidRequestError.of("query", "contains a NUL character")
        if name.endswith("[]"):
            earlier = values.setdefault(name, [])
            assert isinstance(earlier, list)
            earlier.append(value)
        elif name in values:
            raise InvalidRequestError.of(name or "query", "is given twice; a list is written name[]=a&name[]=b")
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise from_pydantic(error, where="query") from error


def _path_value(text: str) -> str:
    """A part of the path, decoded. No id has control characters, which a database may not even take."""
    value = unquote(text)
    if any(character < " " or character == "\x7f" for character in value):
        raise UrlNotFoundError("An address has no control characters.")
    return value


def _reply(answer: Any) -> Reply:
    return answer if isinstance(answer, Reply) else Reply(answer)


def _encode(reply: Reply) -> Response:
    content = b"" if reply.value is None else encode(reply.value)
    return Response(content, status_code=reply.status, headers=dict(reply.headers), media_type="application/json")
