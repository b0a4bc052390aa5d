# Made from tests/sdk/client/resources/test_metrics.py by scripts/unasync.py: change that file and run it.
"""Metrics as the client asks for them."""

from tests.support.answers import METRIC, page
from tests.support.door import Asked, Door, sync_orb

SQL = "SELECT sum(tokens) FROM events"


def test_a_metric_is_a_name_and_sql(door: Door) -> None:
    """Without an item the server finds one itself."""
    door.tell(METRIC)
    with sync_orb(door) as orb:
        assert (orb.metrics.create("tokens", SQL)).id == "met_1"
    assert door.asked == [Asked("POST", "/v1/metrics", body={"name": "tokens", "sql": SQL})]


def test_a_metric_may_say_more(door: Door) -> None:
    """Item, description and metadata travel when given."""
    door.tell(METRIC)
    with sync_orb(door) as orb:
        orb.metrics.create("tokens", SQL, item_id="item_1", description="all of them", metadata={"team": "core"})
    assert door.asked[0].body == {
        "name": "tokens",
        "sql": SQL,
        "item_id": "item_1",
        "description": "all of them",
        "metadata": {"team": "core"},
    }


def test_a_metric_is_found_changed_and_archived(door: Door) -> None:
    """Each has its address below the metric's id; archiving can be undone."""
    for status in ("active", "active", "archived", "active"):
        door.tell({**METRIC, "status": status})
    with sync_orb(door) as orb:
        assert (orb.metrics.get("met_1")).sql == SQL
        orb.metrics.update("met_1", name="all tokens", description="in and out", metadata={})
        assert (orb.metrics.archive("met_1")).status == "archived"
        assert (orb.metrics.unarchive("met_1")).status == "active"
    assert door.asked == [
        Asked("GET", "/v1/metrics/met_1"),
        Asked("PUT", "/v1/metrics/met_1", body={"name": "all tokens", "description": "in and out", "metadata": {}}),
        Asked("POST", "/v1/metrics/met_1/archive", body={}),
        Asked("POST", "/v1/metrics/met_1/unarchive", body={}),
    ]


def test_metrics_are_listed_by_status(door: Door) -> None:
    """The status is part of every page's request."""
    door.tell(page(METRIC, next_cursor="c2"))
    door.tell(page())
    with sync_orb(door) as orb:
        assert [metric.name for metric in orb.metrics.list(status="active")] == ["tokens"]
    assert [asked.query for asked in door.asked] == [
        (("status", "active"),),
        (("status", "active"), ("cursor", "c2")),
    ]
