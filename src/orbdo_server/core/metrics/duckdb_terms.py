"""The tree of a metric as expressions of DuckDB.

The text is written from the tree alone: of what a caller wrote only names and literals are copied, in quotes.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import structs

from orbdo_server.core.metrics.canonical import plain, quoted
from orbdo_server.core.metrics.expressions import (
    Aggregate,
    Arithmetic,
    Between,
    BooleanLiteral,
    Case,
    Coalesce,
    Column,
    Comparison,
    Condition,
    Every,
    Expression,
    InstantLiteral,
    IsNull,
    Kind,
    Like,
    Negation,
    Not,
    NullLiteral,
    NumberLiteral,
    OneOf,
    Property,
    TextLiteral,
)
from orbdo_server.core.metrics.fixed_point import (
    NUMBER_TYPE,
    SHORT_TYPE,
    divisor,
    number_of,
    product,
    quotient,
    remainder,
    short_number_of,
    short_product,
    unscaled,
)
from orbdo_server.core.metrics.levels import Levels

_SHORT_MAX: Final = 10**12
_COLUMNS: Final = {"timestamp": '"timestamp"', "timestamp_millis": f'CAST(epoch_ms("timestamp") AS {NUMBER_TYPE})'}
_TOO_LARGE: Final = "error('the divisor of a metric is 10^19 or more')"


class Term(NamedTuple):
    """SQL that may stand anywhere, the level whose columns it uses, and whether it is short enough to be repeated."""

    sql: str
    level: int
    is_short: bool = False


class Terms:
    """Writes expressions over ``levels``. Per event an impossible number is NULL, around aggregates it is an error."""

    def __init__(self, levels: Levels, aggregate: Callable[[Aggregate], Term] | None = None) -> None:
        """``aggregate`` says where aggregates are found; without it the terms are about one event."""
        self._levels = levels
        self._aggregate = aggregate

    def term(self, expression: Expression) -> Term:  # noqa: PLR0911, PLR0912 - a table, one line a kind of node
        """The expression in SQL; columns that it needs are added to the levels."""
        match expression:
            case NumberLiteral():
                return Term(f"CAST('{plain(expression.value)}' AS {NUMBER_TYPE})", 0, is_short=True)
            case TextLiteral():
                return Term(quoted(expression.value), 0, is_short=True)
            case BooleanLiteral():
                return Term("TRUE" if expression.value else "FALSE", 0, is_short=True)
            case InstantLiteral():
                return Term(_timestamp(expression.at), 0, is_short=True)
            case NullLiteral():
                return Term("NULL", 0, is_short=True)
            case Column():
                return self._leaf(_COLUMNS.get(expression.name, expression.name))
            case Property():
                return self._leaf(property_sql(expression.name, expression.kind))
            case Aggregate():
                return self._total(expression)
            case Arithmetic():
                return self._arithmetic(expression)
            case Negation():
                return self._joined("(-{})", expression.operand)
            case Case():
                return self._case(expression)
            case Coalesce():
                return self._coalesce(expression)
            case _:
                return self._condition(expression)

    def column(self, term: Term) -> Term:
        """The term as something that may be repeated: itself when it is short, else a column of the next level."""
        if term.is_short:
            return term
        return Term(self._levels.column(term.level + 1, term.sql), term.level + 1, is_short=True)

    def _total(self, aggregate: Aggregate) -> Term:
        assert self._aggregate is not None, "an aggregate inside an aggregate"
        if aggregate.name != "avg":
            return self._aggregate(aggregate)
        total, count = (structs.replace(aggregate, name=name) for name in ("sum", "count"))
        return self._quotient(total, count)

    def _leaf(self, sql: str) -> Term:
        return Term(self._levels.column(1, sql), 1, is_short=True)

    def _condition(self, expression: Condition) -> Term:  # noqa: PLR0911 - a table, one line a kind of node
        match expression:
            case Comparison():
                return self._joined(f"({{}} {expression.operator} {{}})", expression.left, expression.right)
            case Between():
                return self._joined("({} BETWEEN {} AND {})", expression.operand, expression.low, expression.high)
            case OneOf():
                holes = _holes(len(expression.options))
                return self._joined(f"({{}} IN ({holes}))", expression.operand, *expression.options)
            case Like():
                return self._joined("({} LIKE {})", expression.operand, TextLiteral(value=expression.pattern))
            case IsNull(operand=Property(name=name, kind=Kind.ANY)):
                return self._leaf(f"({property_sql(name, Kind.ANY)} IS NULL)")
            case IsNull():
                operand = self.column(self.term(expression.operand))
                return Term(f"({operand.sql} IS NULL)", operand.level)
            case Not():
                return self._joined("(NOT {})", expression.condition)
            case Every():
                return self._joined(f"({_holes(len(expression.conditions), ' AND ')})", *expression.conditions)
            case _:
                return self._joined(f"({_holes(len(expression.conditions), ' OR ')})", *expression.conditions)

    def _joined(self, template: str, *expressions: Expression) -> Term:
        terms = [self.term(expression) for expression in expressions]
        return Term(template.format(*(term.sql for term in terms)), max(term.level for term in terms))

    def _case(self, case: Case) -> Term:
        parts = [part for branch in case.branches for part in (branch.condition, branch.value)]
        return self._joined(f"(CASE{' WHEN {} THEN {}' * len(case.branches)} ELSE {{}} END)", *parts, case.otherwise)

    def _coalesce(self, coalesce: Coalesce) -> Term:
        """The next option stands in for what is absent only: a property that is there but no number stays unusable."""
        *options, last = coalesce.options
        chosen = self.term(last)
        for option in reversed(options):
            term = self.term(option)
            otherwise = chosen
            if isinstance(option, Property) and option.kind is not Kind.TEXT:
                absent = self.term(IsNull(operand=Property(name=option.name)))
                sql = f"CASE WHEN {absent.sql} THEN {chosen.sql} END"
                otherwise = Term(sql, max(absent.level, chosen.level))
            chosen = Term(f"coalesce({term.sql}, {otherwise.sql})", max(term.level, otherwise.level))
        return chosen

    def _arithmetic(self, arithmetic: Arithmetic) -> Term:
        match arithmetic.operator:
            case "*":
                return self._product(arithmetic.left, arithmetic.right)
            case "/":
                return self._quotient(arithmetic.left, arithmetic.right)
            case _:
                total = self._joined(f"({{}} {arithmetic.operator} {{}})", arithmetic.left, arithmetic.right)
                return Term(self._guarded(total.sql), total.level)

    def _product(self, left: Expression, right: Expression) -> Term:
        columns = [self.column(self.term(left)), self.column(self.term(right))]
        sql = self._guarded(product(columns[0].sql, columns[1].sql))
        shorts = [self._short(left), self._short(right)]
        if shorts[0] is not None and shorts[1] is not None:
            sql = short_product(shorts[0], shorts[1], sql)
        return Term(sql, max(column.level for column in columns))

    def _short(self, expression: Expression) -> str | None:
        """The number as DECIMAL(18,6) where that is known cheaply, for products that need no rounding."""
        match expression:
            case Property():
                return self._levels.column(1, short_number_of(property_sql(expression.name, Kind.ANY)))
            case NumberLiteral() if abs(expression.value) < _SHORT_MAX and expression.value * 10**6 % 1 == 0:
                return f"CAST('{plain(expression.value)}' AS {SHORT_TYPE})"
            case _:
                return None

    def _quotient(self, left: Expression, right: Expression) -> Term:
        columns = [self.column(self.term(part)) for part in (left, right)]
        level = max(column.level for column in columns) + 1
        over = self._levels.column(level, unscaled(columns[0].sql))
        under = self._levels.column(level, divisor(columns[1].sql, "NULL" if self._aggregate is None else _TOO_LARGE))
        first = self._levels.column(level + 1, remainder(over, under))
        second = self._levels.column(level + 2, remainder(first, under))
        return Term(self._guarded(quotient(over, under, first, second)), level + 2)

    def _guarded(self, sql: str) -> str:
        return f"TRY({sql})" if self._aggregate is None else sql


def property_sql(name: str, kind: Kind) -> str:
    """A property of the event as a value of ``kind``, NULL when it is not one; ``ANY`` is the VARIANT itself."""
    variant = f"properties[{quoted(name)}]"
    text = f"try_cast({variant} AS VARCHAR)"
    match kind:
        case Kind.NUMBER:
            return number_of(variant)
        case Kind.BOOLEAN:
            return f"(CASE {text} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END)"
        case Kind.TEXT:
            return text
        case _:
            return variant


def _timestamp(at: datetime) -> str:
    return f"TIMESTAMP '{at.replace(tzinfo=None).isoformat(sep=' ')}'"


def _holes(count: int, between: str = ", ") -> str:
    return between.join(["{}"] * count)
