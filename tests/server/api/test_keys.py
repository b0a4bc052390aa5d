"""API keys over HTTP: made once, shown once, revoked at once."""

from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy import text

from orbdo_server.api.keys import SCOPE_LENGTH_MAX, SCOPES_MAX, NewKey
from orbdo_server.app import OrbdoApp
from tests.support.bodies import is_taken, wrong_fields
from tests.support.knocking import knock
from tests.support.shop import post

pytestmark = pytest.mark.anyio


async def test_a_key_is_made_and_works_at_once(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """Its secret is in the answer and in no list."""
    made = await post(client, "/api_keys", {"name": "reader", "scopes": ["catalog:read"]})
    assert made["id"].startswith("key_")
    assert made["secret"].startswith("orbdo_live_custom_")
    assert made["secret"].startswith(made["prefix"])
    assert (made["scopes"], made["expires_at"], made["revoked_at"]) == (["catalog:read"], None, None)
    async with knock(app, key=made["secret"]) as reader:
        assert (await reader.get("/items")).status_code == 200
        assert (await reader.post("/items", json={"name": "x"})).status_code == 403
    [listed] = (await client.get("/api_keys")).json()["data"]
    assert listed == {**made, "secret": None}


@pytest.mark.parametrize(
    ("body", "scopes"),
    [
        ({}, ["events:write"]),
        ({"kind": "ingest"}, ["events:write"]),
        ({"kind": "read"}, ["*:read"]),
        ({"kind": "admin"}, ["*"]),
        ({"kind": "custom", "scopes": ["usage:read"]}, ["usage:read"]),
        ({"scopes": ["usage:read", "usage:read", "catalog:*"]}, ["usage:read", "catalog:*"]),
    ],
)
async def test_a_key_may_do_what_its_kind_says_or_what_is_listed(
    client: httpx.AsyncClient, body: dict[str, Any], scopes: list[str]
) -> None:
    """The least when neither is given."""
    assert (await post(client, "/api_keys", {"name": "a key", **body}))["scopes"] == scopes


@pytest.mark.parametrize("key", ["*:read", "keys:write", "keys:*"])
async def test_no_key_makes_a_mightier_one(client: httpx.AsyncClient, app: OrbdoApp, key: str) -> None:
    """Whoever may make keys may not give what they do not have."""
    made = await post(client, "/api_keys", {"name": "limited", "scopes": ["keys:write", key]})
    async with knock(app, key=made["secret"]) as limited:
        for body in ({"kind": "admin"}, {"scopes": ["keys:write", "catalog:write"]}):
            answer = await limited.post("/api_keys", json={"name": "mightier", **body})
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert (await limited.post("/api_keys", json={"name": "same", "scopes": [key]})).status_code == 200


async def test_a_revoked_key_is_refused_at_once(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """Though it was let in a moment ago; revoking it again changes nothing."""
    made = await post(client, "/api_keys", {"name": "short", "kind": "admin"})
    async with knock(app, key=made["secret"]) as short:
        assert (await short.get("/items")).status_code == 200
        revoked = await post(client, f"/api_keys/{made['id']}/revoke")
        assert (await short.get("/items")).status_code == 401
    assert revoked["revoked_at"] is not None
    assert await post(client, f"/api_keys/{made['id']}/revoke") == revoked
    assert (await client.post("/api_keys/key_x/revoke")).status_code == 404


async def test_a_key_can_be_rotated_without_a_gap(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """The new one works beside the old one until that is revoked."""
    old = await post(client, "/api_keys", {"name": "old", "kind": "read"})
    new = await post(client, "/api_keys", {"name": "new", "kind": "read"})
    async with knock(app, key=old["secret"]) as one, knock(app, key=new["secret"]) as other:
        assert [(await caller.get("/items")).status_code for caller in (one, other)] == [200, 200]
        await post(client, f"/api_keys/{old['id']}/revoke")
        assert [(await caller.get("/items")).status_code for caller in (one, other)] == [401, 200]


async def test_a_secret_is_kept_nowhere(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """Not in any column of any table, though the request had a key to repeat it by; hence it makes another key."""
    headers = {"Idempotency-Key": "once"}
    answers = [await client.post("/api_keys", json={"name": "a"}, headers=headers) for _ in range(2)]
    secrets = [answer.json()["secret"] for answer in answers]
    assert secrets[0] != secrets[1]

    def dump() -> str:
        with app.stores.database.read() as connection:
            tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
            return "".join(str(connection.execute(text(f"SELECT * FROM {table}")).all()) for table in tables)

    kept = await anyio.to_thread.run_sync(dump)
    assert "orbdo_live_ingest_" in kept
    for secret in secrets:
        assert secret not in kept
        assert secret[len("orbdo_live_ingest_") + 4 :] not in kept


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"kind": "root"}, "kind"),
        ({"scopes": ["x" * (SCOPE_LENGTH_MAX + 1)]}, "scopes[0]"),
        ({"scopes": ["usage:read"] * (SCOPES_MAX + 1)}, "scopes"),
        ({"expires_at": 1}, "expires_at"),
        ({"kind": "admin", "scopes": ["usage:read"]}, "body"),
        ({"kind": "custom"}, "body"),
    ],
)
def test_a_field_that_does_not_fit_is_named(body: dict[str, Any], field: str) -> None:
    """One past each bound, and what contradicts itself."""
    assert wrong_fields(NewKey, {"name": "a key", **body}) == [field]


def test_fields_fit_at_their_bounds() -> None:
    """The longest and the most of each."""
    assert is_taken(NewKey, {"name": "x" * 255, "scopes": ["x" * SCOPE_LENGTH_MAX] * SCOPES_MAX})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["event:write"]}, "scopes"),
        ({"scopes": ["*:write"]}, "scopes"),
        ({"expires_at": "2020-01-01"}, "expires_at"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(client: httpx.AsyncClient, body: Any, field: str) -> None:
    """The answer names the field."""
    answer = await client.post("/api_keys", json={"name": "a key", **body})
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]
