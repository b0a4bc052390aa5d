"""The relation ``events`` of a reading: which stored events are in effect for a tenant at a position. The only place.

An event is in effect at a position if it lies at or before it, and

- it is not superseded: no correction that stands at the position deprecated it or put another row in its place, and
- it came without a backfill, or with one that is closed and not reverted at the position, and
- it is not replaced: no backfill that replaces existing events, closed and not reverted at the position, has the event
  in its timeframe and of its customer, unless the event is its own or came into effect only after it was closed.

An event of a backfill comes into effect where the backfill is closed, any other where it lies; an amendment stands
where the event lies that it amends. So of two backfills over the same days the one that is closed last replaces the
other, and events that come in late, after a backfill was closed, count beside it.

A backfill with a filter replaces less and more: only events that meet the filter or have the key of one of its own, and
of those that came without a backfill also the late ones.

Nothing here changes a row: reverting a backfill or undoing a correction only takes away its part of the condition.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.metrics import duckdb_condition, parse_condition
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log.backfills import Backfill
from orbdo_server.storage.event_log.schema import EXTERNAL, OURS

# Conditions written for the database; they hold nothing of any tenant's data.
FILTERS_KEPT_MAX = 256
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
        keys: Sequence[str] | None = None,
        backfills: Mapping[str, Backfill],
        superseded: Collection[int] = (),
    ) -> None:
        """``backfills`` are the tenant's as they stood at ``as_of``.

        ``superseded`` are the positions of all rows that corrections have put out of effect there, at least those of
        ``customer``.
        """
        self._tenant = tenant
        self.parameters: dict[str, object] = {}
        reflected = [backfill for backfill in backfills.values() if backfill.status == "reflected"]
        conditions = [
            f"tenant = {self._put('tenant', tenant)}",
            f"seq <= {self._put('as_of', as_of)}",
            *([] if customer is None else [self._of_customer(customer)]),
            *([] if period is None else [self._within(period)]),
            *([] if keys is None else [f"list_contains({self._put('keys', list(keys))}::VARCHAR[], idempotency_key)"]),
            *([self._not_superseded(superseded)] if superseded else []),
            self._came_into_effect(reflected),
            *self._not_replaced(reflected, customer=customer, period=period),
        ]
        self.source = f"stored_events WHERE {' AND '.join(conditions)}"
        self.sql = f"SELECT {COLUMNS} FROM {self.source}"  # noqa: S608 - values are parameters

    def _not_superseded(self, superseded: Collection[int]) -> str:
        # Measured with 10,000 of them: literals cost a hundred times as much, NOT EXISTS reads all properties.
        return f"seq NOT IN (SELECT unnest({self._put('superseded', list(superseded))}::UBIGINT[]))"

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
        if backfill.deprecation_filter is None:
            before = f"(backfill_id IS NULL AND coalesce(amends, seq) < {self._put('closed', closed)})"
            which = []
        else:
            before = "(backfill_id IS NULL)"
            which = [f"({_filter_sql(backfill.deprecation_filter)} OR {self._shares_a_key(backfill)})"]
        if earlier:
            before = f"({before} OR {self._of_backfills(earlier)})"
        whose = [] if backfill.customer is None else [self._of_customer(backfill.customer)]
        return " AND ".join([self._within(backfill.timeframe), before, *whose, *which])

    def _shares_a_key(self, backfill: Backfill) -> str:
        tenant, name = self._put("tenant", self._tenant), self._put("backfill", backfill.id)
        own = f"SELECT idempotency_key FROM stored_events WHERE tenant = {tenant} AND backfill_id = {name}"  # noqa: S608 - values are parameters
        return f"idempotency_key IN ({own})"

    def _of_backfills(self, backfills: Iterable[Backfill]) -> str:
        ids = self._put("backfills", [backfill.id for backfill in backfills])
        # The null of an event without a backfill would make the whole condition null.
        return f"(backfill_id IS NOT NULL AND list_contains({ids}::VARCHAR[], backfill_id))"

    def _of_customer(self, customer: CustomerRef) -> str:
        names = [self._put("customer", OURS + customer.id)]
        if customer.external_customer_id is not None:
            names.append(self._put("customer", EXTERNAL + customer.external_customer_id))
        # In a NOT the null of an event without a customer would make the whole condition null.
        return f"(customer IS NOT NULL AND customer IN ({', '.join(names)}))"

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


@lru_cache(maxsize=FILTERS_KEPT_MAX)
def _filter_sql(text: str) -> str:
    return duckdb_condition(parse_condition(text))


def _closed_position(backfill: Backfill) -> int:
    assert backfill.closed_position is not None, "a reflected backfill was closed"
    return backfill.closed_position


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
