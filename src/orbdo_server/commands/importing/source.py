"""A file seen as events: which it is, how it maps, and what lies in it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from orbdo_server.commands.importing.mapping import BadRow, Columns, Constants, Mapping
from orbdo_server.commands.importing.rows import FileFormat, read_rows
from orbdo_server.commands.importing.shipping import Numbered, window_of


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file and what its columns mean. It can be read any number of times, and gives the same events each time."""

    path: Path
    file_format: FileFormat
    columns: Columns
    constants: Constants

    def entries(self) -> Iterator[Numbered | BadRow]:
        """Every row as an event with its line, or as what is wrong with it."""
        mapping = Mapping(self.columns, self.constants)
        for row in read_rows(self.path, self.file_format):
            event = mapping.event(row)
            yield event if isinstance(event, BadRow) else Numbered(row.line, event)


class Survey(msgspec.Struct, frozen=True):
    """How many rows there are, and the windows of history that they lie in."""

    rows: int
    windows: frozenset[int]


def survey(entries: Iterable[Numbered | BadRow], now: datetime) -> Survey:
    """What has to be known of a file before the first of its events is sent."""
    rows, windows = 0, set()
    for entry in entries:
        rows += 1
        if isinstance(entry, Numbered) and entry.event.timestamp is not None:
            window = window_of(entry.event.timestamp, now)
            if window is not None:
                windows.add(window)
    return Survey(rows, frozenset(windows))
