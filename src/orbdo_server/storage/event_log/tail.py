"""The tail of the log: records that are in the journal and not yet in the tables. Threads share it."""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import Action, EventAmended
from orbdo_server.storage.event_log.columns import Origin
from orbdo_server.storage.event_log.journal import START, Mark
from orbdo_server.storage.event_log.records import ActionRecord, Record, RepeatedEvent
from orbdo_server.storage.event_log.repeats import Entry


class Block(NamedTuple):
    """Events that came together, at positions that follow each other."""

    first: int
    tenant: str
    received_at: datetime
    backfill_id: str | None
    amends: int | None
    events: Sequence[Event]


class Piece(NamedTuple):
    """A record, or a part of one: rows for the tables. ``mark`` is that of the journal when the record is complete."""

    blocks: list[Block]
    actions: list[tuple[int, str, Action]]
    repeats: list[tuple[int, RepeatedEvent]]
    mark: Mark | None
    size_bytes: int

    @property
    def events(self) -> int:
        """How many events it has."""
        return sum(len(block.events) for block in self.blocks)

    @property
    def last_position(self) -> int:
        """Where it ends in the log."""
        if self.mark is not None:
            return self.mark.position
        return self.blocks[-1].first + len(self.blocks[-1].events) - 1


class Load(NamedTuple):
    """How much something holds: rows for the tables, and the bytes they had in the journal."""

    rows: int
    size_bytes: int

    def reaches(self, most: "Load") -> bool:
        """Whether one of the numbers has come to its bound."""
        return self.rows >= most.rows or self.size_bytes >= most.size_bytes


class Chunk(msgspec.Struct, frozen=True):
    """What is written into the tables at once, up to ``position``; ``mark`` is after its last complete record."""

    pieces: list[Piece]
    position: int
    mark: Mark

    @property
    def blocks(self) -> Iterator[Block]:
        """All events, in order."""
        return (block for piece in self.pieces for block in piece.blocks)


class Tail:
    """A queue of pieces. What was taken stays findable until it is ``dropped``, which is when the tables have it."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        # Where the events of each piece begin or, when it has none, where those of the next one will.
        self._firsts: list[int] = []
        self._lock = threading.Lock()
        self._mark = START
        self.load = Load(0, 0)

    def start_at(self, mark: Mark) -> None:
        """Be empty, after a mark that the tables have."""
        with self._lock:
            self._pieces, self._firsts = [], []
            self._mark, self.load = mark, Load(0, 0)

    def add(self, record: Record, mark: Mark, *, size_bytes: int, after: int = 0) -> None:
        """Append what lies beyond the position ``after``; ``mark`` is that of the journal after the record."""
        piece = _beyond(_piece(record, mark, size_bytes), after)
        with self._lock:
            self._pieces.append(piece)
            self._firsts.append(_first(piece))
            self.load = Load(self.load.rows + _rows(piece), self.load.size_bytes + piece.size_bytes)

    def take(self, most: Load) -> Chunk | None:
        """The oldest pieces until ``most`` is reached, cut to that number of events; None when there is nothing."""
        taken: list[Piece] = []
        load, events = Load(0, 0), 0
        with self._lock:
            mark = self._mark
            while len(taken) < len(self._pieces) and events < most.rows and not load.reaches(_with_repeats(most)):
                piece = self._pieces[len(taken)]
                if events + piece.events > most.rows:
                    piece = self._cut(len(taken), most.rows - events)
                taken.append(piece)
                events += piece.events
                load = Load(load.rows + _rows(piece), load.size_bytes + piece.size_bytes)
                mark = piece.mark or mark
        return Chunk(taken, taken[-1].last_position, mark) if taken else None

    def drop(self, chunk: Chunk) -> None:
        """Let go of the pieces of a chunk, the oldest that there are: the tables have them."""
        count = len(chunk.pieces)
        with self._lock:
            assert self._pieces[:count] == chunk.pieces, "chunks are dropped in the order they were taken"
            del self._pieces[:count], self._firsts[:count]
            rows = sum(_rows(piece) for piece in chunk.pieces)
            size_bytes = sum(piece.size_bytes for piece in chunk.pieces)
            self.load = Load(self.load.rows - rows, self.load.size_bytes - size_bytes)
            self._mark = chunk.mark

    def blocks(self) -> list[Block]:
        """All events that are here, in order."""
        with self._lock:
            return [block for piece in self._pieces for block in piece.blocks]

    def actions(self) -> list[tuple[str, tuple[int, Action]]]:
        """All actions that are here with their tenant and position, in order."""
        with self._lock:
            return [
                (tenant, (position, action)) for piece in self._pieces for position, tenant, action in piece.actions
            ]

    def is_empty(self) -> bool:
        """Whether the tables have everything."""
        return not self._pieces

    def entries_at(self, positions: Iterable[int]) -> dict[int, Entry]:
        """Those of the events at these positions that are here."""
        found: dict[int, Entry] = {}
        with self._lock:
            for position in positions:
                place = bisect_right(self._firsts, position) - 1
                for block in self._pieces[place].blocks if place >= 0 else ():
                    if block.first <= position < block.first + len(block.events):
                        found[position] = _entry(block, position)
        return found

    def _cut(self, place: int, events: int) -> Piece:
        """Cut a piece in two, so that the first has so many events; the rest completes the record."""
        piece = self._pieces[place]
        kept: list[Block] = []
        left = events
        for block in piece.blocks:
            if left > 0:
                kept.append(block._replace(events=block.events[:left]))
                left -= len(kept[-1].events)
        # What the events of a record weigh is not known one by one, and close enough like this.
        kept_bytes = piece.size_bytes * events // piece.events
        first = Piece(kept, [], [], None, kept_bytes)
        rest = _beyond(piece, first.last_position)._replace(size_bytes=piece.size_bytes - kept_bytes)
        self._pieces[place : place + 1] = [first, rest]
        self._firsts[place : place + 1] = [_first(first), _first(rest)]
        return first


def origins_of(blocks: Iterable[Block]) -> list[Origin]:
    """What the events of each block share."""
    return [
        Origin(block.tenant, block.backfill_id, block.received_at, block.amends, len(block.events)) for block in blocks
    ]


def _piece(record: Record, mark: Mark, size_bytes: int) -> Piece:
    if isinstance(record, ActionRecord):
        return Piece(_amendment(record), [(record.position, record.tenant, record.action)], [], mark, size_bytes)
    blocks: list[Block] = []
    first = record.first
    for batch in record.batches:
        if batch.events:
            blocks.append(Block(first, batch.tenant, batch.received_at, batch.backfill_id, None, batch.events))
            first += len(batch.events)
    return Piece(blocks, [], [(mark.position, repeated) for repeated in record.repeats], mark, size_bytes)


def _amendment(record: ActionRecord) -> list[Block]:
    """An amendment is an event of its own, beside the action that says so."""
    action = record.action
    if not isinstance(action, EventAmended):
        return []
    block = Block(record.position, record.tenant, action.at, action.backfill_id, action.target, [action.event])
    return [block]


def _beyond(piece: Piece, position: int) -> Piece:
    """What is left of a piece whose rows up to a position are in the tables."""
    if not piece.blocks or piece.blocks[0].first > position:
        return piece
    blocks = [_rest(block, position) for block in piece.blocks if block.first + len(block.events) > position + 1]
    return piece._replace(blocks=blocks)


def _rest(block: Block, position: int) -> Block:
    gone = max(0, position + 1 - block.first)
    return block._replace(first=block.first + gone, events=block.events[gone:])


def _rows(piece: Piece) -> int:
    return piece.events + len(piece.actions) + len(piece.repeats)


def _with_repeats(most: Load) -> Load:
    """A chunk may have as many rows that are no events as it may have events."""
    return Load(2 * most.rows, most.size_bytes)


def _first(piece: Piece) -> int:
    return piece.blocks[0].first if piece.blocks else piece.last_position + 1


def _entry(block: Block, position: int) -> Entry:
    event = block.events[position - block.first]
    target = position if block.amends is None else block.amends
    return Entry(tenant=block.tenant, event=event, backfill_id=block.backfill_id, target=target)
