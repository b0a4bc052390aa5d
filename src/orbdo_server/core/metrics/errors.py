"""What can be wrong with a metric, and where in its text. Nothing here reads SQL.

::

    CoreError
    ├── InvalidGroupError
    └── InvalidMetricError
"""

from typing import NoReturn

import msgspec

from orbdo_server.core.errors import CoreError


class Position(msgspec.Struct, frozen=True):
    """A place in the text of a metric; both numbers count characters from 1, as editors do."""

    line: int
    column: int

    @classmethod
    def at(cls, sql: str, offset: int) -> "Position":
        """The place of the character at ``offset``, counted from 0; an offset past the end is the end."""
        before = sql[:offset]
        return cls(line=before.count("\n") + 1, column=len(before) - (before.rfind("\n") + 1) + 1)

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class InvalidMetricError(CoreError):
    """The text of a metric is not one that can be measured."""

    code = "invalid_metric"

    def __init__(self, found: str, *, position: Position, expected: str) -> None:
        self.position = position
        super().__init__(f"{position}: {found}; {expected}", field="sql", expected=expected)


class InvalidGroupError(CoreError):
    """Usage cannot be grouped by what was named."""

    code = "invalid_group"

    def __init__(self, found: str, *, expected: str) -> None:
        super().__init__(f"{found}; {expected}", field="group_by", expected=expected)


def refuse(sql: str, offset: int, found: str, expected: str) -> NoReturn:
    """Raise ``InvalidMetricError`` for what was ``found`` at ``offset`` of ``sql``, saying what was ``expected``."""
    raise InvalidMetricError(found, position=Position.at(sql, offset), expected=expected)
