"""The feature gate in front of real applications, in process."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware import RequireFeature, require_feature
from orbdo_sdk.testing import InMemoryOrb
from tests.support.asgi import App, get

pytestmark = pytest.mark.anyio


async def report(_request: Request) -> PlainTextResponse:
    """An endpoint worth paying for."""
    return PlainTextResponse("the report")


def starlette_app(orb: InMemoryOrb) -> App:
    """The way of ``app.add_middleware`` in Starlette."""
    app = Starlette(routes=[Route("/report", report)])
    app.add_middleware(RequireFeature, feature="api_access", orb=orb)
    return app


def fastapi_app(orb: InMemoryOrb) -> App:
    """The way of ``app.add_middleware`` in FastAPI."""
    app = FastAPI()
    app.add_api_route("/report", report, response_model=None)
    app.add_middleware(RequireFeature, feature="api_access", orb=orb)
    return app


def starlette_app_with_factory(orb: InMemoryOrb) -> App:
    """The way of ``middleware=[...]`` in Starlette."""
    return Starlette(routes=[Route("/report", report)], middleware=[require_feature("api_access", orb=orb)])


def fastapi_app_with_factory(orb: InMemoryOrb) -> App:
    """The way of ``middleware=[...]`` in FastAPI."""
    app = FastAPI(middleware=[require_feature("api_access", orb=orb)])
    app.add_api_route("/report", report, response_model=None)
    return app


def wrapped_app(orb: InMemoryOrb) -> App:
    """A factory called with any ASGI application, whatever its framework."""
    return require_feature("api_access", orb=orb)(Starlette(routes=[Route("/report", report)]))


MakeApp = Callable[[InMemoryOrb], App]

APPS: list[MakeApp] = [starlette_app, fastapi_app, starlette_app_with_factory, fastapi_app_with_factory, wrapped_app]


@pytest.mark.parametrize("make_app", APPS)
async def test_a_granted_feature_lets_the_request_through(make_app: MakeApp) -> None:
    """The customer of the header X-Customer-Id has the feature: the endpoint answers."""
    orb = InMemoryOrb()
    orb.allow("api_access", customer_id="acme")
    answer = await get(make_app(orb), "/report", **{"X-Customer-Id": "acme"})
    assert (answer.status_code, answer.text) == (200, "the report")
    assert "x-entitlement-stale" not in answer.headers


@pytest.mark.parametrize("make_app", APPS)
async def test_a_feature_that_is_not_granted_is_forbidden(make_app: MakeApp) -> None:
    """Another customer gets 403 as a problem document that names the feature."""
    orb = InMemoryOrb()
    orb.allow("api_access", customer_id="acme")
    answer = await get(make_app(orb), "/report", **{"X-Customer-Id": "umbrella"})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "type": "urn:problem-type:orbdo:not_granted",
        "title": "Feature not included",
        "status": 403,
        "detail": "The plan does not include api_access.",
        "code": "not_granted",
        "feature": "api_access",
        "limit": None,
        "used": None,
        "remaining": None,
        "reset_at": None,
    }


async def test_a_limit_that_is_used_up_is_still_a_feature() -> None:
    """Having a feature and having room in it are different questions; this gate asks the first."""
    orb = InMemoryOrb()
    orb.limit("api_access", 5, used=9)
    answer = await get(starlette_app(orb), "/report", **{"X-Customer-Id": "acme"})
    assert answer.status_code == 200


async def test_a_customer_the_server_does_not_know_is_forbidden() -> None:
    """An unknown customer is denied, whatever everyone is granted."""
    orb = InMemoryOrb()
    orb.allow("api_access")
    orb.forget_customer("ghost")
    answer = await get(starlette_app(orb), "/report", **{"X-Customer-Id": "ghost"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "unknown_customer"
    assert answer.json()["detail"] == "The customer of this request is not known, so api_access is not included."


async def test_a_change_counts_for_the_next_request() -> None:
    """A feature granted while the application runs is seen by the next request."""
    orb = InMemoryOrb()
    app = starlette_app(orb)
    before = await get(app, "/report", **{"X-Customer-Id": "acme"})
    orb.allow("api_access", customer_id="acme")
    after = await get(app, "/report", **{"X-Customer-Id": "acme"})
    assert (before.status_code, after.status_code) == (403, 200)


@pytest.mark.parametrize("status", [402, 403, 429])
async def test_the_status_of_a_denial_can_be_chosen(status: int) -> None:
    """What the plan denies can be answered with 402 or 429 too; both places of the status agree."""
    app = require_feature("api_access", orb=InMemoryOrb(), status=status)(starlette_app(InMemoryOrb()))
    answer = await get(app, "/report", **{"X-Customer-Id": "acme"})
    assert (answer.status_code, answer.json()["status"]) == (status, status)


@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_another_status_is_refused_when_the_gate_is_made(status: int) -> None:
    """A denial that is none, or that says something else, cannot be configured."""
    with pytest.raises(ConfigurationError, match=r"status must be one of \(402, 403, 429\)"):
        require_feature("api_access", orb=InMemoryOrb(), status=status)
