"""What a gate costs: one decision in nanoseconds, and what the middleware adds to a request of a bare application.

Requests are made in process, the variants in turn, so that a busy machine slows all of them down alike. The client is
the real one with its snapshot at hand; no request here waits for a network.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import quantiles
from time import perf_counter_ns
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.figures import Figure
from orbdo_sdk import Orb
from orbdo_sdk.entitlement import Decision, decide
from orbdo_sdk.middleware import check_usage_limit, require_feature
from orbdo_sdk.wire import Entitlement, EntitlementSnapshot, encode

DECISIONS = 200_000
REQUESTS = 10_000
NOW = datetime.now(UTC)
Message = MutableMapping[str, Any]

SNAPSHOT = EntitlementSnapshot(
    external_customer_id="acme",
    customer_id="cus_1",
    version="1",
    as_of=1,
    generated_at=NOW,
    entitlements={
        "api_access": Entitlement(key="api_access", type="boolean", enabled=True),
        "api_calls": Entitlement(
            key="api_calls",
            type="limit",
            enabled=True,
            limit=Decimal(1_000_000),
            used=Decimal("1234.5"),
            period_start=NOW,
            period_end=NOW + timedelta(days=30),
        ),
    },
)


def measure() -> list[Figure]:
    """Decisions by kind of feature, then the middleware by kind of gate."""
    return [
        *_decision_figures("a feature", lambda: decide(SNAPSHOT, "api_access", 1, NOW)),
        *_decision_figures("a limit", lambda: decide(SNAPSHOT, "api_calls", 1, NOW)),
        *asyncio.run(_request_figures()),
    ]


def _decision_figures(kind: str, decision: Callable[[], Decision]) -> list[Figure]:
    assert decision().allowed
    p50, p99 = _percentiles([_timed(decision) for _ in range(DECISIONS)])
    floor, _ = _percentiles([_timed(lambda: None) for _ in range(DECISIONS)])
    note = f"{DECISIONS:,} decisions, each timed; the timer's own {floor:,.0f} ns are included"
    return [
        Figure(name=f"decision on {kind}, p50", value=p50, unit="ns", better="lower", note=note),
        Figure(name=f"decision on {kind}, p99", value=p99, unit="ns", better="lower", note=note),
    ]


def _timed(work: Callable[[], object]) -> int:
    began = perf_counter_ns()
    work()
    return perf_counter_ns() - began


async def _request_figures() -> list[Figure]:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=encode(SNAPSHOT)))
    async with Orb("http://orbdo.test", "key", spool_mode="memory", async_http_transport=transport) as orb:
        feature, limit = require_feature("api_access", orb=orb), check_usage_limit("api_calls", orb=orb)
        apps = {
            "bare": _app(),
            "RequireFeature": _app(feature),
            "CheckUsageLimit": _app(limit),
            "both gates": _app(feature, limit),
        }
        times = await _request_times(apps)
    bare, _ = _percentiles(times.pop("bare"))
    note = f"{REQUESTS:,} requests each, in turn; a bare request takes {bare / 1_000:,.2f} µs"
    return [
        Figure(
            name=f"{name} adds to a request, p50",
            value=(_percentiles(taken)[0] - bare) / 1_000,
            unit="µs",
            better="lower",
            note=note,
        )
        for name, taken in times.items()
    ]


def _app(*gates: Any) -> Starlette:
    async def endpoint(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/api/report", endpoint)], middleware=list(gates))


async def _request_times(apps: dict[str, Starlette]) -> dict[str, list[int]]:
    times: dict[str, list[int]] = {name: [] for name in apps}
    for _ in range(REQUESTS):
        for name, app in apps.items():
            times[name].append(await _request_time(app))
    return times


async def _request_time(app: Callable[..., Awaitable[None]]) -> int:
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = _scope()
    began = perf_counter_ns()
    await app(scope, receive, send)
    taken = perf_counter_ns() - began
    assert statuses == [200]
    return taken


def _scope() -> Message:
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/report",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"app.test"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"user-agent", b"python-httpx"),
            (b"x-customer-id", b"acme"),
        ],
        "state": {},
    }


def _percentiles(times: list[int]) -> tuple[float, float]:
    cuts = quantiles(times, n=100)
    return cuts[49], cuts[98]
