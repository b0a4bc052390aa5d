"""How old an event may be when it comes in without a backfill."""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta

import msgspec

from orbdo_server.core.periods import BillingCycle, period_at
from orbdo_server.engine.remembered import Remembered
from orbdo_server.storage import subscriptions
from orbdo_server.storage.database import Database

REMEMBERED_SECONDS = 30
TENANTS_REMEMBERED_MAX = 10_000
CALENDAR_MONTH = (date(2000, 1, 1), "UTC")


class _Open(msgspec.Struct, frozen=True):
    """What is open to events of an instant in ``[since, until)``: everything from ``start`` on."""

    since: datetime
    until: datetime
    start: datetime


class _Calendars:
    """The calendars of a tenant, and what they said last."""

    def __init__(self, calendars: frozenset[tuple[date, str]], at: datetime) -> None:
        self._calendars = calendars
        self._open = _opened(calendars, at)

    def open_since(self, at: datetime) -> datetime:
        """The beginning of what is open at an instant; worked out anew only where one of the periods ends."""
        known = self._open
        if not known.since <= at < known.until:
            known = self._open = _opened(self._calendars, at)
        return known.start


class Acceptance:
    """The oldest event each tenant takes: one whose monthly billing period is open, or closed within the grace period.

    A tenant's subscriptions keep different days in different zones. What counts is the month that began first among
    them and the calendar month, so that no event of an open period is refused; that is at most 31 days before the
    grace period. ``timer`` counts seconds.
    """

    def __init__(self, database: Database, *, grace: timedelta, timer: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._grace = grace
        self._calendars: Remembered[str, _Calendars] = Remembered(
            seconds=REMEMBERED_SECONDS, entries_max=TENANTS_REMEMBERED_MAX, timer=timer
        )

    def age_max(self, tenant: str, now: datetime) -> timedelta:
        """How old an event of the tenant may be at ``now``. Reads the control plane when it has not done so lately."""
        at = now - self._grace
        calendars = self._calendars.get(tenant) or self._learned(tenant, at)
        return now - calendars.open_since(at)

    def remembered_age_max(self, tenant: str, now: datetime) -> timedelta | None:
        """The same without a query, or None when one is needed."""
        calendars = self._calendars.get(tenant)
        return None if calendars is None else now - calendars.open_since(now - self._grace)

    def _learned(self, tenant: str, at: datetime) -> _Calendars:
        with self._database.read() as connection:
            used = subscriptions.calendars(connection, tenant=tenant)
        learned = _Calendars(
            frozenset({CALENDAR_MONTH, *((anchor.replace(year=2000), zone) for anchor, zone in used)}), at
        )
        self._calendars.put(tenant, learned)
        return learned


def _opened(calendars: frozenset[tuple[date, str]], at: datetime) -> _Open:
    periods = [period_at(BillingCycle(months=1, anchor=anchor, zone=zone), at) for anchor, zone in calendars]
    return _Open(
        since=max(period.start for period in periods),
        until=min(period.end for period in periods),
        start=min(period.start for period in periods),
    )
