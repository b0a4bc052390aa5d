"""How old an event may be when it comes in without a backfill."""

import threading
from datetime import date, datetime, timedelta

from cachetools import TTLCache

from orbdo_server.core.periods import BillingCycle, period_at
from orbdo_server.storage import subscriptions
from orbdo_server.storage.database import Database

REMEMBERED_SECONDS = 30
TENANTS_REMEMBERED_MAX = 10_000
CALENDAR_MONTH = (date(2000, 1, 1), "UTC")


class Acceptance:
    """The oldest event each tenant takes: one whose monthly billing period is open, or closed within the grace period.

    A tenant's subscriptions keep different days in different zones. What counts is the month that began first among
    them and the calendar month, so that no event of an open period is refused; that is at most 31 days before the
    grace period.
    """

    def __init__(self, database: Database, *, grace: timedelta) -> None:
        self._database = database
        self._grace = grace
        self._calendars: TTLCache[str, frozenset[tuple[date, str]]] = TTLCache(
            TENANTS_REMEMBERED_MAX, REMEMBERED_SECONDS
        )
        self._lock = threading.Lock()

    def age_max(self, tenant: str, now: datetime) -> timedelta:
        """How old an event of the tenant may be at ``now``. Reads the control plane when it has not done so lately."""
        at = now - self._grace
        starts = [
            period_at(BillingCycle(months=1, anchor=anchor, zone=zone), at).start
            for anchor, zone in self._calendars_of(tenant)
        ]
        return now - min(starts)

    def is_remembered(self, tenant: str) -> bool:
        """Whether ``age_max`` answers without a query."""
        with self._lock:
            return tenant in self._calendars

    def _calendars_of(self, tenant: str) -> frozenset[tuple[date, str]]:
        with self._lock:
            known = self._calendars.get(tenant)
        if known is None:
            with self._database.read() as connection:
                used = subscriptions.calendars(connection, tenant=tenant)
            known = frozenset({CALENDAR_MONTH, *((anchor.replace(year=2000), zone) for anchor, zone in used)})
            with self._lock:
                self._calendars[tenant] = known
        return known
