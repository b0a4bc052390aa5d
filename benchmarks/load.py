"""A load generator in a process of its own: requests to ``POST /v1/ingest`` over raw connections to this machine.

Each connection has one request under way. Without a rate the next one follows its answer; with one, requests are due
at fixed instants and their latency counts from there, so that a server that stalls is charged with all who wait. It
speaks to 127.0.0.1 only, ends at its deadline, and gives up at the first answer that is not 200.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import uvloop

from benchmarks.ingest_requests import requests
from benchmarks.stalls import Stalls, stalls

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
WARM_UP_SECONDS = 1.0
# Beyond the time of the plan: to start, and to wait for the last answers.
SPARE_SECONDS = 30.0
LAST_ANSWERS_SECONDS_MAX = 15.0
TICK_SECONDS = 0.001
SAID_BYTES_MAX = 4_000
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
NOTHING_FAILED = b'"validation_failed":[]'
ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n{"validation_failed":[]}'


class LoadError(Exception):
    """The load could not be put on the server, or the server answered other than it should."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what to send, and where to. ``requests_per_second`` is None for as fast as answers come."""

    port: int
    api_key: str
    batch_events: int
    connections: int
    seconds: float
    seed: int
    warm_up_seconds: float = WARM_UP_SECONDS
    requests_per_second: float | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a plan: rate and latencies after the warm-up, ``acknowledged_events`` of all its time."""

    events_per_second: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    stalls: Stalls
    acknowledged_events: int
    generator_cpu_share: float


def put_load(plan: Plan) -> Outcome:
    """The outcome of a plan, from a process that ends with it. Raises ``LoadError`` with what that process said."""
    command = [sys.executable, "-m", "benchmarks.load", "send"]
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(plan),
            capture_output=True,
            check=True,
            cwd=ROOT,
            timeout=plan.warm_up_seconds + plan.seconds + SPARE_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise LoadError(error.stderr[-SAID_BYTES_MAX:].decode(errors="replace")) from error
    return msgspec.json.decode(done.stdout, type=Outcome)


@contextmanager
def answering_server() -> Iterator[int]:
    """The port of a process that answers 200 to every request at once: what is left is the generator's own limit."""
    command = [sys.executable, "-m", "benchmarks.load", "answer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None, "it is a pipe"
            yield int(process.stdout.readline())
        finally:
            process.kill()


class Generator:
    """One plan while it runs."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests: Iterator[memoryview] = requests(
            api_key=plan.api_key, batch_events=plan.batch_events, now=datetime.now(UTC), seed=plan.seed
        )
        self._idle: deque[Connection] = deque()
        self._answered: list[tuple[float, float]] = []
        self._under_way = 0
        self._ended = asyncio.Event()
        self._error: LoadError | None = None

    async def run(self) -> Outcome:
        """Send until the deadline, wait for the last answers, close the connections; raises ``LoadError``."""
        plan, loop = self._plan, asyncio.get_running_loop()
        connections: list[Connection] = []
        try:
            for _ in range(plan.connections):
                _, connection = await loop.create_connection(lambda: Connection(self), HOST, plan.port)
                connections.append(connection)
            self._idle.extend(connections)
            cpu = time.process_time()
            await self._send_and_wait()
            return self._outcome((time.process_time() - cpu) / (plan.warm_up_seconds + plan.seconds))
        finally:
            for connection in connections:
                connection.close()
            # A connection is closed in the turn after.
            await asyncio.sleep(0)

    async def _send_and_wait(self) -> None:
        plan = self._plan
        # The first block of requests is made here and not while an answer is waited for.
        self._requests = chain([next(self._requests)], self._requests)
        self._measured_from = time.perf_counter() + plan.warm_up_seconds
        self._deadline = self._measured_from + plan.seconds
        if plan.requests_per_second is None:
            while self._idle:
                self._send(self._idle.popleft(), time.perf_counter())
        else:
            await self._send_when_due(plan.requests_per_second)
        try:
            await asyncio.wait_for(self._ended.wait(), plan.warm_up_seconds + plan.seconds + LAST_ANSWERS_SECONDS_MAX)
        except TimeoutError as error:
            message = f"{self._under_way} requests were never answered"
            raise LoadError(message) from error
        if self._error:
            raise self._error

    def answered(self, connection: "Connection", since: float) -> None:
        """A request that was due at ``since`` is acknowledged; the connection is free again."""
        now = time.perf_counter()
        self._under_way -= 1
        self._answered.append((now, now - since))
        if now >= self._deadline:
            self._end_when_quiet()
        elif self._plan.requests_per_second is None:
            self._send(connection, now)
        else:
            self._idle.append(connection)

    def failed(self, message: str) -> None:
        """Give up: an answer is wrong or a connection was lost."""
        self._error = self._error or LoadError(message)
        self._ended.set()

    def _send(self, connection: "Connection", due: float) -> None:
        self._under_way += 1
        connection.send(next(self._requests), due)

    async def _send_when_due(self, requests_per_second: float) -> None:
        due = time.perf_counter()
        while time.perf_counter() < self._deadline and not self._ended.is_set():
            while self._idle and due <= time.perf_counter():
                self._send(self._idle.popleft(), due)
                due += 1 / requests_per_second
            await asyncio.sleep(TICK_SECONDS)
        self._end_when_quiet()

    def _end_when_quiet(self) -> None:
        if self._under_way == 0:
            self._ended.set()

    def _outcome(self, cpu_share: float) -> Outcome:
        counted = np.array([s for at, s in self._answered if self._measured_from <= at < self._deadline])
        if not len(counted):
            message = "nothing was answered in the time of the plan"
            raise LoadError(message)
        p50, p99, p999 = np.percentile(counted, (50, 99, 99.9)).tolist()
        rate = len(counted) / self._plan.seconds
        return Outcome(
            events_per_second=rate * self._plan.batch_events,
            requests_per_second=rate,
            p50_ms=p50 * 1e3,
            p99_ms=p99 * 1e3,
            p999_ms=p999 * 1e3,
            longest_ms=float(counted.max()) * 1e3,
            stalls=stalls(self._answered, start=self._measured_from, end=self._deadline),
            acknowledged_events=len(self._answered) * self._plan.batch_events,
            generator_cpu_share=cpu_share,
        )


class Connection(asyncio.Protocol):
    """One connection to the server, with at most one request under way."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._received = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        # uvloop's transports have its methods but not its class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server keeps connections open; one that goes is a failure, unless all is over."""
        self._generator.failed(f"the server closed a connection: {exc}")

    def send(self, request: memoryview, due: float) -> None:
        """Send a request that is, or was, due at an instant of ``perf_counter``."""
        self._due = due
        self._transport.write(request)

    def close(self) -> None:
        """Let the server go."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._received += data
        try:
            status = answer_status(self._received)
        except LoadError as error:
            self._generator.failed(str(error))
            return
        if status is None:
            return
        received, self._received = self._received, b""
        if status == 200 and NOTHING_FAILED in received:
            self._generator.answered(self, self._due)
        else:
            self._generator.failed(f"the server answered {received[:2_000]!r}")


def answer_status(received: bytes) -> int | None:
    """The status of an answer that is there as a whole, None as long as it is not; ``LoadError`` without a length."""
    head_bytes = received.find(b"\r\n\r\n") + 4
    if head_bytes < 4:
        return None
    length = CONTENT_LENGTH.search(received, 0, head_bytes)
    if length is None:
        message = f"the answer {received[:200]!r} has no length"
        raise LoadError(message)
    return int(received[9:12]) if len(received) >= head_bytes + int(length[1]) else None


class Answerer(asyncio.Protocol):
    """Answers each request when its last byte is there, and reads of it no more than its length."""

    def __init__(self) -> None:
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        # uvloop's transports have its methods but not its class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count; one request is under way, so that what follows an answer is the head of another."""
        if not self._missing_bytes:
            length = CONTENT_LENGTH.search(data)
            assert length is not None, "the generator sends the head at once"
            self._missing_bytes = data.index(b"\r\n\r\n") + 4 + int(length[1])
        self._missing_bytes -= len(data)
        if not self._missing_bytes:
            self._transport.write(ANSWER)


async def _answer() -> None:
    server = await asyncio.get_running_loop().create_server(Answerer, HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _send(plan: Plan) -> Outcome:
    return await Generator(plan).run()


def main() -> None:
    """``send`` takes a plan on its input and gives the outcome on its output; ``answer`` is the server at once."""
    if sys.argv[1:] == ["answer"]:
        uvloop.run(_answer())
        return
    outcome = uvloop.run(_send(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
