"""One embedded server: its app on an event loop of its own, on a thread of its own, started by the first request.

Requests come from any thread or loop and are answered in full before they are handed back. It does not survive a fork.
"""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import httpx

from orbdo_sdk.client._asgi import EmbeddedApp, Lifespan
from orbdo_sdk.errors import ClosedError, ConfigurationError, OrbError

STOP_SECONDS_MAX = 30.0

CreateEmbeddedApp = Callable[[Path], EmbeddedApp]


class Running:
    """An app that is up: it takes requests from any thread."""

    def __init__(self, app: EmbeddedApp) -> None:
        self._app = app
        self._asgi = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._loop = asyncio.get_running_loop()
        self._answering: set[asyncio.Task[object]] = set()

    def begin(self, request: httpx.Request) -> "Future[httpx.Response]":
        """The answer to come, read to its end. Cancelling the future gives the request up."""
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop)

    async def finish(self) -> None:
        """Return when every request was answered, after ``STOP_SECONDS_MAX`` at the latest."""
        if self._answering:
            await asyncio.wait(self._answering, timeout=STOP_SECONDS_MAX)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        task = asyncio.current_task()
        assert task is not None, "it runs as a task"
        self._answering.add(task)
        try:
            response = await self._asgi.handle_async_request(self._with_key(request))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            body = b"".join([chunk async for chunk in response.stream])
        finally:
            self._answering.discard(task)
        # The bytes as they came: whoever asked decodes them, as the headers say.
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))

    def _with_key(self, request: httpx.Request) -> httpx.Request:
        headers = request.headers.copy()
        headers["Authorization"] = f"Bearer {self._app.api_key}"
        return httpx.Request(request.method, request.url, headers=headers, stream=request.stream)


class Host:
    """The server of one data folder: started at most once, then stopped for good.

    ``after`` is done when an earlier server of the same folder has let go of it.
    """

    def __init__(self, folder: Path, create: CreateEmbeddedApp, *, after: "Future[None] | None" = None) -> None:
        self._folder = folder
        self._create = create
        self._after = after
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ready: Future[Running] = Future()
        self._stop_asked: Future[None] = Future()
        self._stopped: Future[None] = Future()

    def start(self) -> "Future[Running]":
        """The running server, once it is ready; fails with a ConfigurationError when it refuses to start."""
        if self._pid != os.getpid():
            raise ConfigurationError("an embedded server does not survive a fork: make a new client in the child")
        with self._lock:
            if self._stop_asked.done():
                raise ClosedError("the embedded server was stopped")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="orbdo-embedded", daemon=True)
                self._thread.start()
        return self._ready

    def stop(self) -> "Future[None]":
        """Finish what is under way and shut the server down.

        The future is done when that is, and fails with an OrbError when the server did not stop in order.
        """
        with self._lock:
            if not self._stop_asked.done():
                self._stop_asked.set_result(None)
                if self._thread is None:
                    self._stopped.set_result(None)
        return self._stopped

    def _run(self) -> None:
        try:
            if self._after is not None:
                concurrent.futures.wait([self._after], timeout=STOP_SECONDS_MAX)
            # Opening files blocks, so that it is done before there is a loop to block.
            asyncio.run(self._serve(self._create(self._folder)))
        except BaseException as error:  # nobody else would hear of it
            self._report(error)
        else:
            self._stopped.set_result(None)

    async def _serve(self, app: EmbeddedApp) -> None:
        lifespan = Lifespan(app)
        await lifespan.start()
        running = Running(app)
        self._ready.set_result(running)
        await asyncio.wrap_future(self._stop_asked)
        await running.finish()
        await lifespan.stop()

    def _report(self, cause: BaseException) -> None:
        if self._ready.done():
            failure = OrbError(f"the embedded server of {self._folder} did not stop in order: {cause}")
            failure.__cause__ = cause
            self._stopped.set_exception(failure)
            return
        refusal = ConfigurationError(f"the embedded server of {self._folder} did not start: {cause}")
        refusal.__cause__ = cause
        self._ready.set_exception(refusal)
        self._stopped.set_result(None)
