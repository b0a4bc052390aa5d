"""The relation ``events`` of a reading: which stored events are in effect for a tenant at a position. The only place.

An event is in effect at a position if it lies at or before it, and

- it came without a backfill, or with one that is closed and not reverted at the position, and
- it is not replaced: no backfill that replaces existing events, closed and not reverted at the position, has the event
  in its timeframe and of its customer, unless the event is its own or came into effect only after it was closed.

An event of a backfill comes into effect where the backfill is closed, any other where it lies. So of two backfills over
the same days the one that is closed last replaces the other, and events that come in late, after a backfill was closed,
count beside it. Nothing here changes a row: reverting a backfill only takes away its part of the condition.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log.backfills import Backfill

COLUMNS = "event_name, idempotency_key, timestamp, external_customer_id, customer_id, properties, seq, received_at"


class EffectiveEvents:
    """The relation as SQL, and its parameters, which begin with ``scope_``.

    ``source`` is what stands after FROM: the table and a WHERE. DuckDB reads single properties from disk only where
    they are taken straight from the table; ``sql`` is the SELECT for whoever cannot, which costs ten times as much.
    """

    def __init__(
        self,
        *,
        tenant: str,
        as_of: int,
        customer: CustomerRef | None,
        period: Period | None,
        backfills: Mapping[str, Backfill],
    ) -> None:
        """``backfills`` are the tenant's as they stood at ``as_of``."""
        self.parameters: dict[str, object] = {}
        reflected = [backfill for backfill in backfills.values() if backfill.status == "reflected"]
        conditions = [
            f"tenant = {self._put('tenant', tenant)}",
            f"seq <= {self._put('as_of', as_of)}",
            *([] if customer is None else [self._of_customer(customer)]),
            *([] if period is None else [self._within(period)]),
            self._came_into_effect(reflected),
            *self._not_replaced(reflected, customer=customer, period=period),
        ]
        self.source = f"stored_events WHERE {' AND '.join(conditions)}"
        self.sql = f"SELECT {COLUMNS} FROM {self.source}"  # noqa: S608 - values are parameters

    def _came_into_effect(self, reflected: list[Backfill]) -> str:
        if not reflected:
            return "backfill_id IS NULL"
        return f"(backfill_id IS NULL OR {self._of_backfills(reflected)})"

    def _not_replaced(
        self, reflected: list[Backfill], *, customer: CustomerRef | None, period: Period | None
    ) -> Iterator[str]:
        for backfill in reflected:
            if backfill.replace_existing_events and _may_touch(backfill, customer=customer, period=period):
                yield f"NOT ({self._replaced_by(backfill, reflected)})"

    def _replaced_by(self, backfill: Backfill, reflected: Iterable[Backfill]) -> str:
        closed = _closed_position(backfill)
        earlier = [other for other in reflected if _closed_position(other) < closed]
        before = f"(backfill_id IS NULL AND seq < {self._put('closed', closed)})"
        if earlier:
            before = f"({before} OR {self._of_backfills(earlier)})"
        whose = [] if backfill.customer is None else [self._of_customer(backfill.customer)]
        return " AND ".join([self._within(backfill.timeframe), before, *whose])

    def _of_backfills(self, backfills: Iterable[Backfill]) -> str:
        ids = self._put("backfills", [backfill.id for backfill in backfills])
        # The null of an event without a backfill would make the whole condition null.
        return f"(backfill_id IS NOT NULL AND list_contains({ids}::VARCHAR[], backfill_id))"

    def _of_customer(self, customer: CustomerRef) -> str:
        by_id = f"customer_id IS NOT DISTINCT FROM {self._put('customer_id', customer.id)}"
        if customer.external_customer_id is None:
            return by_id
        external = self._put("external_customer_id", customer.external_customer_id)
        return f"({by_id} OR external_customer_id IS NOT DISTINCT FROM {external})"

    def _within(self, period: Period) -> str:
        start, end = self._put("start", _naive(period.start)), self._put("end", _naive(period.end))
        return f"(timestamp >= {start} AND timestamp < {end})"

    def _put(self, name: str, value: object) -> str:
        key = f"scope_{name}_{len(self.parameters)}"
        self.parameters[key] = value
        return f"${key}"


def _may_touch(backfill: Backfill, *, customer: CustomerRef | None, period: Period | None) -> bool:
    """Whether a backfill can replace anything of a narrower reading; leaving out the others keeps the query short."""
    if period is not None and backfill.timeframe.overlap(period) is None:
        return False
    if customer is None or backfill.customer is None or backfill.customer.id == customer.id:
        return True
    # Two customers may have had one external name, one after the other.
    return backfill.customer.external_customer_id is not None


def _closed_position(backfill: Backfill) -> int:
    assert backfill.closed_position is not None, "a reflected backfill was closed"
    return backfill.closed_position


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
