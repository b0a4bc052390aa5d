"""The limit gate in front of real applications, in process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware import CheckUsageLimit, check_usage_limit, require_feature
from orbdo_sdk.testing import InMemoryOrb, ManualClock
from tests.support.asgi import App, get

pytestmark = pytest.mark.anyio


async def remaining(request: Request) -> JSONResponse:
    """An endpoint that says what the gate left for it."""
    decision = request.state.orbdo["api_calls"]
    return JSONResponse({"remaining": str(decision.remaining), "used": str(decision.used)})


def starlette_app(orb: InMemoryOrb) -> App:
    """The way of ``app.add_middleware`` in Starlette."""
    app = Starlette(routes=[Route("/calls", remaining)])
    app.add_middleware(CheckUsageLimit, feature="api_calls", orb=orb)
    return app


def fastapi_app(orb: InMemoryOrb) -> App:
    """The way of ``app.add_middleware`` in FastAPI."""
    app = FastAPI()
    app.add_api_route("/calls", remaining, response_model=None)
    app.add_middleware(CheckUsageLimit, feature="api_calls", orb=orb)
    return app


def starlette_app_with_factory(orb: InMemoryOrb) -> App:
    """The way of ``middleware=[...]`` in Starlette."""
    return Starlette(routes=[Route("/calls", remaining)], middleware=[check_usage_limit("api_calls", orb=orb)])


MakeApp = Callable[[InMemoryOrb], App]

APPS: list[MakeApp] = [starlette_app, fastapi_app, starlette_app_with_factory]


@pytest.mark.parametrize("make_app", APPS)
async def test_the_last_unit_is_allowed_and_one_past_it_is_not(make_app: MakeApp) -> None:
    """With a limit of 5 the fifth request is answered and the sixth gets 429."""
    orb = InMemoryOrb()
    orb.limit("api_calls", 5, used=4)
    app = make_app(orb)
    fifth = await get(app, "/calls", **{"X-Customer-Id": "acme"})
    orb.use("api_calls", customer_id="acme")
    sixth = await get(app, "/calls", **{"X-Customer-Id": "acme"})
    assert (fifth.status_code, fifth.json()) == (200, {"remaining": "1", "used": "4"})
    assert sixth.status_code == 429


async def test_a_reached_limit_says_when_to_come_back() -> None:
    """The denial carries the quantities, the reset, Retry-After and the rate limit fields of the draft."""
    orb = InMemoryOrb(clock=ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
    orb.limit("api_calls", 5, used=5, period=timedelta(days=31))
    orb.clock.advance(timedelta(days=30, hours=23, seconds=0.4))
    answer = await get(starlette_app(orb), "/calls", **{"X-Customer-Id": "acme"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "3600"
    assert answer.headers["ratelimit-policy"] == '"api_calls";q=5;w=2678400'
    assert answer.headers["ratelimit"] == '"api_calls";r=0;t=3600'
    assert answer.json() == {
        "type": "urn:problem-type:orbdo:limit_reached",
        "title": "Usage limit reached",
        "status": 429,
        "detail": "5 of 5 api_calls are used. It resets at 2026-04-01T00:00:00+00:00.",
        "code": "limit_reached",
        "feature": "api_calls",
        "limit": "5",
        "used": "5",
        "remaining": "0",
        "reset_at": "2026-04-01T00:00:00Z",
    }


async def test_a_limit_that_never_resets_names_no_time() -> None:
    """Without a period there is no Retry-After, and the rate limit fields have no window."""
    orb = InMemoryOrb()
    orb.limit("api_calls", Decimal("2.5"), used=Decimal("2.25"))
    answer = await get(starlette_app(orb), "/calls", **{"X-Customer-Id": "acme"})
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
    assert answer.headers["ratelimit-policy"] == '"api_calls";q=2'
    assert answer.headers["ratelimit"] == '"api_calls";r=0'
    assert answer.json()["detail"] == "2.25 of 2.5 api_calls are used."
    assert answer.json()["reset_at"] is None


async def test_a_new_period_begins_with_nothing_used() -> None:
    """At the end of the period the customer has room again, without anybody doing anything."""
    orb = InMemoryOrb()
    orb.limit("api_calls", 1, used=1, period=timedelta(hours=1))
    app = starlette_app(orb)
    before = await get(app, "/calls", **{"X-Customer-Id": "acme"})
    orb.clock.advance(timedelta(hours=1))
    after = await get(app, "/calls", **{"X-Customer-Id": "acme"})
    assert (before.status_code, after.status_code) == (429, 200)


async def test_a_request_may_want_more_than_one() -> None:
    """``wanted`` units must fit: with 2 left a request for 3 is denied, and one for 2 is not."""
    orb = InMemoryOrb()
    orb.limit("api_calls", 10, used=8)
    endpoint = Starlette(routes=[Route("/calls", remaining)])
    two = await get(check_usage_limit("api_calls", orb=orb, wanted=2)(endpoint), "/calls", **{"X-Customer-Id": "a"})
    three = await get(check_usage_limit("api_calls", orb=orb, wanted=3)(endpoint), "/calls", **{"X-Customer-Id": "a"})
    assert (two.status_code, three.status_code) == (200, 429)
    assert three.headers["ratelimit"] == '"api_calls";r=2'


async def test_a_feature_outside_the_plan_is_forbidden_and_not_rate_limited() -> None:
    """Coming back later does not help a customer whose plan lacks the feature."""
    answer = await get(starlette_app(InMemoryOrb()), "/calls", **{"X-Customer-Id": "acme"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_granted")
    assert "ratelimit" not in answer.headers


async def test_no_limit_lets_everything_through() -> None:
    """An unlimited feature is never exceeded."""
    orb = InMemoryOrb()
    orb.limit("api_calls", None, used=1_000_000)
    answer = await get(starlette_app(orb), "/calls", **{"X-Customer-Id": "acme"})
    assert (answer.status_code, answer.json()) == (200, {"remaining": "None", "used": "1000000"})


async def test_a_reached_limit_can_be_payment_required() -> None:
    """A prepaid product answers 402 instead."""
    orb = InMemoryOrb()
    orb.limit("api_calls", 0)
    app = check_usage_limit("api_calls", orb=orb, status=402)(starlette_app(orb))
    answer = await get(app, "/calls", **{"X-Customer-Id": "acme"})
    assert (answer.status_code, answer.json()["status"]) == (402, 402)


async def test_both_gates_stand_one_behind_the_other() -> None:
    """Feature and limit are checked in the order they are listed, and the handler finds both decisions."""
    orb = InMemoryOrb()
    orb.limit("api_calls", 1)

    async def features(request: Request) -> JSONResponse:
        return JSONResponse(sorted(request.state.orbdo))

    gates = [require_feature("api_access", orb=orb), check_usage_limit("api_calls", orb=orb)]
    app = Starlette(routes=[Route("/", features)], middleware=gates)
    without_feature = await get(app, **{"X-Customer-Id": "acme"})
    orb.allow("api_access")
    with_both = await get(app, **{"X-Customer-Id": "acme"})
    orb.use("api_calls")
    used_up = await get(app, **{"X-Customer-Id": "acme"})
    assert (without_feature.status_code, with_both.status_code, used_up.status_code) == (403, 200, 429)
    assert with_both.json() == ["api_access", "api_calls"]


@pytest.mark.parametrize("wanted", [0, -1, Decimal("-0.5"), Decimal("NaN"), 1.5, True, "1"])
def test_a_quantity_that_makes_no_sense_is_refused(wanted: int | Decimal) -> None:
    """What a request wants is a positive exact number; anything else is refused when the gate is made."""
    with pytest.raises(ConfigurationError, match="wanted must be"):
        check_usage_limit("api_calls", orb=InMemoryOrb(), wanted=wanted)
