"""The canonical text of a metric: one spelling for one meaning, with no parenthesis that is not needed.

What is written here reads back as the same tree. It is text for people and for hashes, never run by a database.
"""

import re
from decimal import Decimal
from typing import Final, NamedTuple

from orbdo_server.core.metrics.expressions import (
    COLUMNS,
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
from orbdo_server.core.metrics.tokens import RESERVED

_BARE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPES: Final = {Kind.BOOLEAN: "BOOLEAN", Kind.NUMBER: "DECIMAL(38,12)", Kind.TEXT: "VARCHAR"}

# How tightly each form holds together; an operand that holds less tightly than its place asks for gets parentheses.
_OR, _AND, _NOT, _COMPARED, _SUM, _PRODUCT, _SIGNED, _ATOM = range(8)


class _Text(NamedTuple):
    sql: str
    binding: int


def canonical_sql(result: Expression, condition: Expression | None) -> str:
    """``SELECT result FROM events WHERE condition`` in the canonical spelling."""
    where = "" if condition is None else f" WHERE {_text(condition).sql}"
    return f"SELECT {_text(result).sql} FROM events{where}"  # noqa: S608 - a text to read, never run


def _text(expression: Expression) -> _Text:  # noqa: PLR0911, PLR0912 - a table, one line a kind of node
    match expression:
        case NumberLiteral():
            return _Text(plain(expression.value), _SIGNED if expression.value < 0 else _ATOM)
        case TextLiteral():
            return _Text(quoted(expression.value), _ATOM)
        case BooleanLiteral():
            return _Text("TRUE" if expression.value else "FALSE", _ATOM)
        case InstantLiteral():
            return _Text(f"TIMESTAMP '{expression.at.replace(tzinfo=None).isoformat(sep=' ')}'", _ATOM)
        case NullLiteral():
            return _Text("NULL", _ATOM)
        case Column():
            return _Text(expression.name, _ATOM)
        case Property():
            return _Text(_property(expression), _ATOM)
        case Arithmetic():
            return _arithmetic(expression)
        case Negation():
            return _Text(f"-{_within(expression.operand, _ATOM)}", _SIGNED)
        case Case():
            return _Text(_case(expression), _ATOM)
        case Coalesce():
            return _Text(f"coalesce({_listed(expression.options)})", _ATOM)
        case Aggregate():
            return _Text(_aggregate(expression), _ATOM)
        case _:
            return _condition(expression)


def _condition(expression: Condition) -> _Text:  # noqa: PLR0911 - a table, one line a kind of node
    match expression:
        case Comparison():
            left, right = _within(expression.left, _SUM), _within(expression.right, _SUM)
            return _Text(f"{left} {expression.operator} {right}", _COMPARED)
        case Between():
            low, high = _within(expression.low, _SUM), _within(expression.high, _SUM)
            return _Text(f"{_within(expression.operand, _SUM)} BETWEEN {low} AND {high}", _COMPARED)
        case OneOf():
            return _Text(f"{_within(expression.operand, _SUM)} IN ({_listed(expression.options)})", _COMPARED)
        case Like():
            return _Text(f"{_within(expression.operand, _SUM)} LIKE {quoted(expression.pattern)}", _COMPARED)
        case IsNull():
            return _Text(f"{_within(expression.operand, _SUM)} IS NULL", _COMPARED)
        case Not():
            return _Text(f"NOT {_within(expression.condition, _ATOM)}", _NOT)
        case Every():
            return _Text(" AND ".join(_within(part, _NOT) for part in expression.conditions), _AND)
        case _:
            return _Text(" OR ".join(_within(part, _AND) for part in expression.conditions), _OR)


def _within(expression: Expression, binding: int) -> str:
    text = _text(expression)
    return text.sql if text.binding >= binding else f"({text.sql})"


def _listed(expressions: tuple[Expression, ...]) -> str:
    return ", ".join(_text(expression).sql for expression in expressions)


def _arithmetic(arithmetic: Arithmetic) -> _Text:
    binding = _SUM if arithmetic.operator in {"+", "-"} else _PRODUCT
    left, right = _within(arithmetic.left, binding), _within(arithmetic.right, binding + 1)
    return _Text(f"{left} {arithmetic.operator} {right}", binding)


def _case(case: Case) -> str:
    branches = " ".join(
        f"WHEN {_text(branch.condition).sql} THEN {_text(branch.value).sql}" for branch in case.branches
    )
    last = "" if isinstance(case.otherwise, NullLiteral) else f" ELSE {_text(case.otherwise).sql}"
    return f"CASE {branches}{last} END"


def _aggregate(aggregate: Aggregate) -> str:
    argument = "*" if aggregate.argument is None else _text(aggregate.argument).sql
    call = f"count(DISTINCT {argument})" if aggregate.name == "count_distinct" else f"{aggregate.name}({argument})"
    return call if aggregate.condition is None else f"{call} FILTER (WHERE {_text(aggregate.condition).sql})"


def _property(read: Property) -> str:
    is_bare = _BARE_NAME.fullmatch(read.name) and read.name.lower() not in COLUMNS
    escaped = read.name.replace('"', '""')
    name = read.name if is_bare and read.name.upper() not in RESERVED else f'properties."{escaped}"'
    return f"CAST({name} AS {_TYPES[read.kind]})" if read.cast else name


def quoted(text: str) -> str:
    """The text in single quotes, as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def plain(value: Decimal) -> str:
    """The number without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
