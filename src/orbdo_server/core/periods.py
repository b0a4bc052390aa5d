"""Periods of time and the calendar: the only module that knows months, days and time zones.

A period is half-open, ``[start, end)``, between two UTC instants. A billing cycle starts its periods at local midnight
in the customer's zone and keeps its anchor day: 31 January, 28 February, 31 March. There is no "today" here: every
instant is an argument. ``zoneinfo`` reads the IANA time zone database from disk, which is data, not I/O of ours.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from orbdo_server.core.errors import InvalidBillingCycleError, InvalidPeriodError, UnknownTimezoneError
from orbdo_server.core.money import EXACT

CYCLE_MONTHS_MAX = 120
CYCLE_DAYS_MAX = 3_660
# Calendar arithmetic takes dates of these years; a boundary may lie one cycle further, which datetime can still say.
CALENDAR_YEAR_MIN = 1900
CALENDAR_YEAR_MAX = 2999
ZONE_LENGTH_MAX = 64

Cadence = Literal["one_time", "monthly", "quarterly", "semi_annual", "annual"]

# Months of a cycle by cadence; a one-time charge has no cycle.
CADENCE_MONTHS: Mapping[Cadence, int | None] = MappingProxyType(
    {"one_time": None, "monthly": 1, "quarterly": 3, "semi_annual": 6, "annual": 12}
)

_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", re.ASCII)
# These files lie beside the zones and differ from machine to machine, so that a period would too.
_NOT_ZONES = frozenset({"Factory", "localtime", "posixrules"})


class Period(msgspec.Struct, frozen=True):
    """The instants from ``start`` up to but not including ``end``, both aware; they are kept in UTC.

    ``InvalidPeriodError`` when one has no time zone or the period would be empty.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what is not a period, and keep the same instants in UTC, where subtraction means elapsed time."""
        msgspec.structs.force_setattr(self, "start", _in_utc(self.start, field="start"))
        msgspec.structs.force_setattr(self, "end", _in_utc(self.end, field="end"))
        if self.end <= self.start:
            raise InvalidPeriodError(
                "a period must end after it starts", field="end", expected="an instant after start"
            )

    @property
    def seconds(self) -> Decimal:
        """Elapsed seconds, exact to the microsecond; a day of a clock change has 82,800 or 90,000 of them."""
        microseconds = (self.end - self.start) // timedelta(microseconds=1)
        return Decimal(microseconds).scaleb(-6, context=EXACT)

    def contains(self, at: datetime) -> bool:
        """Whether ``at`` lies in the period: its start does, its end does not."""
        return self.start <= at < self.end

    def overlap(self, other: "Period") -> "Period | None":
        """The instants both periods have; ``None`` when there are none, as for two that only touch."""
        start = max(self.start, other.start)
        end = min(self.end, other.end)
        return Period(start, end) if start < end else None


class BillingCycle(msgspec.Struct, frozen=True, kw_only=True):
    """Periods of either ``months`` or ``days``, one of which starts on the local date ``anchor`` in ``zone``.

    The cycle reaches back before the anchor as well. ``InvalidBillingCycleError`` unless exactly one length is given
    and within its bound, ``UnknownTimezoneError`` for a zone that is no IANA name.
    """

    months: int | None = None
    days: int | None = None
    anchor: date
    zone: str

    def __post_init__(self) -> None:
        """Refuse a cycle whose periods could not be computed."""
        if (self.months is None) == (self.days is None):
            raise InvalidBillingCycleError("a billing cycle has either months or days", field="duration_unit")
        if self.months is not None and not 1 <= self.months <= CYCLE_MONTHS_MAX:
            raise _cycle_length_error("months", CYCLE_MONTHS_MAX)
        if self.days is not None and not 1 <= self.days <= CYCLE_DAYS_MAX:
            raise _cycle_length_error("days", CYCLE_DAYS_MAX)
        _require_supported_year(self.anchor, field="anchor")
        zone_info(self.zone)


def cycle_for(cadence: Cadence, *, anchor: date, zone: str) -> BillingCycle | None:
    """The billing cycle of a price with this cadence; ``None`` for a one-time charge."""
    months = CADENCE_MONTHS[cadence]
    return None if months is None else BillingCycle(months=months, anchor=anchor, zone=zone)


def period_at(cycle: BillingCycle, at: datetime) -> Period:
    """The whole period of ``cycle`` that contains ``at``.

    An instant on a boundary belongs to the period that starts there. A subscription that began in the middle does not
    shorten the period: cut with ``overlap``, and keep this one as the denominator of proration.
    """
    index = _first_guess(cycle, at)
    # The guess is by local date, which may differ by one from the period: an hour can repeat around midnight.
    while _boundary(cycle, index) > at:
        index -= 1
    while _boundary(cycle, index + 1) <= at:
        index += 1
    return Period(_boundary(cycle, index), _boundary(cycle, index + 1))


def periods_from(cycle: BillingCycle, start: datetime, until: datetime) -> Iterator[Period]:
    """The whole periods that hold the instants from ``start`` up to ``until``, in order, without gap or overlap.

    The first one begins at or before ``start``, the last one ends at or after ``until``; none when ``until <= start``.
    """
    at = start
    while at < until:
        period = period_at(cycle, at)
        yield period
        at = period.end


def local_midnight(day: date, zone: str) -> datetime:
    """The first instant of the local ``day``, in UTC.

    Where clocks skip midnight it is the first instant after the gap, even when the gap is the whole day; where midnight
    comes twice it is the first of the two.
    """
    _require_supported_year(day, field="day")
    return _midnight(day, zone_info(zone))


def local_date(at: datetime, zone: str) -> date:
    """The date on the calendar of ``zone`` at the instant ``at``, which lies in a supported year."""
    _require_supported_year(at, field="at")
    return _in_utc(at, field="at").astimezone(zone_info(zone)).date()


def full_days(period: Period, zone: str) -> int:
    """Days of the local calendar that the period is billed for: its first day counts, the day it ends on does not.

    Days of 23 and 25 hours count as one. A period inside one day has none; that day belongs to whatever ends it.
    """
    return (local_date(period.end, zone) - local_date(period.start, zone)).days


def zone_info(zone: str) -> ZoneInfo:
    """The IANA zone of that name; ``UnknownTimezoneError`` for all else, a path or a machine's own zone included."""
    if len(zone) > ZONE_LENGTH_MAX or not _ZONE_NAME.fullmatch(zone) or zone in _NOT_ZONES:
        raise UnknownTimezoneError(zone)
    try:
        return ZoneInfo(zone)
    # A missing name is a KeyError, a folder of zones ("America") an OSError, another file of the database a ValueError.
    except (KeyError, OSError, ValueError) as error:
        raise UnknownTimezoneError(zone) from error


def _boundary(cycle: BillingCycle, index: int) -> datetime:
    # Always counted from the anchor: counting from the last boundary would lose the 31st for good in February.
    tz = zone_info(cycle.zone)
    if cycle.months is not None:
        return _midnight(_add_months(cycle.anchor, index * cycle.months), tz)
    assert cycle.days is not None, "a cycle without months has days"
    return _midnight(cycle.anchor + timedelta(days=index * cycle.days), tz)


def _add_months(day: date, months: int) -> date:
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, min(day.day, monthrange(year, month0 + 1)[1]))


def _first_guess(cycle: BillingCycle, at: datetime) -> int:
    day = local_date(at, cycle.zone)
    if cycle.months is not None:
        return ((day.year - cycle.anchor.year) * 12 + day.month - cycle.anchor.month) // cycle.months
    assert cycle.days is not None, "a cycle without months has days"
    return (day - cycle.anchor).days // cycle.days


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    midnight = datetime.combine(day, time.min, tzinfo=tz)
    earliest = midnight.astimezone(UTC)
    if earliest.astimezone(tz).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return earliest
    return _end_of_gap(midnight, tz)


def _end_of_gap(midnight: datetime, tz: ZoneInfo) -> datetime:
    # In a gap, fold=1 reads the wall time with the offset after it, which is the earlier instant; the change lies
    # between the two, on a whole second.
    before = midnight.replace(fold=1).astimezone(UTC)
    after = midnight.replace(fold=0).astimezone(UTC)
    offset = after.astimezone(tz).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // timedelta(seconds=2) * timedelta(seconds=1)
        if middle.astimezone(tz).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _in_utc(at: datetime, *, field: str) -> datetime:
    if at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        raise InvalidPeriodError("an instant must say its offset from UTC", field=field, expected="a UTC instant")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidPeriodError(field=field, expected="an instant of the years 1 to 9999 in UTC") from error


def _require_supported_year(day: date, *, field: str) -> None:
    if not CALENDAR_YEAR_MIN <= day.year <= CALENDAR_YEAR_MAX:
        years = f"{CALENDAR_YEAR_MIN} to {CALENDAR_YEAR_MAX}"
        raise InvalidPeriodError(f"the calendar covers the years {years}", field=field, expected=f"a date in {years}")


def _cycle_length_error(unit: str, most: int) -> InvalidBillingCycleError:
    return InvalidBillingCycleError(
        f"a billing cycle has 1 to {most} {unit}", field="duration", expected=f"a whole number from 1 to {most}"
    )
