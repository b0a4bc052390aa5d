"""A metric as one SELECT for DuckDB. It asks nothing of the database but the relation ``events`` and its functions."""

from collections.abc import Sequence

from orbdo_server.core.metrics.accounting import FALSE, TRUE, accounts_of, used
from orbdo_server.core.metrics.duckdb_terms import Term, Terms, property_sql
from orbdo_server.core.metrics.errors import InvalidGroupError, refuse
from orbdo_server.core.metrics.expressions import COLUMNS, Aggregate, Expression, Kind, walk
from orbdo_server.core.metrics.fixed_point import NUMBER_TYPE
from orbdo_server.core.metrics.levels import Levels, NoLevels, TooLongError
from orbdo_server.core.metrics.limits import CONDITION_CHARACTERS_MAX, GROUPS_MAX, PROPERTY_NAME_LENGTH_MAX
from orbdo_server.core.metrics.metric import Metric
from orbdo_server.core.metrics.names import is_property_name


def duckdb_select(metric: Metric, group_by: Sequence[str] = (), *, source: str = "events") -> str:
    """A SELECT over ``source``, which stands after its innermost FROM and nowhere else.

    ``source`` is SQL of the storage layer: a table, with joins and a WHERE if it needs them, as in ``"log WHERE day =
    ?"``. DuckDB reads single properties from storage only when they are taken straight from the table: a view or a WITH
    in between costs seven times as much.

    The relation has event_name, idempotency_key, external_customer_id and customer_id (VARCHAR), timestamp (TIMESTAMP,
    in UTC) and properties (VARIANT, an object). The answer has the columns group_1, group_2, ... (what ``group_by``
    names, as text, NULL where there is none), quantity (DECIMAL(38,12); NULL when no event gave a value or a ratio has
    a denominator of 0), and events_counted, events_skipped and events_missing (BIGINT), which ``accounting`` defines.
    Without groups there is always one row; with groups there is one for each that has an event.

    DuckDB answers with an out-of-range error when a sum, or what is computed of aggregates, leaves 26 digits.
    Raises ``InvalidGroupError``.
    """
    events = Levels(prefix="v", keeps_source=False)
    terms = Terms(events)
    keys = [events.column(1, _group_key(name)) for name in _checked(group_by)]
    groups = [f"group_{number}" for number in range(1, len(keys) + 1)]
    totals = _Totals(terms)
    results = Levels(prefix="r", keeps_source=True)
    quantity = Terms(results, aggregate=totals.term_of).term(metric.result)
    accounts = accounts_of(part for part in walk(metric.result) if isinstance(part, Aggregate))
    counts = {
        "events_counted": totals.count_where(accounts.counted),
        "events_skipped": totals.count_where(accounts.skipped),
        "events_missing": totals.count_where(accounts.missing),
    }
    where = "" if metric.condition is None else f" WHERE {terms.term(metric.condition).sql}"
    columns = [*map(_named, keys, groups), *totals.columns(), *map(_named, counts.values(), counts)]
    by = f" GROUP BY {', '.join(keys)}" if keys else ""
    totalled = f"(SELECT {', '.join(columns)} FROM {events.relation(source)}{where}{by})"  # noqa: S608 - written from the checked tree
    answer = [*groups, f"CAST({quantity.sql} AS {NUMBER_TYPE}) AS quantity", *counts]
    return f"SELECT {', '.join(answer)} FROM {results.relation(totalled)}"  # noqa: S608 - as above


def duckdb_condition(condition: Expression) -> str:
    """A condition on one event, from ``parse_condition``, as SQL over the columns that ``duckdb_select`` names.

    It is TRUE or FALSE: what cannot be told, since a property is absent or not of its kind, is FALSE. Raises
    ``InvalidMetricError`` when it is longer than ``CONDITION_CHARACTERS_MAX``, which a quotient is.
    """
    try:
        sql = Terms(NoLevels(length_max=CONDITION_CHARACTERS_MAX)).term(condition).sql
    except TooLongError:
        sql = ""
    if not 0 < len(sql) <= CONDITION_CHARACTERS_MAX:
        refuse(sql, 0, "the condition has too many products and quotients in each other", "write it flatter")
    return f"coalesce({sql}, FALSE)"


class _Totals:
    """The aggregates of a metric, each computed once."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._names: dict[str, str] = {}

    def columns(self) -> list[str]:
        return [_named(sql, name) for sql, name in self._names.items()]

    def term_of(self, aggregate: Aggregate) -> Term:
        return Term(self._names.setdefault(self._sql(aggregate), f"t{len(self._names)}"), 0, is_short=True)

    def count_where(self, condition: Expression) -> str:
        if condition == FALSE:
            return "CAST(0 AS BIGINT)"
        return "count(*)" if condition == TRUE else f"count(*) FILTER (WHERE {self._terms.term(condition).sql})"

    def _sql(self, aggregate: Aggregate) -> str:
        if aggregate.name == "count" or aggregate.argument is None:
            return f"CAST({self.count_where(used(aggregate))} AS {NUMBER_TYPE})"
        argument = self._terms.column(self._terms.term(aggregate.argument)).sql
        only = "" if aggregate.condition is None else f" FILTER (WHERE {self._terms.term(aggregate.condition).sql})"
        if aggregate.name == "count_distinct":
            return f"CAST(count(DISTINCT {argument}){only} AS {NUMBER_TYPE})"
        return f"{aggregate.name}({argument}){only}"


def _named(sql: str, name: str) -> str:
    return f"{sql} AS {name}"


def _checked(group_by: Sequence[str]) -> Sequence[str]:
    if len(group_by) > GROUPS_MAX:
        raise InvalidGroupError(f"{len(group_by)} properties to group by", expected=f"at most {GROUPS_MAX}")
    if len(set(group_by)) < len(group_by):
        raise InvalidGroupError("a property to group by twice", expected="each at most once")
    return group_by


def _group_key(name: str) -> str:
    """A property as text, or a column of ``COLUMNS`` that is one."""
    if name in COLUMNS:
        if COLUMNS[name] is not Kind.TEXT:
            raise InvalidGroupError(f"the column {name}", expected="group by a property or by a column that is text")
        return name
    if not is_property_name(name):
        expected = f"the name of a property has 1 to {PROPERTY_NAME_LENGTH_MAX} printable characters"
        raise InvalidGroupError(f"the name {name[:20]!r}", expected=expected)
    return property_sql(name, Kind.TEXT)
