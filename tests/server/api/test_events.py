"""Ingest and backfills over HTTP: what is counted, what is not, and what is said about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from orbdo_server.app import OrbdoApp
from orbdo_server.identifiers import utc_now
from tests.support.knocking import knock

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


async def test_debug_tells_new_keys_from_known_and_conflicting_ones(client: httpx.AsyncClient) -> None:
    """The same event again is a duplicate; another under its key is one too, and named as a conflict."""
    first = event("a")
    answer = await ingest(client, first, first, event("b"))
    assert answer.json() == {
        "validation_failed": [],
        "debug": {"duplicate": ["a"], "ingested": ["a", "b"], "conflict": []},
    }
    again = await ingest(client, first, event("b", properties={"tokens": 2}), event("c"))
    assert again.json()["debug"] == {"duplicate": ["a", "b"], "ingested": ["c"], "conflict": ["b"]}


async def test_without_debug_only_what_failed_is_told(client: httpx.AsyncClient) -> None:
    """As Orb answers."""
    answer = await client.post("ingest", json={"events": [event("a")]})
    assert (answer.status_code, answer.json()) == (200, {"validation_failed": [], "debug": None})


async def test_invalid_events_are_named_and_the_others_are_in(client: httpx.AsyncClient) -> None:
    """400 with the key, the place and the reason of each; the same batch again finds the valid one known."""
    batch = [event("old", timestamp="2020-01-01T00:00:00Z"), event("good"), event("nested", properties={"a": {}})]
    answer = await ingest(client, *batch)
    told = answer.json()
    assert answer.status_code == 400
    assert [failed["idempotency_key"] for failed in told["validation_failed"]] == ["old", "nested"]
    assert [problem["field"] for problem in told["problems"]] == ["events[0]", "events[2]"]
    assert told["debug"]["ingested"] == ["good"]
    assert told["detail"] == "2 events are not valid and were not taken; the other 1 are in."
    assert (await ingest(client, *batch)).json()["debug"]["duplicate"] == ["good"]


async def test_an_id_of_ours_must_exist_and_an_external_one_may_come(client: httpx.AsyncClient) -> None:
    """An event for an unknown customer of ours is refused at its place, with its repeats; others are in."""
    customer = (await client.post("customers", json={"name": "A", "email": "a@b.example"})).json()["id"]
    stranger = event("stranger", customer_id="cus_unknown")
    answer = await ingest(client, event("ours", customer_id=customer), event("later"), stranger, stranger)
    told = answer.json()
    assert answer.status_code == 400
    assert told["problems"] == [{"field": "events[2]", "message": "customer_id: no customer has the id cus_unknown"}]
    assert told["debug"] == {"duplicate": [], "ingested": ["ours", "later"], "conflict": []}


async def test_as_many_events_as_the_bound_are_taken_and_one_more_is_not(app: OrbdoApp) -> None:
    """413 names the bound, and nothing of the batch is in."""
    bound = app.stores.settings.ingest_events_max
    body = {"events": [event(f"key-{number}") for number in range(bound + 1)]}
    async with knock(app) as client:
        refused = await client.post("ingest", content=msgspec.json.encode(body))
        assert refused.status_code == 413
        assert f"at most {bound}" in refused.json()["detail"]
        assert app.stores.log.position() == 0
        body["events"].pop()
        assert (await client.post("ingest", content=msgspec.json.encode(body))).status_code == 200
        assert app.stores.log.position() == bound


@pytest.mark.parametrize(("query", "field"), [({"debug": "yes"}, "debug"), ({"backfil_id": "x"}, "backfil_id")])
async def test_a_misspelt_option_is_named(client: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    """It is never ignored: the events would go elsewhere than the caller thinks."""
    answer = await client.post("ingest", json={"events": []}, params=query)
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, field)


async def test_ingest_needs_its_scope(client: httpx.AsyncClient, app: OrbdoApp) -> None:
    """A key that may only read cannot send."""
    secret = (await client.post("api_keys", json={"name": "r", "kind": "read"})).json()["secret"]
    answer = await client.post("ingest", json={"events": []}, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403


async def test_an_event_may_be_as_old_as_the_open_month(client: httpx.AsyncClient) -> None:
    """The first instant of the month that was open twelve hours ago is taken, the instant before it is not."""
    open_since = (utc_now() - timedelta(hours=12)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = open_since - timedelta(microseconds=1)
    answer = await ingest(
        client, event("first", timestamp=open_since.isoformat()), event("before", timestamp=before.isoformat())
    )
    assert answer.json()["debug"]["ingested"] == ["first"]
    assert [failed["idempotency_key"] for failed in answer.json()["validation_failed"]] == ["before"]


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
        ({"deprecation_filter": "tokens > 1"}, "deprecation_filter"),
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
