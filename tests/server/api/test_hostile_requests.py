"""Whatever is sent to whichever endpoint, the answer is JSON, says what is wrong, and is never our fault."""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbdo_server.api.endpoints import Endpoint
from orbdo_server.api.ingest import INGEST
from orbdo_server.api.routes import ENDPOINTS
from orbdo_server.app import OrbdoApp
from tests.support.every_endpoint import EVERY_ENDPOINT, UNKNOWN, Asked, Ids, filled, one_of_everything
from tests.support.knocking import knock
from tests.support.near_misses import bodies, damaged, path_parts, queries

ALL = (*ENDPOINTS, INGEST)
NAMES = [f"{endpoint.method} {endpoint.path}" for endpoint in ALL]
# Few examples of each endpoint are many requests; a profile that searches searches here too.
few = settings(max_examples=settings().max_examples // 3, suppress_health_check=[HealthCheck.too_slow])
fewer = settings(max_examples=settings().max_examples // 12)


class Sender:
    """Sends requests for tests that are not asynchronous themselves, as Hypothesis wants them."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def __call__(self, method: str, url: str | httpx.URL, **parts: Any) -> httpx.Response:
        """The answer."""
        return self._portal.call(partial(self._client.request, method, url, **parts))


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
def client(portal: BlockingPortal, shared_app: OrbdoApp) -> Iterator[httpx.AsyncClient]:
    """A client in that loop."""
    with portal.wrap_async_context_manager(knock(shared_app)) as client:
        yield client


@pytest.fixture(scope="module")
def send(portal: BlockingPortal, client: httpx.AsyncClient) -> Sender:
    """The way to the server."""
    return Sender(portal, client)


@pytest.fixture(scope="module")
def ids(portal: BlockingPortal, client: httpx.AsyncClient) -> Ids:
    """A tenant that has one of everything, which the requests may do with as they please."""
    return portal.call(one_of_everything, client, "account")


def check(answer: httpx.Response) -> None:
    """An answer that a careful server gives."""
    assert answer.status_code < 500, answer.text
    if answer.status_code < 400:
        assert answer.headers["content-type"] == "application/json"
        assert answer.status_code == 200
        answer.json()
        return
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    if answer.status_code == 400 and problem["code"] != "constraint_violation":
        assert problem["problems"], problem
        assert all(wrong["field"] and wrong["message"] for wrong in problem["problems"])


@pytest.mark.parametrize("endpoint", ALL, ids=NAMES)
@few
@given(data=st.data())
def test_requests_that_are_nearly_right(send: Sender, ids: Ids, endpoint: Endpoint, data: st.DataObject) -> None:
    """Bodies, query strings and addresses of about the right form, each with something else in places."""
    names = re.findall(r"\{(\w+)\}", endpoint.path)
    parts = {name: filled(data.draw(path_parts(), label=name), ids) for name in names}
    body = filled(json.dumps(data.draw(bodies(endpoint.body), label="body")), ids)
    query = data.draw(queries(endpoint.query), label="query")
    params = [(name, filled(value, ids)) for name, value in query]
    check(send(endpoint.method, Asked(endpoint.method, endpoint.path).url(parts), content=body, params=params))


@pytest.mark.parametrize(
    "asked",
    [asked for asked in EVERY_ENDPOINT if asked.body is not None],
    ids=lambda asked: f"{asked.method} {asked.path}",
)
@few
@given(data=st.data())
def test_right_requests_with_something_wrong(send: Sender, ids: Ids, asked: Asked, data: st.DataObject) -> None:
    """A body that would be taken, but for one part or two."""
    body = data.draw(damaged(json.dumps(asked.body)), label="body")
    params = {name: filled(value, ids) for name, value in asked.query.items()}
    check(send(asked.method, asked.url(ids), content=filled(json.dumps(body), ids), params=params))


@pytest.mark.parametrize("endpoint", ALL, ids=NAMES)
@fewer
@given(body=st.one_of(st.binary(max_size=40), st.text('[]{}",:0-1.eE+ntf\\u', max_size=40).map(str.encode)))
def test_bodies_of_anything(send: Sender, endpoint: Endpoint, body: bytes) -> None:
    """Bytes that are no JSON, or hardly."""
    check(send(endpoint.method, Asked(endpoint.method, endpoint.path).url({**UNKNOWN, "feature": "x"}), content=body))


@few
@given(
    target=st.text("/%2fF.:&=+~ab", max_size=20),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"]),
)
def test_addresses_of_anything(send: Sender, target: str, method: str) -> None:
    """Whatever follows the name of the host."""
    answer = send(method, httpx.URL("http://test/", raw_path=b"/" + target.encode()))
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"].startswith("req_")


@few
@given(
    name=st.sampled_from(["Idempotency-Key", "Orbdo-Agent", "If-None-Match", "Content-Encoding", "Host"]),
    value=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=300),
)
def test_headers_of_anything(send: Sender, ids: Ids, name: str, value: str) -> None:
    """Those that the server looks at."""
    headers = [(name.encode(), value.encode("latin-1"))]
    check(send("POST", "/items", json={"name": "Tokens"}, headers=headers))
    answer = send("GET", f"/entitlements/{ids['customer_id']}", headers=headers)
    assert answer.status_code in {200, 304, 400, 404, 415}, answer.text
