"""The names in a metric: a column of every event, or a property of this one. No other name means anything."""

from sqlglot import exp

from orbdo_server.core.metrics.expressions import COLUMNS, Column, Expression, Property
from orbdo_server.core.metrics.limits import PROPERTY_NAME_LENGTH_MAX
from orbdo_server.core.metrics.reading import Place, Reading


def read_name(reading: Reading, node: exp.Expr) -> Expression:
    """A column or a property; ``events.`` may stand before any name and ``properties.`` before a property."""
    parts = node.parts if isinstance(node, exp.Column) else []
    names = [part.name for part in parts]
    if len(names) > 1 and names[0].lower() == "events":
        names = names[1:]
    if len(names) == 2 and names[0].lower() == "properties":
        return _property(reading, node, names[1])
    if len(names) != 1 or not isinstance(parts[-1], exp.Identifier):
        reading.refuse(node, f"the name {'.'.join(names)[:40]}", "name a property as tokens or properties.tokens")
    is_quoted = bool(parts[-1].args.get("quoted"))
    column = names[0] if is_quoted else names[0].lower()
    if column in {"events", "properties"}:
        reading.refuse(node, f"{column} as a value", "name one property: properties.tokens")
    if column not in COLUMNS:
        return _property(reading, node, names[0])
    _check_is_event(reading, node, column)
    return Column(name=column)


def read_bracket(reading: Reading, node: exp.Expr) -> Expression:
    """A property written as ``properties['name']``."""
    column, keys = node.this, node.expressions
    names = [part.name.lower() for part in column.parts] if isinstance(column, exp.Column) else []
    if names not in (["properties"], ["events", "properties"]) or not keys[0].is_string:
        reading.refuse(node, "a bracket", "brackets name one property: properties['tokens']")
    return _property(reading, node, keys[0].this)


def _property(reading: Reading, node: exp.Expr, name: str) -> Expression:
    _check_is_event(reading, node, name)
    if not is_property_name(name):
        limits = f"1 to {PROPERTY_NAME_LENGTH_MAX} printable characters"
        reading.refuse(node, f"the property name {name[:20]!r}", f"the name of a property has {limits}")
    return Property(name=name)


def is_property_name(name: str) -> bool:
    """Whether a property can have this name in a metric or a grouping: printable and of bounded length."""
    return 1 <= len(name) <= PROPERTY_NAME_LENGTH_MAX and name.isprintable()


def _check_is_event(reading: Reading, node: exp.Expr, name: str) -> None:
    if reading.place is Place.RESULT:
        reading.refuse(node, f"{name[:40]} outside an aggregate", f"aggregate it, as in sum({name[:40]})")
