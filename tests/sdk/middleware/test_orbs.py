"""Where a gate finds its Orb, and which it refuses."""

from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from orbdo_sdk import Orb, SyncOrb
from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware import check_usage_limit, require_feature, set_default_orb
from orbdo_sdk.testing import InMemoryOrb
from orbdo_sdk.wire import EntitlementSnapshot
from tests.support.asgi import exchange, get, http_scope

pytestmark = pytest.mark.anyio


async def hello(_request: Request) -> PlainTextResponse:
    """An endpoint that only says hello."""
    return PlainTextResponse("hello")


def granting(feature: str) -> InMemoryOrb:
    """An Orb that grants everyone the feature."""
    orb = InMemoryOrb()
    orb.allow(feature)
    return orb


@pytest.fixture(autouse=True)
def _no_default() -> Iterator[None]:
    yield
    set_default_orb(None)


async def test_the_application_may_keep_the_orb_in_its_state() -> None:
    """``app.state.orb`` serves every gate that was given none, and can be another one tomorrow."""
    app = Starlette(
        routes=[Route("/", hello)], middleware=[require_feature("api_access"), check_usage_limit("api_calls")]
    )
    app.state.orb = granting("api_access")
    app.state.orb.limit("api_calls", 1)
    first = await get(app, **{"X-Customer-Id": "acme"})
    app.state.orb = InMemoryOrb()
    second = await get(app, **{"X-Customer-Id": "acme"})
    assert (first.status_code, second.status_code) == (200, 403)


async def test_the_lifespan_may_hand_out_the_orb() -> None:
    """What a lifespan puts into the state reaches every request, that of a mounted application too, and goes first."""
    inner = Starlette(routes=[Route("/", hello)], middleware=[require_feature("sso")])
    inner.state.orb = InMemoryOrb()
    app = Starlette(routes=[Mount("/sub", app=inner)])
    scope = {**http_scope("/sub/", x_customer_id="acme"), "state": {"orb": granting("sso")}}
    start, _ = await exchange(app, scope)
    assert start["status"] == 200


async def test_the_default_serves_a_gate_that_finds_no_other() -> None:
    """A process with one Orb sets it once, for applications of any framework."""
    set_default_orb(granting("sso"))
    app = require_feature("sso")(Starlette(routes=[Route("/", hello)]))
    assert (await get(app, **{"X-Customer-Id": "acme"})).status_code == 200


async def test_an_orb_given_to_the_gate_goes_before_all_others() -> None:
    """What is said explicitly is not looked for."""
    set_default_orb(InMemoryOrb())
    app = Starlette(routes=[Route("/", hello)], middleware=[require_feature("sso", orb=granting("sso"))])
    app.state.orb = InMemoryOrb()
    assert (await get(app, **{"X-Customer-Id": "acme"})).status_code == 200


async def test_a_gate_without_any_orb_says_where_to_put_one() -> None:
    """The first request fails with the three ways there are."""
    app = require_feature("sso")(Starlette(routes=[Route("/", hello)]))
    with pytest.raises(ConfigurationError, match=r"give it orb=\.\.\., set app\.state\.orb, or call set_default_orb"):
        await exchange(app, http_scope(x_customer_id="acme"))


class Blocking:
    """Entitlements as a synchronous client has them."""

    def peek(self, customer_id: str) -> EntitlementSnapshot | None:
        """Nothing at hand."""
        return None

    def fetch(self, customer_id: str) -> EntitlementSnapshot:
        """Block until the server has answered."""
        raise AssertionError("never called")


class BlockingOrb:
    """A synchronous client."""

    entitlements = Blocking()


def test_a_synchronous_orb_is_refused() -> None:
    """Its requests would stop the whole event loop, so it is refused when the gate is made."""
    with pytest.raises(
        ConfigurationError, match="must be an asynchronous Orb, got BlockingOrb: it would block the loop"
    ):
        require_feature("sso", orb=BlockingOrb())  # type: ignore[arg-type]  # what is being tested


def test_the_default_is_checked_too() -> None:
    """What a gate would refuse cannot become the default, and takes nobody's place."""
    with pytest.raises(ConfigurationError, match="orb must be an Orb or an InMemoryOrb, got object"):
        set_default_orb(object())  # type: ignore[arg-type]  # what is being tested


async def test_an_orb_found_late_is_checked_at_its_first_request() -> None:
    """An application that keeps something else under the name gets a clear error."""
    app = Starlette(routes=[Route("/", hello)], middleware=[require_feature("sso")])
    app.state.orb = "orb"
    with pytest.raises(ConfigurationError, match="orb must be an Orb or an InMemoryOrb, got str"):
        await exchange(app, http_scope(x_customer_id="acme"))


async def test_a_client_is_asked_once_and_then_remembered() -> None:
    """With a real client the first request of a customer fetches its snapshot, and the others do no I/O."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        entitlement = {"key": "sso", "type": "boolean", "enabled": True}
        snapshot = {
            "external_customer_id": "acme",
            "customer_id": "cus_1",
            "version": "v1",
            "as_of": 1,
            "generated_at": "2026-01-01T00:00:00Z",
            "entitlements": {"sso": entitlement},
        }
        return httpx.Response(200, json=snapshot)

    transport = httpx.MockTransport(answer)
    async with Orb("http://orbdo.test", "key", spool_mode="memory", async_http_transport=transport) as orb:
        app = Starlette(routes=[Route("/", hello)], middleware=[require_feature("sso", orb=orb)])
        answers = [await get(app, **{"X-Customer-Id": "acme"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert asked == ["/v1/entitlements/acme"]


async def test_an_open_gate_lets_through_while_a_client_cannot_ask() -> None:
    """With a real client and a server that is down, a limit gate follows its policy."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    transport = httpx.MockTransport(refuse)
    async with Orb("http://orbdo.test", "key", spool_mode="memory", async_http_transport=transport) as orb:
        gate = check_usage_limit("calls", orb=orb, wait_seconds=0.05)
        answer = await get(gate(Starlette(routes=[Route("/", hello)])), **{"X-Customer-Id": "acme"})
    assert (answer.status_code, answer.headers["x-entitlement-stale"]) == (200, "true")


def test_the_synchronous_client_is_refused() -> None:
    """``SyncOrb`` is for code without an event loop."""
    with (
        SyncOrb("http://orbdo.test", "key", spool_mode="memory") as orb,
        pytest.raises(ConfigurationError, match="must be an asynchronous Orb, got SyncOrb"),
    ):
        require_feature("sso", orb=orb)  # type: ignore[arg-type]  # what is being tested
