"""What happened to backfills and to single events, of all tenants, as it follows from the actions in the log.

It is in memory, rebuilt from the log at start. One thread at a time remembers; any thread may ask meanwhile.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import assert_never

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.storage.event_log import Action, CorrectionRecord
from orbdo_server.storage.event_log.backfills import (
    Backfill,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    after,
    due,
    standing,
)
from orbdo_server.storage.event_log.backfills import Record as BackfillRecord
from orbdo_server.storage.event_log.corrections import (
    Corrections,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
)
from orbdo_server.storage.event_log.repeats import Entry, Key


class Overlay:
    """The backfills and the corrections of every tenant, and how many events each backfill has."""

    def __init__(self) -> None:
        self.backfills: dict[Key, Backfill] = {}
        self._backfill_records: dict[str, tuple[BackfillRecord, ...]] = {}
        self._corrections: dict[str, Corrections] = {}
        self._counts: Counter[Key] = Counter()

    def check(self, tenant: str, position: int, action: Action) -> None:
        """Raise ``BackfillTransitionError`` or ``CorrectionError`` when the action cannot follow what was before."""
        match action:
            case BackfillCreated() | BackfillClosed() | BackfillReverted():
                after(self.backfills.get((tenant, action.backfill_id)), (position, action))
            case EventAmended() | EventDeprecated() | CorrectionUndone():
                self._of(tenant).after((position, action))
            case _:
                assert_never(action)

    def remember(self, tenant: str, position: int, action: Action) -> None:
        """Take an action in, which lies behind all others."""
        match action:
            case BackfillCreated() | BackfillClosed() | BackfillReverted():
                key = (tenant, action.backfill_id)
                record = (position, action)
                self.backfills[key] = after(self.backfills.get(key), record)
                # A new tuple, since other threads may be reading the old one.
                self._backfill_records[tenant] = (*self._backfill_records.get(tenant, ()), record)
            case EventAmended() | EventDeprecated() | CorrectionUndone():
                self._of(tenant).add((position, action))
            case _:
                assert_never(action)

    def due(self, at: datetime) -> list[Key]:
        """The open backfills whose close time has come, as tenant and id."""
        return due(dict(self.backfills), at=at)

    def count(self, added: Mapping[Key, int]) -> None:
        """So many more events have come for these backfills."""
        if added:
            self._counts = self._counts + Counter(added)

    def standing(self, tenant: str, as_of: int) -> dict[str, Backfill]:
        """The backfills of a tenant by id as they stood at a position, oldest first, without their counts."""
        return standing(self._backfill_records.get(tenant, ()), as_of=as_of)

    def counted(self, tenant: str, backfills: Iterable[Backfill], counts: Mapping[str, int] | None) -> list[Backfill]:
        """The backfills with their counts: those given, or those of the last position."""
        now = self._counts
        return [
            msgspec.structs.replace(
                one, events_ingested=now[tenant, one.id] if counts is None else counts.get(one.id, 0)
            )
            for one in backfills
        ]

    def superseded(self, tenant: str, as_of: int, customer: CustomerRef | None) -> tuple[int, ...]:
        """The rows that corrections put out of effect at a position."""
        corrections = self._corrections.get(tenant)
        return () if corrections is None else corrections.superseded(as_of=as_of, customer=customer)

    def corrections(self, tenant: str, as_of: int) -> list[CorrectionRecord]:
        """The corrections of a tenant's events at or before a position, oldest first."""
        corrections = self._corrections.get(tenant)
        return [] if corrections is None else corrections.records(as_of=as_of)

    def deprecated(self, held: Iterable[Entry]) -> Collection[tuple[str, int]]:
        """Those of the events, by tenant and target, that are deprecated now."""
        if not self._corrections:
            return ()
        return {
            (entry.tenant, entry.target)
            for entry in held
            if (corrections := self._corrections.get(entry.tenant)) and corrections.is_deprecated(entry.target)
        }

    def _of(self, tenant: str) -> Corrections:
        return self._corrections.setdefault(tenant, Corrections())
