"""A server at the door of httpx, for async and sync clients: it answers what a test wrote and notes what was asked.

It knows no resource. What has no answer fails the test; only events are acknowledged without being told.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx

from orbdo_sdk import Orb, SnapshotPolicy, SyncOrb

BASE_URL = "https://orb.test"
API_KEY = "key-of-the-test"
HOLD_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it; ``body`` is what its JSON says."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Told:
    """One answer: a JSON body, or an exception that the network raises instead."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Exception | None = None


class Door(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers in the order they were told, whoever asks; a held door lets nobody through until it is released."""

    def __init__(self) -> None:
        self.all_asked: list[Asked] = []
        self.closed = 0
        self._told: deque[Told] = deque()
        self._open = threading.Event()
        self._open.set()

    def tell(
        self,
        body: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        error: Exception | None = None,
    ) -> None:
        """Let this be the next answer that is not told yet."""
        self._told.append(Told(body, status, headers or {}, error))

    @property
    def asked(self) -> list[Asked]:
        """What was asked so far, acknowledgements of events left out."""
        return [asked for asked in self.all_asked if asked.path != "/v1/ingest"]

    @property
    def ingested(self) -> list[Asked]:
        """The requests that brought events."""
        return [asked for asked in self.all_asked if asked.path == "/v1/ingest"]

    def hold(self) -> None:
        """Let nobody through from now on."""
        self._open.clear()

    def release(self) -> None:
        """Let those through that wait, and everybody after them."""
        self._open.set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a thread."""
        asked = self._note(request)
        assert self._open.wait(HOLD_SECONDS_MAX)
        return self._answer(asked)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer an event loop."""
        asked = self._note(request)
        with anyio.fail_after(HOLD_SECONDS_MAX):
            while not self._open.is_set():  # noqa: ASYNC110 - threads wait at the same door
                await anyio.sleep(0.001)
        return self._answer(asked)

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    async def aclose(self) -> None:
        """Count it."""
        self.closed += 1

    def _note(self, request: httpx.Request) -> Asked:
        assert isinstance(request.stream, httpx.ByteStream)
        text = b"".join(request.stream)
        asked = Asked(
            request.method,
            request.url.raw_path.partition(b"?")[0].decode(),
            tuple(request.url.params.multi_items()),
            json.loads(text) if text else None,
            dict(request.headers),
        )
        self.all_asked.append(asked)
        return asked

    def _answer(self, asked: Asked) -> httpx.Response:
        if asked.path == "/v1/ingest" and not self._told:
            keys = [event["idempotency_key"] for event in asked.body["events"]]
            return httpx.Response(200, json={"validation_failed": [], "debug": {"duplicate": [], "ingested": keys}})
        assert self._told, f"nobody said what {asked.method} {asked.path} is answered with"
        told = self._told.popleft()
        if told.error is not None:
            raise told.error
        content = b"" if told.body is None else json.dumps(told.body).encode()
        return httpx.Response(told.status, headers=dict(told.headers), content=content)


def async_orb(door: Door, *, snapshots: SnapshotPolicy = SnapshotPolicy()) -> Orb:  # noqa: B008 - frozen
    """An async client that goes through the door and keeps nothing on disk."""
    return Orb(
        BASE_URL, API_KEY, spool_mode="memory", snapshots=snapshots, http_transport=door, async_http_transport=door
    )


def sync_orb(door: Door, *, snapshots: SnapshotPolicy = SnapshotPolicy()) -> SyncOrb:  # noqa: B008 - frozen
    """A sync client that goes through the door and keeps nothing on disk."""
    return SyncOrb(BASE_URL, API_KEY, spool_mode="memory", snapshots=snapshots, http_transport=door)


async def async_until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fails when it does not within a few seconds."""
    with anyio.fail_after(HOLD_SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 - nobody tells when it comes to hold
            await anyio.sleep(0.001)


def sync_until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fails when it does not within a few seconds."""
    pause = threading.Event()
    for _ in range(int(HOLD_SECONDS_MAX * 1000)):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it did not come to pass")
