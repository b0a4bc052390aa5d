"""What a gate does when nothing is known of a customer: it asks once, not for long, and then follows its policy."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from orbdo_sdk.errors import ConfigurationError, WrongEventLoopError
from orbdo_sdk.middleware import check_usage_limit, require_feature
from orbdo_sdk.testing import InMemoryOrb
from orbdo_sdk.wire import EntitlementSnapshot
from tests.support.asgi import exchange, get, http_scope

pytestmark = pytest.mark.anyio


async def hello(_request: Request) -> PlainTextResponse:
    """An endpoint that only says hello."""
    return PlainTextResponse("hello")


def hello_app() -> Starlette:
    """An application without any gate."""
    return Starlette(routes=[Route("/", hello)])


def allowing(feature: str) -> InMemoryOrb:
    """An Orb that grants everyone the feature."""
    orb = InMemoryOrb()
    orb.allow(feature)
    return orb


class SlowReader:
    """Entitlements that have no snapshot until ``answer`` says what a fetch gives."""

    def __init__(self, answer: Callable[[], Awaitable[EntitlementSnapshot]]) -> None:
        self._answer = answer
        self.fetches: list[str] = []

    def peek(self, customer_id: str) -> EntitlementSnapshot | None:
        """Nothing at hand."""
        return None

    async def fetch(self, customer_id: str) -> EntitlementSnapshot:
        """What the test makes of it."""
        self.fetches.append(customer_id)
        return await self._answer()


class SlowOrb:
    """An Orb whose entitlements are a ``SlowReader``; it has no clock of its own."""

    def __init__(self, answer: Callable[[], Awaitable[EntitlementSnapshot]]) -> None:
        self.entitlements = SlowReader(answer)


async def test_a_feature_gate_is_closed_in_an_outage() -> None:
    """Nothing known and no server to ask: 503 with Retry-After, for the plan may well include the feature."""
    orb = allowing("sso")
    orb.reachable = False
    answer = await get(require_feature("sso", orb=orb)(hello_app()), **{"X-Customer-Id": "acme"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "no_snapshot"
    assert answer.json()["detail"] == "It cannot be learnt at the moment whether sso is included; try again."


async def test_a_limit_gate_is_open_in_an_outage_and_says_so() -> None:
    """A request that nobody could check is let through, and its answer is marked."""
    orb = InMemoryOrb()
    orb.limit("calls", 0)
    orb.reachable = False
    answer = await get(check_usage_limit("calls", orb=orb)(hello_app()), **{"X-Customer-Id": "acme"})
    assert (answer.status_code, answer.text) == (200, "hello")
    assert answer.headers["x-entitlement-stale"] == "true"


async def test_either_policy_can_be_turned_round() -> None:
    """A feature gate can be open and a limit gate closed while nothing is known."""
    orb = InMemoryOrb()
    orb.reachable = False
    feature = await get(require_feature("sso", orb=orb, on_unknown="open")(hello_app()), **{"X-Customer-Id": "a"})
    limit = await get(check_usage_limit("calls", orb=orb, on_unknown="closed")(hello_app()), **{"X-Customer-Id": "a"})
    assert (feature.status_code, feature.headers["x-entitlement-stale"]) == (200, "true")
    assert limit.status_code == 503


async def test_an_unknown_customer_is_denied_by_an_open_gate_too() -> None:
    """That the server knows no such customer is an answer: a made-up id opens nothing."""
    orb = InMemoryOrb()
    orb.forget_customer("made-up")
    app = check_usage_limit("calls", orb=orb, on_unknown="open")(hello_app())
    answer = await get(app, **{"X-Customer-Id": "made-up"})
    assert (answer.status_code, answer.json()["code"]) == (403, "unknown_customer")


async def test_the_last_known_snapshot_decides_in_an_outage() -> None:
    """What was known before the outage goes on to count, and the answer is marked as resting on it."""
    orb = allowing("sso")
    app = require_feature("sso", orb=orb)(hello_app())
    before = await get(app, **{"X-Customer-Id": "acme"})
    orb.reachable = False
    during = await get(app, **{"X-Customer-Id": "acme"})
    assert (before.status_code, during.status_code) == (200, 200)
    assert "x-entitlement-stale" not in before.headers
    assert during.headers["x-entitlement-stale"] == "true"


async def test_the_first_request_of_a_customer_waits_for_the_snapshot() -> None:
    """Without a snapshot at hand it is fetched, once, and decided by."""
    snapshot = InMemoryOrb().entitlements.peek("acme")
    assert snapshot is not None

    async def answer() -> EntitlementSnapshot:
        return snapshot

    orb = SlowOrb(answer)
    response = await get(require_feature("sso", orb=orb)(hello_app()), **{"X-Customer-Id": "acme"})
    assert (response.status_code, response.json()["code"]) == (403, "not_granted")
    assert orb.entitlements.fetches == ["acme"]


async def test_the_wait_for_a_snapshot_is_bounded() -> None:
    """A server that does not answer holds a request up for ``wait_seconds`` and no longer."""
    never = asyncio.Event()

    async def answer() -> EntitlementSnapshot:
        await never.wait()
        raise AssertionError("nobody sets the event")

    app = require_feature("sso", orb=SlowOrb(answer), wait_seconds=0.01)(hello_app())
    response = await asyncio.wait_for(get(app, **{"X-Customer-Id": "acme"}), timeout=5)
    assert (response.status_code, response.json()["code"]) == (503, "no_snapshot")


async def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log says that an outage began, again after it was over, and nothing for each request of it."""
    orb = InMemoryOrb()
    app = check_usage_limit("calls", orb=orb)(hello_app())
    orb.forget_customer("ghost")
    with caplog.at_level(logging.WARNING, logger="orbdo.middleware"):
        orb.reachable = False
        for customer in ("first", "second"):
            await get(app, **{"X-Customer-Id": customer})
        orb.reachable = True
        await get(app, **{"X-Customer-Id": "ghost"})
        orb.reachable = False
        await get(app, **{"X-Customer-Id": "third"})
    assert [record.getMessage() for record in caplog.records] == [
        "entitlements cannot be fetched (ConnectionFailedError: the in-memory Orb is unreachable); "
        "on_unknown decides until they can"
    ] * 2


async def test_a_wait_that_ran_out_is_logged_with_its_bound(caplog: pytest.LogCaptureFixture) -> None:
    """A timeout has no words of its own; the log says how long was waited, and a success ends the episode."""
    answers = [0.2, 0.0, 0.2]
    snapshot = InMemoryOrb().entitlements.peek("acme")
    assert snapshot is not None

    async def answer() -> EntitlementSnapshot:
        await asyncio.sleep(answers.pop(0))
        return snapshot

    app = check_usage_limit("calls", orb=SlowOrb(answer), wait_seconds=0.02)(hello_app())
    with caplog.at_level(logging.WARNING, logger="orbdo.middleware"):
        for _ in range(3):
            await get(app, **{"X-Customer-Id": "acme"})
    assert [record.getMessage() for record in caplog.records] == [
        "entitlements cannot be fetched (no answer within 0.02 s); on_unknown decides until they can"
    ] * 2


@pytest.mark.parametrize("error", [WrongEventLoopError(), ConfigurationError("the key is missing")])
async def test_a_mistake_is_not_taken_for_an_outage(error: Exception) -> None:
    """What no waiting heals reaches the application as an error, even at an open gate."""

    async def answer() -> EntitlementSnapshot:
        raise error

    with pytest.raises(type(error)):
        await exchange(check_usage_limit("calls", orb=SlowOrb(answer))(hello_app()), http_scope(x_customer_id="acme"))
