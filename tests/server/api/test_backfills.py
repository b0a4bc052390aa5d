"""Backfills over HTTP: what they take, when they count, and how they are undone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from orbdo_server.identifiers import utc_now

pytestmark = pytest.mark.anyio

NOVEMBER = "2023-11-01T00:00:00Z"
DECEMBER = "2023-12-01T00:00:00Z"


def event(key: str, **fields: Any) -> dict[str, Any]:
    """An event of a minute ago, unless told."""
    at = utc_now() - timedelta(minutes=1)
    customer = {} if "customer_id" in fields else {"external_customer_id": "acme"}
    plain = {"event_name": "call", "timestamp": at.isoformat(), "properties": {"tokens": 1}, **customer}
    return {**plain, "idempotency_key": key, **fields}


async def ingest(client: httpx.AsyncClient, *events: dict[str, Any], **query: str) -> httpx.Response:
    """The answer to a batch."""
    return await client.post("ingest", json={"events": events}, params={"debug": "true", **query})


async def backfill(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    """A backfill of November 2023, unless told."""
    body = {"timeframe_start": NOVEMBER, "timeframe_end": DECEMBER, **fields}
    return await client.post("events/backfills", json=body)


async def test_a_backfill_goes_from_pending_to_reflected_to_reverted(client: httpx.AsyncClient) -> None:
    """It counts its events, cannot be closed twice, and takes none after it is closed."""
    created = (await backfill(client)).json()
    assert (created["status"], created["replace_existing_events"], created["events_ingested"]) == ("pending", True, 0)
    address = f"events/backfills/{created['id']}"
    old = event("old", timestamp="2023-11-05T00:00:00Z")
    assert (await ingest(client, old, backfill_id=created["id"])).status_code == 200
    assert (await client.get(address)).json()["events_ingested"] == 1
    assert (await client.post(f"{address}/close")).json()["status"] == "reflected"
    assert (await client.post(f"{address}/close")).status_code == 400
    late = await ingest(client, event("late", timestamp="2023-11-05T00:00:00Z"), backfill_id=created["id"])
    assert (late.status_code, late.json()["code"]) == (400, "constraint_violation")
    assert (await client.post(f"{address}/revert")).json()["status"] == "reverted"


async def test_backfills_are_listed_newest_first_page_by_page(client: httpx.AsyncClient) -> None:
    """Filtered by status where one is named."""
    months = [(f"2023-0{month}-01", f"2023-0{month + 1}-01") for month in (1, 2, 3)]
    ids = [(await backfill(client, timeframe_start=start, timeframe_end=end)).json()["id"] for start, end in months]
    first = (await client.get("events/backfills", params={"limit": 2})).json()
    assert [entry["id"] for entry in first["data"]] == [ids[2], ids[1]]
    cursor = first["pagination_metadata"]["next_cursor"]
    rest = (await client.get("events/backfills", params={"limit": 2, "cursor": cursor})).json()
    assert [entry["id"] for entry in rest["data"]] == [ids[0]]
    assert rest["pagination_metadata"] == {"has_more": False, "next_cursor": None}
    await client.post(f"events/backfills/{ids[1]}/close")
    reflected = (await client.get("events/backfills", params={"status": "reflected"})).json()
    assert [entry["id"] for entry in reflected["data"]] == [ids[1]]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"timeframe_end": NOVEMBER}, "timeframe_end"),
        ({"timeframe_end": "2023-12-02T00:00:00.000001Z"}, "timeframe_end"),
        ({"close_time": DECEMBER}, "close_time"),
        ({"deprecation_filter": "tokens >"}, "deprecation_filter"),
        ({"deprecation_filter": "tokens > 1", "replace_existing_events": False}, "deprecation_filter"),
        ({"customer_id": "a", "external_customer_id": "b"}, "customer_id"),
    ],
)
async def test_a_backfill_that_cannot_be_is_refused(
    client: httpx.AsyncClient, fields: dict[str, Any], field: str
) -> None:
    """Ends before it starts, one past 31 days, or asks for what there is not."""
    answer = await backfill(client, **fields)
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, field)


async def test_a_backfill_may_last_31_days_and_not_begin_in_the_future(client: httpx.AsyncClient) -> None:
    """The bound itself is fine."""
    assert (await backfill(client, timeframe_end="2023-12-02T00:00:00Z")).status_code == 200
    ahead = datetime.now(UTC) + timedelta(days=1)
    answer = await backfill(
        client, timeframe_start=ahead.isoformat(), timeframe_end=(ahead + timedelta(days=1)).isoformat()
    )
    assert answer.json()["problems"][0]["field"] == "timeframe_start"


async def test_open_backfills_of_one_customer_do_not_overlap(client: httpx.AsyncClient) -> None:
    """One for all customers overlaps with everybody's; two of different customers do not meet."""
    for name in ("a", "b"):
        await client.post("customers", json={"name": name, "email": "a@b.example", "external_customer_id": name})
    assert (await backfill(client, external_customer_id="a")).status_code == 200
    assert (await backfill(client, external_customer_id="b")).status_code == 200
    clash = await backfill(client, external_customer_id="a", timeframe_start="2023-11-30T00:00:00Z")
    assert (clash.status_code, clash.json()["code"]) == (400, "constraint_violation")
    assert (await backfill(client)).status_code == 400
    assert (await backfill(client, timeframe_start=DECEMBER, timeframe_end="2023-12-02")).status_code == 200


async def test_an_unknown_backfill_is_not_found(client: httpx.AsyncClient) -> None:
    """To read, to close, and to send events to."""
    assert (await client.get("events/backfills/bf_unknown")).status_code == 404
    assert (await client.post("events/backfills/bf_unknown/close")).status_code == 404
    assert (await ingest(client, event("a"), backfill_id="bf_unknown")).status_code == 404


async def test_a_backfill_says_when_it_closes_and_what_it_replaces(client: httpx.AsyncClient) -> None:
    """The close time is the planned one until it is closed, then the actual one; the filter is as it was sent."""
    soon = utc_now() + timedelta(hours=1)
    fields = {"close_time": soon.isoformat(), "deprecation_filter": "tokens > 1"}
    created = (await backfill(client, **fields)).json()
    assert (datetime.fromisoformat(created["close_time"]), created["deprecation_filter"]) == (soon, "tokens > 1")
    address = f"events/backfills/{created['id']}"
    closed = (await client.post(f"{address}/close")).json()
    assert datetime.fromisoformat(closed["close_time"]) < soon
    assert (await client.get(address)).json()["close_time"] == closed["close_time"]


async def test_a_backfill_closes_a_day_after_its_creation(client: httpx.AsyncClient) -> None:
    """Where nothing else is said."""
    created = (await backfill(client)).json()
    times = [datetime.fromisoformat(created[field]) for field in ("created_at", "close_time")]
    assert times[1] - times[0] == timedelta(days=1)
    assert created["deprecation_filter"] is None


async def test_backfills_are_listed_by_customer(client: httpx.AsyncClient) -> None:
    """By our id; those of all customers are nobody's."""
    customer = {"name": "Acme", "email": "a@b.example", "external_customer_id": "acme"}
    customer_id = (await client.post("customers", json=customer)).json()["id"]
    await backfill(client, timeframe_start="2023-10-01", timeframe_end="2023-10-02")
    theirs = (await backfill(client, external_customer_id="acme")).json()["id"]
    listed = (await client.get("events/backfills", params={"customer_id": customer_id})).json()["data"]
    assert [entry["id"] for entry in listed] == [theirs]
    assert (await client.get("events/backfills", params={"customer_id": "cus_other"})).json()["data"] == []
