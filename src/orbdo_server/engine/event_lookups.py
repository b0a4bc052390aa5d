"""Finding events in the log by their ids, and counting them by the hour. What an event counts towards is a trace."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from orbdo_server.core.periods import Period
from orbdo_server.errors import InvalidRequestError
from orbdo_server.storage.event_log import EventLog, Scope, StoredEvent

EVENT_IDS_MAX = 500
# What Orb searches when it is not told.
SEARCHED_BACK = timedelta(days=7)
# A quarter of a year.
VOLUME_HOURS_MAX = 92 * 24

HOUR_OF_EVENT = "date_trunc('hour', timestamp)"

_HOUR = timedelta(hours=1)
_BY_HOUR = f"SELECT {HOUR_OF_EVENT}, count(*) FROM events GROUP BY {HOUR_OF_EVENT}"  # noqa: S608 - a constant


class HourlyVolume(msgspec.Struct, frozen=True):
    """How many events of one hour are in effect."""

    hour: Period
    events: int


def search_events(
    log: EventLog, *, tenant: str, event_ids: Sequence[str], start: datetime | None, end: datetime | None, now: datetime
) -> list[StoredEvent]:
    """For each id that has one, in the order of the ids, its event in effect in ``[start, end)``, or else deprecated.

    An amended event is found as its amendment. By default the last week is searched. Raises ``InvalidRequestError`` for
    a time that ends before it starts.
    """
    timeframe = _timeframe(now - SEARCHED_BACK if start is None else start, now if end is None else end)
    ids = list(dict.fromkeys(event_ids))
    rows = log.stored(tenant, ids, as_of=log.position(), period=timeframe)
    shown = {row.event.idempotency_key: row for row in rows if row.state == "deprecated"}
    shown |= {row.event.idempotency_key: row for row in rows if row.state == "in_effect"}
    return [shown[event_id] for event_id in ids if event_id in shown]


def event_volume(
    log: EventLog, *, tenant: str, start: datetime, end: datetime | None, now: datetime
) -> list[HourlyVolume]:
    """The events in effect of each hour with an instant of ``[start, end)``, in order of time; until now by default.

    An event is of the hour of its own timestamp. Raises ``InvalidRequestError`` for a time that ends before it starts
    or has more than ``VOLUME_HOURS_MAX`` hours.
    """
    timeframe = _timeframe(start, now if end is None else end)
    whole = Period(_hour_of(timeframe.start), _hour_of(timeframe.end - timedelta.resolution) + _HOUR)
    if whole.end - whole.start > VOLUME_HOURS_MAX * _HOUR:
        message = f"is more than {VOLUME_HOURS_MAX} hours after timeframe_start; ask for several timeframes"
        raise InvalidRequestError.of("timeframe_end", message)
    counts = count_by_hour(log, Scope(tenant=tenant, as_of=log.position(), period=whole))
    return [HourlyVolume(hour, counts.get(hour.start, 0)) for hour in hours_of(whole)]


def hours_of(period: Period) -> list[Period]:
    """The hours of a period that starts and ends on the hour, in UTC."""
    return list(_hours(period))


def count_by_hour(log: EventLog, scope: Scope, select: str = _BY_HOUR, **parameters: object) -> dict[datetime, int]:
    """How many events of the scope are in effect, by the start of their hour; hours without any are left out.

    Another ``select`` gives ``HOUR_OF_EVENT`` and a count of those that it asks for.
    """
    rows = log.read(select, scope=scope, parameters=parameters).rows
    return {hour.replace(tzinfo=UTC): count for hour, count in rows}


def _hours(period: Period) -> Iterator[Period]:
    start = period.start
    while start < period.end:
        yield Period(start, start + _HOUR)
        start += _HOUR


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _timeframe(start: datetime, end: datetime) -> Period:
    if end <= start:
        raise InvalidRequestError.of("timeframe_end", "is not after timeframe_start")
    return Period(start, end)
