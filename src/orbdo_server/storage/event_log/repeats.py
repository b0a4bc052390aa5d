"""Whether an event that shares its key with another one is new, comes again, or contradicts it. It reads nothing."""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import TypeAlias

import msgspec

from orbdo_server.core.events import Event, same_payload
from orbdo_server.storage.event_log.backfills import Backfill

Key: TypeAlias = tuple[str, str]
"""A tenant, and what is unique to it: an idempotency key or the id of a backfill."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An event in the log, or on its way there.

    ``target`` is the position of the row that its key was claimed with: of the row itself or, where it amends another,
    of that one; 0 for an event on its way.
    """

    tenant: str
    event: Event
    backfill_id: str | None
    target: int = 0

    @property
    def key(self) -> Key:
        """What the log claims for this event."""
        return self.tenant, self.event.idempotency_key


class Repeat(Enum):
    """How an event that is not taken relates to the one that is there."""

    DUPLICATE = "the same payload is there"
    CONFLICT = "another payload is there, which stays"
    DEPRECATED = "the event is there and was deprecated, so that its key is spent"


class Claims:
    """The entries that hold a key, amendments among them: the event as it was sent first and as it was amended.

    ``backfills`` are those of all tenants concerned, by tenant and id; ``deprecated`` are the events that are
    deprecated now, each by its tenant and its target.
    """

    def __init__(
        self,
        held: Iterable[Entry],
        backfills: Mapping[Key, Backfill],
        deprecated: Collection[tuple[str, int]] = (),
    ) -> None:
        self._backfills = backfills
        self._deprecated = deprecated
        self._held: dict[Key, list[Entry]] = {}
        for entry in held:
            self._held.setdefault(entry.key, []).append(entry)

    def claim(self, entry: Entry) -> Repeat | None:
        """None when the entry is new, and from then on holds its key; otherwise how it repeats what is there."""
        holders = [holder for holder in self._held.get(entry.key, ()) if self._holds_against(holder, entry)]
        if not holders:
            self._held.setdefault(entry.key, []).append(entry)
            return None
        # Where one event was deprecated and another holds the key, the other one says how this one repeats it.
        holders = [holder for holder in holders if not self._is_deprecated(holder)]
        if not holders:
            return Repeat.DEPRECATED
        if any(same_payload(holder.event, entry.event) for holder in holders):
            return Repeat.DUPLICATE
        return Repeat.CONFLICT

    def _holds_against(self, holder: Entry, newcomer: Entry) -> bool:
        """Whether both could be in effect at one position, or the holder would be lost if the newcomer were dropped."""
        home = self._backfill_of(holder)
        if home is not None and home.status == "reverted":
            # It is never in effect again; at the positions where it was, the newcomer is not yet there.
            return False
        if self._is_deprecated(holder):
            # However it is sent again, the event stays deprecated until that is undone.
            return True
        target = self._backfill_of(newcomer)
        if target is None:
            return True
        # What is in effect now and in the way of a replacing backfill goes out of effect as the backfill comes into it,
        # and comes back if that is reverted. Dropping the newcomer would leave the key without any event in effect.
        in_effect = home is None or home.status == "reflected"
        return not (in_effect and target.replaces(holder.event))

    def _is_deprecated(self, entry: Entry) -> bool:
        return (entry.tenant, entry.target) in self._deprecated

    def _backfill_of(self, entry: Entry) -> Backfill | None:
        return None if entry.backfill_id is None else self._backfills[entry.tenant, entry.backfill_id]
