"""Secrets and personal data stay where they belong: in no log, no audit entry and no error."""

import logging

import anyio
import httpx
import pytest

from orbdo_server.app import OrbdoApp
from orbdo_server.storage import audit_entries
from tests.support.every_endpoint import EVERY_ENDPOINT, UNKNOWN, one_of_everything
from tests.support.knocking import ADMIN_KEY, knock
from tests.support.shop import post

pytestmark = pytest.mark.anyio

NAME = "Canary Bird-4711"
EMAIL = "canary-4712@example.com"
CITY = "Canarytown-4713"
TAX = "canary-tax-4714"
EXTERNAL_ID = "canary-id-4715"
METADATA = "canary-metadata-4716"
PROPERTY = "canary-property-4717"
PERSON = {
    "name": NAME,
    "email": EMAIL,
    "external_customer_id": EXTERNAL_ID,
    "billing_address": {"country": "DE", "city": CITY},
    "tax_id": {"country": "DE", "type": "eu_vat", "value": TAX},
    "metadata": {"note": METADATA},
}
PERSONAL = (NAME, EMAIL, CITY, TAX, EXTERNAL_ID, METADATA, PROPERTY)


async def trail(app: OrbdoApp) -> str:
    """The audit trail as text."""

    def read() -> str:
        with app.stores.database.read() as connection:
            return "\n".join(map(str, audit_entries.read_all(connection)))

    return await anyio.to_thread.run_sync(read)


async def test_no_secret_and_no_person_is_on_record(app: OrbdoApp, caplog: pytest.LogCaptureFixture) -> None:
    """Everything is asked once, well and badly, with the most talkative log; then all that was kept is searched."""
    caplog.set_level(logging.DEBUG)
    # The client of the test, which says what it asks.
    caplog.set_level(logging.WARNING, logger="httpx")
    async with knock(app) as client:
        ids = await one_of_everything(client, "account")
        customer = await post(client, "/customers", PERSON)
        key = await post(client, "/api_keys", {"name": "canary", "kind": "admin"})
        event = {
            "event_name": "llm_request",
            "idempotency_key": "one",
            "timestamp": customer["created_at"],
            "external_customer_id": EXTERNAL_ID,
            "properties": {"note": PROPERTY},
        }
        await post(client, "/ingest", {"events": [event]})
        await client.put(f"/customers/external_customer_id/{EXTERNAL_ID}", json={"name": NAME})
        await client.post("/customers", json=PERSON)
        await client.post("/customers", json={**PERSON, "surplus": NAME})
    async with knock(app, key=key["secret"]) as caller:
        for asked in EVERY_ENDPOINT:
            await asked.send(caller, ids)
            await asked.send(caller, UNKNOWN)
    kept = caplog.text + await trail(app)
    assert "POST /customers" in kept
    for canary in (ADMIN_KEY, key["secret"], key["secret"][len(key["prefix"]) :], "Bearer", *PERSONAL):
        assert canary not in kept, canary


async def test_an_unexpected_error_shows_no_values(
    app: OrbdoApp, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement that fails is logged without what it was to write, and answered without even the statement."""

    def break_the_table() -> None:
        with app.stores.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE customers DROP COLUMN timezone")

    await anyio.to_thread.run_sync(break_the_table)
    answer = await client.post("/customers", json=PERSON)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")
    assert answer.json()["request_id"] in caplog.text
    assert "timezone" in caplog.text
    for canary in (ADMIN_KEY, *PERSONAL):
        assert canary not in caplog.text + answer.text, canary
    assert "timezone" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/customers", {**PERSON, "email": NAME}),
        ("POST", "/customers", {**PERSON, "timezone": "x" * 30 + NAME}),
        ("POST", "/customers", {**PERSON, "billing_address": {"country": CITY}}),
        ("POST", "/features", {"key": METADATA.upper()}),
        ("POST", "/items", {"name": METADATA * 30}),
        ("GET", "/ping", None),
    ],
)
async def test_an_error_does_not_repeat_what_was_sent(
    client: httpx.AsyncClient, method: str, path: str, body: object
) -> None:
    """It names the field; the value is the caller's own, and so is the key."""
    answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    for canary in (NAME, METADATA, METADATA.upper(), CITY, ADMIN_KEY):
        assert canary not in answer.text
    wrong = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {NAME}"})
    assert (wrong.status_code, NAME in wrong.text) == (401, False)


async def test_a_line_of_the_log_stays_one_line(app: OrbdoApp, caplog: pytest.LogCaptureFixture) -> None:
    """What a caller sends cannot forge another one."""
    caplog.set_level(logging.DEBUG, logger="orbdo")
    async with knock(app) as client:
        await client.get("/items/a%0D%0AERROR%20forged", headers={"Idempotency-Key": "a%0AERROR forged"})
        await client.post("/items", content=b'{"name": "a\\nERROR forged"}')
    assert "forged" not in caplog.text
