"""Periods, local days and time zones: where a day starts everywhere, and that nothing is in two periods."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.errors import InvalidPeriodError, UnknownTimezoneError
from orbdo_server.core.periods import ZONE_LENGTH_MAX, Period, full_days, local_date, local_midnight, zone_info
from tests.support.calendar import INSTANTS, ZONES, instant, period


def test_period_is_half_open() -> None:
    """A period has its start and not its end, so that an event on a boundary is counted once (lago-api#5822)."""
    march = period("2026-03-01T00:00Z", "2026-04-01T00:00Z")
    april = period("2026-04-01T00:00Z", "2026-05-01T00:00Z")
    boundary = instant("2026-04-01T00:00Z")
    assert march.contains(instant("2026-03-01T00:00Z"))
    assert march.contains(instant("2026-03-31T23:59:59.999999Z"))
    assert not march.contains(boundary)
    assert april.contains(boundary)
    assert not march.contains(instant("2026-02-28T23:59:59.999999Z"))


def test_period_keeps_the_same_instants_in_utc() -> None:
    """Instants with another offset are accepted and kept as what they are in UTC."""
    kept = period("2026-03-01T01:00+01:00", "2026-03-02T01:00+01:00")
    assert kept == period("2026-03-01T00:00Z", "2026-03-02T00:00Z")
    assert kept.start.tzinfo is UTC
    assert kept.end.tzinfo is UTC


def test_period_in_winter_time_is_utc_too() -> None:
    """London's winter looks like UTC and is not: arithmetic on a period must not jump in spring."""
    london = ZoneInfo("Europe/London")
    winter = Period(datetime(2026, 1, 1, tzinfo=london), datetime(2026, 2, 1, tzinfo=london))
    assert winter.start + timedelta(days=180) == instant("2026-06-30T00:00Z")


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("2026-03-01T00:00", "2026-04-01T00:00Z", "start"),
        ("2026-03-01T00:00Z", "2026-04-01T00:00", "end"),
        ("2026-03-01T00:00Z", "2026-03-01T00:00Z", "end"),
        ("2026-03-01T00:00Z", "2026-02-28T23:59Z", "end"),
        ("0001-01-01T00:00+01:00", "2026-02-28T23:59Z", "start"),
    ],
)
def test_what_is_no_period_is_refused(start: str, end: str, field: str) -> None:
    """Instants without a zone, an empty period, and instants that UTC cannot say are refused by field."""
    with pytest.raises(InvalidPeriodError) as caught:
        period(start, end)
    assert (caught.value.code, caught.value.field) == ("invalid_period", field)


@pytest.mark.parametrize(
    ("other", "common"),
    [
        (("2026-03-10T00:00Z", "2026-03-20T00:00Z"), ("2026-03-10T00:00Z", "2026-03-20T00:00Z")),
        (("2026-02-10T00:00Z", "2026-03-20T00:00Z"), ("2026-03-01T00:00Z", "2026-03-20T00:00Z")),
        (("2026-03-10T00:00Z", "2026-04-20T00:00Z"), ("2026-03-10T00:00Z", "2026-04-01T00:00Z")),
        (("2026-01-01T00:00Z", "2026-12-01T00:00Z"), ("2026-03-01T00:00Z", "2026-04-01T00:00Z")),
        (("2026-04-01T00:00Z", "2026-05-01T00:00Z"), None),
        (("2026-02-01T00:00Z", "2026-03-01T00:00Z"), None),
    ],
)
def test_overlap_is_what_both_have(other: tuple[str, str], common: tuple[str, str] | None) -> None:
    """Two periods overlap in the instants both have; periods that only touch do not overlap."""
    march = period("2026-03-01T00:00Z", "2026-04-01T00:00Z")
    expected = period(*common) if common else None
    assert march.overlap(period(*other)) == expected
    assert period(*other).overlap(march) == expected


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("2026-03-01T00:00Z", "2026-04-01T00:00Z", "2678400"),
        ("2026-03-28T23:00Z", "2026-03-29T22:00Z", "82800"),
        ("2026-10-24T22:00Z", "2026-10-25T23:00Z", "90000"),
        ("2026-03-01T00:00Z", "2026-03-01T00:00:00.000001Z", "0.000001"),
        ("0001-01-01T00:00Z", "9999-12-31T23:59:59.999999Z", "315537897599.999999"),
    ],
)
def test_seconds_are_elapsed_and_exact(start: str, end: str, seconds: str) -> None:
    """A period knows its elapsed seconds to the microsecond."""
    assert period(start, end).seconds == Decimal(seconds)


def test_period_survives_storage() -> None:
    """A period written as JSON is read back as the same period."""
    march = period("2026-03-01T00:00Z", "2026-04-01T00:00Z")
    assert msgspec.json.decode(msgspec.json.encode(march), type=Period) == march


@pytest.mark.parametrize(
    ("day", "zone", "midnight"),
    [
        ("2026-03-01", "UTC", "2026-03-01T00:00Z"),
        ("2026-03-01", "Asia/Tokyo", "2026-02-28T15:00Z"),
        ("2026-03-01", "America/Los_Angeles", "2026-03-01T08:00Z"),
        ("2026-03-30", "Europe/Berlin", "2026-03-29T22:00Z"),
        ("2026-10-26", "Europe/Berlin", "2026-10-25T23:00Z"),
        ("2026-03-01", "Asia/Kathmandu", "2026-02-28T18:15Z"),
    ],
)
def test_local_midnight_is_in_utc(day: str, zone: str, midnight: str) -> None:
    """The first instant of a local day is told in UTC."""
    assert local_midnight(date.fromisoformat(day), zone) == instant(midnight)


@pytest.mark.parametrize(
    ("day", "zone", "first", "wall"),
    [
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00Z", "2018-11-04T01:00:00-02:00"),
        ("2026-04-24", "Africa/Cairo", "2026-04-23T22:00Z", "2026-04-24T01:00:00+03:00"),
        ("1919-03-31", "America/Toronto", "1919-03-31T04:30Z", "1919-03-31T00:30:00-04:00"),
    ],
)
def test_skipped_midnight_becomes_the_first_instant_after_it(day: str, zone: str, first: str, wall: str) -> None:
    """Where clocks skip midnight, the day starts when they have changed, also when the gap began the day before."""
    midnight = local_midnight(date.fromisoformat(day), zone)
    assert midnight == instant(first)
    assert midnight.astimezone(ZoneInfo(zone)).isoformat() == wall


@pytest.mark.parametrize(
    ("day", "zone", "first"),
    [
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00Z"),
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00Z"),
        ("1993-08-21", "Pacific/Kwajalein", "1993-08-21T12:00Z"),
    ],
)
def test_skipped_day_becomes_the_start_of_the_next(day: str, zone: str, first: str) -> None:
    """A day that was left out at the date line has the first instant after it."""
    assert local_midnight(date.fromisoformat(day), zone) == instant(first)


@pytest.mark.parametrize(
    ("day", "zone", "first"),
    [
        ("2026-11-01", "America/Havana", "2026-11-01T04:00Z"),
        ("2010-11-07", "America/St_Johns", "2010-11-07T02:30Z"),
        ("2017-10-29", "Europe/Berlin", "2017-10-28T22:00Z"),
    ],
)
def test_repeated_midnight_is_the_first_one(day: str, zone: str, first: str) -> None:
    """Where midnight comes twice, the day starts with the first."""
    assert local_midnight(date.fromisoformat(day), zone) == instant(first)


@given(day=st.dates(date(1900, 1, 2), date(2999, 12, 30)), zone=st.sampled_from(ZONES))
def test_no_instant_just_before_local_midnight_is_in_that_day(day: date, zone: str) -> None:
    """Local midnight is in its day or, where that was skipped, after it, and the instant before is not in it."""
    midnight = local_midnight(day, zone)
    assert local_date(midnight, zone) >= day
    assert local_date(midnight - timedelta(microseconds=1), zone) < day


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "Mars/Base",
        "America",
        "../etc/passwd",
        "/etc/hostname",
        "localtime",
        "Factory",
        "posixrules",
        "tzdata.zi",
        "Europe/Berlin ",
        "europe//berlin",
        "a\0b",
        "é",
        "\udc80",
        "zone1970.tab",
        "leapseconds",
        "+01:00",
        "5",
    ],
)
def test_unknown_time_zone_is_refused(zone: str) -> None:
    """What is no IANA zone is refused, also a path, a file beside the zones, and the zone of this machine."""
    with pytest.raises(UnknownTimezoneError) as caught:
        zone_info(zone)
    assert caught.value.code == "unknown_timezone"
    assert caught.value.zone == zone


def test_time_zone_name_has_a_bound() -> None:
    """A name of the longest length is looked up, a longer one is refused unread; neither exists."""
    for length in (ZONE_LENGTH_MAX, ZONE_LENGTH_MAX + 1):
        with pytest.raises(UnknownTimezoneError) as caught:
            zone_info("A" * length)
        assert (caught.value.__cause__ is None) == (length > ZONE_LENGTH_MAX)


@given(
    start=INSTANTS,
    cuts=st.lists(st.timedeltas(timedelta(microseconds=1), timedelta(days=31)), min_size=1, max_size=12),
    events=st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), max_size=40),
)
def test_a_partition_counts_every_event_once(start: datetime, cuts: list[timedelta], events: list[timedelta]) -> None:
    """However a period is cut, its parts have its seconds, and each event in it is in exactly one part."""
    bounds = [start]
    for cut in cuts:
        bounds.append(bounds[-1] + cut)
    parts = [Period(begin, end) for begin, end in pairwise(bounds)]
    whole = Period(bounds[0], bounds[-1])
    assert sum(part.seconds for part in parts) == whole.seconds
    for at in [*(start + offset for offset in events), *bounds]:
        assert sum(part.contains(at) for part in parts) == whole.contains(at)


@pytest.mark.parametrize(
    ("start", "end", "zone", "days"),
    [
        ("2024-03-09T00:00Z", "2024-03-11T00:00Z", "America/New_York", 2),
        ("2024-04-06T00:00Z", "2024-04-08T00:00Z", "Australia/Sydney", 2),
        ("2026-03-28T23:00Z", "2026-03-29T22:00Z", "Europe/Berlin", 1),
        ("2026-03-01T00:00Z", "2026-04-01T00:00Z", "UTC", 31),
        ("2026-03-15T10:00Z", "2026-04-01T00:00Z", "UTC", 17),
        ("2026-03-15T10:00Z", "2026-03-15T20:00Z", "UTC", 0),
    ],
)
def test_days_are_counted_on_the_local_calendar(start: str, end: str, zone: str, days: int) -> None:
    """Billed days are dates of the customer's calendar, not blocks of 24 hours; the day of the end is not counted."""
    assert full_days(period(start, end), zone) == days
