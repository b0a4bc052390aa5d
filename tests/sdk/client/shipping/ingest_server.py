"""A server of ``POST /v1/ingest`` on a real socket that can be told to fail in every way a network knows.

It counts each idempotency key once, as the real one does. A reply that was scripted is used for one request; without
one it stores the events and says so.
"""

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 15.0


@dataclass(frozen=True)
class Reply:
    """What one request gets. ``store``: its events are in all the same; ``cut``: the answer breaks off half-way."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    store: bool = True
    cut: bool = False
    hang_up: bool = False
    until: threading.Event | None = None


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    events: list[dict[str, Any]]

    @property
    def keys(self) -> list[str]:
        """The idempotency keys of its events, in order."""
        return [event["idempotency_key"] for event in self.events]


class IngestServer:
    """Listens on a port of its own from ``start`` to ``stop``, and again on the same one after another ``start``."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Seen] = []
        self.stored: Counter[str] = Counter()
        self.script: deque[Reply] = deque()
        self.decide: Callable[[Seen], Reply] | None = None
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = WAIT_SECONDS

            def do_POST(self) -> None:
                owner._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the parent's parameter
                """Stay silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hung up is no news."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections; those that are open stay until their client ends them."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait_for(self, condition: Callable[["IngestServer"], bool]) -> None:
        """Return once the condition holds after some request; fails when it does not within reason."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout=WAIT_SECONDS), "the server waited in vain"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        events = json.loads(body)["events"]
        seen = Seen(handler.path, {name.lower(): value for name, value in handler.headers.items()}, events)
        with self._changed:
            self.requests.append(seen)
            reply = self.script.popleft() if self.script else (self.decide(seen) if self.decide else Reply())
            self._changed.notify_all()
        if reply.until is not None:
            assert reply.until.wait(WAIT_SECONDS)
        answer = self._store(seen) if reply.store else b"{}"
        if reply.hang_up:
            handler.close_connection = True
            return
        self._send(handler, reply, reply.body if reply.body is not None else answer)

    def _store(self, seen: Seen) -> bytes:
        with self._changed:
            duplicate = [key for key in seen.keys if key in self.stored]
            ingested = [key for key in seen.keys if key not in self.stored]
            self.stored.update(seen.keys)
            self._changed.notify_all()
        return json.dumps({"validation_failed": [], "debug": {"duplicate": duplicate, "ingested": ingested}}).encode()

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, body: bytes) -> None:
        handler.send_response(reply.status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if reply.cut else body)
        handler.close_connection = handler.close_connection or reply.cut


@contextmanager
def ingest_server() -> Iterator[IngestServer]:
    """A server that listens for the length of the block."""
    server = IngestServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
