"""What a backfill is at a position, from what happened to it."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orbdo_server.storage.event_log import BackfillTransitionError
from orbdo_server.storage.event_log.backfills import (
    Backfill,
    BackfillAction,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    Record,
    after,
    due,
    standing,
)
from tests.support.logged_events import RECEIVED, days


def created(name: str = "bf_1") -> BackfillCreated:
    """A backfill begins."""
    return BackfillCreated(
        backfill_id=name, at=RECEIVED, timeframe=days(1, 5), customer=None, replace_existing_events=True
    )


CLOSED = BackfillClosed(backfill_id="bf_1", at=RECEIVED)
REVERTED = BackfillReverted(backfill_id="bf_1", at=RECEIVED)
STORY: list[Record] = [(3, created()), (5, created("bf_0")), (8, CLOSED), (11, REVERTED)]


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (2, {}),
        (3, {"bf_1": "pending"}),
        (7, {"bf_1": "pending", "bf_0": "pending"}),
        (8, {"bf_1": "reflected", "bf_0": "pending"}),
        (11, {"bf_1": "reverted", "bf_0": "pending"}),
        (99, {"bf_1": "reverted", "bf_0": "pending"}),
    ],
)
def test_a_backfill_is_what_it_was_at_each_position(as_of: int, expected: dict[str, str]) -> None:
    """Actions take effect at their own position, and backfills are listed in the order they began."""
    stood = standing(STORY, as_of=as_of)
    assert [(name, one.status) for name, one in stood.items()] == list(expected.items())


def test_each_step_keeps_when_and_where() -> None:
    """Instants and positions of all three steps stay on record."""
    assert standing(STORY, as_of=11)["bf_1"] == Backfill(
        id="bf_1",
        timeframe=days(1, 5),
        customer=None,
        replace_existing_events=True,
        created_at=RECEIVED,
        created_position=3,
        closed_at=RECEIVED,
        closed_position=8,
        reverted_at=RECEIVED,
        reverted_position=11,
    )


def test_a_backfill_can_be_reverted_before_it_is_closed() -> None:
    """Then it never was in effect."""
    undone = standing([(1, created()), (2, REVERTED)], as_of=2)["bf_1"]
    assert (undone.status, undone.closed_position) == ("reverted", None)


@pytest.mark.parametrize(
    ("before", "action", "message"),
    [
        ([], CLOSED, "The backfill bf_1 is unknown and cannot become reflected."),
        ([], REVERTED, "The backfill bf_1 is unknown and cannot become reverted."),
        ([created()], created(), "The backfill bf_1 is pending and cannot become pending."),
        ([created(), CLOSED], CLOSED, "The backfill bf_1 is reflected and cannot become reflected."),
        ([created(), REVERTED], CLOSED, "The backfill bf_1 is reverted and cannot become reflected."),
        ([created(), REVERTED], REVERTED, "The backfill bf_1 is reverted and cannot become reverted."),
    ],
)
def test_what_cannot_follow_is_refused(before: list[BackfillAction], action: BackfillAction, message: str) -> None:
    """Each step happens once and in order."""
    stood = standing(list(enumerate(before, start=1)), as_of=10)
    with pytest.raises(BackfillTransitionError) as caught:
        after(stood.get("bf_1"), (10, action))
    assert caught.value.detail == message


def test_what_a_backfill_began_with_stays() -> None:
    """Also the time that it closes by itself and what it replaces."""
    action = msgspec.structs.replace(created(), close_time=RECEIVED, deprecation_filter="units > 1")
    stood = standing([(1, action), (2, CLOSED)], as_of=2)["bf_1"]
    assert (stood.close_time, stood.deprecation_filter, stood.closed_at) == (RECEIVED, "units > 1", RECEIVED)


def test_an_action_of_before_is_still_read() -> None:
    """What the log holds from the time when backfills had no close time and no filter."""
    text = (
        b'{"type":"created","backfill_id":"bf_1","at":"2026-03-31T12:00:00Z","timeframe":'
        b'{"start":"2026-03-01T00:00:00Z","end":"2026-03-05T00:00:00Z"},"customer":null,"replace_existing_events":true}'
    )
    assert msgspec.json.decode(text, type=BackfillCreated) == created()


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([], True),
        ([CLOSED], False),
        ([REVERTED], False),
        ([CLOSED, REVERTED], False),
    ],
)
def test_an_open_backfill_is_due_at_its_close_time(actions: list[BackfillAction], expected: bool) -> None:
    """At that instant and not before; neither one that was closed or reverted nor one without such a time ever is."""
    at = datetime(2026, 4, 1, tzinfo=UTC)
    story = [msgspec.structs.replace(created(), close_time=at), *actions]
    timed = standing(list(enumerate(story, start=1)), as_of=9)["bf_1"]
    untimed = standing([(1, created())], as_of=9)["bf_1"]
    backfills = {("acme", "bf_1"): timed, ("other", "bf_1"): untimed}
    assert due(backfills, at=at) == ([("acme", "bf_1")] if expected else [])
    assert due(backfills, at=at - timedelta(microseconds=1)) == []


def test_due_backfills_come_in_the_order_of_their_close_times() -> None:
    """So that of two over the same days the later one replaces the earlier, however late somebody looks."""
    at = datetime(2026, 4, 1, tzinfo=UTC)
    backfills = {
        (tenant, name): after(None, (1, msgspec.structs.replace(created(name), close_time=at + timedelta(hours=hours))))
        for tenant, name, hours in (("a", "bf_1", 3), ("b", "bf_2", 1), ("a", "bf_3", 2), ("a", "bf_4", 9))
    }
    assert due(backfills, at=at + timedelta(hours=3)) == [("b", "bf_2"), ("a", "bf_3"), ("a", "bf_1")]
