"""What a metric says, as a tree of values: the one form that is checked, printed, compiled and, later, folded.

There is no node for anything that could name a table, a file, a setting or a function outside this page, so that a tree
cannot ask for one. The tree holds no text of SQL and knows no database.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec


class Kind(StrEnum):
    """What a value is. A property is ``ANY`` until its place in the metric says how it is read."""

    ANY = "any"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    NUMBER = "number"
    TEXT = "text"


COLUMNS: dict[str, Kind] = {
    "customer_id": Kind.TEXT,
    "event_name": Kind.TEXT,
    "external_customer_id": Kind.TEXT,
    "idempotency_key": Kind.TEXT,
    "timestamp": Kind.INSTANT,
    "timestamp_millis": Kind.NUMBER,
}
"""What every event has; any other name is one of its properties."""


class Node(msgspec.Struct, frozen=True, tag=True):
    """One node of the tree; equal trees are equal values."""


class NumberLiteral(Node, frozen=True):
    """A number within DECIMAL(38,12)."""

    value: Decimal


class TextLiteral(Node, frozen=True):
    """A text in quotes."""

    value: str


class BooleanLiteral(Node, frozen=True):
    """TRUE or FALSE."""

    value: bool


class InstantLiteral(Node, frozen=True):
    """An aware instant in UTC."""

    at: datetime


class NullLiteral(Node, frozen=True):
    """No value, as a branch of a CASE."""


class Column(Node, frozen=True):
    """One of ``COLUMNS``."""

    name: str


class Property(Node, frozen=True):
    """A property of the event, read as ``kind``; ``cast`` tells that the text of the metric says so itself."""

    name: str
    kind: Kind = Kind.ANY
    cast: bool = False


Operator: TypeAlias = Literal["+", "-", "*", "/"]


class Arithmetic(Node, frozen=True):
    """Sums and differences are exact, products and quotients are rounded half away from zero at 12 decimals."""

    operator: Operator
    left: "Expression"
    right: "Expression"


class Negation(Node, frozen=True):
    """The number with the other sign."""

    operand: "Expression"


Comparator: TypeAlias = Literal["=", "<>", "<", "<=", ">", ">="]


class Comparison(Node, frozen=True):
    """Two values of one kind, compared."""

    operator: Comparator
    left: "Expression"
    right: "Expression"


class Between(Node, frozen=True):
    """``low <= operand <= high``, all of one kind."""

    operand: "Expression"
    low: "Expression"
    high: "Expression"


class OneOf(Node, frozen=True):
    """IN a list of literals of one kind."""

    operand: "Expression"
    options: tuple["Expression", ...]


class Like(Node, frozen=True):
    """A text against a pattern of ``%`` and ``_``."""

    operand: "Expression"
    pattern: str


class IsNull(Node, frozen=True):
    """Whether there is no value: a property that is absent, JSON null, or not of the kind it is read as."""

    operand: "Expression"


class Not(Node, frozen=True):
    """The opposite condition."""

    condition: "Expression"


class Every(Node, frozen=True):
    """All conditions hold."""

    conditions: tuple["Expression", ...]


class AnyOf(Node, frozen=True):
    """At least one condition holds."""

    conditions: tuple["Expression", ...]


class Branch(msgspec.Struct, frozen=True):
    """WHEN condition THEN value."""

    condition: "Expression"
    value: "Expression"


class Case(Node, frozen=True):
    """The value of the first branch whose condition holds, or ``otherwise``."""

    branches: tuple[Branch, ...]
    otherwise: "Expression"
    kind: Kind


class Coalesce(Node, frozen=True):
    """The first option that has a value; nothing stands in for a property that is there but cannot be read."""

    options: tuple["Expression", ...]
    kind: Kind


AggregateName: TypeAlias = Literal["avg", "count", "count_distinct", "max", "min", "sum"]


class Aggregate(Node, frozen=True):
    """A number made of many events: those that meet ``condition`` and for which ``argument`` has a value.

    ``count(*)`` has no argument.
    """

    name: AggregateName
    argument: "Expression | None" = None
    condition: "Expression | None" = None


Expression: TypeAlias = (
    NumberLiteral
    | TextLiteral
    | BooleanLiteral
    | InstantLiteral
    | NullLiteral
    | Column
    | Property
    | Arithmetic
    | Negation
    | Comparison
    | Between
    | OneOf
    | Like
    | IsNull
    | Not
    | Every
    | AnyOf
    | Case
    | Coalesce
    | Aggregate
)


Condition: TypeAlias = Comparison | Between | OneOf | Like | IsNull | Not | Every | AnyOf


def children(expression: Expression) -> tuple[Expression, ...]:  # noqa: PLR0911 - a table, one line a kind of node
    """The expressions directly below, in the order of the text."""
    match expression:
        case Arithmetic() | Comparison():
            return (expression.left, expression.right)
        case Negation() | IsNull() | Like():
            return (expression.operand,)
        case Between():
            return (expression.operand, expression.low, expression.high)
        case OneOf():
            return (expression.operand, *expression.options)
        case Not():
            return (expression.condition,)
        case Every() | AnyOf():
            return expression.conditions
        case Case():
            branches = (part for branch in expression.branches for part in (branch.condition, branch.value))
            return (*branches, expression.otherwise)
        case Coalesce():
            return expression.options
        case Aggregate():
            return tuple(part for part in (expression.argument, expression.condition) if part is not None)
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything below it, parents first."""
    yield expression
    for child in children(expression):
        yield from walk(child)
