"""The HTTP server that ``orbdo serve`` runs, and how it comes to its end.

At the first signal to stop, ``/readyz`` says so first, then no connection is accepted any more, then what is under way
is finished within a bound. The second signal ends the process where it stands, which loses nothing that was
acknowledged.
"""

import asyncio
import logging
import math
import signal
import time
from collections.abc import Awaitable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orbdo_server.api.problems import problem_response
from orbdo_server.app import OrbdoApp
from orbdo_server.commands.http_connections import BoundedConfig, ConnectionBounds
from orbdo_server.commands.http_parsers import CONNECTIONS
from orbdo_server.errors import UnavailableError
from orbdo_server.identifiers import new_request_id
from orbdo_server.settings import Settings

logger = logging.getLogger("orbdo")


def server_config(app: ASGIApp, settings: Settings) -> BoundedConfig:
    """How uvicorn runs the app: no access log (links carry signatures), bounded connections, a bounded shutdown."""
    config = BoundedConfig(
        CutAtTheEnd(app),
        host=settings.host,
        port=settings.port,
        http=CONNECTIONS[settings.http_parser],
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_level="warning",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=settings.header_bytes_max,
        timeout_keep_alive=math.ceil(settings.keep_alive_seconds),
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    config.bounds = ConnectionBounds.of(settings)
    return config


class HttpServer(uvicorn.Server):
    """uvicorn's server for our app; ``run`` returns after an orderly end, so that the process ends with 0."""

    def __init__(self, app: OrbdoApp, settings: Settings) -> None:
        super().__init__(server_config(app, settings))
        self._app = app
        self._notice_seconds = settings.shutdown_notice_seconds
        self._leaves_at = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal handlers are given it
        """Begin to stop at the first signal; end at once at the second."""
        if self._app.is_stopping:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self._app.is_stopping = True
        # Whoever presses Ctrl+C stands before no load balancer.
        self._leaves_at = time.monotonic() + (self._notice_seconds if sig == signal.SIGTERM else 0)

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to stop accepting connections."""
        self.should_exit = self.should_exit or time.monotonic() >= self._leaves_at
        return await super().on_tick(counter)


class CutAtTheEnd:
    """Answers 503 to a request that is still not answered when the server may not wait any longer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer in its place when it is cancelled."""
        started = False

        def send_noted(message: Message) -> Awaitable[None]:
            nonlocal started
            started = True
            return send(message)

        try:
            await self._app(scope, receive, send_noted)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            logger.warning("a request was cut: the server stops")
            if not started:
                error = UnavailableError("The server stops; whether the request was carried out is not known.")
                await problem_response(error, request_id=new_request_id())(scope, receive, send)
