"""SELECTs in each other, so that a value that is needed more than once is a column instead of text written twice.

Without them a chain of products would grow as three to the power of its length. It knows nothing of what is selected.
"""


class Levels:
    """Columns over a relation, level by level; a column may use the columns of the levels below its own."""

    def __init__(self, prefix: str, *, keeps_source: bool) -> None:
        """``prefix`` begins the name of every column; without ``keeps_source`` only level 1 sees the source's own."""
        self._prefix = prefix
        self._keeps_source = keeps_source
        self._columns: list[dict[str, str]] = []

    def column(self, level: int, sql: str) -> str:
        """The name of the column of that level, from 1, which holds ``sql``; the same for the same."""
        while len(self._columns) < level:
            self._columns.append({})
        known = self._columns[level - 1]
        if sql not in known:
            known[sql] = f"{self._prefix}{sum(len(columns) for columns in self._columns)}"
        return known[sql]

    def relation(self, source: str) -> str:
        """What to select from, over ``source``, which may be anything that stands after FROM, a WHERE included."""
        relation = source
        for level, columns in enumerate(self._columns or [{}]):
            kept = ["*"] if level or self._keeps_source else []
            named = [f"{sql} AS {name}" for sql, name in columns.items()] or ([] if kept else ["TRUE AS found"])
            relation = f"(SELECT {', '.join(kept + named)} FROM {relation})"  # noqa: S608 - columns come from the checked tree
        return relation


class NoLevels(Levels):
    """Every value is written out where it is needed, for a condition that stands in a WHERE of its own.

    A quotient needs its operands some forty times, so that the text has a bound.
    """

    def __init__(self, *, length_max: int) -> None:
        super().__init__(prefix="", keeps_source=False)
        self._length_max = length_max

    def column(self, level: int, sql: str) -> str:  # noqa: ARG002 - there are none
        """The text itself; ``TooLongError`` past ``length_max`` characters."""
        if len(sql) > self._length_max:
            raise TooLongError
        return f"({sql})"


class TooLongError(Exception):
    """What is to be written out is longer than its bound."""
