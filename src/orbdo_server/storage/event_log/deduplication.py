"""Which events of a group are there already: each key is held against the window, and a backfill's against its days.

The index says where a key may be, and only then is the log looked at. The keys of a backfill that reaches back beyond
the window are read from the log when its first events come, and are kept until the window moves on.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log.group import Group
from orbdo_server.storage.event_log.key_index import Hashes, KeyIndex, Positions, Rows, key_hashes, twins
from orbdo_server.storage.event_log.options import LogOptions
from orbdo_server.storage.event_log.overlay import Overlay
from orbdo_server.storage.event_log.repeats import Claims, Key, Repeat
from orbdo_server.storage.event_log.tables import Tables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Deduplication:
    """The keys of a log. One thread at a time asks and adds; ``maintain`` may be called from another one."""

    def __init__(
        self,
        tables: Tables,
        overlay: Overlay,
        options: LogOptions,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        """A key is known until ``dedupe_window`` after its event happened and came in, whichever is later."""
        self._tables = tables
        self._overlay = overlay
        self._window = options.dedupe_window
        self._clock = clock
        self._key_hash = options.key_hash
        self._keys = KeyIndex()
        self._older: dict[Key, KeyIndex] = {}

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._keys)

    def load(self) -> None:
        """Read the keys of the window: of the file first, then of the tail."""
        for known in self._tables.file.keys_since(self._since()):
            self._keys.load(known.hashes, known.positions, newest=known.newest)
        for block in self._tables.tail.blocks():
            hashes = self.hashes(block.events, [(block.tenant, len(block.events))])
            self.add(hashes, first=block.first, newest=newest(block.events, block.received_at))

    def hashes(self, events: Sequence[Event], tenants: Sequence[tuple[str, int]]) -> Hashes:
        """The hash of each key with its tenant; ``tenants`` are in order, each with the count of its events."""
        return key_hashes([event.idempotency_key for event in events], tenants, self._key_hash)

    def add(self, hashes: Hashes, *, first: int, newest: int) -> None:
        """Know the keys at the positions from ``first`` on; see ``newest``."""
        if len(hashes):
            self._keys.add(hashes, range(first, first + len(hashes)), newest=newest)

    def repeats(self, group: Group, hashes: Hashes) -> dict[int, Repeat]:
        """The rows of the group that are there already, or twice in it; ``duckdb.Error``.

        Those whose key may be there are looked at closely, and in order of arrival.
        """
        found = [self._keys.find(hashes), *self._find_older(group, hashes)]
        suspects = {row for rows, _ in found for row in rows.tolist()}.union(twins(hashes).tolist())
        if not suspects:
            return {}
        held = self._tables.entries_at(position for _, positions in found for position in positions.tolist())
        claims = Claims(held, self._overlay.backfills, self._overlay.deprecated(held))
        claimed = {row: claims.claim(entry) for row, entry in group.entries_at(suspects)}
        return {row: repeat for row, repeat in claimed.items() if repeat is not None}

    def maintain(self) -> None:
        """Sort what is new, and let go of what the window has left behind."""
        while self._keys.settle():
            pass
        if self._keys.forget(_microseconds(self._since())):
            self._older.clear()

    def _find_older(self, group: Group, hashes: Hashes) -> Iterator[tuple[Rows, Positions]]:
        """Where the keys of backfills are that reach back beyond the window."""
        since = self._since()
        for batch, places in group.places():
            if batch.backfill_id is None or not places:
                continue
            key = (batch.tenant, batch.backfill_id)
            timeframe = self._overlay.backfills[key].timeframe
            if timeframe.start < since:
                rows, positions = self._index_of(key, timeframe, since).find(hashes[places.start : places.stop])
                yield rows + places.start, positions

    def _index_of(self, key: Key, timeframe: Period, since: datetime) -> KeyIndex:
        index = self._older.get(key)
        if index is None:
            index = KeyIndex()
            for known in self._tables.file.keys_of_timeframe(key[0], timeframe, before=since):
                index.load(known.hashes, known.positions, newest=known.newest)
            # Only now, for one that was read in part would take repeats for new events.
            self._older[key] = index
        return index

    def _since(self) -> datetime:
        return self._clock() - self._window


def newest(events: Sequence[Event], received_at: datetime) -> int:
    """Until when keys are known counts from here: the last that happened or came in, in microseconds since 1970."""
    return _microseconds(max([received_at, *(event.timestamp for event in events)]))


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
