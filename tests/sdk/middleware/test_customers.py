"""Finding the customer of a request."""

from collections.abc import Awaitable
from typing import Any

import pytest
from starlette.authentication import SimpleUser

from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware import CustomerResolver, header, path_segment, require_feature, user_attribute
from orbdo_sdk.middleware._customers import CUSTOMER_ID_CHARS_MAX
from orbdo_sdk.testing import InMemoryOrb
from tests.support.asgi import Receive, Scope, Send, exchange, http_scope

pytestmark = pytest.mark.anyio


async def answer_200(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that answers everything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def status_for(customer: CustomerResolver | None, scope: Scope) -> int:
    """200 for acme, 403 for anybody else, 401 for nobody."""
    orb = InMemoryOrb()
    orb.allow("sso", customer_id="acme")
    start, _ = await exchange(require_feature("sso", orb=orb, customer=customer)(answer_200), scope)
    status: int = start["status"]
    return status


def test_a_header_is_found_whatever_its_case() -> None:
    """Names of headers are compared as HTTP does."""
    assert header("X-ACCOUNT")(http_scope(host="app.test", x_account="acme")) == "acme"


def test_a_missing_header_names_nobody() -> None:
    """No header is no customer."""
    assert header("X-Account")(http_scope(host="app.test")) is None


def test_two_values_of_a_header_name_nobody() -> None:
    """A proxy that adds its header to the caller's leaves two: believing either would let the caller choose."""
    scope = http_scope()
    scope["headers"] = [(b"x-account", b"umbrella"), (b"x-account", b"acme")]
    assert header("X-Account")(scope) is None


def test_the_same_value_twice_is_one() -> None:
    """A header repeated with the same value is not ambiguous."""
    scope = http_scope()
    scope["headers"] = [(b"x-account", b"acme"), (b"x-account", b"acme")]
    assert header("X-Account")(scope) == "acme"


@pytest.mark.parametrize("name", ["", "X Customer", "X-Customer:", "kunde-nür", None])
def test_what_cannot_be_a_header_is_refused(name: Any) -> None:
    """A name that no request could carry is a mistake, said at once."""
    with pytest.raises(ConfigurationError, match="not a header name"):
        header(name)


@pytest.mark.parametrize(
    ("position", "customer"),
    [(0, "customers"), (1, "acme"), (2, "usage"), (3, None), (-1, "usage"), (-3, "customers"), (-4, None)],
)
def test_a_segment_of_the_path_is_counted_from_zero(position: int, customer: str | None) -> None:
    """Both ends of the path are bounds: past them there is nobody."""
    assert path_segment(position)(http_scope("/customers/acme/usage")) == customer


def test_an_empty_path_has_no_segment() -> None:
    """The root names nobody."""
    assert path_segment(0)(http_scope("/")) is None


def test_a_mounted_application_counts_from_its_own_root() -> None:
    """The path below the mount is what the application's own routes match."""
    assert path_segment(0)(http_scope("/sub/acme", root_path="/sub")) == "acme"


@pytest.mark.parametrize("position", ["customer_id", True, None])
def test_a_segment_is_a_number(position: Any) -> None:
    """Routes are not known to middleware, so a parameter's name is of no use."""
    with pytest.raises(ConfigurationError, match="position must be an int"):
        path_segment(position)


class Account(SimpleUser):
    """A user as an authentication backend makes one."""

    customer_id = 17


@pytest.mark.parametrize(
    ("user", "customer"),
    [(Account("ada"), "17"), ({"customer_id": "acme"}, "acme"), (SimpleUser("ada"), None), ({}, None), (None, None)],
)
def test_an_attribute_of_the_user_names_the_customer(user: object, customer: str | None) -> None:
    """An attribute or a key, as text; a user without it names nobody."""
    assert user_attribute("customer_id")({**http_scope(), "user": user}) == customer


def test_without_authentication_there_is_no_user() -> None:
    """A scope without a user names nobody."""
    assert user_attribute("customer_id")(http_scope()) is None


@pytest.mark.parametrize("name", ["", None, 3])
def test_an_attribute_has_a_name(name: Any) -> None:
    """Nothing is no name."""
    with pytest.raises(ConfigurationError, match="not the name of an attribute"):
        user_attribute(name)


async def test_the_default_reads_x_customer_id() -> None:
    """Without a resolver the header X-Customer-Id names the customer."""
    assert await status_for(None, http_scope(x_customer_id="acme")) == 200
    assert await status_for(None, http_scope(x_account="acme")) == 401


async def test_a_resolver_may_be_any_function_of_the_scope() -> None:
    """A claim of a token, a subdomain, a lookup: whatever the application knows."""
    assert await status_for(lambda scope: scope["path"].removeprefix("/"), http_scope("/acme")) == 200


async def test_a_resolver_may_take_its_time() -> None:
    """A coroutine function is awaited."""

    async def from_session(scope: Scope) -> str | None:
        return str(dict(scope["headers"]).get(b"x-session", b"nobody"), "ascii")

    assert await status_for(from_session, http_scope(x_session="acme")) == 200
    assert await status_for(from_session, http_scope()) == 403


async def test_a_coroutine_may_find_nobody() -> None:
    """None is nobody, promised or not."""

    async def nobody(_scope: Scope) -> str | None:
        return None

    assert await status_for(nobody, http_scope()) == 401


async def test_an_empty_id_is_nobody() -> None:
    """A header without a value names no customer."""
    assert await status_for(None, http_scope(x_customer_id="")) == 401


@pytest.mark.parametrize(("length", "status"), [(256, 403), (257, 401)])
async def test_an_id_has_a_bound(length: int, status: int) -> None:
    """The longest id is asked about; a longer one cannot be a customer's and is not asked about."""
    assert CUSTOMER_ID_CHARS_MAX == 256
    assert await status_for(None, http_scope(x_customer_id="a" * length)) == status


def number(_scope: Scope) -> Any:
    """A resolver that forgets that an id is text."""
    return 17


async def promised_number(_scope: Scope) -> Any:
    """The same, later."""
    return 17


@pytest.mark.parametrize("resolver", [number, promised_number])
async def test_an_id_that_is_not_text_is_a_mistake(resolver: CustomerResolver) -> None:
    """An int would be looked up as another customer than the text of it, or as none."""
    with pytest.raises(ConfigurationError, match="must give a str or None, got int"):
        await status_for(resolver, http_scope())


def test_resolvers_have_a_type() -> None:
    """A resolver gives text, nothing, or a promise of either."""
    found: str | Awaitable[str | None] | None = header()(http_scope(x_customer_id="acme"))
    assert found == "acme"
