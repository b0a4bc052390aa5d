"""What all gates do with requests, websockets, lifespans and streams, and the options they refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from orbdo_sdk.entitlement import Decision, Reason, Source
from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware import CheckUsageLimit, RequireFeature, check_usage_limit, require_feature
from orbdo_sdk.testing import InMemoryOrb
from tests.support.asgi import App, Message, Receive, Scope, Send, exchange, get, http_scope, websocket_scope

pytestmark = pytest.mark.anyio

CHUNKS = [b"one,", b"two,", b"three"]


async def hello(_request: Request) -> PlainTextResponse:
    """An endpoint that only says hello."""
    return PlainTextResponse("hello")


async def echo(websocket: WebSocket) -> None:
    """A websocket that says hello and hangs up."""
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def hello_app() -> Starlette:
    """An application without any gate."""
    return Starlette(routes=[Route("/", hello), WebSocketRoute("/ws", echo)])


def allowing(feature: str) -> InMemoryOrb:
    """An Orb that grants everyone the feature."""
    orb = InMemoryOrb()
    orb.allow(feature)
    return orb


async def test_a_request_that_names_no_customer_is_not_authenticated() -> None:
    """Without the header the answer is 401 with a challenge, as every 401 must have one."""
    answer = await get(require_feature("sso", orb=allowing("sso"))(hello_app()))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Customer"
    assert answer.json()["type"] == "urn:problem-type:orbdo:no_customer"
    assert answer.json()["detail"] == "The request does not say which customer it is for."


async def test_a_request_without_customer_can_be_let_through() -> None:
    """An application with public pages opens the gate for those; nothing about them is stale."""
    app = require_feature("sso", orb=InMemoryOrb(), on_missing_customer="open")(hello_app())
    answer = await get(app)
    assert answer.status_code == 200
    assert "x-entitlement-stale" not in answer.headers


async def test_handlers_find_the_decision() -> None:
    """The decision is in the state of the request, under the feature."""
    found: list[Decision] = []

    async def look(request: Request) -> PlainTextResponse:
        found.append(request.state.orbdo["sso"])
        return PlainTextResponse("")

    await get(
        require_feature("sso", orb=allowing("sso"))(Starlette(routes=[Route("/", look)])), **{"X-Customer-Id": "a"}
    )
    assert found == [Decision(allowed=True, reason=Reason.GRANTED, feature="sso", source=Source.SNAPSHOT, version="1")]


async def test_a_decision_never_leaks_into_another_request() -> None:
    """A state that is shared by all requests of a lifespan keeps the decisions of none."""
    shared: dict[str, Any] = {"orbdo": {}}
    scope: Scope = {**http_scope(x_customer_id="acme"), "state": {**shared}}
    await exchange(require_feature("sso", orb=allowing("sso"))(hello_app()), scope)
    assert list(scope["state"]["orbdo"]) == ["sso"]
    assert shared == {"orbdo": {}}


async def test_the_application_can_word_its_own_denial() -> None:
    """``on_denied`` gets the decision and the scope, and its response goes out as it is."""

    def upgrade(decision: Decision, scope: Scope) -> Response:
        return JSONResponse({"upgrade": decision.feature, "at": scope["path"]}, status_code=402)

    answer = await get(
        require_feature("sso", orb=InMemoryOrb(), on_denied=upgrade)(hello_app()), **{"X-Customer-Id": "a"}
    )
    assert (answer.status_code, answer.json()) == (402, {"upgrade": "sso", "at": "/"})


async def test_the_denial_of_the_application_may_take_its_time() -> None:
    """``on_denied`` may be a coroutine, and is asked about a missing customer too."""

    async def explain(decision: Decision, _scope: Scope) -> Response:
        await asyncio.sleep(0)
        return PlainTextResponse(decision.reason, status_code=418)

    answer = await get(require_feature("sso", orb=InMemoryOrb(), on_denied=explain)(hello_app()))
    assert (answer.status_code, answer.text) == (418, "no_customer")


async def test_a_denial_that_is_no_response_is_an_error() -> None:
    """A hook that gives something else is told what was expected."""

    def text(_decision: Decision, _scope: Scope) -> Any:
        return "denied"

    app = require_feature("sso", orb=InMemoryOrb(), on_denied=text)(hello_app())
    with pytest.raises(ConfigurationError, match="what on_denied gives must be callable, got 'denied'"):
        await exchange(app, http_scope(x_customer_id="acme"))


async def test_a_stream_passes_byte_identical_and_unbuffered() -> None:
    """Every chunk leaves before the next one is made, in one response that starts once."""
    steps: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in CHUNKS:
            steps.append(f"made {chunk.decode()}")
            yield chunk

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(chunks())(scope, receive, send)

    async def noting_app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_noted(message: Message) -> None:
            await send(message)
            if message.get("body"):
                steps.append(f"sent {message['body'].decode()}")

        await gated(scope, receive, send_noted)

    orb = allowing("sso")
    orb.limit("calls", 3)
    gated = require_feature("sso", orb=orb)(check_usage_limit("calls", orb=orb)(stream))
    sent = await exchange(noting_app, http_scope(x_customer_id="acme"))
    assert [message["type"] for message in sent] == ["http.response.start"] + ["http.response.body"] * 4
    assert [message["body"] for message in sent[1:]] == [*CHUNKS, b""]
    assert steps == [
        *("made one,", "sent one,"),
        *("made two,", "sent two,"),
        *("made three", "sent three"),
    ]


async def test_a_marked_stream_passes_byte_identical_and_unbuffered() -> None:
    """The header of a stale decision is added to the start; the chunks are the very same objects, in order."""

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        for chunk in CHUNKS:
            await send({"type": "http.response.body", "body": chunk, "more_body": chunk is not CHUNKS[-1]})

    orb = InMemoryOrb()
    orb.reachable = False
    gated = check_usage_limit("calls", orb=orb)(check_usage_limit("tokens", orb=orb)(stream))
    start, *bodies = await exchange(gated, http_scope(x_customer_id="acme"))
    assert start == {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"x-own", b"1"), (b"x-entitlement-stale", b"true")],
    }
    assert [message["body"] for message in bodies] == CHUNKS


async def test_the_body_is_left_to_the_application() -> None:
    """A gate never calls ``receive``, so the application reads the whole body itself."""

    async def receive() -> Message:
        raise AssertionError("a gate that denies must not read")

    async def send(_message: Message) -> None:
        """Nobody listens."""

    gated = require_feature("sso", orb=InMemoryOrb())(hello_app())
    await gated(http_scope(x_customer_id="acme"), receive, send)


async def test_a_websocket_of_a_granted_feature_is_accepted() -> None:
    """The gate stands in front of websockets too, and lets them through."""
    app = require_feature("sso", orb=allowing("sso"))(hello_app())
    sent = await exchange(app, websocket_scope("/ws", x_customer_id="acme"))
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[1]["text"] == "hello"


async def test_a_denied_websocket_gets_the_problem_document() -> None:
    """Where the server can answer a handshake, the denial is the same as for a request."""
    app = require_feature("sso", orb=InMemoryOrb())(hello_app())
    start, body = await exchange(app, websocket_scope("/ws", denial_response=True, x_customer_id="acme"))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert body["type"] == "websocket.http.response.body"
    assert b'"code":"not_granted"' in body["body"]


async def test_a_denied_websocket_gets_the_response_of_the_application() -> None:
    """``on_denied`` words the denial of a handshake too, with a response or a whole application."""

    async def upgrade(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("upgrade", status_code=402)

    def application(_decision: Decision, _scope: Scope) -> App:
        return Starlette(routes=[Route("/ws", upgrade)])

    app = require_feature("sso", orb=InMemoryOrb(), on_denied=application)(hello_app())
    start, body = await exchange(app, websocket_scope("/ws", denial_response=True, x_customer_id="acme"))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 402)
    assert body["body"] == b"upgrade"


async def test_a_denied_websocket_is_closed_where_no_response_is_possible() -> None:
    """Without the denial extension the handshake is closed before it is accepted, as a policy violation."""
    app = require_feature("sso", orb=InMemoryOrb())(hello_app())
    assert await exchange(app, websocket_scope("/ws", x_customer_id="acme")) == [
        {"type": "websocket.close", "code": 1008, "reason": "not_granted"}
    ]


async def test_a_server_may_have_no_extensions_at_all() -> None:
    """``extensions: None``, which some servers send, is no extension."""
    app = require_feature("sso", orb=InMemoryOrb())(hello_app())
    scope = {**websocket_scope("/ws", x_customer_id="acme"), "extensions": None}
    assert [message["type"] for message in await exchange(app, scope)] == ["websocket.close"]


async def test_other_messages_of_a_denial_pass_as_they_are() -> None:
    """A response that already speaks the websocket's words is not translated twice."""

    async def own_words(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 402, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    app = require_feature("sso", orb=InMemoryOrb(), on_denied=lambda _decision, _scope: own_words)(hello_app())
    sent = await exchange(app, websocket_scope("/ws", denial_response=True, x_customer_id="acme"))
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]


async def test_a_websocket_let_through_unchecked_is_marked() -> None:
    """The header of a stale decision is in the answer to the handshake."""

    async def accept(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    orb = InMemoryOrb()
    orb.reachable = False
    sent = await exchange(check_usage_limit("calls", orb=orb)(accept), websocket_scope(x_customer_id="acme"))
    assert sent == [{"type": "websocket.accept", "headers": [(b"x-entitlement-stale", b"true")]}]


async def test_a_lifespan_passes_through() -> None:
    """Start and end of the application reach it, with the gate in front."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        seen.append("started")
        yield
        seen.append("stopped")

    app = Starlette(lifespan=lifespan, middleware=[require_feature("sso", orb=InMemoryOrb())])
    sent = await exchange(app, {"type": "lifespan", "state": {}})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert seen == ["started", "stopped"]


async def test_a_mounted_application_is_gated_without_a_lifespan() -> None:
    """A gate in a mounted application never sees a lifespan and works all the same."""
    orb = InMemoryOrb()
    inner = Starlette(routes=[Route("/report", hello)], middleware=[require_feature("sso", orb=orb, paths="/report")])
    outer = Starlette(routes=[Mount("/sub", app=inner), Route("/report", hello)])
    denied = await get(outer, "/sub/report", **{"X-Customer-Id": "acme"})
    orb.allow("sso")
    granted = await get(outer, "/sub/report", **{"X-Customer-Id": "acme"})
    beside = await get(outer, "/report")
    assert (denied.status_code, granted.status_code, beside.status_code) == (403, 200, 200)


@pytest.mark.parametrize(("path", "status"), [("/api/x", 403), ("/api", 403), ("/health", 200), ("/api/health", 200)])
async def test_only_the_paths_it_covers_are_gated(path: str, status: int) -> None:
    """``paths`` and ``exclude`` say which requests need a feature; the others need no customer either."""
    routes = [Route(route, hello) for route in ("/api", "/api/x", "/api/health", "/health")]
    gate = require_feature("sso", orb=InMemoryOrb(), paths="/api/*", exclude="/api/health")
    headers = {"X-Customer-Id": "acme"} if status == 403 else {}
    answer = await get(gate(Starlette(routes=routes)), path, **headers)
    assert answer.status_code == status


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"feature": ""}, "feature must be the key of a feature, got ''"),
    ({"feature": None}, "feature must be the key of a feature, got None"),
    ({"orb": "orb"}, "orb must be an Orb or an InMemoryOrb, got str"),
    ({"customer": "X-Customer-Id"}, "customer must be a function of the scope, got 'X-Customer-Id'"),
    ({"paths": "api/*"}, 'paths must begin with "/" or "\\*", got \'api/\\*\''),
    ({"exclude": []}, "exclude takes 1 to 100 patterns, got 0"),
    ({"on_denied": 403}, "on_denied must be callable, got 403"),
    ({"on_unknown": "last_known"}, 'on_unknown must be "open" or "closed", got \'last_known\''),
    ({"on_missing_customer": None}, 'on_missing_customer must be "open" or "closed", got None'),
    ({"status": 200}, r"status must be one of \(402, 403, 429\), got 200"),
    ({"wait_seconds": 0}, "wait_seconds must be a positive number of seconds, got 0"),
    ({"wait_seconds": -1.0}, "wait_seconds must be a positive number of seconds, got -1.0"),
    ({"wait_seconds": float("inf")}, "wait_seconds must be a positive number of seconds, got inf"),
    ({"wait_seconds": True}, "wait_seconds must be a positive number of seconds, got True"),
    ({"wait_seconds": "2"}, "wait_seconds must be a positive number of seconds, got '2'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
@pytest.mark.parametrize("gate", [RequireFeature, CheckUsageLimit])
def test_an_option_that_cannot_work_is_refused_when_the_gate_is_made(
    gate: type[RequireFeature] | type[CheckUsageLimit], options: dict[str, Any], message: str
) -> None:
    """Whatever can be known to be wrong is said before the first request, by option."""
    usual: dict[str, Any] = {"feature": "sso", "orb": InMemoryOrb()}
    with pytest.raises(ConfigurationError, match=message):
        gate(hello_app(), **(usual | options))


def test_a_gate_needs_an_application() -> None:
    """Something that cannot be called is no application."""
    not_an_app: Any = "app"
    with pytest.raises(ConfigurationError, match="app must be callable, got 'app'"):
        RequireFeature(not_an_app, "sso", InMemoryOrb())
