"""What kind a value is and how a property comes to be read as one. No value is converted from one kind to another."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from orbdo_server.core.metrics.expressions import (
    COLUMNS,
    Aggregate,
    Arithmetic,
    Branch,
    Case,
    Coalesce,
    Column,
    Expression,
    InstantLiteral,
    Kind,
    Negation,
    NullLiteral,
    NumberLiteral,
    Property,
    TextLiteral,
)


def kind_of(expression: Expression) -> Kind:  # noqa: PLR0911 - a table, one line a kind of node
    """The kind of the value; ``ANY`` for a property whose reading is still open and for NULL."""
    match expression:
        case NumberLiteral() | Arithmetic() | Negation() | Aggregate():
            return Kind.NUMBER
        case TextLiteral():
            return Kind.TEXT
        case InstantLiteral():
            return Kind.INSTANT
        case NullLiteral():
            return Kind.ANY
        case Column():
            return COLUMNS[expression.name]
        case Property() | Case() | Coalesce():
            return expression.kind
        case _:
            return Kind.BOOLEAN


def shared_kind(expressions: Iterable[Expression]) -> Kind | None:
    """The one kind that all of them can be read as; ``ANY`` when none of them says, None when they contradict.

    Beside an instant, a text in quotes is an instant too.
    """
    listed = tuple(expressions)
    kinds = {kind_of(expression) for expression in listed} - {Kind.ANY}
    if Kind.INSTANT in kinds:
        kinds = {kind_of(expression) for expression in listed if not isinstance(expression, TextLiteral)} - {Kind.ANY}
    if len(kinds) > 1:
        return None
    return next(iter(kinds), Kind.ANY)


def as_kind(expression: Expression, kind: Kind, *, cast: bool = False) -> Expression | None:  # noqa: PLR0911 - as above
    """The expression with its open properties read as ``kind``; None when it is of another kind.

    A text in quotes becomes an instant where one is wanted, if it is written as one.
    """
    if kind_of(expression) == kind:
        return expression
    match expression:
        case NullLiteral():
            return expression
        case Property(kind=Kind.ANY) if kind is not Kind.INSTANT:
            return Property(name=expression.name, kind=kind, cast=cast)
        case Case(kind=Kind.ANY):
            return _case_as(expression, kind, cast=cast)
        case Coalesce(kind=Kind.ANY):
            options = _all_as(expression.options, kind, cast=cast)
            return None if options is None else Coalesce(options=options, kind=kind)
        case TextLiteral() if kind is Kind.INSTANT:
            return _instant(expression.value)
        case _:
            return None


def _all_as(expressions: Sequence[Expression], kind: Kind, *, cast: bool) -> tuple[Expression, ...] | None:
    read = (as_kind(expression, kind, cast=cast) for expression in expressions)
    found = tuple(expression for expression in read if expression is not None)
    return found if len(found) == len(expressions) else None


def _case_as(case: Case, kind: Kind, *, cast: bool) -> Case | None:
    values = _all_as([*(branch.value for branch in case.branches), case.otherwise], kind, cast=cast)
    if values is None:
        return None
    *chosen, otherwise = values
    pairs = zip(case.branches, chosen, strict=True)
    branches = tuple(Branch(condition=branch.condition, value=value) for branch, value in pairs)
    return Case(branches=branches, otherwise=otherwise, kind=kind)


def _instant(text: str) -> InstantLiteral | None:
    """A date is its midnight; a time without a zone is UTC."""
    try:
        at = datetime.fromisoformat(text)
        return InstantLiteral(at=(at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None
