"""What one HTTP connection may cost: the deadlines and bounds that uvicorn's protocol classes do not have.

Each connection has one timer, which looks at what the peer is doing. Whoever is silent, slow to send, slow to read or
without end in the headers is closed, with an answer where one can still be given. A request that we are working on is
never hurried.
"""

import asyncio
import math
import sys
from array import array
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Any, cast

import msgspec
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl

if sys.platform == "linux":
    import fcntl
    import termios

from orbdo_server.api.problems import problem_response
from orbdo_server.commands.http_writes import JoinedWrites
from orbdo_server.errors import (
    HeadersTooLargeError,
    InvalidRequestError,
    ServerError,
    SlowRequestError,
    UnavailableError,
)
from orbdo_server.identifiers import new_request_id
from orbdo_server.settings import Settings

# Over each ``body_seconds``: of a body by whoever sends it, of an answer by whoever reads it.
BYTES_PER_SECOND_MIN = 1 << 10
# Beyond ``connections_max``, so many more hear why; the next are closed without a word.
SURPLUS_CONNECTIONS_MAX = 100
LOOKS_PER_DEADLINE = 4
RETRY_AFTER_SECONDS = 1
HEALTH_PATH = "/healthz"


class ConnectionBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds that every connection keeps, and how many connections there may be."""

    connections_max: int
    header_bytes_max: int
    header_seconds: float
    body_seconds: float
    keep_alive_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "ConnectionBounds":
        """Those that the settings name."""
        return cls(**{field: getattr(settings, field) for field in cls.__struct_fields__})

    @property
    def look_seconds(self) -> float:
        """How often a connection is looked at."""
        return min(self.header_seconds, self.body_seconds, self.keep_alive_seconds) / LOOKS_PER_DEADLINE

    @property
    def body_bytes_min(self) -> int:
        """How much of a body, or of an answer, has to move within ``body_seconds``."""
        return int(BYTES_PER_SECOND_MIN * self.body_seconds)


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration, with ``bounds`` for each connection."""

    bounds: ConnectionBounds


class Activity(Enum):
    """What a connection is waiting for."""

    HEADERS = "the client sends the headers of a request, or has not begun its first"
    IDLE = "the client may send another request"
    BODY = "the client sends the body of a request"
    LEFTOVER = "the client sends the rest of a body that was answered already"
    WORK = "we make the answer"
    ANSWER = "the client reads the answer"


class _Window(msgspec.Struct, frozen=True):
    """One activity on one request since an instant, and how many bytes had moved by then."""

    activity: Activity
    cycle: object
    since: float
    moved_bytes: int


class BoundedConnection(asyncio.Protocol):
    """What both parsers have in common; stands before one of uvicorn's protocol classes."""

    # Those of uvicorn's.
    config: uvicorn.Config
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    connections: set[Any]
    cycle: Any
    app: Any

    # What a parser has to say about a request that it refuses.
    problem: str | None = None
    _bounds: ConnectionBounds
    _writes: JoinedWrites
    _timer: asyncio.TimerHandle
    _window: _Window
    _received_bytes = 0
    # Since the parser last made something of what it was given.
    _unparsed_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look at the connection; one too many gets an answer that says so, and many too many none."""
        super().connection_made(transport)
        assert isinstance(self.config, BoundedConfig), "the server was configured here"
        self._writes = JoinedWrites(self.transport)
        self.transport = cast("asyncio.Transport", self._writes)  # of which uvicorn and we call nothing else
        self._bounds = self.config.bounds
        self._window = _Window(Activity.HEADERS, None, since=self.loop.time(), moved_bytes=0)
        self._timer = self.loop.call_later(self._bounds.look_seconds, self._look)
        surplus = len(self.connections) - self._bounds.connections_max
        if surplus > SURPLUS_CONNECTIONS_MAX:
            self.transport.abort()
        elif surplus > 0:
            self.app = _Surplus(self.app, connections_max=self._bounds.connections_max)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, in parts that never let the headers grow past their bound."""
        self._received_bytes += len(data)
        # Parts of a view are no copies; a whole body may have come at once.
        rest = data if len(data) <= self._bounds.header_bytes_max else memoryview(data)
        while rest and not self.transport.is_closing():
            room = self._bounds.header_bytes_max - self._unparsed_bytes
            if room == 0:
                bound = f"{self._bounds.header_bytes_max} bytes (header_bytes_max)"
                self._refuse(HeadersTooLargeError(f"The headers of a request may have at most {bound}."))
                return
            part, rest = rest[:room], rest[room:]
            advanced = self._parse(part)
            self._unparsed_bytes = 0 if advanced else self._unparsed_bytes + len(part)

    def on_response_complete(self) -> None:
        """Let an answer without a body go."""
        self._writes.flush()
        self._go_on()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the form of all our errors."""
        self._refuse(InvalidRequestError(self.problem or msg))

    def _unsupported_upgrade_warning(self) -> None:
        """Clients offer HTTP/2 with their first request; it is answered in HTTP/1.1, which is nobody's mistake."""

    def _parse(self, data: bytes | memoryview) -> bool:
        """Hand the data on; whether the parser made something of it rather than keep it for later."""
        raise NotImplementedError

    def _hand_on(self, data: bytes | memoryview) -> None:
        super().data_received(cast("bytes", data))  # which both parsers take for it

    def _go_on(self) -> None:
        """Take the next request."""
        raise NotImplementedError

    def _is_in_headers(self) -> bool:
        raise NotImplementedError

    def _is_in_body(self) -> bool:
        raise NotImplementedError

    def _look(self) -> None:
        now = self.loop.time()
        activity = self._activity()
        moved_bytes = self._moved_bytes(activity)
        seconds = self._seconds(activity)
        window = self._window
        is_same = window.activity is activity and window.cycle is self.cycle
        is_over = is_same and now >= window.since + seconds
        if is_over and not self._is_kept_up(activity, moved_bytes - window.moved_bytes):
            self._give_up(activity)
        if is_over or not is_same:
            self._window = window = _Window(activity, self.cycle, now, moved_bytes)
        due_seconds = window.since + seconds - now
        self._timer = self.loop.call_later(min(due_seconds, self._bounds.look_seconds), self._look)

    def _activity(self) -> Activity:
        cycle = self.cycle
        if self.transport.get_write_buffer_size() > 0:
            return Activity.ANSWER
        if cycle is None:
            return Activity.HEADERS
        if not cycle.response_complete:
            # While we do not read, nobody can be slow to send.
            is_reading = cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue
            return Activity.BODY if is_reading else Activity.WORK
        if self._is_in_body():
            return Activity.LEFTOVER
        return Activity.HEADERS if self._is_in_headers() else Activity.IDLE

    def _moved_bytes(self, activity: Activity) -> int:
        """Grows with what the client takes of an answer, or else with what it sends."""
        return -_unsent_bytes(self.transport) if activity is Activity.ANSWER else self._received_bytes

    def _seconds(self, activity: Activity) -> float:
        match activity:
            case Activity.HEADERS:
                return self._bounds.header_seconds
            case Activity.IDLE:
                return self._bounds.keep_alive_seconds
            case Activity.WORK:
                return math.inf
            case Activity.BODY | Activity.LEFTOVER | Activity.ANSWER:
                return self._bounds.body_seconds

    def _is_kept_up(self, activity: Activity, moved_bytes: int) -> bool:
        return activity in {Activity.BODY, Activity.ANSWER} and moved_bytes >= self._bounds.body_bytes_min

    def _give_up(self, activity: Activity) -> None:
        if activity is Activity.ANSWER or self.transport.is_closing():
            # Closing waits for the client to read the rest, which may be for ever.
            self.transport.abort()
        elif activity is Activity.HEADERS and self._received_bytes > 0:
            self._refuse(SlowRequestError(f"The headers may take {self._bounds.header_seconds:g} seconds."))
        elif activity is Activity.BODY:
            least = f"{self._bounds.body_bytes_min} bytes each {self._bounds.body_seconds:g} seconds"
            self._refuse(SlowRequestError(f"A body comes in with at least {least}."))
        else:
            self.transport.close()

    def _refuse(self, error: ServerError) -> None:
        """Close, with an answer where it cannot be taken for that to another request."""
        if self._is_answering() or self.transport.get_write_buffer_size() > 0:
            self.transport.abort()
            return
        self.transport.write(_as_http(problem_response(error, request_id=new_request_id())))
        self.transport.close()

    def _is_answering(self) -> bool:
        """Whether the next bytes of an answer belong to a request that came in whole, or follow others of it."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return bool(cycle.response_started or not cycle.more_body)


def _unsent_bytes(transport: asyncio.Transport) -> int:
    """How much of what was written has not reached the client.

    The system holds megabytes of it and takes more in steps as large: from that alone a client would seem not to read.
    """
    unsent = array("i", [0])
    if sys.platform == "linux":
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, unsent)
    return transport.get_write_buffer_size() + unsent[0]


class _Surplus:
    """The app of a connection that is one too many: alive, but not available."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Any], *, connections_max: int) -> None:
        self._app = app
        self._connections_max = connections_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == HEALTH_PATH:
            await self._app(scope, receive, send)
            return
        error = UnavailableError(f"More than {self._connections_max} connections are open (connections_max).")
        headers = {"Connection": "close", "Retry-After": str(RETRY_AFTER_SECONDS)}
        await problem_response(error, request_id=new_request_id(), headers=headers)(scope, receive, send)


def _as_http(response: Response) -> bytes:
    """The answer as bytes on the wire, after which the connection is closed."""
    status = HTTPStatus(response.status_code)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*lines, b"connection: close", b"", bytes(response.body)])
