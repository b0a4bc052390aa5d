"""Billing cycles of core/periods.py: where each period starts and ends, in every zone and from every anchor."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.errors import InvalidBillingCycleError, InvalidPeriodError, UnknownTimezoneError
from orbdo_server.core.periods import (
    CADENCE_MONTHS,
    CYCLE_DAYS_MAX,
    CYCLE_MONTHS_MAX,
    BillingCycle,
    Cadence,
    Period,
    cycle_for,
    local_date,
    local_midnight,
    period_at,
    periods_from,
)
from tests.support.calendar import INSTANTS, ZONES, instant, period

CYCLES = st.one_of(
    st.builds(
        BillingCycle,
        months=st.integers(1, 24),
        anchor=st.dates(date(1950, 1, 1), date(2050, 1, 1)),
        zone=st.sampled_from(ZONES),
    ),
    st.builds(
        BillingCycle,
        days=st.integers(1, 400),
        anchor=st.dates(date(1950, 1, 1), date(2050, 1, 1)),
        zone=st.sampled_from(ZONES),
    ),
)


def monthly(anchor: str, zone: str = "UTC", months: int = 1) -> BillingCycle:
    """A cycle of months from an anchor day."""
    return BillingCycle(months=months, anchor=date.fromisoformat(anchor), zone=zone)


def local_starts(cycle: BillingCycle, start: str, count: int) -> list[str]:
    """The local dates on which the next periods start."""
    periods = periods_from(cycle, instant(start), datetime(2990, 1, 1, tzinfo=UTC))
    return [local_date(found.start, cycle.zone).isoformat() for found in islice(periods, count)]


def test_cadences_have_their_months() -> None:
    """Each cadence of a price is a cycle of so many months; a one-time price has no cycle."""
    assert dict(CADENCE_MONTHS) == {"one_time": None, "monthly": 1, "quarterly": 3, "semi_annual": 6, "annual": 12}


@pytest.mark.parametrize(
    ("cadence", "months"), [("monthly", 1), ("quarterly", 3), ("semi_annual", 6), ("annual", 12), ("one_time", None)]
)
def test_cycle_of_a_cadence(cadence: Cadence, months: int | None) -> None:
    """The cycle of a price follows from its cadence, the anchor and the zone."""
    anchor = date(2026, 1, 31)
    expected = None if months is None else BillingCycle(months=months, anchor=anchor, zone="Asia/Tokyo")
    assert cycle_for(cadence, anchor=anchor, zone="Asia/Tokyo") == expected


@pytest.mark.parametrize(
    ("months", "days", "field"),
    [
        (None, None, "duration_unit"),
        (1, 30, "duration_unit"),
        (0, None, "duration"),
        (CYCLE_MONTHS_MAX + 1, None, "duration"),
        (None, 0, "duration"),
        (None, CYCLE_DAYS_MAX + 1, "duration"),
    ],
)
def test_what_is_no_billing_cycle_is_refused(months: int | None, days: int | None, field: str) -> None:
    """A cycle has months or days, not both, and not more than the bound."""
    with pytest.raises(InvalidBillingCycleError) as caught:
        BillingCycle(months=months, days=days, anchor=date(2026, 1, 1), zone="UTC")
    assert (caught.value.code, caught.value.field) == ("invalid_billing_cycle", field)


def test_longest_cycles() -> None:
    """Cycles at the bounds have a period: ten years by months, ten years by days."""
    at = instant("2026-06-01T00:00Z")
    by_months = BillingCycle(months=CYCLE_MONTHS_MAX, anchor=date(2026, 1, 1), zone="UTC")
    by_days = BillingCycle(days=CYCLE_DAYS_MAX, anchor=date(2026, 1, 1), zone="UTC")
    assert period_at(by_months, at) == period("2026-01-01T00:00Z", "2036-01-01T00:00Z")
    assert period_at(by_days, at) == period("2026-01-01T00:00Z", "2036-01-09T00:00Z")


def test_cycle_in_an_unknown_zone_is_refused() -> None:
    """A cycle cannot be made for a zone that does not exist."""
    with pytest.raises(UnknownTimezoneError):
        monthly("2026-01-01", "Mars/Base")


@pytest.mark.parametrize("year", [1899, 3000])
def test_calendar_is_bounded(year: int) -> None:
    """Dates and instants outside the supported years are refused with their field, never an overflow."""
    with pytest.raises(InvalidPeriodError) as caught:
        monthly(f"{year}-01-01")
    assert caught.value.field == "anchor"
    with pytest.raises(InvalidPeriodError) as caught:
        period_at(monthly("2026-01-01"), datetime(year, 6, 1, tzinfo=UTC))
    assert caught.value.field == "at"
    with pytest.raises(InvalidPeriodError) as caught:
        local_midnight(date(year, 6, 1), "UTC")
    assert caught.value.field == "day"


@pytest.mark.parametrize("year", [1900, 2999])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_first_and_last_year_of_the_calendar(year: int, zone: str) -> None:
    """The first and the last supported year have their periods, even in the longest cycle."""
    cycle = monthly(f"{year}-06-30", zone, months=CYCLE_MONTHS_MAX)
    for at in (datetime(year, 1, 1, tzinfo=UTC), datetime(year, 12, 31, 23, 59, tzinfo=UTC)):
        assert period_at(cycle, at).contains(at)


def test_instants_without_a_zone_have_no_period() -> None:
    """An instant that does not say its offset is refused rather than guessed."""
    with pytest.raises(InvalidPeriodError) as caught:
        period_at(monthly("2026-01-01"), datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test
    assert caught.value.field == "at"


def test_instants_of_any_offset_have_the_same_period() -> None:
    """The period depends on the instant, not on how its offset is written."""
    cycle = monthly("2026-01-01")
    at = datetime(2026, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert period_at(cycle, at) == period("2026-02-01T00:00Z", "2026-03-01T00:00Z")


def test_event_at_the_end_of_the_day_is_billed_once_east_of_utc() -> None:
    """Usage late on the last local day of a month is in that month and in no other (lago-api#879)."""
    cycle = monthly("2026-01-01", "Asia/Tokyo")
    january, february = islice(periods_from(cycle, instant("2026-01-15T00:00Z"), instant("2026-03-01T00:00Z")), 2)
    last_second = instant("2026-01-31T23:59:59+09:00")
    assert [january.contains(last_second), february.contains(last_second)] == [True, False]
    first_second = instant("2026-02-01T00:00:00+09:00")
    assert [january.contains(first_second), february.contains(first_second)] == [False, True]


def test_usage_of_an_account_west_of_utc_is_billed_once() -> None:
    """Hourly usage around a local month end falls into exactly one period each (killbill#1856)."""
    cycle = monthly("2026-01-01", "America/Los_Angeles")
    hours = [instant("2026-01-31T12:00Z") + timedelta(hours=hour) for hour in range(48)]
    periods = list(periods_from(cycle, hours[0], hours[-1]))
    assert [len(periods), sum(found.contains(at) for found in periods for at in hours)] == [2, 48]
    assert sum(periods[0].contains(at) for at in hours) == 20


def test_anchor_is_a_day_of_the_customer_s_zone() -> None:
    """A cycle starts at midnight of the customer, not of UTC (flexprice#628)."""
    assert period_at(monthly("2026-01-15", "America/New_York"), instant("2026-01-20T00:00Z")) == period(
        "2026-01-15T05:00Z", "2026-02-15T05:00Z"
    )


def test_trial_ends_at_local_midnight() -> None:
    """Fourteen days of trial end at midnight of the customer's zone, whatever the clocks do in between (lago#2244)."""
    trial = BillingCycle(days=14, anchor=date(2026, 3, 20), zone="Europe/Berlin")
    assert period_at(trial, instant("2026-03-20T08:00Z")) == period("2026-03-19T23:00Z", "2026-04-02T22:00Z")


def test_start_on_the_31st_is_kept_through_february() -> None:
    """A cycle from 31 January bills on 28 February, then on 31 March (lago-api#1840)."""
    assert local_starts(monthly("2026-01-31"), "2026-01-31T00:00Z", 6) == [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
        "2026-05-31",
        "2026-06-30",
    ]


def test_start_on_the_30th_is_not_the_end_of_the_month() -> None:
    """A cycle from 30 January or 28 February keeps its number, and does not move to the last day (killbill#2133)."""
    assert local_starts(monthly("2026-01-30"), "2026-01-30T00:00Z", 3) == ["2026-01-30", "2026-02-28", "2026-03-30"]
    assert local_starts(monthly("2026-02-28"), "2026-02-28T00:00Z", 3) == ["2026-02-28", "2026-03-28", "2026-04-28"]


def test_anchor_past_the_28th_does_not_move() -> None:
    """After twelve Februaries the anchor is still the 31st, and the same seen from any month (openmeter#3229)."""
    cycle = monthly("2026-01-31")
    assert local_starts(cycle, "2038-03-15T00:00Z", 2) == ["2038-02-28", "2038-03-31"]
    assert local_starts(cycle, "2014-03-15T00:00Z", 2) == ["2014-02-28", "2014-03-31"]


def test_leap_day_anchor_bills_on_28_february() -> None:
    """A year from 29 February is billed on 28 February, and on the 29th again in leap years."""
    assert local_starts(monthly("2024-02-29", months=12), "2024-02-29T00:00Z", 5) == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]


def test_event_on_the_last_day_stays_in_its_period() -> None:
    """Noon and the last microsecond of the last day belong to the period that ends with that day (lago-api#3025)."""
    cycle = monthly("2026-03-01", "Europe/Berlin")
    march = period("2026-02-28T23:00Z", "2026-03-31T22:00Z")
    assert period_at(cycle, instant("2026-03-31T12:00:00+02:00")) == march
    assert period_at(cycle, instant("2026-03-31T23:59:59.999999+02:00")) == march
    assert period_at(cycle, instant("2026-04-01T00:00:00+02:00")).start == march.end


def test_start_inside_a_period_does_not_shorten_it() -> None:
    """The period of a mid-period start is the whole one, so that proration divides by all of it (lago-api#6194)."""
    whole = period("2026-03-01T00:00Z", "2026-04-01T00:00Z")
    found = next(periods_from(monthly("2026-01-01"), instant("2026-03-20T10:00Z"), instant("2026-04-01T00:00Z")))
    assert found == whole
    served = found.overlap(period("2026-03-20T10:00Z", "2026-04-01T00:00Z"))
    assert served is not None
    assert [served.seconds, found.seconds] == [Decimal(1_000_800), Decimal(2_678_400)]


def test_periods_are_the_same_wherever_one_begins_to_look() -> None:
    """A period depends on the cycle alone, not on which usage is asked for first (lago-api#4435)."""
    cycle = monthly("2026-01-31", "America/New_York")
    until = instant("2026-07-01T00:00Z")
    whole = list(periods_from(cycle, instant("2026-02-01T05:00Z"), until))
    late = list(periods_from(cycle, instant("2026-04-11T17:30Z"), until))
    assert [len(whole), len(late)] == [6, 4]
    assert late == whole[2:]


def test_no_periods_without_time() -> None:
    """Nothing lies between an instant and itself or one before it."""
    at = instant("2026-03-01T00:00Z")
    assert not list(periods_from(monthly("2026-01-01"), at, at))
    assert not list(periods_from(monthly("2026-01-01"), at, at - timedelta(days=1)))


def test_daily_cycle_has_no_period_for_a_day_that_was_left_out() -> None:
    """Apia had no 30 December 2011: the days before and after it touch."""
    cycle = BillingCycle(days=1, anchor=date(2011, 1, 1), zone="Pacific/Apia")
    assert local_starts(cycle, "2011-12-29T12:00Z", 3) == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_hour_repeated_at_midnight_stays_in_the_day_that_began() -> None:
    """In St. John's the clock went from 00:01 back to 23:01: the day begins once, at the first midnight."""
    cycle = BillingCycle(days=1, anchor=date(2010, 1, 1), zone="America/St_Johns")
    sunday = period("2010-11-07T02:30Z", "2010-11-08T03:30Z")
    repeated_hour = instant("2010-11-07T03:00Z")
    assert local_date(repeated_hour, "America/St_Johns") == date(2010, 11, 6)
    assert period_at(cycle, repeated_hour) == sunday


@given(cycle=CYCLES, at=INSTANTS)
def test_every_instant_is_in_its_period(cycle: BillingCycle, at: datetime) -> None:
    """The period at an instant contains it, and so does the period at its own start."""
    found = period_at(cycle, at)
    assert found.contains(at)
    assert period_at(cycle, found.start) == found


@given(cycle=CYCLES, at=INSTANTS, count=st.integers(1, 14))
def test_periods_neither_overlap_nor_leave_a_gap(cycle: BillingCycle, at: datetime, count: int) -> None:
    """Each period ends where the next starts, and together they have the seconds of the whole."""
    periods = list(islice(periods_from(cycle, at, datetime(2999, 1, 1, tzinfo=UTC)), count))
    assert len(periods) == count
    assert all(before.end == after.start for before, after in pairwise(periods))
    assert sum(found.seconds for found in periods) == Period(periods[0].start, periods[-1].end).seconds
