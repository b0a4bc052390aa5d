"""What a backfill is at a position, from what happened to it."""

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
