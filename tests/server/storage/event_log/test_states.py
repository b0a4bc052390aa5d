"""Why each stored row is in effect or not, by key and by hour."""

from datetime import timedelta

import msgspec
import pytest

from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log import EventState, FuturePositionError, HourOfState
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import (
    MARCH,
    RECEIVED,
    TENANT,
    amend,
    close,
    create,
    days,
    deprecate,
    event,
    on,
    revert,
    send,
    undo,
)


def states(log: DuckDBEventLog, *keys: str, as_of: int | None = None) -> list[tuple[int, EventState]]:
    """Position and state of each row of the keys, now unless told."""
    found = log.stored(TENANT, keys, as_of=log.position() if as_of is None else as_of)
    return [(one.position, one.state) for one in found]


def hours(log: DuckDBEventLog, period: Period = MARCH, *, as_of: int | None = None) -> list[HourOfState]:
    """How many rows of each state and hour there are, now unless told."""
    return log.states_by_hour(TENANT, period, as_of=log.position() if as_of is None else as_of)


def hour(day: int, hour: int, state: EventState, events: int) -> HourOfState:
    """So many rows of a state in an hour of March."""
    return HourOfState(hour=on(day, hour), state=state, events=events)


def test_a_row_comes_as_it_was_stored(log: DuckDBEventLog) -> None:
    """With its position, how it came, and the event as it was sent."""
    sent = event("a", 5, at=on(3) + timedelta(microseconds=1))
    send(log, sent)
    (found,) = log.stored(TENANT, ["a", "b"], as_of=1)
    assert (found.position, found.received_at, found.backfill_id, found.amends) == (1, RECEIVED, None, None)
    assert found.state == "in_effect"
    assert bytes(found.event.properties) == b'{"units":5}'
    assert msgspec.structs.replace(found.event, properties=sent.properties) == sent


def test_rows_of_others_are_not_there(log: DuckDBEventLog) -> None:
    """Neither another tenant's nor another key's, nor those behind the position or beyond the period."""
    send(log, event("a", at=on(3)))
    send(log, event("a"), tenant="other")
    send(log, event("b"))
    assert states(log, "a") == [(1, "in_effect")]
    assert states(log, "b", as_of=2) == []
    assert states(log) == []
    assert log.stored(TENANT, ["a"], as_of=3, period=days(4, 5)) == []
    assert len(log.stored(TENANT, ["a"], as_of=3, period=days(3, 4))) == 1
    with pytest.raises(FuturePositionError):
        log.stored(TENANT, ["a"], as_of=4)


def test_amended_and_undone(log: DuckDBEventLog) -> None:
    """The amendment stands in the place of the event, then a later one in its place, and an undone one does not."""
    send(log, event("a", 1))
    assert amend(log, 1, event("a", 2)) == 2
    assert states(log, "a") == [(1, "amended"), (2, "in_effect")]
    amend(log, 1, event("a", 3))
    assert states(log, "a") == [(1, "amended"), (2, "amended"), (3, "in_effect")]
    undo(log, 1, "a")
    assert states(log, "a") == [(1, "amended"), (2, "in_effect"), (3, "undone")]
    undo(log, 1, "a")
    assert states(log, "a") == [(1, "in_effect"), (2, "undone"), (3, "undone")]
    assert states(log, "a", as_of=3) == [(1, "amended"), (2, "amended"), (3, "in_effect")]
    assert [one.amends for one in log.stored(TENANT, ["a"], as_of=5)] == [None, 1, 1]


def test_deprecated(log: DuckDBEventLog) -> None:
    """The row that stood for the event is deprecated, the others are what they were."""
    send(log, event("a", 1), event("b", 1))
    deprecate(log, 1, "a")
    assert states(log, "a", "b") == [(1, "deprecated"), (2, "in_effect")]
    undo(log, 1, "a")
    amend(log, 1, event("a", 2))
    deprecate(log, 1, "a")
    assert states(log, "a") == [(1, "amended"), (5, "deprecated")]
    assert states(log, "a", as_of=4) == [(1, "in_effect")]


def test_backfills(log: DuckDBEventLog) -> None:
    """Pending until it is closed; then what it replaces is replaced; reverted, everything is as before."""
    send(log, event("a", at=on(3)), event("far", at=on(20)))
    create(log, "bf_1", days(1, 10))
    send(log, event("b", at=on(4)), backfill_id="bf_1")
    assert states(log, "a", "b", "far") == [(1, "in_effect"), (2, "in_effect"), (4, "pending")]
    close(log, "bf_1")
    assert states(log, "a", "b", "far") == [(1, "replaced"), (2, "in_effect"), (4, "in_effect")]
    revert(log, "bf_1")
    assert states(log, "a", "b", "far") == [(1, "in_effect"), (2, "in_effect"), (4, "reverted")]
    assert states(log, "a", "b", as_of=5) == [(1, "replaced"), (4, "in_effect")]


def test_each_row_counts_once_in_the_hour_of_its_event(log: DuckDBEventLog) -> None:
    """By hour and state, in order; nothing for hours without rows."""
    send(log, event("a", at=on(3, 5)), event("b", at=on(3, 6) - timedelta(microseconds=1)), event("c", at=on(3, 6)))
    deprecate(log, 2, "b")
    amend(log, 3, event("c", 2, at=on(7, 1)))
    assert hours(log) == [
        hour(3, 5, "deprecated", 1),
        hour(3, 5, "in_effect", 1),
        hour(3, 6, "amended", 1),
        hour(7, 1, "in_effect", 1),
    ]
    assert hours(log, as_of=3) == [hour(3, 5, "in_effect", 2), hour(3, 6, "in_effect", 1)]
    assert hours(log, Period(on(3, 6), on(7, 1))) == [hour(3, 6, "amended", 1)]
    assert hours(log, days(20, 21)) == []
    with pytest.raises(FuturePositionError):
        hours(log, as_of=6)
