"""The parts of ASGI that the embedded server needs: the shape of the app, and its lifespan seen from outside.

Requests are httpx's business; nothing here starts threads or knows what the app does.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from orbdo_sdk.errors import ConfigurationError

# How long an app that says it failed has to raise what it is about.
FAREWELL_SECONDS = 1.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class EmbeddedApp(Protocol):
    """What a server gives to be embedded: an ASGI app with a lifespan that takes ``api_key`` for its admin key.

    The key is made for this process and is never stored.
    """

    @property
    def api_key(self) -> str:
        """The bearer key that the app accepts from this process."""
        ...

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        ...


class Lifespan:
    """An app's startup and shutdown, each awaited to its end. One start, then one stop, on one event loop."""

    def __init__(self, app: EmbeddedApp, *, farewell_seconds: float = FAREWELL_SECONDS) -> None:
        self._app = app
        self._farewell_seconds = farewell_seconds
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._conversation: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once the app is ready; raises ConfigurationError when it says it failed, or whatever it raised."""
        scope: Message = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._conversation = asyncio.create_task(self._converse(scope))
        await self._ask("lifespan.startup")

    async def stop(self) -> None:
        """Return once the app has put everything away; raises as ``start`` does."""
        await self._ask("lifespan.shutdown")

    async def _converse(self, scope: Message) -> None:
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, phase: str) -> None:
        assert self._conversation is not None, "start comes before stop"
        await self._to_app.put({"type": phase})
        answer = asyncio.create_task(self._from_app.get())
        await asyncio.wait({answer, self._conversation}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            # The app ended without a word: its own exception says most.
            self._conversation.result()
            raise ConfigurationError(f"the embedded server ended during {phase}")
        message = answer.result()
        if message["type"] != f"{phase}.complete":
            # Apps tend to say "failed" with a traceback for text and then to raise what it is about.
            await asyncio.wait({self._conversation}, timeout=self._farewell_seconds)
            if self._conversation.done():
                self._conversation.result()
            raise ConfigurationError(str(message.get("message") or f"the embedded server's {phase} failed"))
