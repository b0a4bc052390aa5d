"""How a request is dressed, when it is repeated, and which of our errors stands for what httpx raises.

Shared by the async and the sync transport. It sends nothing.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

import httpx
import msgspec
import uuid_utils

from orbdo_sdk.client._options import NOT_GIVEN, NotGiven, RetryPolicy, Timeout, check_api_key, normalise_base_url
from orbdo_sdk.errors import ApiError, ConfigurationError, ConnectionFailedError, OrbError, TimedOutError

# Looked up when this module is imported, since it reads the disk.
USER_AGENT = f"orbdo-python/{version('orbdo')}"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
QueryValue = str | int | list[str]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the API: ``path`` starts with ``/v1``; a write gets an idempotency key when it brings none."""

    method: str
    path: str
    query: Mapping[str, QueryValue] = msgspec.field(default_factory=dict)
    body: bytes | None = None
    idempotency_key: str | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Settings:
    """What both transports share: address, credentials, and how a request is dressed. The key is never printed."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        timeout: Timeout,
        retry: RetryPolicy,
        headers: Mapping[str, str] | None,
        jitter: Callable[[], float],
    ) -> None:
        self.base_url = normalise_base_url(base_url)
        self.timeout = timeout
        self.retry = retry
        self.jitter = jitter
        self.headers = {
            "Authorization": f"Bearer {check_api_key(api_key)}",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            **(headers or {}),
        }

    def with_options(
        self, *, timeout: Timeout | NotGiven, retry: RetryPolicy | NotGiven, headers: Mapping[str, str] | NotGiven
    ) -> "Settings":
        changed = copy.copy(self)
        changed.timeout = self.timeout if timeout is NOT_GIVEN else timeout
        changed.retry = self.retry if retry is NOT_GIVEN else retry
        changed.headers = self.headers if headers is NOT_GIVEN else {**self.headers, **headers}
        return changed

    def dress(self, request: Request) -> httpx.Request:
        """The request as httpx sends it. A write's key is minted here, once, so that retries repeat it."""
        headers = {**self.headers, **request.headers}
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        if request.method not in SAFE_METHODS:
            headers["Idempotency-Key"] = request.idempotency_key or str(uuid_utils.uuid7())
        with translated_errors():
            return httpx.Request(
                request.method,
                self.base_url + request.path,
                params=dict(request.query),
                headers=headers,
                content=request.body,
                extensions={"timeout": _httpx_timeout(self.timeout).as_dict()},
            )

    def retry_decision(self) -> "RetryDecision":
        return RetryDecision(self.retry, jitter=self.jitter, monotonic=time.monotonic)


class RetryDecision:
    """Decides for one call whether and when it is tried again; stamina asks it after every failure."""

    def __init__(self, policy: RetryPolicy, *, jitter: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self._monotonic = monotonic
        self._started = monotonic()
        self._failures = 0

    def __call__(self, error: Exception) -> bool | float:
        """The seconds to wait before the next attempt, or False when there shall be none."""
        self._failures += 1
        if not is_transient(error):
            return False
        floor = (error.retry_after_seconds or 0.0) if isinstance(error, ApiError) else 0.0
        wait = max(floor, self._policy.wait_seconds(self._failures, jitter=self._jitter()))
        elapsed = self._monotonic() - self._started
        if floor > self._policy.retry_after_seconds_max or elapsed + wait > self._policy.elapsed_seconds_max:
            return False
        return wait


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later: no answer at all, or one that says so."""
    return isinstance(error, ConnectionFailedError) or (isinstance(error, ApiError) and error.transient)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what httpx raises inside the block into our errors, with the cause kept."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _translate(error) from error


def _translate(error: httpx.HTTPError | httpx.InvalidURL) -> OrbError:
    # The most specific class comes first: httpx's timeouts and protocol errors are all transport errors.
    detail = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return TimedOutError(f"the server did not answer in time: {detail}")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return ConfigurationError(f"the request cannot be sent: {detail}")
    return ConnectionFailedError(f"the server gave no complete answer: {detail}")


def _httpx_timeout(timeout: Timeout) -> httpx.Timeout:
    return httpx.Timeout(
        connect=timeout.connect_seconds,
        read=timeout.read_seconds,
        write=timeout.write_seconds,
        pool=timeout.pool_seconds,
    )
