"""Both transports against routes that answer as told: success, errors, retries, bounds, loops and forks."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace

import httpx
import pytest
import respx
import stamina

from orbdo_sdk.client import _transport
from orbdo_sdk.client._options import NOT_GIVEN, RetryPolicy, Timeout
from orbdo_sdk.client._transport import ANSWER_BYTES_MAX, Answer, AsyncTransport, Request, SyncTransport
from orbdo_sdk.errors import (
    ClosedError,
    ConnectionFailedError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    UnexpectedAnswerError,
    WrongEventLoopError,
)

URL = "http://orbdo.test"
QUICK = RetryPolicy(attempts_max=3, wait_initial_seconds=0.001, wait_seconds_max=0.002)
READ = Request(method="GET", path="/v1/ping")
WRITE = Request(method="POST", path="/v1/prices", body=b'{"a":1}')

pytestmark = pytest.mark.anyio


@pytest.fixture
def routes() -> Iterator[respx.MockRouter]:
    """A server made of routes; a request to any other is an error."""
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        yield router


def sync_transport(retry: RetryPolicy = QUICK) -> SyncTransport:
    """A transport for threads."""
    return SyncTransport(URL, "secret", retry=retry)


def async_transport(retry: RetryPolicy = QUICK) -> AsyncTransport:
    """A transport for this loop."""
    return AsyncTransport(URL, "secret", retry=retry)


async def test_an_answer_comes_back(routes: respx.MockRouter) -> None:
    """Status, headers and body of a success, with the credentials sent along."""
    route = routes.get("/v1/ping").respond(200, json={"response": "pong"}, headers={"X-Request-Id": "req_1"})
    transport = async_transport()
    answer = await transport.send(READ)
    assert (answer.status, json.loads(answer.body), answer.request_id) == (200, {"response": "pong"}, "req_1")
    assert route.calls.last.request.headers["authorization"] == "Bearer secret"
    await transport.close()


def test_an_answer_comes_back_to_a_thread(routes: respx.MockRouter) -> None:
    """The sync transport does the same without a loop."""
    routes.get("/v1/ping").respond(200, json={"response": "pong"})
    transport = sync_transport()
    assert json.loads(transport.send(READ).body) == {"response": "pong"}
    transport.close()


async def test_an_error_of_the_server_is_raised_once(routes: respx.MockRouter) -> None:
    """What repeating cannot mend is raised at once, with the server's words."""
    route = routes.get("/v1/ping").respond(404, json={"title": "Not found", "detail": "no such price"})
    transport = async_transport()
    with pytest.raises(NotFoundError, match="no such price"):
        await transport.send(READ)
    with pytest.raises(NotFoundError, match="no such price"):
        sync_transport().send(READ)
    assert route.call_count == 2
    await transport.close()


async def test_a_write_is_repeated_under_one_key(routes: respx.MockRouter) -> None:
    """Connection error, 503 and success: three requests with one body and one idempotency key."""
    for send in (async_transport().send, _in_thread(sync_transport())):
        route = routes.post("/v1/prices")
        route.side_effect = [httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(201, json={})]
        before = route.call_count
        assert (await send(WRITE)).status == 201
        requests = [call.request for call in list(route.calls)[before:]]
        assert len(requests) == 3
        assert len({request.headers["idempotency-key"] for request in requests}) == 1
        assert {request.content for request in requests} == {b'{"a":1}'}


async def test_attempts_are_bounded(routes: respx.MockRouter) -> None:
    """After the last attempt its error is raised: three requests, not four."""
    route = routes.post("/v1/prices").respond(500)
    for send in (async_transport().send, _in_thread(sync_transport())):
        with pytest.raises(ServerError):
            await send(WRITE)
    assert route.call_count == 6


async def test_a_timeout_is_repeated_and_then_raised(routes: respx.MockRouter) -> None:
    """Whether the server acted is unknown; the key makes the repetition safe."""
    route = routes.post("/v1/prices").mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(TimedOutError):
        await async_transport().send(WRITE)
    assert route.call_count == 3


async def test_a_wait_that_is_too_long_is_the_caller_s(routes: respx.MockRouter) -> None:
    """A server that wants two minutes gets no second request; the caller learns how long it would be."""
    route = routes.get("/v1/ping").respond(429, headers={"Retry-After": "120"})
    with pytest.raises(RateLimitedError) as caught:
        await async_transport().send(READ)
    assert (caught.value.retry_after_seconds, route.call_count) == (120.0, 1)


async def test_retry_after_is_waited_for(routes: respx.MockRouter) -> None:
    """The pause before the second attempt is at least the server's."""
    routes.get("/v1/ping").mock(side_effect=[httpx.Response(429, headers={"Retry-After": "1"}), httpx.Response(200)])
    waits: list[float] = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    try:
        assert (await async_transport().send(READ)).status == 200
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert waits == [1.0]


def test_an_exchange_is_a_single_attempt_whatever_comes_back(routes: respx.MockRouter) -> None:
    """Who ships events judges the answers himself; only the absence of one is an error."""
    routes.post("/v1/prices").mock(side_effect=[httpx.Response(503), httpx.ConnectError("refused")])
    transport = sync_transport()
    assert transport.exchange(WRITE).status == 503
    with pytest.raises(ConnectionFailedError):
        transport.exchange(WRITE)


async def test_redirects_are_not_followed(routes: respx.MockRouter) -> None:
    """The API key goes to no other address."""
    elsewhere = routes.get("/elsewhere").respond(200)
    routes.get("/v1/ping").respond(307, headers={"Location": f"{URL}/elsewhere"})
    for send in (async_transport().send, _in_thread(sync_transport())):
        with pytest.raises(Exception, match="307"):
            await send(READ)
    assert not elsewhere.called


async def test_options_can_differ_by_call(routes: respx.MockRouter) -> None:
    """A copy with other options shares the connections; what is not given stays."""
    route = routes.get("/v1/ping").respond(503)
    once = RetryPolicy(attempts_max=1)
    transport, twin = async_transport(), sync_transport()
    changed = transport.with_options(retry=once, timeout=Timeout(read_seconds=1.0), headers={"X-Agent": "a1"})
    with pytest.raises(ServerError):
        await changed.send(READ)
    with pytest.raises(ServerError):
        await asyncio.to_thread(twin.with_options(retry=once, headers={"X-Agent": "a1"}).send, READ)
    assert route.call_count == 2
    assert {call.request.headers["x-agent"] for call in route.calls} == {"a1"}
    with pytest.raises(ServerError):
        await transport.with_options(retry=NOT_GIVEN).send(READ)
    assert route.call_count == 5
    assert "x-agent" not in route.calls.last.request.headers
    await changed.close()
    with pytest.raises(ClosedError):
        await transport.send(READ)


async def test_an_answer_is_read_up_to_a_bound(routes: respx.MockRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of exactly the bound is read; one byte more is refused instead of filling memory."""
    assert ANSWER_BYTES_MAX == 64 * 1024 * 1024
    monkeypatch.setattr(_transport, "ANSWER_BYTES_MAX", 10)
    routes.get("/v1/ping").mock(side_effect=lambda request: httpx.Response(200, content=b"x" * 10))
    assert len((await async_transport().send(READ)).body) == 10
    routes.get("/v1/ping").mock(side_effect=lambda request: httpx.Response(200, content=b"x" * 11))
    for send in (async_transport().send, _in_thread(sync_transport())):
        with pytest.raises(UnexpectedAnswerError, match="larger than 10 bytes"):
            await send(READ)


async def test_a_closed_transport_refuses(routes: respx.MockRouter) -> None:
    """Closing twice is fine, sending afterwards is not, and a transport that was never used closes too."""
    routes.get("/v1/ping").respond(200)
    transport, twin = async_transport(), sync_transport()
    await transport.send(READ)
    await asyncio.to_thread(twin.send, READ)
    for _ in range(2):
        await transport.close()
        twin.close()
    with pytest.raises(ClosedError):
        await transport.send(READ)
    with pytest.raises(ClosedError):
        twin.exchange(READ)


def test_another_event_loop_is_told_apart(routes: respx.MockRouter) -> None:
    """One clear error instead of a connection that hangs."""
    routes.get("/v1/ping").respond(200)
    transport = async_transport()
    asyncio.run(_send(transport))
    with pytest.raises(WrongEventLoopError):
        asyncio.run(_send(transport))
    asyncio.run(transport.close())
    with pytest.raises(ClosedError):
        asyncio.run(_send(transport))


async def test_calls_at_once_share_one_client(routes: respx.MockRouter) -> None:
    """The first calls of a new transport may come together."""
    routes.get("/v1/ping").respond(200)
    transport = async_transport()
    answers = await asyncio.gather(*[transport.send(READ) for _ in range(5)])
    assert [answer.status for answer in answers] == [200] * 5
    await transport.close()


def test_a_forked_child_opens_connections_of_its_own(routes: respx.MockRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's connections are neither used nor closed in the child, and its loop is not the child's."""
    routes.get("/v1/ping").respond(200)
    transport, twin = async_transport(), sync_transport()
    asyncio.run(_send(transport))
    twin.send(READ)
    monkeypatch.setattr(_transport, "os", SimpleNamespace(getpid=lambda: -1))  # as in another process
    asyncio.run(_send(transport))
    assert twin.send(READ).status == 200
    monkeypatch.setattr(_transport, "os", SimpleNamespace(getpid=lambda: -2))
    asyncio.run(transport.close())
    twin.close()


async def test_a_transport_of_the_embedded_server_is_used() -> None:
    """What is handed in takes the place of the network, in both forms."""
    local = httpx.MockTransport(lambda request: httpx.Response(200, json={"host": request.url.host}))
    transport = AsyncTransport("http://embedded", "k", http_transport=local)
    assert json.loads((await transport.send(READ)).body) == {"host": "embedded"}
    twin = SyncTransport("http://embedded", "k", http_transport=local)
    assert json.loads(twin.send(READ).body) == {"host": "embedded"}
    await transport.close()


async def _send(transport: AsyncTransport) -> None:
    await transport.send(READ)


def _in_thread(transport: SyncTransport) -> Callable[[Request], Awaitable[Answer]]:
    return lambda request: asyncio.to_thread(transport.send, request)
