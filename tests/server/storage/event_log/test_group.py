"""Several appends as one list of events, and back into one answer for each."""

from collections import Counter

import pytest

from orbdo_server.storage.event_log.group import Group
from orbdo_server.storage.event_log.records import RepeatedEvent
from orbdo_server.storage.event_log.repeats import Repeat
from tests.support.logged_events import RECEIVED, TENANT, answer, batch, event


@pytest.fixture
def group() -> Group:
    """Two of one tenant, none, and three of another one's backfill."""
    return Group(
        [
            batch(event("a"), event("b")),
            batch(),
            batch(event("a"), event("c"), event("d"), tenant="other", backfill_id="bf_1"),
        ]
    )


def test_a_row_is_a_place_in_order_of_arrival(group: Group) -> None:
    """Each batch has the rows of its events."""
    assert [one.idempotency_key for one in group.events] == ["a", "b", "a", "c", "d"]
    assert [(one.tenant, places) for one, places in group.places()] == [
        (TENANT, range(2)),
        (TENANT, range(2, 2)),
        ("other", range(2, 5)),
    ]
    assert group.tenants == [(TENANT, 2), (TENANT, 0), ("other", 3)]


def test_entries_are_those_of_the_rows(group: Group) -> None:
    """In order of arrival, with tenant and backfill."""
    found = [(row, entry.key, entry.backfill_id) for row, entry in group.entries_at([4, 0])]
    assert found == [(0, (TENANT, "a"), None), (4, ("other", "d"), "bf_1")]


def test_rows_can_be_taken_out(group: Group) -> None:
    """A batch may be left empty; the first group stays as it was."""
    rest = group.without([0, 1, 3])
    assert [one.idempotency_key for one in rest.events] == ["a", "d"]
    assert [len(one.events) for one in rest.batches] == [0, 0, 2]
    assert rest.batches[2].backfill_id == "bf_1"
    assert len(group.events) == 5


def test_events_of_backfills_are_counted(group: Group) -> None:
    """By tenant and id."""
    assert group.backfill_counts() == Counter({("other", "bf_1"): 3})


def test_each_batch_is_answered(group: Group) -> None:
    """Every event is in exactly one of the lists."""
    repeats = {0: Repeat.DUPLICATE, 3: Repeat.CONFLICT, 4: Repeat.DEPRECATED}
    assert group.answers(repeats, position=9) == [
        answer(9, ["b"], duplicates=["a"]),
        answer(9),
        answer(9, ["a"], conflicts=["c"], deprecated=["d"]),
    ]
    assert group.answers({}, position=9) == [answer(9, ["a", "b"]), answer(9), answer(9, ["a", "c", "d"])]


def test_what_came_again_is_told(group: Group) -> None:
    """Whose it was, when it came, and whether it said something else."""
    assert group.repeated({1: Repeat.DUPLICATE, 3: Repeat.CONFLICT}) == [
        RepeatedEvent(tenant=TENANT, idempotency_key="b", received_at=RECEIVED, conflict=False),
        RepeatedEvent(tenant="other", idempotency_key="c", received_at=RECEIVED, conflict=True),
    ]
