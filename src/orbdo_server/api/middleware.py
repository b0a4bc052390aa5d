"""What every request passes before an endpoint: a request id, who is asking, and errors that never leak.

Plain ASGI; a scope that is not http goes straight through.
"""

import logging
from collections.abc import Awaitable, Sequence
from urllib.parse import quote

from anyio import CapacityLimiter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orbdo_server.api.auth import Authentication
from orbdo_server.api.problems import from_core, problem_response
from orbdo_server.core.errors import CoreError
from orbdo_server.errors import MethodNotAllowedError, ServerError, UrlNotFoundError
from orbdo_server.identifiers import new_request_id

logger = logging.getLogger("orbdo")
REQUEST_ID = b"x-request-id"
RESPONSE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class RequestBoundary:
    """The outermost layer: names the request, hides unexpected errors behind that name, and matches paths undecoded.

    Routes see the path as it was sent, so that an id with ``%2F`` in it stays one segment; handlers get it decoded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; everything but http is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_request_id()
        scope = {**scope, "path": raw_path(scope), "orbdo.request_id": request_id}
        send_named = _NamedAnswer(send, request_id)
        try:
            await self._app(scope, receive, send_named)
        except ClientDisconnect:
            logger.info("request %s: the client went away", request_id)
        except Exception as error:
            response = error_response(error, request_id)
            if send_named.has_started:
                raise
            await response(scope, receive, send_named)


class _NamedAnswer:
    """What an answer is sent through: it gets the headers that every answer has, unless they are there."""

    __slots__ = ("_request_id", "_send", "has_started")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.has_started = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.has_started = True
            message = {**message, "headers": self._completed(message["headers"])}
        return self._send(message)

    def _completed(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = [name.lower() for name, _ in headers]
        every = ((REQUEST_ID, self._request_id.encode()), *RESPONSE_HEADERS)
        return [*headers, *[header for header in every if header[0] not in names]]


def error_response(error: Exception, request_id: str) -> Response:
    """The answer for an exception: what we meant to say, or one sentence and a request id."""
    if isinstance(error, ServerError):
        if error.status >= ServerError.status:
            logger.error("request %s: %s", request_id, error.detail, exc_info=error)
        return problem_response(error, request_id=request_id)
    if isinstance(error, CoreError):
        return problem_response(from_core(error), request_id=request_id)
    if isinstance(error, HTTPException):
        return problem_response(_from_routing(error), request_id=request_id, headers=dict(error.headers or {}))
    logger.error("request %s failed", request_id, exc_info=error)
    unexpected = ServerError(f"The error was recorded under {request_id}.")
    return problem_response(unexpected, request_id=request_id)


def _from_routing(error: HTTPException) -> ServerError:
    if error.status_code == MethodNotAllowedError.status:
        return MethodNotAllowedError("See /openapi.json for the methods of each address.")
    return UrlNotFoundError("See /openapi.json for the addresses of this server.")


def raw_path(scope: Scope) -> str:
    """The path as it was sent, percent-encoding and all."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return quote(scope["path"])
    return raw.partition(b"?")[0].decode("latin-1")


class RequireKey:
    """Puts the caller of every ``/v1`` request into the scope, or answers 401."""

    def __init__(self, app: ASGIApp, *, authentication: Authentication, limiter: CapacityLimiter) -> None:
        self._app = app
        self._authentication = authentication
        self._limiter = limiter

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on with its caller, at once when that is remembered."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        caller = self._authentication.remembered(scope["headers"])
        if caller is None:
            return self._ask(scope, receive, send)
        return self._app({**scope, "orbdo.caller": caller}, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = await self._authentication.caller(scope["headers"], self._limiter)
        await self._app({**scope, "orbdo.caller": caller}, receive, send)


class Shortcut:
    """Leads the requests to one address straight to their app; all others go the way of the table of routes.

    Most requests bring events, and searching their route would cost more than taking them.
    """

    def __init__(self, app: ASGIApp, *, method: str, path: str, door: ASGIApp) -> None:
        self._app = app
        self._method = method
        self._path = path
        self._door = door

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on; below a root path it is not known what the address means."""
        is_short = (
            scope["type"] == "http"
            and scope["path"] == self._path
            and scope["method"] == self._method
            and not scope.get("root_path")
        )
        return (self._door if is_short else self._app)(scope, receive, send)
