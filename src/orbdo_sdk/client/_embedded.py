"""The server inside this process, found through an entry point and reached through two transports of httpx.

The entry point is ``server`` in the group ``orbdo.embedded``; this package imports no part of the server. Clients of
one data folder share one server. Nothing here looks into it: a request goes the way it would go over a network.
"""

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NamedTuple, cast

import httpx

from orbdo_sdk.client._host import STOP_SECONDS_MAX, CreateEmbeddedApp, Host
from orbdo_sdk.errors import ClosedError, ConfigurationError

GROUP = "orbdo.embedded"
NAME = "server"
# Nobody listens there; it only has to be an address.
BASE_URL = "http://embedded.orbdo"
# The transports put in its place the key that the app made for this process.
API_KEY = "embedded"
START_SECONDS_MAX = 60.0


def find_server(look: Callable[[], Iterable[EntryPoint]] = lambda: entry_points(group=GROUP)) -> CreateEmbeddedApp:
    """The function that makes the server of a data folder; raises ConfigurationError when it is not installed.

    ``look`` lists the entry points of the group.
    """
    message = 'an embedded Orb needs the server: pip install "orbdo[server]"'
    for entry_point in look():
        if entry_point.name == NAME:
            try:
                return cast("CreateEmbeddedApp", entry_point.load())
            except ImportError as error:
                raise ConfigurationError(f"{message} ({error})") from error
    raise ConfigurationError(message)


class _Key(NamedTuple):
    # A forked child must not take its parent's host for its own.
    pid: int
    folder: Path
    create: CreateEmbeddedApp


class Hosts:
    """The embedded servers of this process: one a data folder, for as long as somebody leases it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leased: dict[_Key, tuple[Host, int]] = {}
        self._stopping: dict[_Key, Future[None]] = {}

    def lease(self, folder: Path, create: CreateEmbeddedApp) -> Host:
        """The folder's host, made when there is none; nothing is started yet. Every lease is to be given back."""
        key = _Key(os.getpid(), folder, create)
        with self._lock:
            if key not in self._leased:
                self._leased[key] = Host(folder, create, after=self._stopping.pop(key, None)), 0
            host, leases = self._leased[key]
            self._leased[key] = host, leases + 1
            return host

    def give_back(self, folder: Path, create: CreateEmbeddedApp) -> "Future[None] | None":
        """End one lease. The last one stops the host: the future is done when it has stopped."""
        key = _Key(os.getpid(), folder, create)
        with self._lock:
            host, leases = self._leased[key]
            if leases > 1:
                self._leased[key] = host, leases - 1
                return None
            del self._leased[key]
            stopped = self._stopping[key] = host.stop()
            return stopped

    def leave(self) -> None:
        """The interpreter ends: stop every host of this process, waiting ``STOP_SECONDS_MAX`` at most."""
        with self._lock:
            hosts = [host for key, (host, _) in self._leased.items() if key.pid == os.getpid()]
        concurrent.futures.wait([host.stop() for host in hosts], timeout=STOP_SECONDS_MAX)


HOSTS = Hosts()
# Registered before there is any client, so that it comes after the last events of all of them.
atexit.register(HOSTS.leave)


class EmbeddedServer:
    """One user of a folder's server: it leases the host at its first request and gives it back when it is released."""

    def __init__(
        self,
        folder: Path,
        find: Callable[[], CreateEmbeddedApp],
        *,
        hosts: Hosts = HOSTS,
        start_seconds_max: float = START_SECONDS_MAX,
    ) -> None:
        self._folder = folder
        self._find = find
        self._hosts = hosts
        self.start_seconds_max = start_seconds_max
        self._lock = threading.Lock()
        self._give_back: Callable[[], Future[None] | None] | None = None
        self._released = False
        self.host: Host | None = None

    def lease(self) -> Host:
        """The host. The first call imports the server, which takes a moment: make it where blocking does no harm.

        Raises ConfigurationError when the server is not installed, ClosedError after ``release``.
        """
        with self._lock:
            if self._released:
                raise ClosedError
            if self.host is None:
                create, folder = self._find(), self._folder.resolve()
                self.host = self._hosts.lease(folder, create)
                self._give_back = partial(self._hosts.give_back, folder, create)
            return self.host

    def release(self) -> "Future[None] | None":
        """Need the server no longer. When nobody else does, the future is done once it has stopped."""
        with self._lock:
            self._released, self.host = True, None
            give_back, self._give_back = self._give_back, None
        return None if give_back is None else give_back()


class AsyncEmbeddedTransport(httpx.AsyncBaseTransport):
    """Requests of an event loop, answered on the host's."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The host's answer. Raises httpx's timeouts, and a ConfigurationError when the server cannot be started."""
        host = self._server.host
        if host is None:
            host = await asyncio.to_thread(self._server.lease)
        # Shielded: giving up this request must not give up the start that others wait for.
        ready = asyncio.shield(asyncio.wrap_future(host.start()))
        try:
            running = await asyncio.wait_for(ready, self._server.start_seconds_max)
        except TimeoutError as error:
            raise _not_ready(request) from error
        try:
            return await asyncio.wait_for(asyncio.wrap_future(running.begin(request)), _read_seconds(request))
        except TimeoutError as error:
            raise _no_answer(request) from error

    async def aclose(self) -> None:
        """Give the host back and, as its last user, wait until it has stopped; raises an OrbError if it cannot."""
        stopped = self._server.release()
        if stopped is not None:
            await asyncio.wrap_future(stopped)


class EmbeddedTransport(httpx.BaseTransport):
    """Requests of threads, answered on the host's event loop."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The host's answer. Raises httpx's timeouts, and a ConfigurationError when the server cannot be started."""
        try:
            running = self._server.lease().start().result(self._server.start_seconds_max)
        except TimeoutError as error:
            raise _not_ready(request) from error
        answer = running.begin(request)
        try:
            return answer.result(_read_seconds(request))
        except TimeoutError as error:
            answer.cancel()
            raise _no_answer(request) from error

    def close(self) -> None:
        """Give the host back and, as its last user, wait until it has stopped; raises an OrbError if it cannot."""
        stopped = self._server.release()
        if stopped is not None:
            stopped.result()


def absolute(folder: str | Path) -> Path:
    """The folder, wherever the process goes from here; the disk is not asked."""
    return Path(os.fsdecode(os.getcwdb()), folder)


def _read_seconds(request: httpx.Request) -> float | None:
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return seconds


def _not_ready(request: httpx.Request) -> httpx.ConnectTimeout:
    return httpx.ConnectTimeout("the embedded server was not ready in time", request=request)


def _no_answer(request: httpx.Request) -> httpx.ReadTimeout:
    return httpx.ReadTimeout("the embedded server did not answer in time", request=request)
