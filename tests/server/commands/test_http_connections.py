"""Deadlines and bounds of a connection, over sockets, under both parsers."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from orbdo_server.commands.http_server import server_config
from orbdo_server.settings import Settings
from tests.support.sockets import Wire, listening

HEADER_SECONDS = 0.5
BODY_SECONDS = 0.25
KEEP_ALIVE_SECONDS = 0.5
HEADER_BYTES_MAX = 2_048
BIG_BYTES = 48 << 20


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Echoes the size of a body; ``/slow`` is slow about it, ``/deaf`` reads no body, ``/big`` answers at length."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    request = Request(scope, receive)
    match scope["path"]:
        case "/big":
            response = Response(bytes(BIG_BYTES))
        case "/named":
            response = PlainTextResponse(request.headers.get("x-name", "nobody"))
        case "/deaf":
            response = PlainTextResponse("no", status_code=413)
        case path:
            if path == "/slow":
                await asyncio.sleep(2 * BODY_SECONDS)
            try:
                response = PlainTextResponse(str(len(await request.body())))
            except ClientDisconnect:
                return
    await response(scope, receive, send)


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=["httptools", "h11"], scope="module")
def parser(request: pytest.FixtureRequest) -> str:
    """Each of the two."""
    name: str = request.param
    return name


def serve(parser: str, **settings: Any) -> uvicorn.Server:
    """A server of the app with short deadlines."""
    chosen: dict[str, Any] = {
        "port": 0,
        "http_parser": parser,
        "header_seconds": HEADER_SECONDS,
        "body_seconds": BODY_SECONDS,
        "keep_alive_seconds": KEEP_ALIVE_SECONDS,
        "header_bytes_max": HEADER_BYTES_MAX,
        "shutdown_seconds": 1,
    }
    return uvicorn.Server(server_config(app, Settings(**{**chosen, **settings})))


@pytest.fixture(scope="module")
def port(parser: str) -> Iterator[int]:
    """Where such a server listens; no test disturbs the connections of another."""
    with listening(serve(parser)) as port:
        yield port


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    """A connection to it."""
    with Wire(port) as wire:
        yield wire


def get(path: str = "/") -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def post(path: str = "/", *, length: int) -> bytes:
    """The head of a request with a body."""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def head_of(size: int, *, rest: str = "") -> bytes:
    """A head of exactly so many bytes."""
    start = f"GET / HTTP/1.1\r\nHost: x\r\n{rest}X-Padding: "
    return f"{start}{'a' * (size - len(start) - 4)}\r\n\r\n".encode()


def seconds_until_closed(wire: Wire) -> float:
    """How long the other side takes to close."""
    start = time.monotonic()
    wire.rest()
    return time.monotonic() - start


def test_a_silent_connection_is_closed(wire: Wire) -> None:
    """Without a word, after the deadline for the headers."""
    start = time.monotonic()
    assert wire.rest() == b""
    assert 0.45 < time.monotonic() - start < 2


def test_slow_headers_are_told_so(wire: Wire) -> None:
    """A byte now and then does not help: 408 as problem+json, and the end."""
    wire.dribble(b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 200)
    answer = wire.answer()
    assert (answer.status, answer.headers["content-type"]) == (408, "application/problem+json")
    assert answer.json()["detail"] == "The headers may take 0.5 seconds."
    assert (answer.headers["connection"], wire.rest()) == ("close", b"")


def test_later_headers_have_the_same_deadline(wire: Wire) -> None:
    """A connection that was used well before is no excuse."""
    assert wire.send(get()).answer().status == 200
    wire.dribble(b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 200)
    assert wire.answer().status == 408


def test_a_slow_body_is_told_so(wire: Wire) -> None:
    """Less than 1 KiB a second: 408 as problem+json, and the end."""
    wire.send(post(length=10_000)).dribble(b"a" * 1_000, size=5)
    answer = wire.answer()
    assert (answer.status, answer.json()["code"]) == (408, "request_timeout")
    assert answer.json()["detail"] == "A body comes in with at least 256 bytes each 0.25 seconds."
    assert wire.rest() == b""


def test_a_silent_body_is_told_so(wire: Wire) -> None:
    """A body that stops after a fast start is given up as well, chunked or not."""
    wire.send(CHUNKED + b"400\r\n" + b"a" * 1_000)
    assert wire.answer().status == 408


def test_a_slow_handler_is_waited_for(wire: Wire) -> None:
    """What we do with a request has no deadline, whether its body is there, waits to be read or waits for our word."""
    assert wire.send(get("/slow")).answer().body == b"0"
    assert wire.send(post("/slow", length=500_000) + b"a" * 500_000).answer().body == b"500000"
    wire.send(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    assert wire.answer().status == 100
    assert wire.send(b"a").answer().body == b"1"


def test_an_unread_body_does_not_hold_the_connection(wire: Wire) -> None:
    """After an answer that did not wait for the body, the rest of it may come for one deadline and no longer."""
    wire.send(post("/deaf", length=1_000_000) + b"a" * 100)
    assert wire.answer().status == 413
    wire.dribble(b"a" * 100_000, size=1_000)
    assert wire.rest() == b""


def test_an_unread_body_may_come_to_its_end(wire: Wire) -> None:
    """A connection whose answered body came in whole is used again."""
    wire.send(post("/deaf", length=200_000) + b"a" * 100_000)
    assert wire.answer().status == 413
    assert wire.send(b"a" * 100_000 + get()).answer().body == b"0"


def test_an_idle_connection_is_closed(wire: Wire) -> None:
    """Between requests it may be silent for longer."""
    assert wire.send(get()).answer().status == 200
    time.sleep(KEEP_ALIVE_SECONDS / 2)
    assert wire.send(get()).answer().status == 200
    assert 0.3 < seconds_until_closed(wire) < 3


def test_an_empty_line_is_no_request(wire: Wire) -> None:
    """It neither is answered nor keeps a connection open."""
    assert wire.send(get()).answer().status == 200
    wire.send(b"\r\n")
    assert seconds_until_closed(wire) < 3


def test_requests_may_follow_each_other_at_once(wire: Wire) -> None:
    """Three in one packet, the second one slow, are answered in their order."""
    wire.send(post(length=3) + b"abc" + get("/slow") + post(length=2) + b"ab" + get())
    assert [wire.answer().body for _ in range(4)] == [b"3", b"0", b"2", b"0"]


@pytest.mark.parametrize("piece_bytes", [100, 5_000])
def test_headers_are_bound(port: int, piece_bytes: int) -> None:
    """2,048 bytes of headers are read, in pieces or in one, and with the body behind them; 431 for one more."""
    with Wire(port) as wire:
        wire.dribble(head_of(HEADER_BYTES_MAX), size=piece_bytes, pause_seconds=0.001)
        assert wire.answer().status == 200
        wire.dribble(head_of(HEADER_BYTES_MAX, rest="Content-Length: 4000\r\n"), size=piece_bytes, pause_seconds=0.001)
        assert wire.send(b"a" * 4_000).answer().body == b"4000"
        wire.send(head_of(HEADER_BYTES_MAX, rest="Content-Length: 4000\r\n") + b"a" * 4_000)
        assert wire.answer().body == b"4000"
    with Wire(port) as wire:
        wire.dribble(head_of(HEADER_BYTES_MAX + 1), size=piece_bytes, pause_seconds=0.001)
        answer = wire.answer()
        assert (answer.status, answer.json()["code"]) == (431, "request_headers_too_large")
        assert answer.json()["detail"] == "The headers of a request may have at most 2048 bytes (header_bytes_max)."
        assert wire.rest() == b""


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nX: ",
        CHUNKED + b"1;",
        CHUNKED + b"1\r\na\r\n0\r\nX: ",
    ],
    ids=["address", "header", "chunk extension", "trailer"],
)
def test_a_line_without_end_is_cut(wire: Wire, start: bytes) -> None:
    """Nobody sends 64 MiB of one header, nor of what else is parsed as one."""
    assert wire.send(start).flood(b"a" * 100_000, bytes_max=64 << 20) < 16 << 20


def test_many_trailers_are_cut(wire: Wire) -> None:
    """Nor of many small ones."""
    wire.send(CHUNKED + b"1\r\na\r\n0\r\n")
    assert wire.flood(b"X-Name: value\r\n" * 7_000, bytes_max=64 << 20) < 16 << 20


def test_what_is_no_http_is_told_so(wire: Wire) -> None:
    """400 as problem+json, and the end."""
    answer = wire.send(b"EHLO example.org\r\n\r\n").answer()
    assert (answer.status, answer.json()["code"]) == (400, "request_validation_errors")
    assert wire.rest() == b""


def test_a_broken_chunk_is_told_so(wire: Wire) -> None:
    """Also in the middle of a request that is being read."""
    wire.send(CHUNKED + b"1\r\na\r\n")
    time.sleep(0.05)
    assert wire.send(b"nonsense\r\n").answer().status == 400


@pytest.mark.parametrize("wrong", [b"EHLO example.org\r\n\r\n", CHUNKED + b"nonsense\r\n"])
@pytest.mark.parametrize("pause_seconds", [0, 0.1])
def test_nothing_is_put_before_an_answer(wire: Wire, wrong: bytes, pause_seconds: float) -> None:
    """What is wrong with a later request is never said in the place of an earlier answer: the connection just ends."""
    if pause_seconds:
        wire.send(get("/slow"))
        time.sleep(pause_seconds)
        wire.send(wrong)
    else:
        wire.send(get("/slow") + wrong)
    assert b" 400 " not in wire.rest().partition(b"\r\n")[0]


def test_a_trailer_is_no_header(wire: Wire) -> None:
    """What follows a body cannot add to what was said before it."""
    wire.send(CHUNKED.replace(b" / ", b" /named ") + b"1\r\na\r\n0\r\nX-Name: trailer\r\n\r\n")
    assert wire.answer().body == b"nobody"


UPGRADE = b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def test_an_offer_of_http_2_is_passed_over(wire: Wire) -> None:
    """The request that comes with it is answered, and so is the next."""
    assert wire.send(b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n").answer().body == b"0"
    assert wire.send(post(length=1) + b"a").answer().body == b"1"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
)
def test_an_offer_with_a_body_loses_nothing(parser: str, wire: Wire, framing: bytes) -> None:
    """The body is read, or where the parser cannot do that the request is refused; none is taken without its body."""
    answer = wire.send(b"POST / HTTP/1.1\r\n" + UPGRADE + framing).answer()
    if parser == "h11":
        assert answer.body == b"3"
    else:
        assert answer.status == 400
        assert "cannot come with a body" in answer.json()["detail"]
        assert wire.rest() == b""


def test_a_slow_reader_is_cut(port: int) -> None:
    """Whoever does not read an answer of 48 MiB loses the connection, and the server its memory."""
    with Wire(port, receive_buffer_bytes=1 << 16) as wire:
        wire.send(get("/big"))
        time.sleep(3 * BODY_SECONDS)
        assert len(wire.rest()) < BIG_BYTES


def test_a_reader_that_keeps_up_gets_all(port: int) -> None:
    """Longer than the deadline, in pieces."""
    with Wire(port, receive_buffer_bytes=1 << 16) as wire:
        wire.send(get("/big"))
        start, size = time.monotonic(), 0
        while time.monotonic() < start + 3 * BODY_SECONDS:
            size += len(wire.read(1 << 18))
            time.sleep(0.02)
        assert size + len(wire.rest()) > BIG_BYTES


def test_connections_are_bound(parser: str) -> None:
    """Two are served; the third is told to come back, unless it asks for our health; a place that is left is taken."""
    with listening(serve(parser, connections_max=2, keep_alive_seconds=5)) as port, Wire(port) as first:
        with Wire(port) as second, Wire(port) as third, Wire(port) as fourth:
            assert [wire.send(get()).answer().status for wire in (first, second)] == [200, 200]
            answer = third.send(post(length=2) + b"{}").answer()
            assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
            assert answer.json()["detail"] == "More than 2 connections are open (connections_max)."
            assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
            assert third.rest() == b""
            assert fourth.send(get("/healthz")).answer().status == 200
            assert first.send(get()).answer().status == 200
        time.sleep(0.1)
        with Wire(port) as fifth:
            assert fifth.send(get()).answer().status == 200


def test_surplus_connections_are_bound(parser: str) -> None:
    """Beyond the bound a hundred are told so, and the next is closed without a word."""
    with listening(serve(parser, connections_max=1, header_seconds=5, keep_alive_seconds=5)) as port:
        wires = [Wire(port) for _ in range(102)]
        try:
            assert wires[101].rest() == b""
            assert wires[100].send(get()).answer().status == 503
            assert wires[0].send(get()).answer().status == 200
        finally:
            for wire in wires:
                wire.close()
