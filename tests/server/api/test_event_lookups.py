"""Looking events up over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from orbdo_server.app import OrbdoApp
from tests.support.knocking import knock
from tests.support.shop import JsonObject, Shop, open_shop, post, usage_event

pytestmark = pytest.mark.anyio

TIMEFRAME = {"timeframe_start": "2023-11-01", "timeframe_end": "2023-12-01"}
HOUR_18 = {"timeframe_start": "2023-11-16T18:00:00Z", "timeframe_end": "2023-11-16T19:00:00Z"}


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> Shop:
    """Ada with two requests in November 2023, and one of Bob's, who is no customer yet."""
    shop = await open_shop(client)
    bobs = {**usage_event("bob's", 3), "external_customer_id": "bob"}
    await shop.use(usage_event("a", "0.5", model="m"), usage_event("b/c", 7, "2023-11-16T20:00:00Z"), bobs)
    return shop


async def found(shop: Shop, *ids: str, **timeframe: str | None) -> list[str]:
    """The ids that a search of November finds."""
    answer = await shop.post("/events/search", {"event_ids": list(ids), **TIMEFRAME, **timeframe})
    assert list(answer) == ["data"]
    return [event["id"] for event in answer["data"]]


async def test_events_are_found_in_the_order_of_their_ids(shop: Shop) -> None:
    """As Orb shows them; a property is what was sent."""
    answer = await shop.post("/events/search", {"event_ids": ["b/c", "nothing", "a"], **TIMEFRAME})
    assert [event["id"] for event in answer["data"]] == ["b/c", "a"]
    assert answer["data"][1] == {
        "id": "a",
        "event_name": "llm_request",
        "timestamp": "2023-11-16T18:00:00Z",
        "properties": {"tokens": "0.5", "model": "m"},
        "external_customer_id": "ada",
        "customer_id": None,
        "deprecated": False,
    }


async def test_a_number_comes_back_as_it_was_sent(client: httpx.AsyncClient) -> None:
    """No digit is lost to a float on the way."""
    shop = await open_shop(client)
    backfill = await shop.post("/events/backfills", TIMEFRAME)
    sent = (
        b'{"events": [{"event_name": "e", "idempotency_key": "k", "timestamp": "2023-11-16T18:00:00Z",'
        b' "external_customer_id": "ada", "properties": {"tokens": 0.123456789012345}}]}'
    )
    await client.post("/ingest", params={"backfill_id": backfill["id"]}, content=sent)
    await shop.post(f"/events/backfills/{backfill['id']}/close")
    answer = await client.post("/events/search", json={"event_ids": ["k"], **TIMEFRAME})
    assert b'"properties":{"tokens":0.123456789012345}' in answer.content


async def test_a_search_is_of_the_last_week_unless_told(shop: Shop) -> None:
    """Neither instant has to be given, and null is not given."""
    assert await found(shop, "a", timeframe_end=None) == ["a"]
    assert (await shop.post("/events/search", {"event_ids": ["a"]}))["data"] == []
    today = {**usage_event("today", 1), "timestamp": datetime.now(UTC).isoformat()}
    await shop.post("/ingest", {"events": [today]})
    assert await found(shop, "today", timeframe_start=None, timeframe_end=None) == ["today"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_ids": []}, "event_ids"),
        ({"event_ids": ["a"] * 501}, "event_ids"),
        ({"event_ids": [""]}, "event_ids[0]"),
        ({"event_ids": ["a" * 256]}, "event_ids[0]"),
        ({"event_ids": None}, "event_ids"),
        ({"timeframe_end": "2023-11-01"}, "timeframe_end"),
        ({"timeframe_start": "soon"}, "timeframe_start"),
        ({"limit": 5}, "limit"),
    ],
)
async def test_a_wrong_search_names_the_field(shop: Shop, changes: dict[str, Any], field: str) -> None:
    """What passes a bound, contradicts itself or is not known is answered with 400."""
    answer = await shop.client.post("/events/search", json={"event_ids": ["a"], **TIMEFRAME, **changes})
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


async def test_a_search_at_its_bounds_is_answered(shop: Shop) -> None:
    """500 ids, the longest that an event can have among them."""
    assert await found(shop, *(f"{number}" for number in range(498)), "a" * 255, "a") == ["a"]


async def test_events_are_counted_by_the_hour(shop: Shop) -> None:
    """Every hour is there, each with both of its ends; limit and cursor of Orb's client change nothing."""
    answer = await shop.get(
        "/events/volume",
        timeframe_start="2023-11-16T18:30:00Z",
        timeframe_end="2023-11-16T20:00:00.000001Z",
        limit=1,
        cursor="x",
    )
    assert answer == {
        "data": [
            {"count": 2, **HOUR_18},
            {"count": 0, "timeframe_start": "2023-11-16T19:00:00Z", "timeframe_end": "2023-11-16T20:00:00Z"},
            {"count": 1, "timeframe_start": "2023-11-16T20:00:00Z", "timeframe_end": "2023-11-16T21:00:00Z"},
        ]
    }


async def test_volume_is_until_now_unless_told(shop: Shop) -> None:
    """The last hour is the one under way."""
    now = datetime.now(UTC)
    answer = await shop.get("/events/volume", timeframe_start=(now - timedelta(hours=3)).isoformat())
    assert len(answer["data"]) in {4, 5}
    assert datetime.fromisoformat(answer["data"][-1]["timeframe_end"]) > now


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "timeframe_start"),
        ({"timeframe_start": "2023-11-16T18:00:00Z", "timeframe_end": "2023-11-16T18:00:00Z"}, "timeframe_end"),
        ({"timeframe_start": "2023-08-31T23:00:00Z", "timeframe_end": "2023-12-01T23:00:00.000001Z"}, "timeframe_end"),
        ({"timeframe_start": "2023-11-16", "metric_id": "x"}, "metric_id"),
    ],
)
async def test_a_wrong_volume_names_the_field(shop: Shop, query: dict[str, str], field: str) -> None:
    """A timeframe that is empty or too long, or a field that is not known."""
    answer = await shop.client.get("/events/volume", params=query)
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


async def test_an_event_is_traced_to_its_invoice(shop: Shop) -> None:
    """An id with a slash is one id; the invoice has a number, and the event by itself is 7 tokens of it."""
    issued = await shop.issue()
    trace = await shop.get("/events/b%2Fc/trace")
    (row,) = trace["rows"]
    assert (row["state"], row["event_name"], row["timestamp"]) == ("in_effect", "llm_request", "2023-11-16T20:00:00Z")
    assert row["backfill_id"].startswith("bf_")
    assert (trace["id"], trace["repeats"], trace["corrections"], trace["unmatched"]) == ("b/c", [], [], None)
    assert trace["customer"] == {"id": shop.customer_id, "external_customer_id": "ada"}
    assert trace["metrics"] == [{"id": shop.metric_id, "name": "Tokens", "quantity": "7", "counted": True}]
    (line,) = trace["invoices"]
    assert line.pop("line_id").startswith("line_")
    assert line == {
        "invoice_id": issued["id"],
        "invoice_number": issued["invoice_number"],
        "status": "issued",
        "subscription_id": shop.subscription_id,
        "period_start": "2023-11-01T00:00:00Z",
        "period_end": "2023-12-01T00:00:00Z",
        "price_id": shop.price_id,
        "price_name": "Tokens",
        "metric_id": shop.metric_id,
        "quantity": "7",
        "counted_when_issued": True,
        "counts_now": True,
    }


async def test_a_late_event_counts_now_and_did_not_then(shop: Shop) -> None:
    """The quantity is what it would come to."""
    await shop.issue()
    await shop.use(usage_event("late", "2.50"))
    (line,) = (await shop.get("/events/late/trace"))["invoices"]
    assert (line["counted_when_issued"], line["counts_now"], line["quantity"]) == (False, True, "2.5")


async def test_an_upcoming_invoice_has_no_id(shop: Shop) -> None:
    """Until it is drafted; a draft has no number."""
    (line,) = (await shop.get("/events/a/trace"))["invoices"]
    assert (line["invoice_id"], line["status"], line["counted_when_issued"]) == (None, "upcoming", None)
    draft = await shop.post("/invoices", {"subscription_id": shop.subscription_id})
    (line,) = (await shop.get("/events/a/trace"))["invoices"]
    assert (line["invoice_id"], line["invoice_number"], line["status"]) == (draft["id"], None, "draft")


async def test_an_event_of_nobody_says_so(shop: Shop) -> None:
    """With the reason; once somebody has the name, it is theirs."""
    trace = await shop.get("/events/bob's/trace")
    assert (trace["rows"][0]["state"], trace["customer"], trace["invoices"]) == ("unmatched", None, [])
    assert trace["unmatched"] == "No customer has the external_customer_id bob yet; it counts once one has."
    bob = await shop.post("/customers", {"name": "Bob", "email": "b@example.com", "external_customer_id": "bob"})
    trace = await shop.get("/events/bob's/trace")
    assert (trace["rows"][0]["state"], trace["unmatched"]) == ("in_effect", None)
    assert trace["customer"] == {"id": bob["id"], "external_customer_id": "bob"}


async def test_an_event_that_came_again_says_when(shop: Shop) -> None:
    """The same once more is a repeat, with something else in it a conflict; both are shown, oldest first."""
    now = {"timestamp": datetime.now(UTC).isoformat()}
    for tokens in (1, 1, 2):
        await shop.post("/ingest", {"events": [{**usage_event("now", tokens), **now}]})
    trace = await shop.get("/events/now/trace")
    assert [again["conflict"] for again in trace["repeats"]] == [False, True]
    assert len(trace["rows"]) == 1


async def test_corrections_are_seen_at_once(shop: Shop) -> None:
    """An amended event is found and traced as its amendment; a deprecated one says so, and counts nothing."""
    now = {"timestamp": datetime.now(UTC).isoformat()}
    sent = {**usage_event("now", 1), **now}
    await shop.post("/ingest", {"events": [sent]})
    del sent["idempotency_key"]
    for tokens in (2, 3):
        answer = await shop.client.put("/events/now", json={**sent, "properties": {"tokens": tokens}})
        assert answer.status_code == 200, answer.text
    await shop.post("/events/now/undo")
    trace = await shop.get("/events/now/trace")
    assert [(row["state"], row["properties"]["tokens"]) for row in trace["rows"]] == [
        ("amended", 1),
        ("in_effect", 2),
        ("undone", 3),
    ]
    assert [row["amends"] for row in trace["rows"]] == [
        None,
        trace["rows"][0]["position"],
        trace["rows"][0]["position"],
    ]
    assert [one["action"] for one in trace["corrections"]] == ["amended", "amended", "undone"]
    assert [metric["quantity"] for metric in trace["metrics"]] == ["2"]
    assert (await shop.client.put("/events/now/deprecate")).status_code == 200
    (shown,) = (await shop.post("/events/search", {"event_ids": ["now"]}))["data"]
    assert (shown["deprecated"], shown["properties"]) == (True, {"tokens": 2})
    trace = await shop.get("/events/now/trace")
    assert ([row["state"] for row in trace["rows"]], trace["metrics"]) == (["amended", "deprecated", "undone"], [])


async def test_an_event_that_never_came_is_not_found(shop: Shop) -> None:
    """404, as for any id that names nothing."""
    answer = await shop.client.get("/events/nothing/trace")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "Could not find a resource of type Event with identifier: nothing",
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/events/search", {"event_ids": ["a"]}),
        ("GET", "/events/volume?timeframe_start=2023-11-16T18:00:00Z&timeframe_end=2023-11-16T19:00:00Z", None),
        ("GET", "/events/a/trace", None),
    ],
)
async def test_a_key_that_only_sends_events_looks_nothing_up(
    app: OrbdoApp, client: httpx.AsyncClient, method: str, path: str, body: JsonObject | None
) -> None:
    """Reading takes a scope of its own."""
    sender = await post(client, "/api_keys", {"name": "sender", "kind": "ingest"})
    async with knock(app, key=sender["secret"]) as caller:
        answer = await caller.request(method, path, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (403, "This needs a key with the scope events:read.")
