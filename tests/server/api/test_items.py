"""Items and metrics over HTTP."""

from typing import Any

import httpx
import pytest

from orbdo_server.api.items import DESCRIPTION_LENGTH_MAX, SQL_LENGTH_MAX, ItemChange, MetricChange, NewMetric
from tests.support.bodies import is_taken, wrong_fields
from tests.support.shop import post

pytestmark = pytest.mark.anyio

SQL = "SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'"
METRIC = {"name": "Tokens", "sql": SQL}


async def test_an_item_is_made_changed_and_archived(client: httpx.AsyncClient) -> None:
    """Each answer is the whole item."""
    made = await post(client, "/items", {"name": "Tokens", "metadata": {"a": "b"}})
    assert made == {
        "id": made["id"],
        "name": "Tokens",
        "created_at": made["created_at"],
        "metadata": {"a": "b"},
        "external_connections": [],
        "archived_at": None,
    }
    path = f"/items/{made['id']}"
    assert (await client.get(path)).json() == made
    changed = (await client.put(path, json={"name": "Words", "external_connections": []})).json()
    assert changed == {**made, "name": "Words"}
    archived = await post(client, f"{path}/archive")
    assert archived["archived_at"] is not None
    assert (await client.get("/items")).json()["data"] == [archived]


async def test_a_metric_is_answered_with_its_item(client: httpx.AsyncClient) -> None:
    """One of its own name when none was given."""
    made = await post(client, "/metrics", {**METRIC, "description": "All", "metadata": {"a": "b"}})
    assert made["id"].startswith("met_")
    assert (made["name"], made["sql"], made["status"]) == ("Tokens", SQL, "active")
    assert (made["description"], made["metadata"], made["item"]["name"]) == ("All", {"a": "b"}, "Tokens")
    path = f"/metrics/{made['id']}"
    assert (await client.get(path)).json() == made
    changed = (await client.put(path, json={"name": "Words"})).json()
    assert changed == {**made, "name": "Words"}


async def test_metrics_are_listed_by_their_state(client: httpx.AsyncClient) -> None:
    """An archived one can be opened again."""
    first, second = await post(client, "/metrics", METRIC), await post(client, "/metrics", METRIC)
    archived = await post(client, f"/metrics/{first['id']}/archive")
    assert archived["status"] == "archived"

    async def listed(**query: str) -> list[str]:
        return [row["id"] for row in (await client.get("/metrics", params=query)).json()["data"]]

    assert await listed() == [second["id"], first["id"]]
    assert await listed(status="active") == [second["id"]]
    assert await listed(status="archived") == [first["id"]]
    assert (await post(client, f"/metrics/{first['id']}/unarchive"))["status"] == "active"
    assert await listed(status="archived") == []


@pytest.mark.parametrize(
    "sql", ["", "SELECT", "DELETE FROM events", "SELECT sum(tokens) FROM customers", "SELECT * FROM events"]
)
async def test_sql_that_makes_no_metric_is_refused(client: httpx.AsyncClient, sql: str) -> None:
    """With what was expected instead."""
    answer = await client.post("/metrics", json={"name": "Tokens", "sql": sql})
    assert (answer.status_code, answer.json()["code"]) == (400, "request_validation_errors")
    [problem] = answer.json()["problems"]
    assert problem["field"] == "sql"
    assert len(problem["message"]) > 10


@pytest.mark.parametrize(("path", "kind"), [("/items/item_x", "Item"), ("/metrics/met_x", "BillableMetric")])
async def test_what_is_unknown_is_not_found(client: httpx.AsyncClient, path: str, kind: str) -> None:
    """For reading and for changing."""
    for answer in (await client.get(path), await client.put(path, json={}), await client.post(f"{path}/archive")):
        assert answer.status_code == 404
        identifier = path.rpartition("/")[2]
        assert answer.json()["detail"] == f"Could not find a resource of type {kind} with identifier: {identifier}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sql": "x" * (SQL_LENGTH_MAX + 1)}, "sql"),
        ({"description": "x" * (DESCRIPTION_LENGTH_MAX + 1)}, "description"),
        ({"item_id": ""}, "item_id"),
        ({"name": "\n"}, "name"),
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any], field: str) -> None:
    """One past each bound."""
    assert wrong_fields(NewMetric, {**METRIC, **changes}) == [field]


def test_fields_fit_at_their_bounds() -> None:
    """The longest of each."""
    assert (SQL_LENGTH_MAX, DESCRIPTION_LENGTH_MAX) == (20_000, 2_000)
    assert is_taken(NewMetric, {**METRIC, "sql": "x" * SQL_LENGTH_MAX, "description": "x" * DESCRIPTION_LENGTH_MAX})
    assert wrong_fields(MetricChange, {"sql": SQL}) == ["sql"]
    assert wrong_fields(ItemChange, {"external_connections": [{}]}) == ["external_connections"]
