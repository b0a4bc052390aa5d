"""Addresses about the server itself."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from sqlalchemy import text

from orbdo_server.app import OrbdoApp
from tests.support.knocking import knock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stranger(app: OrbdoApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with knock(app, key=None) as stranger:
        yield stranger


async def test_a_ping_proves_the_key(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    """Any valid one, and no other."""
    assert (await client.get("/ping")).json() == {"response": "pong"}
    assert (await stranger.get("/ping")).status_code == 401


async def test_a_server_that_lives_says_so(stranger: httpx.AsyncClient, app: OrbdoApp) -> None:
    """Without asking its stores: one whose disk is full still lives."""
    await anyio.to_thread.run_sync(app.stores.close)
    answer = await stranger.get("http://test/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_server_that_can_take_events_is_ready(stranger: httpx.AsyncClient) -> None:
    """And says nothing else to strangers: no version, no path."""
    answer = await stranger.get("http://test/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_a_server_that_was_told_to_stop_is_not_ready(stranger: httpx.AsyncClient, app: OrbdoApp) -> None:
    """Though it still answers."""
    app.is_stopping = True
    answer = await stranger.get("http://test/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
    assert (await stranger.get("http://test/healthz")).status_code == 200


async def test_a_server_whose_log_is_gone_is_not_ready(stranger: httpx.AsyncClient, app: OrbdoApp) -> None:
    """Events could not be taken."""
    await anyio.to_thread.run_sync(app.stores.log.close)
    assert (await stranger.get("http://test/readyz")).status_code == 503


async def test_a_server_before_the_tables_of_another_version_is_not_ready(
    stranger: httpx.AsyncClient, app: OrbdoApp
) -> None:
    """Somebody migrated the database meanwhile."""

    def migrate_elsewhere() -> None:
        with app.stores.database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await anyio.to_thread.run_sync(migrate_elsewhere)
    assert (await stranger.get("http://test/readyz")).status_code == 503
