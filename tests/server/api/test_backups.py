"""A backup over HTTP while the server runs, one at a time and for operators only, and the release after a restore."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

import httpx
import pytest

from orbdo_server.api import backups as backups_module
from orbdo_server.api.backups import AGENTS_MAX
from orbdo_server.app import OrbdoApp
from orbdo_server.engine.backup import UNFINISHED, Backup, backing_up
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.engine.sends import INVOICE_NUMBER_MAX, Pause, pause_sends, sends_paused
from orbdo_server.storage import audit_entries
from orbdo_server.storage.audit_entries import AuditEntry
from orbdo_server.storage.backup_files import BackupError
from tests.support.asgi import exchange
from tests.support.backups import opened
from tests.support.knocking import ADMIN_KEY, knock
from tests.support.logged_events import event, send
from tests.support.shop import open_shop, post, usage_event

pytestmark = pytest.mark.anyio

PAUSE = Pause(datetime(2026, 3, 15, 12, tzinfo=UTC), datetime(2026, 3, 15, 1, tzinfo=UTC), 7)


def pause(app: OrbdoApp) -> None:
    """As a restore leaves the server."""
    with app.stores.database.write() as connection:
        pause_sends(connection, PAUSE)


def is_paused(app: OrbdoApp) -> bool:
    """Whether it still is as it was left."""
    with app.stores.database.read() as connection:
        return sends_paused(connection) == PAUSE


def last_change(app: OrbdoApp) -> AuditEntry:
    """The last entry of the audit trail."""
    with app.stores.database.read() as connection:
        return audit_entries.read_all(connection)[-1]


async def test_a_backup_is_streamed(app: OrbdoApp, client: httpx.AsyncClient) -> None:
    """As a tar named after its position; nothing is left in the data folder, and the audit trail knows who has it."""
    await asyncio.to_thread(send, app.stores.log, event("a"), event("b"), tenant=ACCOUNT)
    answer = await client.post("/backup")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-tar")
    assert answer.headers["content-disposition"] == 'attachment; filename="orbdo-2.tar"'
    assert opened(answer.content).manifest.counts.events == 2
    assert not (app.stores.settings.data / UNFINISHED).exists()
    last = await asyncio.to_thread(last_change, app)
    assert (last.action, last.actor) == ("POST /backup", "key_environment")


async def test_a_server_can_be_backed_up_again(client: httpx.AsyncClient) -> None:
    """However empty the body is that is sent."""
    assert [(await client.post("/backup", content=body)).status_code for body in (b"", b"{}", b" {} ")] == [200] * 3


async def test_a_body_is_refused(client: httpx.AsyncClient) -> None:
    """There is nothing to say about a backup."""
    answer = await client.post("/backup", json={"tenant": "main"})
    assert (answer.status_code, answer.json()["problems"]) == (400, [{"field": "body", "message": "is not empty"}])


@pytest.mark.parametrize("path", ["/backup", "/backup/release"])
async def test_only_an_operator_may(app: OrbdoApp, client: httpx.AsyncClient, path: str) -> None:
    """No agent, whoever's key it is, and no key that may only read, though it may read everything."""
    reader = (await post(client, "/api_keys", {"name": "reader", "kind": "read"}))["secret"]
    named = (await post(client, "/api_keys", {"name": "operator", "scopes": ["backup:write"]}))["secret"]
    async with knock(app, agent="a") as agent, knock(app, key=reader) as reading, knock(app, key=named) as operator:
        refused = [await caller.post(path) for caller in (agent, reading)]
        assert (await operator.post(path)).status_code in {200, 400}
    assert [answer.status_code for answer in refused] == [403, 403]
    assert refused[0].json()["detail"] == "This is about the server as a whole, and not for an agent."
    assert refused[1].json()["detail"] == "This needs a key with the scope backup:write."


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Backups that wait, once they have begun, until they may go on: an event for each."""
    begun, go_on = threading.Event(), threading.Event()

    class Waiting(Backup):
        def chunks(self) -> Iterator[bytes]:
            """The first bytes, and the others when it may go on."""
            chunks = super().chunks()
            yield next(chunks)
            begun.set()
            assert go_on.wait(10)
            yield from chunks

    monkeypatch.setattr("orbdo_server.engine.backup.Backup", Waiting)
    try:
        yield begun, go_on
    finally:
        go_on.set()


async def test_there_is_one_at_a_time(
    client: httpx.AsyncClient, app: OrbdoApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is told so at once, and events come in meanwhile."""
    with held_up(monkeypatch) as (begun, go_on):
        first = asyncio.create_task(client.post("/backup"))
        assert await asyncio.to_thread(begun.wait, 10)
        second = await client.post("/backup")
        await post(client, "/ingest", {"events": [usage_event("now", 1, datetime.now(UTC).isoformat())]})
        go_on.set()
        assert opened((await first).content).manifest.position == 0
    assert (second.status_code, second.json()["detail"]) == (409, "A backup is being made; there is one at a time.")
    assert opened((await client.post("/backup")).content).manifest.position == 1


async def test_who_goes_away_leaves_nothing(app: OrbdoApp, client: httpx.AsyncClient) -> None:
    """The next backup can be made at once."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": "/v1/backup",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {ADMIN_KEY}".encode())],
    }
    sent = await exchange(app, scope, {"type": "http.request", "body": b""}, {"type": "http.disconnect"})
    assert not any(message.get("more_body") is False for message in sent)
    assert not (app.stores.settings.data / UNFINISHED).exists()
    assert (await client.post("/backup")).status_code == 200


async def test_a_log_elsewhere_is_said_to_be(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is backed up where it is."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise BackupError("not here")

    monkeypatch.setattr(backups_module, "backing_up", refuse)
    answer = await client.post("/backup")
    assert (answer.status_code, answer.json()["detail"]) == (400, "not here")
    monkeypatch.setattr(backups_module, "backing_up", backing_up)
    assert (await client.post("/backup")).status_code == 200


async def test_a_restored_server_issues_when_it_is_released(app: OrbdoApp, client: httpx.AsyncClient) -> None:
    """And numbers go on where it is said; it is ready all the time."""
    shop = await open_shop(client)
    await asyncio.to_thread(pause, app)
    draft = await shop.post("/invoices", {"subscription_id": shop.subscription_id})
    refused = await client.post(f"/invoices/{draft['id']}/issue")
    assert (refused.status_code, refused.json()["code"]) == (400, "constraint_violation")
    assert refused.json()["detail"].startswith("Sends are paused since this server was restored from a backup")
    assert (await client.get("http://test/readyz")).status_code == 200
    assert await post(client, "/backup/release", {"next_invoice_number": 120}) == {
        "paused_at": "2026-03-15T12:00:00Z",
        "backup_created_at": "2026-03-15T01:00:00Z",
        "position": 7,
    }
    assert (await shop.post(f"/invoices/{draft['id']}/issue"))["invoice_number"] == "INV-000120"
    again = await client.post("/backup/release")
    assert (again.status_code, again.json()["detail"]) == (400, "Sends are not paused.")


async def test_an_agents_numbers_go_on_too(app: OrbdoApp, client: httpx.AsyncClient) -> None:
    """By the id of the agent; one that nobody is stops the release as a whole."""
    async with knock(app, agent="a") as agent:
        shop = await open_shop(agent)
        await asyncio.to_thread(pause, app)
        unknown = {"next_invoice_number": 9, "next_invoice_numbers_of_agents": {"b": 14}}
        answer = await client.post("/backup/release", json=unknown)
        assert (answer.status_code, answer.json()["detail"]) == (400, "There is no tenant main:b.")
        assert await asyncio.to_thread(is_paused, app)
        await post(client, "/backup/release", {"next_invoice_numbers_of_agents": {"a": 14}})
        assert (await shop.issue())["invoice_number"] == "INV-000014"


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        ({"next_invoice_number": INVOICE_NUMBER_MAX}, True),
        ({"next_invoice_number": INVOICE_NUMBER_MAX + 1}, False),
        ({"next_invoice_number": 1}, True),
        ({"next_invoice_number": 0}, False),
        ({"next_invoice_numbers_of_agents": {f"a{number}": 1 for number in range(AGENTS_MAX)}}, True),
        ({"next_invoice_numbers_of_agents": {f"a{number}": 1 for number in range(AGENTS_MAX + 1)}}, False),
        ({"next_invoice_numbers_of_agents": {"x" * 48: 1}}, True),
        ({"next_invoice_numbers_of_agents": {"x" * 49: 1}}, False),
        ({"next_invoice_numbers_of_agents": {"a b": 1}}, False),
    ],
)
async def test_a_release_has_bounds(client: httpx.AsyncClient, body: dict[str, Any], is_read: bool) -> None:
    """On numbers, ids and how many there are; what is read is refused here since nothing is paused."""
    answer = (await client.post("/backup/release", json=body)).json()
    assert answer["code"] == ("constraint_violation" if is_read else "request_validation_errors")
