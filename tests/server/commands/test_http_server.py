"""The end of a server, orderly and at once, and a real process under what nobody should send."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from orbdo_server.app import create_app
from orbdo_server.commands.http_server import HttpServer
from orbdo_server.settings import Settings
from tests.support.sockets import Wire, listening

KEY = "the-key-of-the-tests"
MIB = 1 << 20
WAIT_SECONDS_MAX = 10
READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
SERVE = "from orbdo_server.cli import main; main()"


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[tuple[HttpServer, int]]:
    """A server on the folder in a thread of the test, and its port."""
    chosen = Settings(data=folder, port=0, api_key=KEY, **settings)
    app = create_app(chosen)
    try:
        server = HttpServer(app, chosen)
        with listening(server) as port:
            yield server, port
    finally:
        app.close()


def ingest(key: str) -> tuple[bytes, bytes]:
    """The two halves of a request with one event."""
    event = {
        "event_name": "call",
        "idempotency_key": key,
        "timestamp": datetime.now(UTC).isoformat(),
        "external_customer_id": "ada",
        "properties": {},
    }
    body = json.dumps({"events": [event]}).encode()
    head = f"POST /v1/ingest?debug=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:50], body[50:]


def is_refused(port: int) -> bool:
    """Whether nobody listens any more, after a while."""
    for _ in range(100):
        try:
            Wire(port).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.02)
    return False


def test_a_stopping_server_finishes_what_it_began(tmp_path: Path) -> None:
    """Idle connections end, new ones are refused, and the request that is coming in is answered once it is on disk."""
    with serving(tmp_path) as (server, port), Wire(port) as idle, Wire(port) as busy:
        assert idle.send(READY).answer().status == 200
        first, rest = ingest("in flight")
        busy.send(first)
        time.sleep(0.1)
        server.handle_exit(signal.SIGTERM, None)
        assert idle.rest() == b""
        assert is_refused(port)
        answer = busy.send(rest).answer()
        assert (answer.status, answer.json()["debug"]["ingested"]) == (200, ["in flight"])
        assert (answer.headers["connection"], busy.rest()) == ("close", b"")


def test_a_stopping_server_says_so_first(tmp_path: Path) -> None:
    """For as long as notice is given it is not ready, and takes events all the same."""
    with serving(tmp_path, shutdown_notice_seconds=0.6) as (server, port):
        server.handle_exit(signal.SIGTERM, None)
        time.sleep(0.2)
        with Wire(port) as wire:
            answer = wire.send(READY).answer()
            assert (answer.status, answer.json()) == (503, {"status": "not ready"})
            assert wire.send(b"".join(ingest("late"))).answer().status == 200
        assert is_refused(port)


def test_a_person_gives_no_notice(tmp_path: Path) -> None:
    """Ctrl+C is meant at once."""
    with serving(tmp_path, shutdown_notice_seconds=60) as (server, port):
        server.handle_exit(signal.SIGINT, None)
        assert is_refused(port)


def test_a_stopping_server_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    """A request that is not there within the bound is told that it was cut."""
    with serving(tmp_path, shutdown_seconds=1) as (server, port), Wire(port) as wire:
        wire.send(ingest("never whole")[0])
        time.sleep(0.1)
        start = time.monotonic()
        server.handle_exit(signal.SIGTERM, None)
        answer = wire.answer()
        assert (answer.status, answer.json()["code"]) == (503, "unavailable")
        assert 0.9 < time.monotonic() - start < 5


@contextmanager
def process(folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """``orbdo serve`` that is ready, and its port; killed at the end if it still runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORBDO_")}
    given = {f"ORBDO_{name.upper()}": value for name, value in settings.items()}
    arguments = [sys.executable, "-c", SERVE, "serve", "--data", str(folder), "--port", str(port)]
    with subprocess.Popen(
        arguments,
        env={**inherited, "ORBDO_API_KEY": KEY, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            _wait_until_ready(port, running)
            yield running, port
        finally:
            running.kill()


def _wait_until_ready(port: int, running: subprocess.Popen[str]) -> None:
    for _ in range(200):
        assert running.poll() is None, "the server ended before it began"
        try:
            with Wire(port) as wire:
                if wire.send(READY).answer().status == 200:
                    return
        except ConnectionRefusedError:
            pass
        time.sleep(0.05)
    pytest.fail("the server did not start")


def peak_bytes(running: subprocess.Popen[str]) -> int:
    """The most memory that the process ever had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{running.pid}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) << 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory that a process had")
@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_nothing_that_is_sent_takes_memory(tmp_path: Path, parser: str) -> None:
    """A header of 64 MiB, bombs of 200 MiB and bodies that are cut: little memory, no traceback, and an end with 0."""
    bomb = zstandard.ZstdCompressor().compress(bytes(200 * MIB))
    slow_bomb = gzip.compress(bytes(50 * MIB), compresslevel=1)
    with process(tmp_path, http_parser=parser, ingest_body_bytes_max=str(MIB)) as (running, port):
        url = f"http://127.0.0.1:{port}/v1/ingest"
        before_bytes = peak_bytes(running)
        for encoding, body in [("zstd", bomb), ("gzip", slow_bomb)] * 2:
            headers = {"Authorization": f"Bearer {KEY}", "Content-Encoding": encoding}
            assert httpx.post(url, content=body, headers=headers).status_code == 413
        with Wire(port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nX: ").flood(b"a" * 100_000, bytes_max=64 * MIB)
        for key in ("cut 1", "cut 2"):
            with Wire(port) as wire:
                wire.send(ingest(key)[0])
        with Wire(port) as wire:
            assert wire.send(b"".join(ingest("whole"))).answer().json()["debug"]["ingested"] == ["whole"]
            assert peak_bytes(running) - before_bytes < 24 * MIB
            running.terminate()
            assert running.wait(WAIT_SECONDS_MAX) == 0
        assert running.stdout is not None
        said = running.stdout.read()
        assert "Traceback" not in said
        assert "Exception" not in said


def test_the_second_signal_is_obeyed_at_once(tmp_path: Path) -> None:
    """The first leaves a minute for the request that is coming in; the second ends the process where it stands."""
    with process(tmp_path, shutdown_seconds="60") as (running, port), Wire(port) as wire:
        wire.send(ingest("never whole")[0])
        time.sleep(0.1)
        running.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.5)
        running.terminate()
        assert running.wait(1) == -signal.SIGTERM


def one_event(key: str, *, path: str = "/v1/ingest", version: str = "1.1", header: str = "") -> bytes:
    """A request with one event."""
    body = b"".join(ingest(key)).partition(b"\r\n\r\n")[2]
    head = f"POST {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{header}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


HEADERS = ["cache-control", "content-length", "content-type", "date", "x-content-type-options", "x-request-id"]


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_both_parsers_acknowledge_events_alike(tmp_path: Path, parser: str) -> None:
    """The short way of writing an acknowledgement has every header of the long one, on a connection that is kept."""
    with serving(tmp_path, http_parser=parser) as (_, port), Wire(port) as wire:
        names = set()
        for number in range(3):
            answer = wire.send(one_event(f"{number}")).answer()
            assert (answer.status, answer.body) == (200, b'{"validation_failed":[],"debug":null}')
            assert sorted(answer.headers) == HEADERS
            assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
            names.add(answer.headers["x-request-id"])
        assert len(names) == 3
        wire.send(one_event("3", path="/v1/ingest?debug=true"))
        assert wire.answer().json()["debug"]["ingested"] == ["3"]


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_requests_behind_each_other_are_answered_in_order(tmp_path: Path, parser: str) -> None:
    """However many come at once, whatever they ask, and whether or not their answers have bodies."""
    ping = f"HEAD /v1/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    with serving(tmp_path, http_parser=parser) as (_, port), Wire(port) as wire:
        assert wire.send(one_event("first")).answer().status == 200
        wire.send(one_event("a") + one_event("b", path="/v1/none") + one_event("c") + READY + one_event("d"))
        assert [wire.answer().status for _ in range(5)] == [200, 404, 200, 200, 200]
        wire.send(ping)
        assert wire.read(65_536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert wire.send(one_event("e")).answer().status == 200


@pytest.mark.parametrize("parser", ["httptools", "h11"])
@pytest.mark.parametrize("last", [{"header": "Connection: close\r\n"}, {"version": "1.0"}])
def test_the_last_request_of_a_connection_is_told_so(tmp_path: Path, parser: str, last: dict[str, str]) -> None:
    """The answer says that the connection ends, and it does."""
    with serving(tmp_path, http_parser=parser) as (_, port), Wire(port) as wire:
        assert wire.send(one_event("first")).answer().status == 200
        answer = wire.send(one_event("last", **last)).answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert wire.rest() == b""
