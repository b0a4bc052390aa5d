"""Corrections of single events: amending one, deprecating one, and taking the last correction back.

Like a backfill, a correction is never stored as a state. The log keeps what was done, and which row of an event is in
effect at a position follows from that here: the last correction that stands decides. An event that is deprecated takes
no other correction until that is undone.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import TypeAlias, assert_never

import msgspec
from cachetools import LRUCache

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.storage.event_log.errors import CorrectionError

POSITIONS_REMEMBERED_MAX = 8


class EventAmended(msgspec.Struct, frozen=True, kw_only=True, tag="amended"):
    """From here on ``event`` stands in the place of the event that lies at ``target``; it is a row of the log itself.

    ``target`` is the position of the first row of the key, which an amendment of an amendment names too. Timestamp and
    customer are those of the event that is amended, and so is the backfill it came with.
    """

    event: Event
    target: int
    backfill_id: str | None
    at: datetime

    @property
    def idempotency_key(self) -> str:
        """The key of the event, which it keeps."""
        return self.event.idempotency_key

    @property
    def customer_id(self) -> str | None:
        """Whose event it is, by our id."""
        return self.event.customer_id

    @property
    def external_customer_id(self) -> str | None:
        """Whose event it is, by the caller's id."""
        return self.event.external_customer_id


class EventDeprecated(msgspec.Struct, frozen=True, kw_only=True, tag="deprecated"):
    """From here on the event that lies at ``target``, amended or not, is not in effect.

    The customer is the event's, so that readings of others need not look at it.
    """

    idempotency_key: str
    target: int
    at: datetime
    customer_id: str | None = None
    external_customer_id: str | None = None


class CorrectionUndone(msgspec.Struct, frozen=True, kw_only=True, tag="undone"):
    """From here on the event that lies at ``target`` is as it was before its last correction that still stood."""

    idempotency_key: str
    target: int
    at: datetime


CorrectionAction: TypeAlias = EventAmended | EventDeprecated | CorrectionUndone

CorrectionRecord: TypeAlias = tuple[int, CorrectionAction]
"""A correction and its position."""


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one event up to some position.

    ``amendments`` are the rows that ever amended it, ``standing`` those that were not undone, both oldest first.
    ``names`` are the customer's.
    """

    target: int
    names: frozenset[str]
    amendments: tuple[int, ...] = ()
    standing: tuple[int, ...] = ()
    is_deprecated: bool = False

    @property
    def in_place(self) -> int:
        """The position of the row that says what the event is, in effect or, when it is deprecated, not."""
        return self.standing[-1] if self.standing else self.target

    @property
    def superseded(self) -> tuple[int, ...]:
        """The positions of the event's rows that are not in effect: all of them but one, or all."""
        rows = (self.target, *self.amendments)
        return rows if self.is_deprecated else tuple(row for row in rows if row != self.in_place)


def after(corrected: Corrected | None, record: CorrectionRecord) -> Corrected:
    """What an event becomes by a correction; ``CorrectionError`` when it cannot."""
    position, action = record
    event = corrected or Corrected(target=action.target, names=_names(action))
    if isinstance(action, CorrectionUndone):
        return _before_the_last(event, action)
    if event.is_deprecated:
        raise CorrectionError(action.idempotency_key, "is deprecated; undo that first")
    match action:
        case EventAmended():
            amendments, standing = (*event.amendments, position), (*event.standing, position)
            return msgspec.structs.replace(event, amendments=amendments, standing=standing)
        case EventDeprecated():
            return msgspec.structs.replace(event, is_deprecated=True)
        case _:
            assert_never(action)


def _before_the_last(event: Corrected, action: CorrectionUndone) -> Corrected:
    # Nothing can follow a deprecation, so where there is one it is the last that stands.
    if event.is_deprecated:
        return msgspec.structs.replace(event, is_deprecated=False)
    if not event.standing:
        raise CorrectionError(action.idempotency_key, "has no correction to undo")
    return msgspec.structs.replace(event, standing=event.standing[:-1])


class Standing:
    """The corrected events of one tenant at some position, found by where they lie or by their customer."""

    def __init__(self, records: Iterable[CorrectionRecord] = ()) -> None:
        self._events: dict[int, Corrected] = {}
        self._targets: dict[str, set[int]] = {}
        self._all: tuple[int, ...] | None = None
        for record in records:
            self.add(record)

    def at(self, target: int) -> Corrected | None:
        """What was done to the event that lies there, if anything."""
        return self._events.get(target)

    def add(self, record: CorrectionRecord) -> None:
        """Take one step; ``CorrectionError`` when that cannot be, which changes nothing."""
        target = record[1].target
        event = after(self._events.get(target), record)
        self._events[target] = event
        self._all = None
        for name in event.names:
            self._targets.setdefault(name, set()).add(target)

    def superseded(self, customer: CustomerRef | None) -> tuple[int, ...]:
        """The positions of the rows that corrections put out of effect, of one customer where one is named."""
        if customer is None:
            if self._all is None:
                self._all = _superseded(self._events.values())
            return self._all
        names = (_OUR_ID + customer.id, _EXTERNAL_ID + (customer.external_customer_id or ""), _NOBODY)
        targets = set[int]().union(*(self._targets.get(name, ()) for name in names))
        return _superseded(self._events[target] for target in targets)


class Corrections:
    """All corrections of one tenant, in the order of the log. One thread at a time adds; any may ask meanwhile."""

    def __init__(self) -> None:
        self._records: list[CorrectionRecord] = []
        self._last = Standing()
        self._earlier: LRUCache[int, Standing] = LRUCache(POSITIONS_REMEMBERED_MAX)
        self._lock = threading.Lock()

    def after(self, record: CorrectionRecord) -> Corrected:
        """What the event would become; ``CorrectionError`` when it cannot."""
        with self._lock:
            return after(self._last.at(record[1].target), record)

    def add(self, record: CorrectionRecord) -> None:
        """Remember a correction that lies behind all others; ``CorrectionError`` when it cannot be."""
        with self._lock:
            self._last.add(record)
            self._records.append(record)

    def records(self, *, as_of: int) -> list[CorrectionRecord]:
        """The corrections at or before a position, oldest first."""
        with self._lock:
            return self._records[: self._count(as_of)]

    def is_deprecated(self, target: int) -> bool:
        """Whether the event that lies there is deprecated now."""
        with self._lock:
            event = self._last.at(target)
        return event is not None and event.is_deprecated

    def superseded(self, *, as_of: int, customer: CustomerRef | None = None) -> tuple[int, ...]:
        """The positions of the rows that are not in effect at a position because of a correction.

        Quick for the last position and for those that were asked of lately; for another all corrections up to there
        are gone through. With a customer, only the rows of events that are theirs under either name.
        """
        with self._lock:
            return self._standing(self._count(as_of)).superseded(customer)

    def _count(self, as_of: int) -> int:
        return bisect_right(self._records, as_of, key=_position)

    def _standing(self, count: int) -> Standing:
        if count == len(self._records):
            return self._last
        known = self._earlier.get(count)
        if known is None:
            known = self._earlier[count] = Standing(self._records[:count])
        return known


# What stands before a customer's name, so that no id of ours is taken for one of the caller's.
_OUR_ID, _EXTERNAL_ID, _NOBODY = "id ", "external ", "nobody"


def _superseded(events: Iterable[Corrected]) -> tuple[int, ...]:
    return tuple(chain.from_iterable(event.superseded for event in events))


def _names(action: CorrectionAction) -> frozenset[str]:
    names: set[str] = set()
    if not isinstance(action, CorrectionUndone):
        names |= set() if action.customer_id is None else {_OUR_ID + action.customer_id}
        names |= set() if action.external_customer_id is None else {_EXTERNAL_ID + action.external_customer_id}
    return frozenset(names or {_NOBODY})


def _position(record: CorrectionRecord) -> int:
    return record[0]
