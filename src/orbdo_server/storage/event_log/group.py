"""Several appends as one list of events, which is what a transaction takes, and back into one answer for each."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from orbdo_server.storage.event_log import Append, Appended
from orbdo_server.storage.event_log.records import EventsRecord, RepeatedEvent
from orbdo_server.storage.event_log.repeats import Entry, Key, Repeat


class Group:
    """The events of all batches, in order of arrival; a row is a place in that order."""

    def __init__(self, batches: Sequence[Append]) -> None:
        self.batches = batches
        self.events = [event for batch in batches for event in batch.events]

    @property
    def tenants(self) -> list[tuple[str, int]]:
        """The tenant of each batch, and how many events it has."""
        return [(batch.tenant, len(batch.events)) for batch in self.batches]

    def record(self, *, first: int, repeats: Sequence[RepeatedEvent]) -> EventsRecord:
        """What the journal takes of the group."""
        return EventsRecord(first=first, batches=[batch for batch in self.batches if batch.events], repeats=repeats)

    def repeated(self, repeats: Mapping[int, Repeat]) -> list[RepeatedEvent]:
        """Which events came again, for the log to remember."""
        return [
            RepeatedEvent(
                tenant=batch.tenant,
                idempotency_key=self.events[row].idempotency_key,
                received_at=batch.received_at,
                conflict=repeats[row] is Repeat.CONFLICT,
            )
            for batch, places in self.places()
            for row in places
            if row in repeats
        ]

    def backfill_counts(self) -> Counter[Key]:
        """How many events there are for each backfill, by tenant and id."""
        counts: Counter[Key] = Counter()
        for batch in self.batches:
            if batch.backfill_id is not None and batch.events:
                counts[batch.tenant, batch.backfill_id] += len(batch.events)
        return counts

    def entries_at(self, rows: Collection[int]) -> Iterator[tuple[int, Entry]]:
        """The entries at these rows with their row, in order of arrival."""
        for batch, places in self.places():
            for row in filter(rows.__contains__, places):
                yield row, Entry(tenant=batch.tenant, event=self.events[row], backfill_id=batch.backfill_id)

    def without(self, rows: Collection[int]) -> "Group":
        """The group that is left when the events at these rows are taken out; a batch may be left empty."""
        return Group(
            [
                msgspec.structs.replace(batch, events=[self.events[row] for row in places if row not in rows])
                for batch, places in self.places()
            ]
        )

    def answers(self, repeats: Mapping[int, Repeat], *, position: int) -> list[Appended]:
        """What each batch is told when ``repeats`` were not taken and the log has reached ``position``."""
        return [self._answer(places, repeats, position=position) for _, places in self.places()]

    def _answer(self, places: range, repeats: Mapping[int, Repeat], *, position: int) -> Appended:
        if not repeats:
            ingested = [event.idempotency_key for event in self.events[places.start : places.stop]]
            return Appended(position=position, ingested=ingested, duplicates=[], conflicts=[])
        keys: dict[Repeat | None, list[str]] = {None: [], **{repeat: [] for repeat in Repeat}}
        for row in places:
            keys[repeats.get(row)].append(self.events[row].idempotency_key)
        return Appended(
            position=position,
            ingested=keys[None],
            duplicates=keys[Repeat.DUPLICATE],
            conflicts=keys[Repeat.CONFLICT],
            deprecated=keys[Repeat.DEPRECATED],
        )

    def places(self) -> Iterator[tuple[Append, range]]:
        """Each batch with the rows of its events."""
        row = 0
        for batch in self.batches:
            yield batch, range(row, row + len(batch.events))
            row += len(batch.events)
