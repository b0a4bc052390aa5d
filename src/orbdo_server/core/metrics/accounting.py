"""Which events a metric counts and which it has to skip, as conditions of the same language.

An event is *skipped* when an aggregate asks for a value and the event has none to give: the property is missing, or is
not a number, or the arithmetic leaves DECIMAL(38,12) or divides by zero. It is *missing* when the property is absent
or null. A CASE that chooses NULL, or a FILTER that says no, leaves the event out on purpose: that is neither.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from orbdo_server.core.metrics.expressions import (
    Aggregate,
    AnyOf,
    Arithmetic,
    BooleanLiteral,
    Branch,
    Case,
    Coalesce,
    Every,
    Expression,
    InstantLiteral,
    IsNull,
    Kind,
    Negation,
    Not,
    NullLiteral,
    NumberLiteral,
    Property,
    TextLiteral,
    children,
    walk,
)

TRUE: Final = BooleanLiteral(value=True)
FALSE: Final = BooleanLiteral(value=False)


class Accounts(msgspec.Struct, frozen=True):
    """Conditions on one event that met the metric's own condition; none of them is ever NULL."""

    counted: Expression
    skipped: Expression
    missing: Expression


def accounts_of(aggregates: Iterable[Aggregate]) -> Accounts:
    """An event is counted when at least one aggregate uses it and none skips it; the missing are among the skipped."""
    listed = tuple(aggregates)
    skipped = any_of(_skipped(aggregate) for aggregate in listed)
    return Accounts(
        counted=every([any_of(used(aggregate) for aggregate in listed), _not(skipped)]),
        skipped=skipped,
        missing=any_of(every([_skipped(aggregate), _missing(aggregate.argument)]) for aggregate in listed),
    )


def used(aggregate: Aggregate) -> Expression:
    """Whether the aggregate takes the event in: its filter says yes and its argument has a value."""
    argument = aggregate.argument
    has_value = TRUE if argument is None else Not(condition=IsNull(operand=argument))
    return every([_filter(aggregate), has_value])


def every(conditions: Iterable[Expression]) -> Expression:
    """All of them, without those that always hold and without saying anything twice."""
    parts = [part for part in dict.fromkeys(conditions) if part != TRUE]
    if FALSE in parts:
        return FALSE
    return TRUE if not parts else parts[0] if len(parts) == 1 else Every(conditions=tuple(parts))


def any_of(conditions: Iterable[Expression]) -> Expression:
    """Any of them, without those that never hold and without saying anything twice."""
    parts = [part for part in dict.fromkeys(conditions) if part != FALSE]
    if TRUE in parts:
        return TRUE
    return FALSE if not parts else parts[0] if len(parts) == 1 else AnyOf(conditions=tuple(parts))


def _not(condition: Expression) -> Expression:
    return TRUE if condition == FALSE else Not(condition=condition)


def _filter(aggregate: Aggregate) -> Expression:
    if aggregate.condition is None:
        return TRUE
    return Coalesce(options=(aggregate.condition, FALSE), kind=Kind.BOOLEAN)


def _skipped(aggregate: Aggregate) -> Expression:
    return every([_filter(aggregate), FALSE if aggregate.argument is None else _unusable(aggregate.argument)])


def _unusable(expression: Expression) -> Expression:  # noqa: PLR0911 - one answer a kind of node
    """Whether the expression has no value though it was asked for one."""
    if isinstance(expression, NumberLiteral | TextLiteral | BooleanLiteral | InstantLiteral | NullLiteral):
        return FALSE
    if not any(isinstance(part, Case) for part in walk(expression)):
        return IsNull(operand=expression)
    match expression:
        case Case():
            return _by_branch(expression, _unusable)
        case Coalesce():
            return every([IsNull(operand=expression), any_of(_unusable(option) for option in expression.options)])
        case Arithmetic():
            operands = children(expression)
            overflows = every([IsNull(operand=expression), *(Not(condition=IsNull(operand=part)) for part in operands)])
            return any_of([*(_unusable(part) for part in operands), overflows])
        case Negation():
            return _unusable(expression.operand)
        case _:
            return IsNull(operand=expression)


def _missing(expression: Expression | None) -> Expression:
    """Whether a property that the value is made of is absent or null; one that is only a condition does not matter."""
    match expression:
        case None:
            return FALSE
        case Property():
            return IsNull(operand=Property(name=expression.name))
        case Case():
            return _by_branch(expression, _missing)
        case Coalesce():
            unreadable = (every([_unusable(option), _not(_missing(option))]) for option in expression.options)
            return every([any_of(_missing(option) for option in expression.options), _not(any_of(unreadable))])
        case _:
            return any_of(_missing(part) for part in children(expression))


def _by_branch(case: Case, said: Callable[[Expression], Expression]) -> Expression:
    """What is said of the value that the CASE chooses."""
    branches = tuple(Branch(condition=branch.condition, value=said(branch.value)) for branch in case.branches)
    otherwise = said(case.otherwise)
    if otherwise == FALSE and all(branch.value == FALSE for branch in branches):
        return FALSE
    return Case(branches=branches, otherwise=otherwise, kind=Kind.BOOLEAN)
