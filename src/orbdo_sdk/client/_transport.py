"""Requests and answers over httpx, async and sync, for every resource of the API and for the shipping of events.

It knows no resource and no JSON shape, never follows redirects (they would carry the API key elsewhere), and reads no
answer past ``ANSWER_BYTES_MAX``.
"""

import asyncio
import copy
import os
import random
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Self

import httpx
import stamina

from orbdo_sdk.client._answers import Answer, error_of
from orbdo_sdk.client._options import NOT_GIVEN, NotGiven, RetryPolicy, Timeout
from orbdo_sdk.client._requests import QueryValue, Request, Settings, translated_errors
from orbdo_sdk.errors import ClosedError, UnexpectedAnswerError, WrongEventLoopError

__all__ = ["ANSWER_BYTES_MAX", "Answer", "AsyncTransport", "QueryValue", "Request", "SyncTransport"]

ANSWER_BYTES_MAX = 64 * 1024 * 1024


class AsyncTransport:
    """Sends requests from one event loop; the loop of the first call is the loop for good."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        headers: Mapping[str, str] | None = None,
        http_transport: httpx.AsyncBaseTransport | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = Settings(
            base_url=base_url, api_key=api_key, timeout=timeout, retry=retry, headers=headers, jitter=jitter
        )
        self._door = _AsyncDoor(http_transport)

    def with_options(
        self,
        *,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        retry: RetryPolicy | NotGiven = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
    ) -> Self:
        """The same transport with other options; both share their connections and closing one closes both."""
        changed = copy.copy(self)
        changed._settings = self._settings.with_options(timeout=timeout, retry=retry, headers=headers)
        return changed

    async def send(self, request: Request, *, also: Collection[int] = ()) -> Answer:
        """The successful answer. Raises an ApiError for any other one, ConnectionFailedError when there is none.

        Tried again as the retry policy says, every attempt with the same idempotency key. An answer with a status in
        ``also`` is returned like a success.
        """
        dressed = self._settings.dress(request)
        retrying = stamina.AsyncRetryingCaller(attempts=self._settings.retry.attempts_max, timeout=None)
        return await retrying(self._settings.retry_decision(), self._send_once, dressed, also)

    async def close(self) -> None:
        """Close the connections; later calls raise ClosedError. Calling it again does nothing."""
        await self._door.close()

    async def _send_once(self, request: httpx.Request, also: Collection[int]) -> Answer:
        client = await self._door.client()
        with translated_errors():
            response = await client.send(request, stream=True)
            try:
                body = b"".join([chunk async for chunk in _bounded_async(response)])
            finally:
                await response.aclose()
        return successful(Answer(response.status_code, response.headers, body), also)


class SyncTransport:
    """Sends requests from any number of threads, and from a forked child with connections of its own."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        headers: Mapping[str, str] | None = None,
        http_transport: httpx.BaseTransport | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = Settings(
            base_url=base_url, api_key=api_key, timeout=timeout, retry=retry, headers=headers, jitter=jitter
        )
        self._door = _SyncDoor(http_transport)

    def with_options(
        self,
        *,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        retry: RetryPolicy | NotGiven = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
    ) -> Self:
        """The same transport with other options; both share their connections and closing one closes both."""
        changed = copy.copy(self)
        changed._settings = self._settings.with_options(timeout=timeout, retry=retry, headers=headers)
        return changed

    def send(self, request: Request, *, also: Collection[int] = ()) -> Answer:
        """The successful answer. Raises an ApiError for any other one, ConnectionFailedError when there is none.

        Tried again as the retry policy says, every attempt with the same idempotency key. An answer with a status in
        ``also`` is returned like a success.
        """
        dressed = self._settings.dress(request)
        retrying = stamina.RetryingCaller(attempts=self._settings.retry.attempts_max, timeout=None)
        return retrying(self._settings.retry_decision(), lambda: successful(self._exchange(dressed), also))

    def exchange(self, request: Request) -> Answer:
        """The answer of a single attempt, whatever its status; raises ConnectionFailedError when there is none."""
        return self._exchange(self._settings.dress(request))

    def close(self) -> None:
        """Close the connections; later calls raise ClosedError. Calling it again does nothing."""
        self._door.close()

    def _exchange(self, request: httpx.Request) -> Answer:
        client = self._door.client()
        with translated_errors():
            response = client.send(request, stream=True)
            try:
                body = b"".join(_bounded(response))
            finally:
                response.close()
        return Answer(response.status_code, response.headers, body)


class _AsyncDoor:
    """The httpx client of one event loop, made at its first use."""

    def __init__(self, http_transport: httpx.AsyncBaseTransport | None) -> None:
        self._http_transport = http_transport
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._closed = False

    async def client(self) -> httpx.AsyncClient:
        if self._closed:
            raise ClosedError
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():
            # A forked child: the client is forgotten, not closed, since its connections are the parent's.
            self._client, self._loop, self._pid = None, None, os.getpid()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise WrongEventLoopError
        if self._client is None:
            certificates = await asyncio.to_thread(_ssl_context)
            self._client = self._client or httpx.AsyncClient(
                transport=self._http_transport, verify=certificates, follow_redirects=False
            )
        return self._client

    async def close(self) -> None:
        self._closed = True
        client, self._client = self._client, None
        # Connections of another loop or another process are not ours to end; they go with what they belong to.
        if client is not None and self._pid == os.getpid() and self._loop is asyncio.get_running_loop():
            await client.aclose()


class _SyncDoor:
    """The httpx client of one process, made at its first use."""

    def __init__(self, http_transport: httpx.BaseTransport | None) -> None:
        self._http_transport = http_transport
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False

    def client(self) -> httpx.Client:
        if self._closed:
            raise ClosedError
        if self._pid != os.getpid():
            # The lock may have been held by a thread that does not exist here, and the connections are the parent's.
            self._lock, self._client, self._pid = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    transport=self._http_transport, verify=_ssl_context(), follow_redirects=False
                )
            return self._client

    def close(self) -> None:
        self._closed = True
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()


def successful(answer: Answer, also: Collection[int] = ()) -> Answer:
    """The answer itself when it is a success or of a status in ``also``; raises the ApiError of its kind otherwise."""
    if answer.succeeded or answer.status in also:
        return answer
    raise error_of(answer, now=datetime.now(UTC))


def _bounded(response: httpx.Response) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        _check_size(size, response)
        yield chunk


async def _bounded_async(response: httpx.Response) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        _check_size(size, response)
        yield chunk


def _check_size(size: int, response: httpx.Response) -> None:
    if size > ANSWER_BYTES_MAX:
        message = f"the server's answer is larger than {ANSWER_BYTES_MAX} bytes"
        raise UnexpectedAnswerError(message, status=response.status_code)


@cache
def _ssl_context() -> ssl.SSLContext:
    # Reading the certificate bundle takes some 50 ms; one context serves every client of the process.
    return httpx.create_ssl_context()
