"""How a request is dressed and when it is repeated."""

import httpx
import pytest

from orbdo_sdk.client._options import RetryPolicy, Timeout
from orbdo_sdk.client._requests import Request, RetryDecision, Settings, is_transient, translated_errors
from orbdo_sdk.errors import (
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    OrbError,
    RateLimitedError,
    ServerError,
    TimedOutError,
)
from tests.sdk.client.shipping.clock import Clock

POLICY = RetryPolicy(
    wait_initial_seconds=1.0, wait_seconds_max=4.0, elapsed_seconds_max=10.0, retry_after_seconds_max=5.0
)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def settings() -> Settings:
    """Settings with a header of their own."""
    return Settings(
        base_url="http://orbdo.test/",
        api_key="secret",
        timeout=Timeout(connect_seconds=1.0, read_seconds=2.0, write_seconds=3.0, pool_seconds=4.0),
        retry=POLICY,
        headers={"X-Agent": "a1"},
        jitter=lambda: 1.0,
    )


def decision(clock: Clock) -> RetryDecision:
    """A decision for one call that begins now."""
    return RetryDecision(POLICY, jitter=lambda: 1.0, monotonic=clock)


def test_a_read_carries_credentials_and_no_key() -> None:
    """A read needs no idempotency key and no content type; its query is encoded."""
    request = settings().dress(
        Request(method="GET", path="/v1/prices", query={"created_at[gte]": "2026", "id[]": ["a", "b"]})
    )
    assert str(request.url) == "http://orbdo.test/v1/prices?created_at%5Bgte%5D=2026&id%5B%5D=a&id%5B%5D=b"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-agent"] == "a1"
    assert request.headers["user-agent"].startswith("orbdo-python/")
    assert "idempotency-key" not in request.headers
    assert "content-type" not in request.headers


def test_a_write_carries_a_key() -> None:
    """Every write has an idempotency key, the caller's or one of its own."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        request = settings().dress(Request(method=method, path="/v1/prices"))
        assert len(request.headers["idempotency-key"]) == 36
    request = settings().dress(Request(method="POST", path="/v1/prices", body=b"{}", idempotency_key="mine"))
    assert request.headers["idempotency-key"] == "mine"
    assert request.headers["content-type"] == "application/json"
    assert request.content == b"{}"


def test_a_request_may_change_its_headers() -> None:
    """What the request says wins over what all requests say."""
    request = settings().dress(
        Request(method="POST", path="/v1/x", body=b"a,b", headers={"Content-Type": "text/csv", "X-Agent": "a2"})
    )
    assert request.headers["content-type"] == "text/csv"
    assert request.headers["x-agent"] == "a2"


def test_the_timeouts_are_passed_on() -> None:
    """Each step of the request has its own bound."""
    request = settings().dress(Request(method="GET", path="/v1/x"))
    assert request.extensions["timeout"] == {"connect": 1.0, "read": 2.0, "write": 3.0, "pool": 4.0}


def test_the_key_is_not_printed() -> None:
    """Neither the settings nor what they are made of show the API key to a log."""
    assert "secret" not in repr(settings())


def test_a_path_that_is_no_address_is_refused() -> None:
    """What httpx cannot send is the caller's mistake."""
    with pytest.raises(ConfigurationError):
        settings().dress(Request(method="GET", path="/v1/\x00"))


def test_waits_double_until_the_time_is_used_up(clock: Clock) -> None:
    """1, 2 and 4 seconds fit into ten; a fourth pause would not."""
    decide = decision(clock)
    waits: list[bool | float] = []
    for _ in range(4):
        wait = decide(ConnectionFailedError("refused"))
        waits.append(wait)
        clock.advance(wait)
    assert waits == [1.0, 2.0, 4.0, False]


def test_a_pause_that_ends_with_the_time_is_allowed(clock: Clock) -> None:
    """The bound itself still counts."""
    decide = decision(clock)
    clock.advance(9.0)
    assert decide(ServerError(status=503, transient=True)) == 1.0
    late = decision(clock)
    clock.advance(9.1)
    assert late(ServerError(status=503, transient=True)) is False


def test_the_server_s_wait_is_a_floor(clock: Clock) -> None:
    """Retry-After lengthens the pause; past its bound the caller hears of it instead of waiting."""

    def limited(seconds: float) -> RateLimitedError:
        return RateLimitedError(status=429, retry_after_seconds=seconds, transient=True)

    assert decision(clock)(limited(3.0)) == 3.0
    assert decision(clock)(limited(0.5)) == 1.0
    assert decision(clock)(limited(5.0)) == 5.0
    assert decision(clock)(limited(5.1)) is False


def test_facts_are_not_tried_again(clock: Clock) -> None:
    """Repeating does not make a bad request good, nor repair a bug."""
    for error in (BadRequestError(status=400), ConfigurationError("no"), LookupError("bug")):
        assert decision(clock)(error) is False
        assert not is_transient(error)
    assert is_transient(TimedOutError("slow"))
    assert is_transient(ServerError(status=500, transient=True))


REQUEST = httpx.Request("GET", "http://orbdo.test")


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (httpx.ConnectTimeout("slow", request=REQUEST), TimedOutError),
        (httpx.ReadTimeout("", request=REQUEST), TimedOutError),
        (httpx.PoolTimeout("slow", request=REQUEST), TimedOutError),
        (httpx.ConnectError("refused", request=REQUEST), ConnectionFailedError),
        (httpx.ReadError("reset", request=REQUEST), ConnectionFailedError),
        (httpx.RemoteProtocolError("cut", request=REQUEST), ConnectionFailedError),
        (httpx.ProxyError("407", request=REQUEST), ConnectionFailedError),
        (httpx.DecodingError("gzip", request=REQUEST), ConnectionFailedError),
        (httpx.LocalProtocolError("header", request=REQUEST), ConfigurationError),
        (httpx.UnsupportedProtocol("ftp", request=REQUEST), ConfigurationError),
        (httpx.InvalidURL("no host"), ConfigurationError),
    ],
)
def test_foreign_errors_become_ours(foreign: Exception, ours: type[OrbError]) -> None:
    """The most specific class is chosen, the cause is kept, and there is always a message."""
    with pytest.raises(ours) as caught, translated_errors():
        raise foreign
    assert type(caught.value) is ours
    assert caught.value.__cause__ is foreign
    assert not str(caught.value).endswith(": ")
