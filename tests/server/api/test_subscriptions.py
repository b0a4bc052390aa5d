"""Subscriptions over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from orbdo_server.api.subscriptions import (
    ADDED_PRICES_MAX,
    ANCHOR_YEAR_MAX,
    ANCHOR_YEAR_MIN,
    AnchorBody,
    Cancellation,
    NewSubscriptionBody,
    ScheduledPlanChange,
    SubscriptionChange,
)
from tests.support.bodies import is_taken, wrong_fields
from tests.support.shop import JsonObject, post

pytestmark = pytest.mark.anyio

START = "2023-11-10T00:00:00Z"
FUTURE = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT00:00:00Z")


@pytest.fixture
async def ids(client: httpx.AsyncClient) -> dict[str, str]:
    """Ada, a plan of a monthly fee, one of a yearly fee, and a price of calls."""
    customer = await post(
        client, "/customers", {"name": "Ada", "email": "a@example.com", "external_customer_id": "ada"}
    )
    item = await post(client, "/items", {"name": "Everything"})
    metric = await post(client, "/metrics", {"name": "Calls", "sql": "SELECT count(*) FROM events"})
    price = {"name": "A price", "item_id": item["id"], "model_type": "unit", "unit_config": {"unit_amount": "1"}}
    fee = {**price, "cadence": "monthly", "fixed_price_quantity": 1}
    yearly = {**fee, "cadence": "annual"}
    plan = await post(
        client, "/plans", {"name": "Pro", "currency": "USD", "prices": [{"price": fee}], "external_plan_id": "pro"}
    )
    other = await post(
        client, "/plans", {"name": "Team", "currency": "USD", "prices": [{"price": yearly}, {"price": fee}]}
    )
    usage = await post(
        client, "/prices", {**price, "cadence": "monthly", "billable_metric_id": metric["id"], "currency": "USD"}
    )
    return {"customer": customer["id"], "plan": plan["id"], "other": other["id"], "usage": usage["id"]}


async def subscribe(client: httpx.AsyncClient, ids: dict[str, str], **more: Any) -> JsonObject:
    """Ada's subscription to Pro from 10 November 2023 on, unless told."""
    body = {"customer_id": ids["customer"], "plan_id": ids["plan"], "start_date": START, **more}
    return await post(client, "/subscriptions", body)


def refused(answer: httpx.Response, code: str = "constraint_violation") -> str:
    """What the answer to an impossible request says."""
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    detail: str = answer.json()["detail"]
    return detail


async def test_a_subscription_is_answered_with_its_timeline(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """Customer, plan, every price interval, and the period of the moment."""
    made = await subscribe(
        client, ids, add_prices=[{"price_id": ids["usage"], "start_date": "2023-12-01"}], metadata={"a": "b"}
    )
    assert made["id"].startswith("sub_")
    assert (made["customer"]["id"], made["plan"]["id"], made["status"]) == (ids["customer"], ids["plan"], "active")
    assert (made["name"], made["net_terms"], made["metadata"]) == ("Pro", 0, {"a": "b"})
    assert made["billing_cycle_anchor_configuration"] == {"day": 1, "month": 11, "year": 2023}
    fee, usage = made["price_intervals"]
    assert (fee["start_date"], fee["end_date"], fee["price"]["price_type"]) == (START, None, "fixed_price")
    assert (usage["start_date"], usage["price"]["id"]) == ("2023-12-01T00:00:00Z", ids["usage"])
    assert fee["fixed_fee_quantity_transitions"] == [
        {"effective_date": START, "price_id": fee["price"]["id"], "quantity": 1}
    ]
    assert usage["fixed_fee_quantity_transitions"] is None
    assert [entry["price_id"] for entry in made["fixed_fee_quantity_schedule"]] == [fee["price"]["id"]]
    assert made["current_billing_period_start_date"] <= made["created_at"] < made["current_billing_period_end_date"]
    assert (await client.get(f"/subscriptions/{made['id']}")).json() == made


async def test_a_subscription_may_be_by_external_ids_and_starts_now(
    client: httpx.AsyncClient, ids: dict[str, str]
) -> None:
    """Both ids of the caller's own; without a start it is the instant of the request."""
    made = await post(client, "/subscriptions", {"external_customer_id": "ada", "external_plan_id": "pro"})
    assert (made["customer"]["id"], made["plan"]["id"]) == (ids["customer"], ids["plan"])
    assert made["start_date"] == made["created_at"]


async def test_a_subscription_needs_no_plan(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """Then it shows none."""
    made = await subscribe(client, ids, plan_id=None, add_prices=[{"price_id": ids["usage"]}], name="Calls")
    assert (made["plan"], made["name"]) == (None, "Calls")


@pytest.mark.parametrize(
    ("more", "anchor"),
    [
        ({}, {"day": 1, "month": 11, "year": 2023}),
        ({"align_billing_with_subscription_start_date": True}, {"day": 10, "month": 11, "year": 2023}),
        ({"billing_cycle_anchor_configuration": {"day": 31}}, {"day": 31, "month": 10, "year": 2023}),
        (
            {"billing_cycle_anchor_configuration": {"day": 5, "month": 7, "year": 2020}},
            {"day": 5, "month": 7, "year": 2020},
        ),
    ],
)
async def test_periods_begin_on_a_day_that_is_chosen(
    client: httpx.AsyncClient, ids: dict[str, str], more: JsonObject, anchor: JsonObject
) -> None:
    """The first of the month unless told."""
    made = await subscribe(client, ids, **more)
    assert made["billing_cycle_anchor_configuration"] == anchor
    assert made["billing_cycle_day"] == anchor["day"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"plan_id": None}, "plan_id"),
        ({"external_plan_id": "pro"}, "plan_id"),
        ({"customer_id": None}, "customer_id"),
        ({"external_customer_id": "ada"}, "customer_id"),
        ({"end_date": START}, "end_date"),
        ({"add_prices": [{"price_id": "$usage", "fixed_price_quantity": 1}]}, "add_prices[0].fixed_price_quantity"),
        ({"add_prices": [{"price_id": "$usage"}] * 2}, "add_prices[1].price_id"),
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, ids: dict[str, str], more: JsonObject, field: str
) -> None:
    """The answer names the field."""
    added = [{**term, "price_id": ids["usage"]} for term in more.get("add_prices", [])]
    body = {"customer_id": ids["customer"], "plan_id": ids["plan"], "start_date": START, **more, "add_prices": added}
    answer = await client.post("/subscriptions", json=body)
    assert answer.status_code == 400, answer.text
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


async def test_subscriptions_are_listed_by_customer(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """By either id, one or several; an id that names nobody lists nothing, and is no mistake."""
    made = await subscribe(client, ids)
    bob = await post(client, "/customers", {"name": "Bob", "email": "b@example.com", "external_customer_id": "bob"})
    bobs = await subscribe(client, ids, customer_id=bob["id"])

    async def listed(*query: tuple[str, str]) -> list[str]:
        rows = (await client.get("/subscriptions", params=list(query))).json()["data"]
        return [row["id"] for row in rows]

    both = [bobs["id"], made["id"]]
    assert await listed() == both
    assert await listed(("customer_id", ids["customer"])) == [made["id"]]
    assert await listed(("external_customer_id", "ada")) == [made["id"]]
    assert await listed(("customer_id[]", ids["customer"]), ("external_customer_id[]", "bob")) == both
    for nobody in (("customer_id", "cus_x"), ("external_customer_id", "x"), ("external_customer_id[]", "x")):
        assert await listed(nobody) == []
    assert await listed(("external_customer_id[]", "x"), ("external_customer_id[]", "ada")) == [made["id"]]


async def test_words_and_terms_are_changed(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """Nothing that costs anything."""
    made = await subscribe(client, ids)
    changed = await client.put(f"/subscriptions/{made['id']}", json={"name": "Mine", "net_terms": 14, "metadata": {}})
    assert changed.json() == {**made, "name": "Mine", "net_terms": 14}
    assert wrong_fields(SubscriptionChange, {"plan_id": "x"}) == ["plan_id"]


async def test_a_subscription_ends_at_once_or_later(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """At a date, at the end of what was agreed, which is the longest of its cadences, or now."""
    path = f"/subscriptions/{(await subscribe(client, ids, plan_id=ids['other']))['id']}/cancel"
    requested = {"cancel_option": "requested_date", "cancellation_date": FUTURE}
    assert (await post(client, path, requested))["end_date"] == FUTURE
    at_the_end = await post(client, path, {"cancel_option": "end_of_subscription_term"})
    year = datetime.now(UTC).year + (1 if datetime.now(UTC).month >= 11 else 0)
    assert at_the_end["end_date"] == f"{year}-11-01T00:00:00Z"
    at_once = await post(client, path, {"cancel_option": "immediate"})
    assert at_once["status"] == "ended"
    assert {interval["end_date"] for interval in at_once["price_intervals"]} == {at_once["end_date"]}
    for option in ("immediate", "end_of_subscription_term"):
        assert "has ended" in refused(await client.post(path, json={"cancel_option": option}))


async def test_what_has_not_begun_can_be_cancelled(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """At once it never begins; at the end of its term it has a first one."""
    upcoming = await subscribe(client, ids, start_date=FUTURE)
    assert upcoming["status"] == "upcoming"
    path = f"/subscriptions/{upcoming['id']}/cancel"
    with_a_term = await post(client, path, {"cancel_option": "end_of_subscription_term"})
    assert with_a_term["end_date"] > FUTURE
    never = await post(client, path, {"cancel_option": "immediate"})
    assert (never["status"], never["end_date"], never["price_intervals"]) == ("ended", FUTURE, [])


async def test_a_plan_is_changed_now_or_later(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """The last word counts; the plan that is shown is that of the moment."""
    made = await subscribe(client, ids)
    path = f"/subscriptions/{made['id']}/schedule_plan_change"
    requested = {"change_option": "requested_date", "change_date": FUTURE, "plan_id": ids["other"]}
    scheduled = await post(client, path, requested)
    assert scheduled["plan"]["id"] == ids["plan"]
    assert [interval["start_date"] for interval in scheduled["price_intervals"]] == [START, FUTURE, FUTURE]
    changed = await post(client, path, {"change_option": "immediate", "plan_id": ids["other"]})
    assert changed["plan"]["id"] == ids["other"]
    assert [interval["end_date"] is None for interval in changed["price_intervals"]] == [False, True, True]
    back = await post(client, path, {"change_option": "end_of_subscription_term", "external_plan_id": "pro"})
    assert len(back["price_intervals"]) == 4


@pytest.mark.parametrize(
    ("plans", "message"),
    [({}, "exactly one of plan_id and external_plan_id"), ({"plan_id": "x", "external_plan_id": "y"}, "not both")],
)
async def test_a_change_names_one_plan(
    client: httpx.AsyncClient, ids: dict[str, str], plans: JsonObject, message: str
) -> None:
    """Neither none nor two."""
    made = await subscribe(client, ids)
    path = f"/subscriptions/{made['id']}/schedule_plan_change"
    answer = await client.post(path, json={"change_option": "immediate", **plans})
    assert message in refused(answer, "request_validation_errors")


@pytest.mark.parametrize("model", [Cancellation, ScheduledPlanChange])
def test_a_date_goes_with_its_option(model: type[Cancellation | ScheduledPlanChange]) -> None:
    """It is needed there and ignored nowhere."""
    option, date = ("cancel_option", "cancellation_date") if model is Cancellation else ("change_option", "change_date")
    assert is_taken(model, {option: "immediate"})
    assert is_taken(model, {option: "requested_date", date: START})
    assert wrong_fields(model, {option: "requested_date"}) == ["body"]
    assert wrong_fields(model, {option: "immediate", date: START}) == ["body"]
    assert wrong_fields(model, {option: "whenever"}) == [option]


def test_an_anchor_is_a_day_of_the_calendar() -> None:
    """At its bounds, and one past each."""
    assert (ANCHOR_YEAR_MIN, ANCHOR_YEAR_MAX) == (1970, 2900)
    for good in ({"day": 1}, {"day": 31, "month": 12, "year": 2900}, {"day": 1, "month": 1, "year": 1970}):
        assert is_taken(AnchorBody, good)
    for field, value in [("day", 0), ("day", 32), ("month", 0), ("month", 13), ("year", 1969), ("year", 2901)]:
        assert wrong_fields(AnchorBody, {"day": 1, field: value}) == [field]


def test_added_prices_have_a_bound() -> None:
    """Two hundred at once."""
    assert ADDED_PRICES_MAX == 200
    assert is_taken(NewSubscriptionBody, {"add_prices": [{"price_id": "x"}] * 200})
    assert wrong_fields(NewSubscriptionBody, {"add_prices": [{"price_id": "x"}] * 201}) == ["add_prices"]
    assert is_taken(NewSubscriptionBody, {"net_terms": 365})
    assert wrong_fields(NewSubscriptionBody, {"net_terms": 366}) == ["net_terms"]


async def test_what_is_unknown_is_not_found(client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """For reading and for every change."""
    path = "/subscriptions/sub_x"
    for answer in (
        await client.get(path),
        await client.put(path, json={}),
        await client.post(f"{path}/cancel", json={"cancel_option": "immediate"}),
        await client.post(f"{path}/schedule_plan_change", json={"change_option": "immediate", "plan_id": ids["plan"]}),
    ):
        assert answer.status_code == 404
        assert answer.json()["detail"] == "Could not find a resource of type Subscription with identifier: sub_x"
