"""Prices over HTTP, and what a quantity would cost at one."""

from typing import Any

import httpx
import pytest

from orbdo_server.api.prices import NewPlanPriceBody, NewPriceBody, PriceChange, Quantity
from tests.support.bodies import is_taken, wrong_fields
from tests.support.shop import TRACE_TIERS, JsonObject, post

pytestmark = pytest.mark.anyio

UNIT = {"model_type": "unit", "unit_config": {"unit_amount": "0.10"}}
FEE: JsonObject = {"name": "Fee", "item_id": "item_1", "cadence": "monthly", "currency": "USD", **UNIT}


@pytest.fixture
async def fee(client: httpx.AsyncClient) -> JsonObject:
    """The body of a fixed fee of an item that exists."""
    item = await post(client, "/items", {"name": "Seats"})
    return {**FEE, "item_id": item["id"], "fixed_price_quantity": 2}


async def test_a_price_is_found_by_either_id(client: httpx.AsyncClient, fee: JsonObject) -> None:
    """And answered with its item, in Orb's shape."""
    made = await post(client, "/prices", {**fee, "external_price_id": "seats", "metadata": {"a": "b"}})
    assert made["id"].startswith("price_")
    assert (made["item"]["name"], made["model_type"], made["price_type"]) == ("Seats", "unit", "fixed_price")
    assert (made["unit_config"], made["fixed_price_quantity"]) == (
        {"unit_amount": "0.10", "prorated": False},
        2,
    )
    for path in (f"/prices/{made['id']}", "/prices/external_price_id/seats"):
        assert (await client.get(path)).json() == made
    assert (await client.get("/prices")).json()["data"] == [made]


async def test_an_item_that_is_renamed_shows_in_its_prices(client: httpx.AsyncClient, fee: JsonObject) -> None:
    """Its present name, wherever prices are answered."""
    await post(client, "/prices", fee)
    await client.put(f"/items/{fee['item_id']}", json={"name": "Chairs"})
    [listed] = (await client.get("/prices")).json()["data"]
    assert listed["item"] == {"id": fee["item_id"], "name": "Chairs"}


async def test_only_metadata_changes(client: httpx.AsyncClient, fee: JsonObject) -> None:
    """By either id; null leaves it."""
    made = await post(client, "/prices", {**fee, "external_price_id": "seats", "metadata": {"a": "b"}})
    same = await client.put(f"/prices/{made['id']}", json={"metadata": None})
    assert same.json() == made
    changed = await client.put("/prices/external_price_id/seats", json={"metadata": {"c": "d"}})
    assert changed.json() == {**made, "metadata": {"c": "d"}}
    assert wrong_fields(PriceChange, {"name": "Other"}) == ["name"]


async def test_a_quantity_is_calculated(client: httpx.AsyncClient, fee: JsonObject) -> None:
    """Exactly, rounded, and tier by tier: the three customers of the trace."""
    tiered = {**fee, "model_type": "tiered", "unit_config": None, "tiered_config": {"tiers": TRACE_TIERS}}
    price = await post(client, "/prices", tiered)
    answer = await client.post(f"/prices/{price['id']}/calculate", json={"quantity": "5070187"})
    assert answer.json() == {
        "price_id": price["id"],
        "quantity": "5070187",
        "amount": "8.070187",
        "rounded_amount": "8.07",
        "currency": "USD",
        "breakdown": [
            {
                "first_unit": 0,
                "last_unit": 1000000,
                "quantity": 1000000,
                "unit_amount": "0.000002",
                "flat_amount": "0",
                "amount": "2",
            },
            {
                "first_unit": 1000000,
                "last_unit": 5000000,
                "quantity": 4000000,
                "unit_amount": "0.0000015",
                "flat_amount": "0",
                "amount": "6",
            },
            {
                "first_unit": 5000000,
                "last_unit": None,
                "quantity": 70187,
                "unit_amount": "0.000001",
                "flat_amount": "0",
                "amount": "0.070187",
            },
        ],
    }


@pytest.mark.parametrize(("quantity", "amount"), [(0, "0"), ("0.0", "0"), (-3, "-0.3"), ("1e2", "10"), (0.5, "0.05")])
async def test_any_exact_quantity_is_calculated(
    client: httpx.AsyncClient, fee: JsonObject, quantity: object, amount: str
) -> None:
    """As a number or as a text; nothing costs nothing."""
    price = await post(client, "/prices", fee)
    answer = await client.post(f"/prices/{price['id']}/calculate", json={"quantity": quantity})
    assert answer.json()["amount"] == amount


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"unit_config": {"unit_amount": "-1"}}, "unit_config.unit_amount"),
        ({"unit_config": {}}, "unit_config.unit_amount"),
        ({"unit_config": {"unit_amount": "1", "prorated": True}}, "unit_config"),
        ({"model_type": "matrix"}, "model_type"),
        ({"currency": "XXX"}, "currency"),
        ({"fixed_price_quantity": None}, "billable_metric_id"),
        ({"billed_in_advance": True}, "billed_in_advance"),
    ],
)
async def test_a_price_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, fee: JsonObject, changes: Any, field: str
) -> None:
    """The answer names the place."""
    answer = await client.post("/prices", json={**fee, **changes})
    assert answer.status_code == 400, answer.text
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"unit_config": None}, "none"),
        ({"unit_config": None, "bulk_config": {}}, "bulk_config"),
        ({"package_config": {}}, "unit_config, package_config"),
    ],
)
def test_a_price_has_the_config_of_its_model(changes: dict[str, Any], found: str) -> None:
    """That one and no other."""
    body = {**FEE, **changes}
    assert not is_taken(NewPriceBody, body)
    with pytest.raises(ValueError, match=f"takes unit_config and no other; found {found}"):
        NewPriceBody.model_validate(body)


def test_a_price_of_a_plan_may_leave_its_currency_out() -> None:
    """It is the plan's then; a price that stands alone has to say."""
    body = {name: value for name, value in FEE.items() if name != "currency"}
    assert is_taken(NewPlanPriceBody, body)
    assert wrong_fields(NewPriceBody, body) == ["currency"]


@pytest.mark.parametrize("quantity", [None, "", "many", True, "NaN", "1e18", [1]])
def test_what_is_no_quantity_is_refused(quantity: object) -> None:
    """Before anything is calculated."""
    assert wrong_fields(Quantity, {"quantity": quantity}) == ["quantity"]


async def test_what_is_unknown_is_not_found(client: httpx.AsyncClient) -> None:
    """By either id, for reading, changing and calculating."""
    for answer in (
        await client.get("/prices/price_x"),
        await client.get("/prices/external_price_id/x"),
        await client.put("/prices/price_x", json={}),
        await client.put("/prices/external_price_id/x", json={}),
        await client.post("/prices/price_x/calculate", json={"quantity": 1}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")
