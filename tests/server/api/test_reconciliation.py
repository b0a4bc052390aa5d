"""Reconciliation over HTTP."""

import httpx
import pytest

from orbdo_server.app import OrbdoApp
from tests.support.knocking import knock
from tests.support.shop import Shop, open_shop, post, usage_event

pytestmark = pytest.mark.anyio

HOUR = {"start": "2023-11-16T18:00:00Z", "end": "2023-11-16T19:00:00Z"}
EDGE = {"start": "2023-11-30T23:00:00Z", "end": "2023-12-01T01:00:00Z"}
OUT_OF_EFFECT = ("amended", "undone", "deprecated", "replaced", "pending", "reverted")


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> Shop:
    """Ada with a request of November 2023, and one of Bob's, who is no customer."""
    shop = await open_shop(client)
    await shop.use(usage_event("a", 5), {**usage_event("b", 3), "external_customer_id": "bob"})
    return shop


async def test_hours_names_and_invoices_are_shown(shop: Shop) -> None:
    """With the position they are of; nothing differs."""
    issued = await shop.issue()
    answer = await shop.get("/reconciliation", **HOUR)
    as_of = answer.pop("as_of")
    assert answer == {
        **HOUR,
        "hours": [
            {**HOUR, "stored": 2, "in_effect": 1, "unmatched": 1, **dict.fromkeys(OUT_OF_EFFECT, 0)},
        ],
        "unmatched": [{"external_customer_id": "bob", "customer_id": None, "events": 1}],
        "unmatched_left_off": 0,
        "invoices": [
            {
                "invoice_id": issued["id"],
                "invoice_number": "INV-000001",
                "customer_id": shop.customer_id,
                "subscription_id": shop.subscription_id,
                "period_start": "2023-11-01T00:00:00Z",
                "period_end": "2023-12-01T00:00:00Z",
                "as_of": as_of,
                "state": "agrees",
                "events_sealed": 1,
                "events_as_of": 1,
                "events_now": 1,
                "late_events": 0,
            }
        ],
        "differences": [],
        "pagination_metadata": {"has_more": False, "next_cursor": None},
    }


async def test_a_backfill_is_pending_until_it_is_closed_and_then_replaces(shop: Shop) -> None:
    """Rows move from one state to another, and none is lost from sight."""
    backfill = await shop.post("/events/backfills", {"timeframe_start": "2023-11-16", "timeframe_end": "2023-11-17"})
    await shop.post(f"/ingest?backfill_id={backfill['id']}", {"events": [usage_event("c", 1)]})
    states = ("stored", "in_effect", "unmatched", "replaced", "pending", "reverted")

    async def hour() -> tuple[int, ...]:
        (told,) = (await shop.get("/reconciliation", **HOUR))["hours"]
        return tuple(told[state] for state in states)

    assert await hour() == (3, 1, 1, 0, 1, 0)
    await shop.post(f"/events/backfills/{backfill['id']}/close")
    assert await hour() == (3, 1, 0, 2, 0, 0)
    await shop.post(f"/events/backfills/{backfill['id']}/revert")
    assert await hour() == (3, 1, 1, 0, 0, 1)


async def test_late_usage_is_a_difference(shop: Shop) -> None:
    """The line is named with both numbers, as decimal strings."""
    issued = await shop.issue()
    await shop.use(usage_event("late", 9))
    answer = await shop.get("/reconciliation", **HOUR)
    (invoice,) = answer["invoices"]
    assert (invoice["state"], invoice["events_now"], invoice["late_events"]) == ("late", 2, 1)
    (difference,) = answer["differences"]
    assert difference.pop("line_id").startswith("line_")
    assert difference == {
        "kind": "late_events",
        "hour": None,
        "invoice_id": issued["id"],
        "expected": "1",
        "found": "2",
    }


async def test_invoices_come_page_by_page(shop: Shop) -> None:
    """A cursor is good for this list of this tenant only."""
    for _ in range(2):
        await shop.issue()
    first = await shop.get("/reconciliation", **EDGE, limit=1)
    cursor = first["pagination_metadata"]["next_cursor"]
    second = await shop.get("/reconciliation", **EDGE, limit=1, cursor=cursor)
    assert second["pagination_metadata"] == {"has_more": False, "next_cursor": None}
    numbers = [page["invoices"][0]["invoice_number"] for page in (first, second)]
    assert numbers == ["INV-000002", "INV-000001"]
    for headers, wrong in (({}, "x"), ({"Orbdo-Agent": "agent-7"}, cursor)):
        answer = await shop.client.get("/reconciliation", params={**EDGE, "cursor": wrong}, headers=headers)
        assert answer.json()["problems"] == [{"field": "cursor", "message": "is not a cursor of this list"}]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start": "2023-11-16T18:30:00Z"}, "start"),
        ({"end": "2023-11-16T18:00:00Z"}, "end"),
        ({"end": "2023-12-17T19:00:00Z"}, "end"),
        ({"end": None}, "end"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"as_of": "1"}, "as_of"),
    ],
)
async def test_a_wrong_question_names_the_field(shop: Shop, changes: dict[str, str | None], field: str) -> None:
    """Instants off the hour, too many hours, a page out of bounds, a field that is not known."""
    asked = {name: value for name, value in {**HOUR, **changes}.items() if value is not None}
    answer = await shop.client.get("/reconciliation", params=asked)
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


async def test_an_agent_reconciles_its_own(shop: Shop) -> None:
    """Another tenant has no rows, no names and no invoices in the same hour."""
    await shop.issue()
    answer = await shop.client.get("/reconciliation", params=HOUR, headers={"Orbdo-Agent": "agent-7"})
    told = answer.json()
    assert (told["hours"][0]["stored"], told["unmatched"], told["invoices"]) == (0, [], [])


async def test_reconciling_takes_a_scope(app: OrbdoApp, client: httpx.AsyncClient) -> None:
    """A key with that scope alone may, one that reads events may not."""
    answers = []
    for scope in ("reconciliation:read", "events:read"):
        key = await post(client, "/api_keys", {"name": "finance", "scopes": [scope]})
        async with knock(app, key=key["secret"]) as caller:
            answers.append((await caller.get("/reconciliation", params=HOUR)).status_code)
    assert answers == [200, 403]
