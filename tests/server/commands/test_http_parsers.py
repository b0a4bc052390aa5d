"""The bounds of a connection to the byte and the instant: both parsers on a transport and a clock of the test."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, TypeVarTuple, Unpack

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from orbdo_server.commands.http_connections import BoundedConnection
from orbdo_server.commands.http_parsers import CONNECTIONS, require_names
from orbdo_server.commands.http_server import server_config
from orbdo_server.settings import Settings

Ts = TypeVarTuple("Ts")
SETTINGS = {"header_seconds": 10, "body_seconds": 10, "keep_alive_seconds": 30, "header_bytes_max": 65_536}


class Clock(asyncio.SelectorEventLoop):
    """An event loop in which time passes when it is told to, and which runs nothing but timers."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1_000.0
        self._timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        """The present."""
        return self._now

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Remember it for when time has passed."""
        timer = asyncio.TimerHandle(self._now + delay, callback, args, self, context)
        self._timers.append(timer)
        return timer

    def create_task(self, coro: Any, **_: Any) -> Any:
        """A task that never gets its turn."""
        coro.close()
        return asyncio.Future(loop=self)

    def pass_until(self, seconds: float) -> None:
        """Let time pass until so many seconds after the beginning, and run what becomes due."""
        while due := [timer for timer in self._timers if timer.when() <= 1_000 + seconds and not timer.cancelled()]:
            timer = min(due, key=asyncio.TimerHandle.when)
            self._timers.remove(timer)
            self._now = max(self._now, timer.when())
            timer._run()
        self._now = 1_000 + seconds


class Pipe(asyncio.Transport):
    """A transport that keeps what is written, of which ``unread_bytes`` are still on their way."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__({"socket": end, "peername": None})
        self.written = b""
        self.unread_bytes = 0
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        """What the test says."""
        return self.unread_bytes

    def close(self) -> None:
        """Once what is written has gone."""
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        """At once."""
        self.ended = "aborted"

    def is_closing(self) -> bool:
        """Whether it was closed in one way or the other."""
        return bool(self.ended)

    def pause_reading(self) -> None:
        """Nothing is read here anyway."""

    def resume_reading(self) -> None:
        """Nothing is read here anyway."""


class Peer:
    """A connection with its pipe and its clock."""

    def __init__(self, parser: str, end: socket.socket) -> None:
        config = server_config(_no_app, Settings(http_parser=parser, **SETTINGS))  # type: ignore[arg-type]  # of the names
        config.load()
        self.clock = Clock()
        self.pipe = Pipe(end)
        self.connection: BoundedConnection = CONNECTIONS[parser](config, ServerState(), {}, _loop=self.clock)
        self.connection.connection_made(self.pipe)

    def send(self, data: bytes, *, at: float) -> None:
        """Let these bytes come in so many seconds after the beginning."""
        self.clock.pass_until(at)
        self.connection.data_received(data)

    def ended(self, *, at: float) -> tuple[str, bytes]:
        """How the connection has ended by then, and the line of the answer."""
        self.clock.pass_until(at)
        return self.pipe.ended, self.pipe.written.partition(b"\r\n")[0]


async def _no_app(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("no task gets its turn")


@pytest.fixture(params=["httptools", "h11"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A new connection under each parser."""
    with socket.socket() as end:
        peer = Peer(request.param, end)
        yield peer
        peer.clock.close()


POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
TIMEOUT = b"HTTP/1.1 408 Request Timeout"


def test_silence_has_ten_seconds(peer: Peer) -> None:
    """A connection without a byte is open until then and closed then, without a word."""
    assert peer.ended(at=9.9) == ("", b"")
    assert peer.ended(at=10) == ("closed", b"")


def test_headers_have_ten_seconds(peer: Peer) -> None:
    """However often a byte of them comes, 408 is said at the tenth second."""
    for second in range(10):
        peer.send(b"G" if second == 0 else b"E" if second == 1 else b"T" if second == 2 else b" ", at=second)
    assert peer.ended(at=9.9) == ("", b"")
    assert peer.ended(at=10) == ("closed", TIMEOUT)


def test_a_body_has_a_least_rate(peer: Peer) -> None:
    """10,240 bytes in ten seconds are enough, again and again; with one byte less 408 is said."""
    peer.send(POST, at=0)
    # The body is seen when the connection is next looked at, a quarter of a deadline later.
    peer.send(b"a", at=2.5)
    peer.send(b"a" * 10_240, at=12.4)
    peer.send(b"a" * 10_239, at=22.4)
    assert peer.ended(at=22.49) == ("", b"")
    assert peer.ended(at=22.5) == ("closed", TIMEOUT)


def test_a_body_that_keeps_up_has_no_end(peer: Peer) -> None:
    """A minute at the least rate is a minute, however the bytes are spread over each ten seconds."""
    peer.send(POST, at=0)
    for window in range(6):
        peer.send(b"a" * 1_024, at=2.6 + 10 * window)
        peer.send(b"a" * 1_024, at=10 + 10 * window)
        peer.send(b"a" * 8_192, at=12.4 + 10 * window)
    assert peer.ended(at=62.4) == ("", b"")
    assert peer.ended(at=72.5) == ("closed", TIMEOUT)


def test_a_reader_has_a_least_rate(peer: Peer) -> None:
    """10,240 bytes of an answer in ten seconds are enough; after one byte less the connection is cut."""
    peer.send(POST, at=0)
    peer.clock.pass_until(2.4)
    peer.pipe.unread_bytes = 100_000
    peer.clock.pass_until(2.5)
    peer.pipe.unread_bytes = 89_760
    assert peer.ended(at=12.5) == ("", b"")
    peer.pipe.unread_bytes = 79_521
    assert peer.ended(at=22.4) == ("", b"")
    assert peer.ended(at=22.5) == ("aborted", b"")


def test_what_is_closed_is_not_waited_for(peer: Peer) -> None:
    """A refusal that the client does not read holds nothing for longer than another deadline."""
    peer.send(b"no http\r\n\r\n", at=0)
    assert peer.ended(at=9.9) == ("closed", b"HTTP/1.1 400 Bad Request")
    assert peer.ended(at=20)[0] == "aborted"


def test_no_refusal_follows_unread_bytes(peer: Peer) -> None:
    """Where the client has not read what came before, nothing is added."""
    peer.pipe.unread_bytes = 1
    peer.send(b"no http\r\n\r\n", at=0)
    assert peer.ended(at=0) == ("aborted", b"")


@pytest.mark.parametrize("parts", [(65_536,), (1, 65_535), (65_535, 1), (30_000, 30_000, 5_536)])
def test_headers_have_65536_bytes(peer: Peer, parts: tuple[int, ...]) -> None:
    """Those are read, in one part or in several; the next byte without an end of the headers is answered with 431."""
    start = b"GET / HTTP/1.1\r\nHost: x\r\nX: "
    head = start + b"a" * (65_536 - len(start))
    for part in parts:
        peer.send(head[:part], at=0)
        head = head[part:]
    assert peer.ended(at=0) == ("", b"")
    peer.send(b"a", at=0)
    assert peer.ended(at=0) == ("closed", b"HTTP/1.1 431 Request Header Fields Too Large")


def test_another_uvicorn_is_refused() -> None:
    """A class that no longer sets what we rely on fails the import, in words that name what is missing."""
    require_names(Pipe, "unread_bytes", "abort")
    with pytest.raises(AssertionError, match="has no cycle, flow"):
        require_names(Pipe, "flow", "written", "cycle")
