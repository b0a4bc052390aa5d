"""From the text of a metric to a checked ``Metric``. Nothing here reads events or knows a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import Token, TokenType

from orbdo_server.core.metrics.canonical import canonical_sql
from orbdo_server.core.metrics.errors import InvalidMetricError, Position, refuse
from orbdo_server.core.metrics.expressions import Aggregate, Expression, Property, walk
from orbdo_server.core.metrics.grammar import check_arguments, read_condition, read_number
from orbdo_server.core.metrics.limits import AGGREGATES_MAX, PROPERTIES_MAX
from orbdo_server.core.metrics.reading import Place, Reading, shown
from orbdo_server.core.metrics.syntax import check_syntax
from orbdo_server.core.metrics.tokens import DIALECT, WHAT_A_METRIC_IS, read_tokens

_SELECT_ARGUMENTS: Final = frozenset({"expressions", "from_", "where"})


class Metric(msgspec.Struct, frozen=True):
    """A measure of events: a number for any set of them.

    ``sql`` is the canonical text: the same however the metric was written, and one that ``parse_metric`` reads back as
    the same metric. ``aggregates`` are the names of its aggregates and ``properties`` those of the properties it reads,
    sorted and each once.
    """

    sql: str
    result: Expression
    condition: Expression | None
    aggregates: tuple[str, ...]
    properties: tuple[str, ...]


def parse_metric(sql: str) -> Metric:
    """The metric that the text says: ``SELECT <aggregates> FROM events [WHERE ...]``, or the aggregates alone.

    Bare names are properties of the event unless ``expressions.COLUMNS`` has them; columns are matched in any case,
    properties as they are written. Raises ``InvalidMetricError`` with the position of what is not part of the language.
    """
    with _bounded_recursion():
        result, condition = _read(sql, _tree(sql, _tokens(sql)))
    return _metric(sql, result, condition)


def parse_condition(sql: str) -> Expression:
    """What the text says of one event, true or false: ``tokens > 100 AND model = 'a'``, what may stand after WHERE.

    Names are read as in a metric. Raises ``InvalidMetricError`` with the position of what is not part of the language.
    """
    if not sql.strip():
        refuse(sql, 0, "the condition is empty", "compare a property: tokens > 100")
    tokens = _tokens(sql)
    if tokens[0].token_type is TokenType.SELECT:
        refuse(sql, tokens[0].start, "a SELECT", "write what would stand after its WHERE")
    with _bounded_recursion():
        condition = read_condition(Reading(sql=sql, place=Place.EVENT), _tree(sql, tokens))
    _check_properties(sql, condition)
    return condition


def _tokens(sql: str) -> list[Token]:
    tokens = read_tokens(sql)
    check_syntax(sql, tokens)
    return tokens


@contextmanager
def _bounded_recursion() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise InvalidMetricError(
            "the metric nests too deeply", position=Position(line=1, column=1), expected="write it flatter"
        ) from error


def _tree(sql: str, tokens: list[Token]) -> exp.Expr:
    """The tree of sqlglot; only its readers of a SELECT and of a condition are used, never those of statements."""
    target = exp.Select if tokens[0].token_type is TokenType.SELECT else exp.Condition
    try:
        trees: list[exp.Expr | None] = DIALECT.parser().parse_into(target, tokens, sql)
    except ParseError as error:
        raise _unreadable(error) from error
    tree = trees[0]
    assert tree is not None, "the order of the tokens was checked"
    return tree


def _unreadable(error: ParseError) -> InvalidMetricError:
    fact = error.errors[0]
    word = fact["highlight"] or ""
    position = Position(line=fact["line"] or 1, column=max((fact["col"] or 1) - len(word) + 1, 1))
    found = f"{word[:40]!r} is not expected" if word else "the metric breaks off"
    return InvalidMetricError(f"{found} ({fact['description']})", position=position, expected=WHAT_A_METRIC_IS)


def _read(sql: str, tree: exp.Expr) -> tuple[Expression, Expression | None]:
    reading = Reading(sql=sql, place=Place.RESULT)
    if not isinstance(tree, exp.Select):
        return read_number(reading, tree), None
    check_arguments(reading, tree, _SELECT_ARGUMENTS)
    if len(tree.expressions) != 1:
        reading.refuse(tree, f"{len(tree.expressions)} results", "a metric has one result")
    named = tree.expressions[0]
    result = read_number(reading, named.this if isinstance(named, exp.Alias) else named)
    _check_from(reading, tree)
    where = tree.args.get("where")
    return result, read_condition(reading.per_event(), where.this) if where else None


def _check_from(reading: Reading, tree: exp.Select) -> None:
    source = tree.args.get("from_")
    if source is None:
        refuse(reading.sql, len(reading.sql), "no FROM", WHAT_A_METRIC_IS)
    table = source.this
    is_events = isinstance(table, exp.Table) and table.name.lower() == "events"
    if not is_events or not isinstance(table.this, exp.Identifier):
        reading.refuse(table, f"FROM {table.name[:40] or shown(table)}", "a metric reads events and nothing else")
    check_arguments(reading, table, frozenset({"this"}))


def _metric(sql: str, result: Expression, condition: Expression | None) -> Metric:
    aggregates = [part for part in walk(result) if isinstance(part, Aggregate)]
    if not aggregates:
        refuse(sql, 0, "no aggregate", "aggregate the events, as in sum(tokens) or count(*)")
    if len(aggregates) > AGGREGATES_MAX:
        refuse(sql, 0, f"{len(aggregates)} aggregates", f"at most {AGGREGATES_MAX}")
    properties = _check_properties(sql, result, *([] if condition is None else [condition]))
    return Metric(
        sql=canonical_sql(result, condition),
        result=result,
        condition=condition,
        aggregates=tuple(sorted({aggregate.name for aggregate in aggregates})),
        properties=tuple(sorted(properties)),
    )


def _check_properties(sql: str, *expressions: Expression) -> set[str]:
    """The names of the properties that are read; refused when they are too many."""
    parts = (part for expression in expressions for part in walk(expression))
    properties = {part.name for part in parts if isinstance(part, Property)}
    if len(properties) > PROPERTIES_MAX:
        refuse(sql, 0, f"{len(properties)} properties", f"at most {PROPERTIES_MAX}")
    return properties
