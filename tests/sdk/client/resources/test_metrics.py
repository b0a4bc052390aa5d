"""Metrics as the client asks for them."""

import pytest

from tests.support.answers import METRIC, page
from tests.support.door import Asked, Door, async_orb

pytestmark = pytest.mark.anyio

SQL = "SELECT sum(tokens) FROM events"


async def test_a_metric_is_a_name_and_sql(door: Door) -> None:
    """Without an item the server finds one itself."""
    door.tell(METRIC)
    async with async_orb(door) as orb:
        assert (await orb.metrics.create("tokens", SQL)).id == "met_1"
    assert door.asked == [Asked("POST", "/v1/metrics", body={"name": "tokens", "sql": SQL})]


async def test_a_metric_may_say_more(door: Door) -> None:
    """Item, description and metadata travel when given."""
    door.tell(METRIC)
    async with async_orb(door) as orb:
        await orb.metrics.create("tokens", SQL, item_id="item_1", description="all of them", metadata={"team": "core"})
    assert door.asked[0].body == {
        "name": "tokens",
        "sql": SQL,
        "item_id": "item_1",
        "description": "all of them",
        "metadata": {"team": "core"},
    }


async def test_a_metric_is_found_changed_and_archived(door: Door) -> None:
    """Each has its address below the metric's id; archiving can be undone."""
    for status in ("active", "active", "archived", "active"):
        door.tell({**METRIC, "status": status})
    async with async_orb(door) as orb:
        assert (await orb.metrics.get("met_1")).sql == SQL
        await orb.metrics.update("met_1", name="all tokens", description="in and out", metadata={})
        assert (await orb.metrics.archive("met_1")).status == "archived"
        assert (await orb.metrics.unarchive("met_1")).status == "active"
    assert door.asked == [
        Asked("GET", "/v1/metrics/met_1"),
        Asked("PUT", "/v1/metrics/met_1", body={"name": "all tokens", "description": "in and out", "metadata": {}}),
        Asked("POST", "/v1/metrics/met_1/archive", body={}),
        Asked("POST", "/v1/metrics/met_1/unarchive", body={}),
    ]


async def test_metrics_are_listed_by_status(door: Door) -> None:
    """The status is part of every page's request."""
    door.tell(page(METRIC, next_cursor="c2"))
    door.tell(page())
    async with async_orb(door) as orb:
        assert [metric.name async for metric in orb.metrics.list(status="active")] == ["tokens"]
    assert [asked.query for asked in door.asked] == [
        (("status", "active"),),
        (("status", "active"), ("cursor", "c2")),
    ]
