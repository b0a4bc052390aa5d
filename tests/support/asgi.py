"""ASGI by hand, for what no client can send or show: scopes, and the messages that come back."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FIRST_MESSAGES: dict[str, list[Message]] = {
    "http": [{"type": "http.request", "body": b"", "more_body": False}],
    "websocket": [{"type": "websocket.connect"}],
    "lifespan": [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}],
}


def http_scope(path: str = "/", *, root_path: str = "", **headers: str) -> Scope:
    """A GET request; ``x_customer_id="acme"`` is the header ``x-customer-id``."""
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": path, "root_path": root_path, "headers": fields}


def websocket_scope(path: str = "/", *, denial_response: bool = False, **headers: str) -> Scope:
    """A websocket handshake, at a server that can or cannot answer it with an HTTP response."""
    extensions: dict[str, dict[str, str]] = {"websocket.http.response": {}} if denial_response else {}
    scope = http_scope(path, **headers)
    del scope["method"]
    return {**scope, "type": "websocket", "subprotocols": [], "extensions": extensions}


async def exchange(app: App, scope: Scope, *received: Message) -> list[Message]:
    """Every message the application sends for the scope.

    It is fed these messages, or what a server sends first for such a scope, and then waits for ever if it wants more.
    """
    waiting = list(received or FIRST_MESSAGES[scope["type"]])
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def get(app: App, path: str = "/", **headers: str) -> httpx.Response:
    """The answer to a GET request made in process, without a lifespan."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app.test") as client:
        return await client.get(path, headers=headers)
