"""The language of metrics: which nodes of sqlglot it has and what each becomes; a node without a rule is refused.

A rule names every argument it understands; a node that carries another one is refused as well, so that nothing a newer
parser learns to read slips through. A new function is one more rule here and one more word in ``tokens.CALLABLE``.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from sqlglot import exp

from orbdo_server.core.metrics.expressions import (
    Aggregate,
    AggregateName,
    AnyOf,
    Arithmetic,
    Between,
    BooleanLiteral,
    Branch,
    Case,
    Coalesce,
    Column,
    Comparator,
    Comparison,
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
    Operator,
    Property,
    TextLiteral,
)
from orbdo_server.core.metrics.kinds import kind_of, shared_kind
from orbdo_server.core.metrics.limits import NUMBER_DECIMALS_MAX, NUMBER_DIGITS_MAX
from orbdo_server.core.metrics.names import read_bracket, read_name
from orbdo_server.core.metrics.reading import Place, Reading, shown
from orbdo_server.core.metrics.tokens import WHAT_IS_ALLOWED

_NUMBER: Final = re.compile(rf"\d{{1,{NUMBER_DIGITS_MAX}}}(\.\d{{0,{NUMBER_DECIMALS_MAX}}})?")
_CAST_KINDS: Final = {
    exp.DType.BOOLEAN: Kind.BOOLEAN,
    exp.DType.DATE: Kind.INSTANT,
    exp.DType.DECIMAL: Kind.NUMBER,
    exp.DType.TEXT: Kind.TEXT,
    exp.DType.TIMESTAMP: Kind.INSTANT,
    exp.DType.TIMESTAMPNTZ: Kind.INSTANT,
    exp.DType.TIMESTAMPTZ: Kind.INSTANT,
    exp.DType.VARCHAR: Kind.TEXT,
}


class Rule(msgspec.Struct, frozen=True):
    """How one class of nodes is read, and the arguments that may be given to it."""

    read: Callable[[Reading, exp.Expr], Expression]
    arguments: frozenset[str]


def read_expression(reading: Reading, node: exp.Expr) -> Expression:
    """What the node says; raises ``InvalidMetricError`` at the first node that is not of the language."""
    rule = RULES.get(type(node))
    if rule is None:
        reading.refuse(node, f"{shown(node)} is not part of a metric", WHAT_IS_ALLOWED)
    check_arguments(reading, node, rule.arguments)
    return rule.read(reading.deeper(node), node)


def read_number(reading: Reading, node: exp.Expr) -> Expression:
    """What the node says, as a number."""
    return reading.as_kind(read_expression(reading, node), Kind.NUMBER, node)


def read_condition(reading: Reading, node: exp.Expr) -> Expression:
    """What the node says, as something that is true or false."""
    return reading.as_kind(read_expression(reading, node), Kind.BOOLEAN, node)


def check_arguments(reading: Reading, node: exp.Expr, known: frozenset[str]) -> None:
    """Refuse the node when it carries an argument beyond ``known``."""
    for name, value in node.args.items():
        if value and name not in known:
            at = next(
                (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, exp.Expr)), node
            )
            reading.refuse(at, f"{shown(node)} with {name.strip('_')} is not part of a metric", "leave it out")


def _parenthesis(reading: Reading, node: exp.Expr) -> Expression:
    return read_expression(reading, node.this)


def _literal(reading: Reading, node: exp.Expr) -> Expression:
    if node.args["is_string"]:
        return TextLiteral(value=node.this)
    if not _NUMBER.fullmatch(node.this):
        digits = f"{NUMBER_DIGITS_MAX} digits before the point and {NUMBER_DECIMALS_MAX} after"
        reading.refuse(node, f"the number {node.this[:40]}", f"write it out, with at most {digits}")
    return NumberLiteral(value=Decimal(node.this))


def _boolean(_reading: Reading, node: exp.Expr) -> Expression:
    return BooleanLiteral(value=node.this)


def _arithmetic(reading: Reading, node: exp.Expr) -> Expression:
    operator = _OPERATORS[type(node)]
    left, right = read_number(reading, node.this), read_number(reading, node.expression)
    return Arithmetic(operator=operator, left=left, right=right)


def _negation(reading: Reading, node: exp.Expr) -> Expression:
    operand = read_number(reading, node.this)
    return NumberLiteral(value=-operand.value) if isinstance(operand, NumberLiteral) else Negation(operand=operand)


def _same_kind(reading: Reading, nodes: Sequence[exp.Expr], when_open: Kind) -> list[Expression]:
    """The values, read as the one kind they share; ``when_open`` when none of them says which."""
    values = [_read_operand(reading, node) for node in nodes]
    kind = shared_kind(values)
    if kind is None:
        kinds = " with ".join(kind_of(value).value for value in values if kind_of(value) is not Kind.ANY)
        reading.refuse(nodes[0], f"{kinds} together", "compare and choose between values of one kind")
    wanted = when_open if kind is Kind.ANY else kind
    return [reading.as_kind(value, wanted, node) for value, node in zip(values, nodes, strict=True)]


def _read_operand(reading: Reading, node: exp.Expr) -> Expression:
    """What is compared; a condition among it needs parentheses, since dialects disagree on what a chain means."""
    if type(node) in _CONDITIONS:
        reading.refuse(node, "a chain of comparisons", "put the inner one in parentheses, or join them with AND")
    return read_expression(reading, node)


def _comparison(reading: Reading, node: exp.Expr) -> Expression:
    """Two open properties are equal as texts and are ordered as numbers."""
    operator = _COMPARATORS[type(node)]
    when_open = Kind.TEXT if operator in {"=", "<>"} else Kind.NUMBER
    left, right = _same_kind(reading, [node.this, node.expression], when_open)
    if when_open is Kind.NUMBER and kind_of(left) is Kind.BOOLEAN:
        reading.refuse(node, "true or false in an order", "compare truths with = or <>")
    return Comparison(operator=operator, left=left, right=right)


def _between(reading: Reading, node: exp.Expr) -> Expression:
    nodes = [node.this, node.args["low"], node.args["high"]]
    operand, low, high = _same_kind(reading, nodes, Kind.NUMBER)
    if kind_of(operand) is Kind.BOOLEAN:
        reading.refuse(node, "true or false in an order", "compare truths with = or <>")
    return Between(operand=operand, low=low, high=high)


def _one_of(reading: Reading, node: exp.Expr) -> Expression:
    operand, *options = _same_kind(reading, [node.this, *node.expressions], Kind.TEXT)
    for option, at in zip(options, node.expressions, strict=True):
        if type(option) not in _LITERALS:
            reading.refuse(at, "a computed option of IN", "list numbers or texts")
    if not options:
        reading.refuse(node, "IN without a list", "list numbers or texts")
    return OneOf(operand=operand, options=tuple(options))


def _like(reading: Reading, node: exp.Expr) -> Expression:
    operand = reading.as_kind(_read_operand(reading, node.this), Kind.TEXT, node.this)
    pattern = read_expression(reading, node.expression)
    if not isinstance(pattern, TextLiteral):
        reading.refuse(node.expression, "a pattern that is not text in quotes", "write it as in LIKE 'gpt-%'")
    like = Like(operand=operand, pattern=pattern.value)
    return Not(condition=like) if node.args.get("negate") else like


def _is_null(reading: Reading, node: exp.Expr) -> Expression:
    if not isinstance(node.expression, exp.Null):
        reading.refuse(node, "IS without NULL", "IS NULL and IS NOT NULL are the only tests with IS")
    return IsNull(operand=_open(reading, node.this, _read_operand(reading, node.this)))


def _open(reading: Reading, node: exp.Expr, value: Expression) -> Expression:
    """A value of any kind: a property stays as it is, a choice between open properties is made as text."""
    if isinstance(value, Property) or kind_of(value) is not Kind.ANY:
        return value
    return reading.as_kind(value, Kind.TEXT, node)


def _not(reading: Reading, node: exp.Expr) -> Expression:
    return Not(condition=read_condition(reading, node.this))


def _every(reading: Reading, node: exp.Expr) -> Expression:
    return Every(conditions=tuple(read_condition(reading, part) for part in _chain(node, exp.And)))


def _any_of(reading: Reading, node: exp.Expr) -> Expression:
    return AnyOf(conditions=tuple(read_condition(reading, part) for part in _chain(node, exp.Or)))


def _chain(node: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """The operands of a chain of one operator, without recursion: sqlglot nests a long chain to the left."""
    operands: list[exp.Expr] = []
    while isinstance(node, kind):
        operands.append(node.expression)
        node = node.this
    return [node, *reversed(operands)]


def _case(reading: Reading, node: exp.Expr) -> Expression:
    branches = node.args["ifs"]
    for branch in branches:
        check_arguments(reading, branch, frozenset({"this", "true"}))
    conditions = [_when(reading, node.this, branch.this) for branch in branches]
    last = [node.args["default"]] if node.args.get("default") else []
    values = _choices(reading, [branch.args["true"] for branch in branches] + last)
    otherwise = values.pop() if last else NullLiteral()
    pairs = zip(conditions, values, strict=True)
    kind = shared_kind([*values, otherwise]) or Kind.ANY
    return Case(
        branches=tuple(Branch(condition=condition, value=value) for condition, value in pairs),
        otherwise=otherwise,
        kind=kind,
    )


def _when(reading: Reading, subject: exp.Expr | None, node: exp.Expr) -> Expression:
    """``CASE model WHEN 'a'`` means ``CASE WHEN model = 'a'``; the subject is a name, since it is written once more."""
    if subject is None:
        return read_condition(reading, node)
    left, right = _same_kind(reading, [subject, node], Kind.TEXT)
    if not isinstance(left, Property | Column):
        reading.refuse(subject, "a computed subject of CASE", "write CASE WHEN ... = ... THEN")
    return Comparison(operator="=", left=left, right=right)


def _choices(reading: Reading, nodes: Sequence[exp.Expr]) -> list[Expression]:
    """Values of one kind, which stays open when they all are; NULL goes with every kind."""
    values = [NullLiteral() if isinstance(node, exp.Null) else read_expression(reading, node) for node in nodes]
    kind = shared_kind(values)
    if kind is None:
        reading.refuse(nodes[0], "branches of different kinds", "choose between values of one kind")
    if all(isinstance(value, NullLiteral) for value in values):
        reading.refuse(nodes[0], "nothing but NULL to choose", "give at least one branch a value")
    return [reading.as_kind(value, kind, node) for value, node in zip(values, nodes, strict=True)]


def _coalesce(reading: Reading, node: exp.Expr) -> Expression:
    nodes = [node.this, *node.expressions]
    if any(isinstance(option, exp.Null) for option in nodes):
        reading.refuse(node, "coalesce with NULL", "leave NULL out")
    options = _choices(reading, nodes)
    return Coalesce(options=tuple(options), kind=shared_kind(options) or Kind.ANY)


def _cast(reading: Reading, node: exp.Expr) -> Expression:
    """A cast says how a property is read; it converts nothing."""
    target = node.args["to"]
    kind = _CAST_KINDS.get(target.this)
    digits = [parameter.name for parameter in target.expressions]
    if kind is None or digits != (["38", "12"] if kind is Kind.NUMBER else []):
        reading.refuse(node, "a cast to another type", "cast to DECIMAL(38,12), VARCHAR, BOOLEAN, or a TIMESTAMP '...'")
    return reading.as_kind(read_expression(reading, node.this), kind, node.this, cast=True)


def _aggregate(reading: Reading, node: exp.Expr, condition: Expression | None = None) -> Expression:
    if reading.place is Place.EVENT:
        reading.refuse(node, f"{shown(node)}() inside an aggregate or a condition", "aggregate events only once")
    name = _AGGREGATES[type(node)]
    inside = reading.per_event()
    if isinstance(node, exp.Count):
        return _count(inside, node, condition)
    return Aggregate(name=name, argument=read_number(inside, node.this), condition=condition)


def _count(reading: Reading, node: exp.Expr, condition: Expression | None) -> Expression:
    counted = node.this
    if counted is None or node.expressions:
        reading.refuse(node, "count of nothing or of a list", "write count(*), count(tokens) or count(DISTINCT tokens)")
    if isinstance(counted, exp.Star):
        check_arguments(reading, counted, frozenset())
        return Aggregate(name="count", condition=condition)
    if not isinstance(counted, exp.Distinct):
        return Aggregate(
            name="count", argument=_open(reading, counted, read_expression(reading, counted)), condition=condition
        )
    check_arguments(reading, counted, frozenset({"expressions"}))
    if len(counted.expressions) != 1:
        reading.refuse(counted, "a list after DISTINCT", "write count(DISTINCT tokens)")
    argument = read_expression(reading, counted.expressions[0])
    if kind_of(argument) is Kind.ANY:
        argument = reading.as_kind(argument, Kind.TEXT, counted)
    return Aggregate(name="count_distinct", argument=argument, condition=condition)


def _filter(reading: Reading, node: exp.Expr) -> Expression:
    if type(node.this) not in _AGGREGATES:
        reading.refuse(node, "FILTER without an aggregate", "write it as in sum(tokens) FILTER (WHERE is_cached)")
    check_arguments(reading, node.this, RULES[type(node.this)].arguments)
    condition = read_condition(reading.per_event(), node.expression.this)
    return _aggregate(reading, node.this, condition)


_OPERATORS: Final[dict[type[exp.Expr], Operator]] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_COMPARATORS: Final[dict[type[exp.Expr], Comparator]] = {
    exp.EQ: "=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.NEQ: "<>",
}
_AGGREGATES: Final[dict[type[exp.Expr], AggregateName]] = {
    exp.Avg: "avg",
    exp.Count: "count",
    exp.Max: "max",
    exp.Min: "min",
    exp.Sum: "sum",
}
_CONDITIONS: Final = frozenset({*_COMPARATORS, exp.Between, exp.In, exp.Is, exp.Like, exp.Not})
_LITERALS: Final = frozenset({BooleanLiteral, InstantLiteral, NumberLiteral, TextLiteral})

_ONE: Final = frozenset({"this"})
_TWO: Final = frozenset({"this", "expression"})

RULES: Final[dict[type[exp.Expr], Rule]] = {
    **{kind: Rule(_aggregate, _ONE) for kind in _AGGREGATES},
    **{kind: Rule(_arithmetic, _TWO) for kind in _OPERATORS},
    **{kind: Rule(_comparison, _TWO) for kind in _COMPARATORS},
    exp.And: Rule(_every, _TWO),
    exp.Between: Rule(_between, frozenset({"this", "low", "high"})),
    exp.Boolean: Rule(_boolean, _ONE),
    exp.Bracket: Rule(read_bracket, frozenset({"this", "expressions"})),
    exp.Case: Rule(_case, frozenset({"this", "ifs", "default"})),
    exp.Cast: Rule(_cast, frozenset({"this", "to"})),
    exp.Coalesce: Rule(_coalesce, frozenset({"this", "expressions"})),
    exp.Column: Rule(read_name, frozenset({"this", "table", "db"})),
    exp.Count: Rule(_aggregate, frozenset({"this", "expressions", "big_int"})),
    exp.Filter: Rule(_filter, _TWO),
    exp.In: Rule(_one_of, frozenset({"this", "expressions"})),
    exp.Is: Rule(_is_null, _TWO),
    exp.Like: Rule(_like, frozenset({"this", "expression", "negate"})),
    exp.Literal: Rule(_literal, frozenset({"this", "is_string"})),
    exp.Neg: Rule(_negation, _ONE),
    exp.Not: Rule(_not, _ONE),
    exp.Or: Rule(_any_of, _TWO),
    exp.Paren: Rule(_parenthesis, _ONE),
}
"""The whole language; every other node of sqlglot is refused."""
