"""Events by their ids and by the hour."""

from datetime import UTC, datetime, timedelta

import pytest

from orbdo_server.core.periods import Period
from orbdo_server.engine.event_lookups import (
    EVENT_IDS_MAX,
    VOLUME_HOURS_MAX,
    count_by_hour,
    event_volume,
    hours_of,
    search_events,
)
from orbdo_server.errors import InvalidRequestError
from orbdo_server.storage.event_log import EventLog, EventState, Scope
from tests.support.billing import TENANT
from tests.support.metered import event
from tests.support.told_log import ToldLog

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
TEN = datetime(2026, 3, 15, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def told() -> ToldLog:
    """A log that says what it is told."""
    return ToldLog()


def found(log: EventLog, *ids: str, start: datetime | None = None, end: datetime | None = None) -> list[str]:
    """The ids that a search finds."""
    rows = search_events(log, tenant=TENANT, event_ids=ids, start=start, end=end, now=NOW)
    return [row.event.idempotency_key for row in rows]


def volume(log: EventLog, start: datetime, end: datetime | None = None) -> list[tuple[datetime, int]]:
    """The hours and their counts."""
    counted = event_volume(log, tenant=TENANT, start=start, end=end, now=NOW)
    assert all(one.hour.end - one.hour.start == HOUR for one in counted)
    return [(one.hour.start, one.events) for one in counted]


def test_events_come_in_the_order_they_are_asked_for(told: ToldLog) -> None:
    """Each once, however often it is asked for; what is not there is left out."""
    told.put(event("a", at=NOW - DAY), event("b", at=NOW - DAY), event("c", at=NOW - DAY))
    assert found(told, "c", "nothing", "a", "c") == ["c", "a"]


@pytest.mark.parametrize("state", ["amended", "undone", "replaced", "pending", "reverted"])
def test_what_is_out_of_effect_is_not_found(told: ToldLog, state: EventState) -> None:
    """Only events in effect and deprecated ones are."""
    told.put(event("a", at=NOW - DAY), state=state)
    assert found(told, "a") == []


def test_an_amended_event_is_found_as_its_amendment(told: ToldLog) -> None:
    """The row that stands is shown, not the one in whose place it stands."""
    first = told.put(event("a", 1, NOW - DAY), state="amended")
    told.put(event("a", 2, NOW - DAY), amends=first)
    (row,) = search_events(told, tenant=TENANT, event_ids=["a"], start=None, end=None, now=NOW)
    assert (row.position, bytes(row.event.properties)) == (2, b'{"tokens":2}')


def test_a_deprecated_event_is_found_unless_another_is_in_effect(told: ToldLog) -> None:
    """A backfill may bring an id again; then the one that counts is shown."""
    told.put(event("a", at=NOW - DAY), state="deprecated")
    assert found(told, "a") == ["a"]
    told.put(event("a", at=NOW - DAY), backfill_id="bf_1")
    (row,) = search_events(told, tenant=TENANT, event_ids=["a"], start=None, end=None, now=NOW)
    assert row.state == "in_effect"


def test_the_last_week_is_searched_unless_told(told: ToldLog) -> None:
    """From seven days ago, inclusive, to now, exclusive."""
    week = 7 * DAY
    told.put(event("early", at=NOW - week - timedelta.resolution), event("first", at=NOW - week))
    told.put(event("last", at=NOW - timedelta.resolution), event("ahead", at=NOW))
    everything = ("early", "first", "last", "ahead")
    assert found(told, *everything) == ["first", "last"]
    assert found(told, *everything, start=NOW - 8 * DAY) == ["early", "first", "last"]
    assert found(told, *everything, end=NOW + MINUTE) == ["first", "last", "ahead"]


def test_a_search_ends_after_it_starts(told: ToldLog) -> None:
    """A timeframe that would be empty is refused, also where its end is now."""
    assert found(told, "a", start=NOW - timedelta.resolution) == []
    with pytest.raises(InvalidRequestError, match="timeframe_end: is not after timeframe_start"):
        found(told, "a", start=NOW)


def test_so_many_ids_can_be_searched_at_once() -> None:
    """As many as Orb's own clients send."""
    assert EVENT_IDS_MAX == 500


def test_every_hour_of_a_timeframe_is_counted(told: ToldLog) -> None:
    """An event is of the hour of its own time; an hour without events has 0, one in the middle is whole."""
    told.put(event("a", at=TEN), event("b", at=TEN + HOUR - timedelta.resolution), event("c", at=TEN + 2 * HOUR))
    hours = [(TEN, 2), (TEN + HOUR, 0), (TEN + 2 * HOUR, 1)]
    assert volume(told, TEN, TEN + 3 * HOUR) == hours
    assert volume(told, TEN + 59 * MINUTE, TEN + 2 * HOUR + timedelta.resolution) == hours


def test_volume_is_until_now_unless_told(told: ToldLog) -> None:
    """The hour that is under way is the last one."""
    assert volume(told, TEN) == [(TEN, 0), (TEN + HOUR, 0), (TEN + 2 * HOUR, 0)]


def test_volume_is_of_events_in_effect(told: ToldLog) -> None:
    """A deprecated event is not counted, one of another hour neither."""
    told.put(event("a", at=TEN), event("b", at=TEN + HOUR))
    told.turn("a", "deprecated")
    assert volume(told, TEN, TEN + HOUR) == [(TEN, 0)]


def test_volume_has_a_bound(told: ToldLog) -> None:
    """92 days of hours are given, one more is not, and a timeframe of centuries costs nothing."""
    assert VOLUME_HOURS_MAX == 2_208
    assert len(volume(told, TEN - 92 * DAY, TEN)) == 2_208
    for start in (TEN - 92 * DAY - timedelta.resolution, datetime(1901, 1, 1, tzinfo=UTC)):
        with pytest.raises(InvalidRequestError, match="timeframe_end: is more than 2208 hours after timeframe_start"):
            volume(told, start, TEN)


def test_a_timeframe_of_volume_ends_after_it_starts(told: ToldLog) -> None:
    """An empty one has no hour."""
    with pytest.raises(InvalidRequestError, match="timeframe_end: is not after timeframe_start"):
        volume(told, TEN, TEN)


def test_a_log_counts_by_hour(told: ToldLog) -> None:
    """Hours are instants in UTC; those without events are left out."""
    told.put(event("a", at=TEN), event("b", at=TEN + 2 * HOUR), event("c", at=TEN + 2 * HOUR + MINUTE))
    scope = Scope(tenant=TENANT, as_of=told.position())
    assert count_by_hour(told, scope) == {TEN: 1, TEN + 2 * HOUR: 2}


def test_a_period_has_its_hours() -> None:
    """In order, each ending where the next begins."""
    assert hours_of(Period(TEN, TEN + 2 * HOUR)) == [Period(TEN, TEN + HOUR), Period(TEN + HOUR, TEN + 2 * HOUR)]
