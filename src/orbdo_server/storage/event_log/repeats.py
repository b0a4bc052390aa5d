"""Whether an event that shares its key with another one is new, comes again, or contradicts it. It reads nothing."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TypeAlias

import msgspec

from orbdo_server.core.events import Event, same_payload
from orbdo_server.storage.event_log.backfills import Backfill

Key: TypeAlias = tuple[str, str]
"""A tenant, and what is unique to it: an idempotency key or the id of a backfill."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An event in the log, or on its way there."""

    tenant: str
    event: Event
    backfill_id: str | None

    @property
    def key(self) -> Key:
        """What the log claims for this event."""
        return self.tenant, self.event.idempotency_key


class Repeat(Enum):
    """How an event that is not taken relates to the one that is there."""

    DUPLICATE = "the same payload is there"
    CONFLICT = "another payload is there, which stays"


class Claims:
    """The entries that hold a key. ``backfills`` are those of all tenants concerned, by tenant and id."""

    def __init__(self, held: Iterable[Entry], backfills: Mapping[Key, Backfill]) -> None:
        self._backfills = backfills
        self._held: dict[Key, list[Entry]] = {}
        for entry in held:
            self._held.setdefault(entry.key, []).append(entry)

    def claim(self, entry: Entry) -> Repeat | None:
        """None when the entry is new, and from then on holds its key; otherwise how it repeats what is there."""
        holders = [holder for holder in self._held.get(entry.key, ()) if self._holds_against(holder, entry)]
        if not holders:
            self._held.setdefault(entry.key, []).append(entry)
            return None
        if any(same_payload(holder.event, entry.event) for holder in holders):
            return Repeat.DUPLICATE
        return Repeat.CONFLICT

    def _holds_against(self, holder: Entry, newcomer: Entry) -> bool:
        """Whether both could be in effect at one position, or the holder would be lost if the newcomer were dropped."""
        home = self._backfill_of(holder)
        if home is not None and home.status == "reverted":
            # It is never in effect again; at the positions where it was, the newcomer is not yet there.
            return False
        target = self._backfill_of(newcomer)
        if target is None:
            return True
        # What is in effect now and in the way of a replacing backfill goes out of effect as the backfill comes into it,
        # and comes back if that is reverted. Dropping the newcomer would leave the key without any event in effect.
        in_effect = home is None or home.status == "reflected"
        return not (in_effect and target.replaces(holder.event))

    def _backfill_of(self, entry: Entry) -> Backfill | None:
        return None if entry.backfill_id is None else self._backfills[entry.tenant, entry.backfill_id]
