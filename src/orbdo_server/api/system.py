"""Addresses about the server itself: is it alive, and does it know me."""

from http import HTTPStatus

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from orbdo_sdk.wire import Ping, encode
from orbdo_server.api.endpoints import ANY_KEY, Call, Endpoint, NoBody, NoQuery
from orbdo_server.engine.stores import Stores


def ping(_call: Call[NoBody, NoQuery]) -> Ping:
    """Say hello, which proves the key."""
    return Ping(response="pong")


async def healthz(_request: Request) -> Response:
    """The event loop of the process turns; no store is asked."""
    return Response(encode({"status": "ok"}), media_type="application/json")


async def readyz(request: Request, *, stores: Stores, limiter: CapacityLimiter) -> Response:
    """Whether events can be taken: both stores answer, the control plane is writable and of this version.

    A server that was told to stop is not ready, though it goes on to answer for a moment.
    503 when not; the body says nothing that a stranger should not know.
    """
    ready = not request.app.is_stopping and await to_thread.run_sync(stores.are_ready, limiter=limiter)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    content = encode({"status": "ready" if ready else "not ready"})
    return Response(content, status_code=status, media_type="application/json")


ENDPOINTS = (Endpoint("GET", "/ping", ping, ANY_KEY, "Check that the server is there.", Ping, tag="system"),)
