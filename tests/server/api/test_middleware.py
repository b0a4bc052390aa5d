"""What surrounds every request: its name, its errors, and addresses as they were sent."""

import logging
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orbdo_server.api.middleware import RequestBoundary, RequireKey, Shortcut, raw_path
from orbdo_server.app import OrbdoApp
from orbdo_server.core.errors import UnknownCurrencyError
from orbdo_server.errors import ConflictError, UnavailableError

pytestmark = pytest.mark.anyio


def raising(error: Exception) -> ASGIApp:
    """An app that has only this to say."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


async def ask(app: ASGIApp) -> httpx.Response:
    """The answer of the app behind the boundary."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=RequestBoundary(app))) as client:
        return await client.get("http://test/")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConflictError("No."), 409, "resource_conflict"),
        (UnknownCurrencyError("EURO"), 400, "request_validation_errors"),
        (HTTPException(status_code=404), 404, "url_not_found"),
        (HTTPException(status_code=405, headers={"Allow": "GET"}), 405, "method_not_allowed"),
        (UnavailableError("Later."), 503, "unavailable"),
        (RuntimeError("canary"), 500, "internal_server_error"),
        (AssertionError("canary"), 500, "internal_server_error"),
    ],
)
async def test_every_error_is_a_problem(error: Exception, status: int, code: str) -> None:
    """What we meant to say is said; what we did not mean is hidden behind the number of the request."""
    answer = await ask(raising(error))
    said = answer.json()
    assert (answer.status_code, said["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["request_id"] == answer.headers["x-request-id"]
    assert "canary" not in answer.text
    if isinstance(error, HTTPException):
        assert answer.headers.get("allow") == (error.headers or {}).get("Allow")


async def test_an_unexpected_error_is_found_by_its_number(caplog: pytest.LogCaptureFixture) -> None:
    """What the caller is told is in the log, with all that was hidden."""
    answer = await ask(raising(RuntimeError("the reason")))
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert answer.json()["request_id"] in record.getMessage()
    assert record.exc_info is not None
    assert "the reason" in str(record.exc_info[1])


async def test_storage_that_fails_is_on_record(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever runs the server has to hear of it; a caller's mistakes are the caller's."""
    await ask(raising(ConflictError("No.")))
    assert caplog.records == []
    await ask(raising(UnavailableError("The disk is full.")))
    assert "The disk is full." in caplog.records[0].getMessage()


async def test_a_client_that_goes_away_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is there to be answered."""
    sent: list[Any] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "path": "/", "raw_path": b"/"}
    await RequestBoundary(raising(ClientDisconnect()))(scope, receive, send)
    assert sent == []
    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    """The error goes on to the server, which cuts the connection."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        message = "too late"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="too late"):
        await ask(app)


async def test_every_answer_has_a_name_and_is_nobody_elses() -> None:
    """Two requests have two numbers; an answer is not kept by anybody and is what it says it is."""
    first, second = await ask(PlainTextResponse("a")), await ask(PlainTextResponse("a"))
    assert first.headers["x-request-id"].startswith("req_")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["cache-control"] == "no-store"


async def test_an_endpoint_may_say_better() -> None:
    """Headers that are there stay."""
    answer = await ask(Response(headers={"Cache-Control": "private", "X-Request-Id": "mine"}))
    assert answer.headers.get_list("cache-control") == ["private"]
    assert answer.headers.get_list("x-request-id") == ["mine"]


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "/a%2Fb"),
        ({"path": "/a", "raw_path": b"/a?x=1"}, "/a"),
        ({"path": "/a b/\N{EURO SIGN}"}, "/a%20b/%E2%82%AC"),
        ({"path": "/a", "raw_path": None}, "/a"),
    ],
)
def test_paths_are_matched_as_they_were_sent(scope: dict[str, Any], path: str) -> None:
    """A server that does not say how is taken to have had nothing to write differently."""
    assert raw_path(scope) == path


async def test_what_is_no_request_goes_straight_through(app: OrbdoApp) -> None:
    """A lifespan or a socket is not ours to answer."""
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])
        assert "orbdo.request_id" not in scope
        assert "orbdo.caller" not in scope

    async def nothing(*_: Any) -> Any:
        return {}

    await RequestBoundary(Shortcut(inner, method="POST", path="/x", door=raising(AssertionError())))(
        {"type": "lifespan"}, nothing, nothing
    )
    guarded = RequireKey(inner, authentication=None, limiter=None)  # type: ignore[arg-type]  # neither is asked
    await guarded({"type": "websocket"}, nothing, nothing)
    assert seen == ["lifespan", "websocket"]


@pytest.mark.parametrize(
    ("way", "scope"),
    [
        ("short", {}),
        ("short", {"root_path": ""}),
        ("long", {"method": "GET"}),
        ("long", {"path": "/v1/ingest/"}),
        ("long", {"path": "/v1/events"}),
        ("long", {"root_path": "/v1"}),
    ],
)
async def test_one_address_has_a_way_of_its_own(way: str, scope: dict[str, Any]) -> None:
    """It takes exactly the requests that the table of routes would lead there, and no other."""
    seen: list[str] = []

    async def door(*_: Any) -> None:
        seen.append("short")

    async def routes(*_: Any) -> None:
        seen.append("long")

    async def nothing(*_: Any) -> Any:
        return {}

    app = Shortcut(routes, method="POST", path="/v1/ingest", door=door)
    await app({"type": "http", "method": "POST", "path": "/v1/ingest", **scope}, nothing, nothing)
    assert seen == [way]


async def test_a_method_that_an_address_does_not_take(client: httpx.AsyncClient) -> None:
    """The answer says which it takes."""
    answer = await client.delete("/items")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    "address", ["http://test/", "http://test/v1", "http://test/v1/", "/items/", "//items", "/Items"]
)
async def test_an_address_is_one_address(client: httpx.AsyncClient, address: str) -> None:
    """Nothing is guessed and nobody is sent elsewhere."""
    answer = await client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (404, "url_not_found")
