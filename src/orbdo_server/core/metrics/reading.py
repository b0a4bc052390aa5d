"""Where the grammar is while it reads a tree of sqlglot, and how it says no. It knows no rule of the grammar itself."""

import re
from enum import Enum
from typing import Final, NoReturn

import msgspec
from sqlglot import exp

from orbdo_server.core.metrics.errors import refuse
from orbdo_server.core.metrics.expressions import Expression, Kind
from orbdo_server.core.metrics.kinds import as_kind, kind_of
from orbdo_server.core.metrics.limits import DEPTH_MAX

_FOUND: Final[dict[type[exp.Expr], str]] = {
    exp.Distinct: "DISTINCT outside count(DISTINCT ...)",
    exp.Null: "NULL outside IS NULL and CASE",
    exp.Star: "* outside count(*)",
    exp.Tuple: "a list outside IN",
}
_KIND_NAMES: Final = {
    Kind.ANY: "a value",
    Kind.BOOLEAN: "true or false",
    Kind.INSTANT: "an instant",
    Kind.NUMBER: "a number",
    Kind.TEXT: "text",
}


class Place(Enum):
    """EVENT: about one event, inside an aggregate or a condition. RESULT: about all of them, around the aggregates."""

    EVENT = "event"
    RESULT = "result"


class Reading(msgspec.Struct, frozen=True):
    """The text that is read, and where in the tree the reading is."""

    sql: str
    place: Place
    depth: int = 0

    def deeper(self, node: exp.Expr) -> "Reading":
        """One level down; refuses ``node`` when that is past ``DEPTH_MAX``."""
        if self.depth == DEPTH_MAX:
            self.refuse(node, "the metric nests too deeply", f"at most {DEPTH_MAX} operations in each other")
        return Reading(sql=self.sql, place=self.place, depth=self.depth + 1)

    def per_event(self) -> "Reading":
        """The same depth, inside an aggregate."""
        return Reading(sql=self.sql, place=Place.EVENT, depth=self.depth)

    def refuse(self, node: exp.Expr, found: str, expected: str) -> NoReturn:
        """Raise ``InvalidMetricError`` at the first character of ``node``."""
        refuse(self.sql, start_of(node), found, expected)

    def as_kind(self, expression: Expression, kind: Kind, node: exp.Expr, *, cast: bool = False) -> Expression:
        """The expression read as ``kind``; refused at ``node`` when it is of another."""
        read = as_kind(expression, kind, cast=cast)
        if read is None:
            self.refuse(node, f"{_KIND_NAMES[kind_of(expression)]}, where {_KIND_NAMES[kind]} belongs", "change either")
        return read


def start_of(node: exp.Expr) -> int:
    """The offset of the first character that sqlglot remembers of the node, else of what is around it."""
    around: exp.Expr | None = node
    while around is not None:
        starts = [start for part in around.walk() if (start := part.meta.get("start")) is not None]
        if starts:
            return int(min(starts))
        around = around.parent
    return 0


def shown(node: exp.Expr) -> str:
    """What the node is, in the words of SQL: ``max``, ``a list outside IN``, ``at time zone``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).lower()
    return _FOUND.get(type(node), words)
