"""Usage over HTTP: rows, groups, positions, and what is refused."""

import httpx
import pytest

from tests.support.shop import Shop, open_shop, usage_event

pytestmark = pytest.mark.anyio

NOVEMBER = {"start": "2023-11-01", "end": "2023-12-01"}


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> Shop:
    """Ada with three requests in November 2023."""
    shop = await open_shop(client)
    await shop.use(
        usage_event("a", 100, region="eu", model="m"),
        usage_event("b", "0.5", region="us", model="m"),
        usage_event("c", 7, "2023-11-30T23:59:59.999999Z", region="eu", model="n"),
    )
    return shop


async def test_usage_is_one_row(shop: Shop) -> None:
    """Without groups the answer is one row: a decimal string, and from how many events it comes."""
    answer = await shop.get("/usage", external_customer_id="ada", metric_id=shop.metric_id, **NOVEMBER)
    assert answer["data"] == [
        {
            "external_customer_id": "ada",
            "metric_id": shop.metric_id,
            "start": "2023-11-01T00:00:00Z",
            "end": "2023-12-01T00:00:00Z",
            "quantity": "107.5",
            "group": None,
            "events_counted": 3,
            "events_skipped": 0,
        }
    ]


async def test_usage_is_grouped_by_properties(shop: Shop) -> None:
    """Named properties give a row for each combination of values, sorted."""
    answer = await shop.get(
        "/usage", customer_id=shop.customer_id, metric_id=shop.metric_id, group_by="region,model", **NOVEMBER
    )
    assert [(row["group"], row["quantity"]) for row in answer["data"]] == [
        ({"region": "eu", "model": "m"}, "100"),
        ({"region": "eu", "model": "n"}, "7"),
        ({"region": "us", "model": "m"}, "0.5"),
    ]


async def test_a_period_is_half_open(shop: Shop) -> None:
    """The event at the last microsecond is in the month; a period that ends there does not have it."""
    answer = await shop.get(
        "/usage",
        external_customer_id="ada",
        metric_id=shop.metric_id,
        start="2023-11-01T00:00:00Z",
        end="2023-11-30T23:59:59.999999Z",
    )
    assert answer["data"][0]["quantity"] == "100.5"


async def test_usage_as_of_an_earlier_position_stays(shop: Shop) -> None:
    """The position in an answer gives the same answer later; position 0 is the empty log."""
    question = {"external_customer_id": "ada", "metric_id": shop.metric_id, **NOVEMBER}
    first = await shop.get("/usage", **question)
    await shop.use(usage_event("d", 1))
    assert (await shop.get("/usage", **question))["data"][0]["quantity"] == "108.5"
    assert await shop.get("/usage", **question, as_of=first["as_of"]) == first
    assert (await shop.get("/usage", **question, as_of=0))["data"][0]["quantity"] == "0"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"as_of": "99999"}, "as_of"),
        ({"as_of": "-1"}, "as_of"),
        ({"start": "2023-12-01"}, "end"),
        ({"end": "soon"}, "end"),
        ({"group_by": "region,"}, "group_by"),
        ({"group_by": ",".join(f"p{number}" for number in range(9))}, "group_by"),
        ({"customer_id": "cus_x"}, "customer_id"),
        ({"external_customer_id": None}, "customer_id"),
        ({"metric_id": None}, "metric_id"),
        ({"limit": "5"}, "limit"),
    ],
)
async def test_a_wrong_question_names_the_field(shop: Shop, changes: dict[str, str | None], field: str) -> None:
    """What is missing, contradicts itself or is not known is answered with 400 and the field's name."""
    question = {"external_customer_id": "ada", "metric_id": shop.metric_id, **NOVEMBER, **changes}
    given = {name: value for name, value in question.items() if value is not None}
    answer = await shop.client.get("/usage", params=given)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


@pytest.mark.parametrize("changes", [{"external_customer_id": "bob"}, {"metric_id": "met_x"}])
async def test_an_unknown_customer_or_metric_is_not_found(shop: Shop, changes: dict[str, str]) -> None:
    """Usage of nobody, or of no metric, is 404 rather than 0."""
    question = {"external_customer_id": "ada", "metric_id": shop.metric_id, **NOVEMBER, **changes}
    assert (await shop.client.get("/usage", params=question)).status_code == 404


async def test_an_agent_sees_its_own_usage(shop: Shop) -> None:
    """Another tenant has neither the customer nor the metric."""
    question = {"external_customer_id": "ada", "metric_id": shop.metric_id, **NOVEMBER}
    answer = await shop.client.get("/usage", params=question, headers={"Orbdo-Agent": "agent-7"})
    assert answer.status_code == 404
