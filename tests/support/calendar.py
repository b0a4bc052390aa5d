"""Instants and zones that the tests of the calendar share."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from orbdo_server.core.periods import Period

# Zones with whole, half and quarter hours, with clocks that change at midnight, before it and a minute after it, with a
# day left out (Apia 2011, Kwajalein 1993) and far from UTC on either side.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Toronto",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "Pacific/Chatham",
]
INSTANTS = st.datetimes(datetime(1901, 1, 1), datetime(2960, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def instant(text: str) -> datetime:
    """An instant from ISO 8601 text."""
    return datetime.fromisoformat(text)


def period(start: str, end: str) -> Period:
    """A period from two instants in text."""
    return Period(instant(start), instant(end))
