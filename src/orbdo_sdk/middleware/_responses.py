"""What a denied request is answered: problem+json (RFC 9457), or the application's own response.

Nothing here decides. The rate limit fields follow draft-ietf-httpapi-ratelimit-headers-11.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from math import ceil
from urllib.parse import quote

from orbdo_sdk.entitlement import Decision, Reason
from orbdo_sdk.middleware._asgi import ASGIApp, Message, Receive, Scope, Send
from orbdo_sdk.wire import encode, plain

DenialHook = Callable[[Decision, Scope], ASGIApp | Awaitable[ASGIApp]]

STALE_HEADER = (b"x-entitlement-stale", b"true")

UNAVAILABLE_RETRY_SECONDS = 1

# The largest integer a structured field can hold (RFC 9651).
FIELD_INTEGER_MAX = 999_999_999_999_999

WEBSOCKET_POLICY_VIOLATION = 1008

_TYPE_PREFIX = "urn:problem-type:orbdo:"

# What a quoted string of a structured field holds as it is; the rest is percent-encoded.
_FIELD_STRING_SAFE = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"

_TITLES = {
    Reason.NOT_GRANTED: "Feature not included",
    Reason.LIMIT_REACHED: "Usage limit reached",
    Reason.UNKNOWN_CUSTOMER: "Customer not known",
    Reason.NO_CUSTOMER: "Customer not named",
    Reason.NO_SNAPSHOT: "Entitlements not available",
}

_DETAILS = {
    Reason.NOT_GRANTED: "The plan does not include {feature}.",
    Reason.UNKNOWN_CUSTOMER: "The customer of this request is not known, so {feature} is not included.",
    Reason.NO_CUSTOMER: "The request does not say which customer it is for.",
    Reason.NO_SNAPSHOT: "It cannot be learnt at the moment whether {feature} is included; try again.",
}


class Response:
    """A complete HTTP response as an ASGI application."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it, in one piece."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def denial(decision: Decision, *, status: int, now: datetime) -> Response:
    """The problem document for a denied decision, with the headers that go with its status."""
    body = encode(_problem(decision, status=status))
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    extra = _limit_headers(decision, now=now) if decision.reason is Reason.LIMIT_REACHED else {}
    if decision.reason is Reason.NO_SNAPSHOT:
        extra = {"retry-after": str(UNAVAILABLE_RETRY_SECONDS)}
    elif decision.reason is Reason.NO_CUSTOMER:
        # RFC 9110 wants a challenge with every 401; how a customer is named is the application's affair.
        extra = {"www-authenticate": "Customer"}
    headers.extend((name.encode(), value.encode()) for name, value in extra.items())
    return Response(status, headers, body)


async def refuse(app: ASGIApp, decision: Decision, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with ``app``; a websocket handshake with it too where the server can, else by closing with 1008."""
    if scope["type"] == "http":
        await app(scope, receive, send)
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        await app({**scope, "type": "http", "method": "GET"}, receive, _as_denial_response(send))
    else:
        await send({"type": "websocket.close", "code": WEBSOCKET_POLICY_VIOLATION, "reason": str(decision.reason)})


def mark_stale(send: Send) -> Send:
    """Send as before, with ``X-Entitlement-Stale: true`` among the headers of the response, whose body is untouched."""

    async def send_marked(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
            headers = [tuple(field) for field in message.get("headers") or ()]
            if STALE_HEADER not in headers:
                message = {**message, "headers": [*headers, STALE_HEADER]}
        await send(message)

    return send_marked


def _as_denial_response(send: Send) -> Send:
    async def send_denial(message: Message) -> None:
        if message["type"].startswith("http.response."):
            message = {**message, "type": f"websocket.{message['type']}"}
        await send(message)

    return send_denial


def _problem(decision: Decision, *, status: int) -> dict[str, object]:
    return {
        "type": f"{_TYPE_PREFIX}{decision.reason}",
        "title": _TITLES[decision.reason],
        "status": status,
        "detail": _detail(decision),
        "code": decision.reason,
        "feature": decision.feature,
        "limit": _text(decision.limit),
        "used": _text(decision.used),
        "remaining": _text(decision.remaining),
        "reset_at": decision.reset_at,
    }


def _detail(decision: Decision) -> str:
    if decision.limit is None or decision.used is None:
        return _DETAILS[decision.reason].format(feature=decision.feature)
    until = "" if decision.reset_at is None else f" It resets at {decision.reset_at.isoformat()}."
    return f"{plain(decision.used)} of {plain(decision.limit)} {decision.feature} are used.{until}"


def _text(quantity: Decimal | None) -> str | None:
    return None if quantity is None else plain(quantity)


def _limit_headers(decision: Decision, *, now: datetime) -> dict[str, str]:
    policy = f'"{quote(decision.feature, safe=_FIELD_STRING_SAFE)}"'
    quota, current = f"{policy};q={_field(decision.limit)}", f"{policy};r={_field(decision.remaining)}"
    if decision.reset_at is None:
        return {"ratelimit-policy": quota, "ratelimit": current}
    seconds = max(1, ceil((decision.reset_at - now).total_seconds()))
    if decision.period_start is not None:
        quota += f";w={ceil((decision.reset_at - decision.period_start).total_seconds())}"
    return {"retry-after": str(seconds), "ratelimit-policy": quota, "ratelimit": f"{current};t={seconds}"}


def _field(quantity: Decimal | None) -> int:
    assert quantity is not None
    return min(max(int(quantity), 0), FIELD_INTEGER_MAX)
