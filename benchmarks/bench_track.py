"""What tracking an event costs the caller, and how fast and how completely events arrive.

``python -m benchmarks.bench_track`` prints the figures. The server is another process on the loopback that counts keys
and answers after a set time, as a server that many milliseconds away would; the client runs with its defaults.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
from rich.console import Console

from benchmarks.figures import Figure, table
from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping import NewEvent, Shipper

EVENTS = 100_000
EVENTS_ALWAYS = 20_000
CALLS = 200
CALLS_AT_ONCE = 500
ROUND_TRIP_SECONDS = 0.02
START_SECONDS_MAX = 20.0
FLUSH_SECONDS = 120.0
PROPERTIES = {"context_tokens": 1_234, "generated_tokens": 56, "model": "large", "region": "eu-west-1"}


def measure() -> list[Figure]:
    """The cost of ``track()``, rates with a near and a far server, and how long an awaited event takes."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        with _server(answer_seconds=0.0) as url:
            figures += _at_full_speed(url, folder, "near server")
            figures += _awaited(url, folder)
            figures += _written_first(url, folder)
        with _server(answer_seconds=ROUND_TRIP_SECONDS) as url:
            figures += _at_full_speed(url, folder, "20 ms round trip")
        figures += _closing(folder)
    return figures


def _at_full_speed(url: str, folder: str, where: str) -> Iterator[Figure]:
    shipper = Shipper(url, "key", spool_path=folder)
    _track_one(shipper)
    shipper.flush(FLUSH_SECONDS)
    delivered_before = _delivered(url)
    began = time.perf_counter()
    nanoseconds = _track_many(shipper, EVENTS)
    tracked = time.perf_counter()
    shipper.flush(FLUSH_SECONDS)
    ended = time.perf_counter()
    delivered = _delivered(url) - delivered_before
    shipper.close()
    note = f"{EVENTS:,} events as fast as one thread goes, defaults, {where}"
    yield Figure(f"track() p50, {where}", nanoseconds[EVENTS // 2] / 1e3, "us", "lower", note)
    yield Figure(f"track() p99, {where}", nanoseconds[EVENTS * 99 // 100] / 1e3, "us", "lower", note)
    yield Figure(f"tracked, {where}", EVENTS / (tracked - began), "1/s", "higher", note)
    yield Figure(f"delivered, {where}", EVENTS / (ended - began), "1/s", "higher", "from the first to the last answer")
    yield Figure(f"share delivered, {where}", 100 * delivered / EVENTS, "%", "higher", "distinct keys the server has")


def _awaited(url: str, folder: str) -> Iterator[Figure]:
    shipper = Shipper(url, "key", spool_path=folder)
    seconds = sorted(_timed_call(shipper) for _ in range(CALLS))
    yield Figure("awaited event p50", seconds[CALLS // 2] * 1e3, "ms", "lower", "one call after the other")
    yield Figure("awaited event p99", seconds[CALLS * 99 // 100] * 1e3, "ms", "lower", "one call after the other")
    sent_before = shipper.statistics.sent
    began = time.perf_counter()
    asyncio.run(_call_at_once(shipper))
    elapsed = time.perf_counter() - began
    requests = shipper.statistics.sent - sent_before
    note = f"{CALLS_AT_ONCE} calls at once on one loop shared {requests} requests"
    yield Figure("awaited at once", CALLS_AT_ONCE / elapsed, "1/s", "higher", note)
    shipper.close()


def _written_first(url: str, folder: str) -> Iterator[Figure]:
    shipper = Shipper(url, "key", spool_path=folder, spool_mode="always", limits=BufferLimits())
    nanoseconds = _track_many(shipper, EVENTS_ALWAYS)
    shipper.flush(FLUSH_SECONDS)
    shipper.close()
    note = f"{EVENTS_ALWAYS:,} events, each on disk before track() returns"
    yield Figure("track() p50, always", nanoseconds[EVENTS_ALWAYS // 2] / 1e3, "us", "lower", note)
    yield Figure("track() p99, always", nanoseconds[EVENTS_ALWAYS * 99 // 100] / 1e3, "us", "lower", note)


def _closing(folder: str) -> Iterator[Figure]:
    # Nothing listens on the discard port: every connection is refused.
    shipper = Shipper("http://127.0.0.1:9", "key", spool_path=folder)
    _track_many(shipper, EVENTS // 2)
    began = time.perf_counter()
    shipper.close(timeout_seconds=5.0)
    elapsed = time.perf_counter() - began
    read = shipper.statistics
    assert read.on_disk + read.acknowledged == EVENTS // 2, read
    yield Figure("close(5), server down", elapsed, "s", "lower", f"{EVENTS // 2:,} events, all on disk afterwards")


def _track_one(shipper: Shipper) -> None:
    shipper.track("llm_request", external_customer_id="acme", properties=PROPERTIES)


def _track_many(shipper: Shipper, count: int) -> Sequence[int]:
    """How long each took in nanoseconds, sorted; the timer's own 0.1 us is included."""
    nanoseconds = [0] * count
    now = time.perf_counter_ns
    for index in range(count):
        began = now()
        shipper.track("llm_request", external_customer_id="acme", properties=PROPERTIES)
        nanoseconds[index] = now() - began
    nanoseconds.sort()
    return nanoseconds


def _timed_call(shipper: Shipper) -> float:
    began = time.perf_counter()
    shipper.submit([NewEvent(event_type="llm_request", external_customer_id="acme")]).result(START_SECONDS_MAX)
    return time.perf_counter() - began


async def _call_at_once(shipper: Shipper) -> None:
    event = NewEvent(event_type="llm_request", external_customer_id="acme")
    await asyncio.gather(*[asyncio.wrap_future(shipper.submit([event])) for _ in range(CALLS_AT_ONCE)])


def _delivered(url: str) -> int:
    return int(httpx.get(f"{url}/delivered").text)


@contextmanager
def _server(*, answer_seconds: float) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bench_track", "serve", str(answer_seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        try:
            yield f"http://127.0.0.1:{int(output.readline())}"
        finally:
            process.terminate()
            process.wait()


class Sink:
    """An ASGI app that takes events, counts their keys and answers after a while."""

    def __init__(self, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        self._keys: set[str] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        answer = self._take(body) if scope["method"] == "POST" else str(len(self._keys)).encode()
        await asyncio.sleep(self._answer_seconds)
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _take(self, body: bytes) -> bytes:
        keys = [event["idempotency_key"] for event in msgspec.json.decode(body)["events"]]
        duplicate = [key for key in keys if key in self._keys]
        self._keys.update(keys)
        debug = {"duplicate": duplicate, "ingested": keys if not duplicate else sorted(set(keys) - set(duplicate))}
        return msgspec.json.encode({"validation_failed": [], "debug": debug})


def _serve(answer_seconds: float) -> None:
    import uvicorn  # noqa: PLC0415 - the measured process does without

    config = uvicorn.Config(Sink(answer_seconds), port=0, log_level="error", lifespan="off")
    listening = config.bind_socket()
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listening])


def main() -> None:
    """Print the table; ``serve SECONDS`` is the server of a measurement."""
    if sys.argv[1:2] == ["serve"]:
        _serve(float(sys.argv[2]))
    else:
        Console(width=140).print(table(measure(), {}))


if __name__ == "__main__":
    main()
