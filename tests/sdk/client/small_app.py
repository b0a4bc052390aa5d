"""A small server to embed: it answers a little of the API, takes only its own key, and notes what becomes of it."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orbdo_sdk.client._asgi import Message, Receive, Send


class SmallApp:
    """One run of the server on a folder; ``trouble`` makes its startup or its shutdown fail."""

    api_key = "key-of-this-process"

    def __init__(self, folder: Path, life: list[str], *, trouble: str = "") -> None:
        self.folder = folder
        self.life = life
        self.trouble = trouble
        self.may_answer = asyncio.Event()
        self._starlette = Starlette(
            routes=[
                Route("/v1/ping", self._ping),
                Route("/v1/ingest", self._ingest, methods=["POST"]),
                Route("/v1/items/slow", self._slow),
                Route("/v1/items/crash", self._crash),
                Route("/v1/items/packed", self._packed),
            ],
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one scope."""
        await self._starlette(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.life.append("start")
        if self.trouble == "startup":
            raise RuntimeError("the log is damaged")
        yield
        self.life.append("stop")
        if self.trouble == "shutdown":
            raise RuntimeError("the disk is full")

    async def _ping(self, request: Request) -> Response:
        if request.headers["authorization"] != f"Bearer {self.api_key}":
            return JSONResponse({"status": 401}, status_code=401)
        return JSONResponse({"response": request.headers.get("orbdo-agent", "pong")})

    async def _ingest(self, request: Request) -> Response:
        events: list[dict[str, Any]] = (await request.json())["events"]
        keys = [event["idempotency_key"] for event in events]
        self.life.extend(f"event {key}" for key in keys)
        return JSONResponse({"validation_failed": [], "debug": {"duplicate": [], "ingested": keys}})

    async def _slow(self, request: Request) -> Response:
        self.life.append("asked")
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.life.append("given up")
            raise
        return JSONResponse({"id": "slow", "name": "slow", "created_at": "2026-01-01T00:00:00Z"})

    async def _crash(self, request: Request) -> Response:
        raise ZeroDivisionError

    async def _packed(self, request: Request) -> Response:
        packed = gzip.compress(b'{"id":"packed","name":"packed","created_at":"2026-01-01T00:00:00Z"}')
        halves = [packed[:20], packed[20:]]
        return StreamingResponse(_stream(halves), headers={"Content-Encoding": "gzip"}, media_type="application/json")


class SmallApps:
    """Makes the apps of a test and keeps them."""

    def __init__(self, *, trouble: str = "") -> None:
        self.made: list[SmallApp] = []
        self.life: list[str] = []
        self.may_create = threading.Event()
        self.may_create.set()
        self._trouble = trouble

    def create(self, folder: Path) -> SmallApp:
        """The server of this folder."""
        if self._trouble == "create":
            raise OSError("the folder is locked by another process")
        assert self.may_create.wait(10)
        self.made.append(SmallApp(folder, self.life, trouble=self._trouble))
        return self.made[-1]

    def find(self) -> Callable[[Path], SmallApp]:
        """What an entry point would give."""
        return self.create


def create(folder: Path) -> SmallApp:
    """What an entry point names."""
    return SmallApp(folder, [])


async def _stream(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
