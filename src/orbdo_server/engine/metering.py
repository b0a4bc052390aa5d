"""How much of a metric a customer used in a period, as of a position in the log: the only place that asks.

No reading is kept or added up from others: the same question at the same position has the same answer for ever.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from orbdo_server.core.customers import Customer
from orbdo_server.core.invoices import Reading
from orbdo_server.core.metrics import Metric, duckdb_select, parse_metric
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import MetricDefinition
from orbdo_server.errors import InvalidRequestError
from orbdo_server.storage.event_log import EventLog, Scope, SelectFrom

# Metrics read from their texts; they hold nothing of any tenant's data.
METRICS_KEPT_MAX = 1_024

_ZERO = Decimal(0)


class GroupReading(msgspec.Struct, frozen=True):
    """A reading for one combination of property values, ``None`` where events do not have the property as text."""

    group: tuple[str | None, ...]
    reading: Reading


class UsageReading(msgspec.Struct, frozen=True):
    """Readings of one position in the log, sorted by group; without groups a single one, of the group ``()``."""

    rows: tuple[GroupReading, ...]
    as_of: int


def measure(log: EventLog, metric: MetricDefinition, *, customer: Customer, period: Period, as_of: int) -> Reading:
    """The metric for the customer over ``period``; without events the quantity is 0."""
    scope = Scope(tenant=customer.tenant, as_of=as_of, customer=customer.ref, period=period)
    return read_quantity(log, metric.sql, scope=scope)


def measure_groups(
    log: EventLog,
    metric: MetricDefinition,
    *,
    customer: Customer,
    period: Period,
    group_by: Sequence[str] = (),
    as_of: int | None = None,
) -> UsageReading:
    """The metric for each combination of the properties ``group_by`` that has events, as of now unless told.

    Raises ``InvalidRequestError`` for a position that the log has not reached, ``InvalidGroupError`` for what is no
    name of a property, and ``ResultTooLargeError`` for more groups than are given out.
    """
    position = log.position()
    if as_of is not None and as_of > position:
        raise InvalidRequestError.of("as_of", f"is ahead of the log, which is at position {position}")
    at = position if as_of is None else as_of
    scope = Scope(tenant=customer.tenant, as_of=at, customer=customer.ref, period=period)
    found = log.read(_select(metric.sql, tuple(group_by)), scope=scope)
    rows = [GroupReading(_group(row[: len(group_by)]), _reading(row[len(group_by) :])) for row in found.rows]
    return UsageReading(rows=tuple(sorted(rows, key=_in_order)), as_of=at)


def read_quantity(log: EventLog, sql: str, *, scope: Scope) -> Reading:
    """The answer of the metric ``sql`` over the events of the scope."""
    (row,) = log.read(_select(sql, ()), scope=scope).rows
    return _reading(row)


def _select(sql: str, group_by: tuple[str, ...]) -> SelectFrom:
    """The metric as a SELECT that the log gives its source, so that it reads the metric's properties and no others."""
    return lambda source: duckdb_select(_parsed(sql), group_by, source=source)


@lru_cache(maxsize=METRICS_KEPT_MAX)
def _parsed(sql: str) -> Metric:
    return parse_metric(sql)


def _reading(row: Sequence[object]) -> Reading:
    quantity, counted, skipped = row[:3]
    assert isinstance(counted, int), "counts are whole numbers"
    assert isinstance(skipped, int), "counts are whole numbers"
    if quantity is None:
        # No event gave a value, or a ratio of nothing: that is no usage.
        return Reading(_ZERO, counted, skipped)
    assert isinstance(quantity, Decimal), "a quantity is a decimal"
    return Reading(quantity, counted, skipped)


def _group(values: Sequence[object]) -> tuple[str | None, ...]:
    assert all(value is None or isinstance(value, str) for value in values), "groups are text"
    return tuple(None if value is None else str(value) for value in values)


def _in_order(row: GroupReading) -> tuple[tuple[bool, str], ...]:
    return tuple((value is not None, value or "") for value in row.group)
