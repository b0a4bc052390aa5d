"""What every request passes before an endpoint: a request id, who is asking, and errors that never leak.

Plain ASGI; a scope that is not http goes straight through.
"""

import logging
from urllib.parse import quote

from anyio import CapacityLimiter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orbdo_server.api.auth import Authentication
from orbdo_server.api.problems import from_core, problem_response
from orbdo_server.core.errors import CoreError
from orbdo_server.errors import MethodNotAllowedError, ServerError, UrlNotFoundError
from orbdo_server.identifiers import new_id

logger = logging.getLogger("orbdo")
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
        request_id = new_id("req")
        scope = {**scope, "path": raw_path(scope), "orbdo.request_id": request_id}
        started = False

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = {name.lower() for name, _ in message["headers"]}
                extra = [(b"x-request-id", request_id.encode())] if b"x-request-id" not in names else []
                extra += [header for header in RESPONSE_HEADERS if header[0] not in names]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except ClientDisconnect:
            logger.info("request %s: the client went away", request_id)
        except Exception as error:
            response = error_response(error, request_id)
            if started:
                raise
            await response(scope, receive, send_named)


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller."""
        if scope["type"] == "http":
            caller = await self._authentication.caller(HTTPConnection(scope), self._limiter)
            scope = {**scope, "orbdo.caller": caller}
        await self._app(scope, receive, send)
