"""Who may ask what: every endpoint with every scope, and with no valid key at all."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from orbdo_server.api import backups
from orbdo_server.api.endpoints import ANY_KEY
from orbdo_server.api.ingest import INGEST
from orbdo_server.api.routes import ENDPOINTS
from orbdo_server.app import OrbdoApp
from orbdo_server.core.api_keys import RANDOM_BYTES, SCOPES, KeyKind, make_secret
from orbdo_server.engine.keys import ACCOUNT, create_key, revoke_key
from orbdo_server.engine.transaction import Transaction
from orbdo_server.identifiers import new_id, utc_now
from tests.support.every_endpoint import UNKNOWN, Asked
from tests.support.knocking import knock
from tests.support.shop import post

pytestmark = pytest.mark.anyio

# Written out by hand: a new endpoint says here who may ask it.
EXPECTED_SCOPES = {
    "GET /ping": "any",
    "POST /customers": "customers:write",
    "GET /customers": "customers:read",
    "GET /customers/external_customer_id/{external_customer_id}": "customers:read",
    "PUT /customers/external_customer_id/{external_customer_id}": "customers:write",
    "GET /customers/{customer_id}": "customers:read",
    "PUT /customers/{customer_id}": "customers:write",
    "POST /items": "catalog:write",
    "GET /items": "catalog:read",
    "GET /items/{item_id}": "catalog:read",
    "PUT /items/{item_id}": "catalog:write",
    "POST /items/{item_id}/archive": "catalog:write",
    "POST /metrics": "catalog:write",
    "GET /metrics": "catalog:read",
    "GET /metrics/{metric_id}": "catalog:read",
    "PUT /metrics/{metric_id}": "catalog:write",
    "POST /metrics/{metric_id}/archive": "catalog:write",
    "POST /metrics/{metric_id}/unarchive": "catalog:write",
    "POST /prices": "catalog:write",
    "GET /prices": "catalog:read",
    "GET /prices/external_price_id/{external_price_id}": "catalog:read",
    "PUT /prices/external_price_id/{external_price_id}": "catalog:write",
    "GET /prices/{price_id}": "catalog:read",
    "PUT /prices/{price_id}": "catalog:write",
    "POST /prices/{price_id}/calculate": "catalog:read",
    "POST /features": "catalog:write",
    "GET /features": "catalog:read",
    "GET /features/{feature}": "catalog:read",
    "POST /plans": "catalog:write",
    "GET /plans": "catalog:read",
    "GET /plans/external_plan_id/{external_plan_id}": "catalog:read",
    "PUT /plans/external_plan_id/{external_plan_id}": "catalog:write",
    "GET /plans/{plan_id}": "catalog:read",
    "PUT /plans/{plan_id}": "catalog:write",
    "PUT /plans/{plan_id}/features": "catalog:write",
    "POST /subscriptions": "subscriptions:write",
    "GET /subscriptions": "subscriptions:read",
    "GET /subscriptions/{subscription_id}": "subscriptions:read",
    "PUT /subscriptions/{subscription_id}": "subscriptions:write",
    "POST /subscriptions/{subscription_id}/cancel": "subscriptions:write",
    "POST /subscriptions/{subscription_id}/schedule_plan_change": "subscriptions:write",
    "GET /usage": "usage:read",
    "GET /invoices/upcoming": "invoices:read",
    "POST /invoices": "invoices:write",
    "GET /invoices": "invoices:read",
    "GET /invoices/{invoice_id}": "invoices:read",
    "POST /invoices/{invoice_id}/issue": "invoices:write",
    "POST /invoices/{invoice_id}/mark_paid": "invoices:write",
    "POST /invoices/{invoice_id}/void": "invoices:write",
    "GET /invoices/{invoice_id}/pdf": "invoices:read",
    "GET /entitlements/{external_customer_id}": "entitlements:read",
    "POST /ingest": "events:write",
    "POST /events/backfills": "backfills:write",
    "GET /events/backfills": "backfills:read",
    "GET /events/backfills/{backfill_id}": "backfills:read",
    "POST /events/backfills/{backfill_id}/close": "backfills:write",
    "POST /events/backfills/{backfill_id}/revert": "backfills:write",
    "POST /events/search": "events:read",
    "GET /events/volume": "events:read",
    "GET /events/{event_id}/trace": "events:read",
    "PUT /events/{event_id}": "corrections:write",
    "PUT /events/{event_id}/deprecate": "corrections:write",
    "POST /events/{event_id}/undo": "corrections:write",
    "GET /reconciliation": "reconciliation:read",
    "POST /api_keys": "keys:write",
    "GET /api_keys": "keys:read",
    "POST /api_keys/{key_id}/revoke": "keys:write",
    "POST /backup": "backup:write",
    "POST /backup/release": "backup:write",
}
ALL = [*ENDPOINTS, INGEST, *backups.ENDPOINTS]
PATH_IDS = {**UNKNOWN, "feature": "nothing"}


@pytest.fixture
async def client(shared_app: OrbdoApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the admin key of a server that the tests of this file share."""
    async with knock(shared_app) as client:
        yield client


def test_every_endpoint_has_the_scope_it_should_have() -> None:
    """An endpoint that is not in the table, or under another scope, fails here."""
    assert {f"{endpoint.method} {endpoint.path}": endpoint.scope for endpoint in ALL} == EXPECTED_SCOPES
    assert len(ALL) == len(EXPECTED_SCOPES)


def test_every_scope_exists_and_is_asked_for() -> None:
    """No endpoint asks for what no key can have; what no endpoint asks for is there for those to come."""
    asked = set(EXPECTED_SCOPES.values()) - {ANY_KEY}
    assert asked <= SCOPES
    assert SCOPES - asked == {
        "backup:read",
        "corrections:read",
        "entitlements:write",
        "reconciliation:write",
        "usage:write",
    }


def test_what_changes_something_needs_a_write_scope() -> None:
    """A POST that only reads says so by its scope; a PUT always writes, a GET never does."""
    reading_posts = {
        f"{endpoint.method} {endpoint.path}" for endpoint in ALL if endpoint.method == "POST" and not endpoint.writes
    }
    assert reading_posts == {"POST /prices/{price_id}/calculate", "POST /events/search"}
    assert all(endpoint.writes for endpoint in ALL if endpoint.method == "PUT")
    assert not any(endpoint.writes for endpoint in ALL if endpoint.method == "GET")


async def test_every_endpoint_with_every_scope(client: httpx.AsyncClient, shared_app: OrbdoApp) -> None:
    """A key with the scope gets past the door, a key with any other is told which scope it would need."""
    for scope in sorted(SCOPES):
        key = await post(client, "/api_keys", {"name": scope, "scopes": [scope]})
        async with knock(shared_app, key=key["secret"]) as caller:
            for endpoint in ALL:
                expected = EXPECTED_SCOPES[f"{endpoint.method} {endpoint.path}"]
                answer = await Asked(endpoint.method, endpoint.path).send(caller, PATH_IDS)
                if expected in {scope, ANY_KEY}:
                    assert answer.status_code in {200, 400, 404}, (scope, endpoint.path, answer.text)
                else:
                    assert answer.status_code == 403, (scope, endpoint.path, answer.text)
                    assert answer.json()["detail"] == f"This needs a key with the scope {expected}."


@pytest.fixture(scope="module")
def refused_headers(shared_app: OrbdoApp) -> dict[str, httpx.Headers]:
    """Every way to be nobody, as headers."""

    def make(randomness: int, *, expires: bool = False, revoked: bool = False) -> str:
        with shared_app.stores.database.write() as connection:
            long_ago = utc_now() - timedelta(days=2)
            transaction = Transaction(connection=connection, tenant=ACCOUNT, now=long_ago, new_id=new_id)
            key, secret = create_key(
                transaction,
                name="refused",
                scopes=("*",),
                held={"*"},
                randomness=bytes([randomness] * RANDOM_BYTES),
                expires_at=long_ago + timedelta(days=1) if expires else None,
            )
            if revoked:
                revoke_key(transaction, key_id=key.id)
        return secret

    valid = make(1)
    secrets = {
        "unknown": make_secret(KeyKind.ADMIN, bytes([2] * RANDOM_BYTES)).secret,
        "expired": make(3, expires=True),
        "revoked": make(4, revoked=True),
        "mistyped": valid[:-1] + ("0" if valid[-1] != "0" else "1"),
        "not a key": "hello",
        "long": "x" * 257,
        "not ASCII": "orbdo_live_admin_\N{LATIN SMALL LETTER E WITH ACUTE}",
        "empty": "",
    }
    lines = {name: f"Bearer {secret}" for name, secret in secrets.items()}
    lines |= {"another scheme": f"Basic {valid}", "bare": valid}
    sent = {name: httpx.Headers([(b"authorization", line.encode("latin-1"))]) for name, line in lines.items()}
    return {"none": httpx.Headers(), **sent}


async def test_without_a_valid_key_all_are_the_same(
    client: httpx.AsyncClient, shared_app: OrbdoApp, refused_headers: dict[str, httpx.Headers]
) -> None:
    """Unknown, revoked, expired, mistyped or missing: the status, the headers and the body tell nothing apart."""
    seen = set()
    for headers in refused_headers.values():
        async with knock(shared_app, key=None, headers=headers) as nobody:
            for endpoint in ALL:
                answer = await Asked(endpoint.method, endpoint.path).send(nobody, PATH_IDS)
                said = answer.json()
                names = tuple(sorted(answer.headers))
                assert said.pop("request_id") == answer.headers["x-request-id"]
                seen.add((answer.status_code, answer.headers["www-authenticate"], names, str(said)))
    [(status, challenge, _, body)] = seen
    assert (status, challenge) == (401, "Bearer")
    assert "authentication_error" in body


async def test_an_address_that_does_not_exist_needs_a_key_too(client: httpx.AsyncClient, shared_app: OrbdoApp) -> None:
    """Strangers do not learn which addresses there are."""
    async with knock(shared_app, key=None) as nobody:
        assert (await nobody.get("/nowhere")).status_code == 401
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "url_not_found")
