"""A backfill: a set of events that is invisible until it is closed, visible at once then, and can be undone.

It is never stored as such. The log keeps what happened to it, and what it is at a position follows from that here, so
that an older position has the same answer for ever.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TypeAlias, assert_never

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log.errors import BackfillTransitionError

BackfillStatus: TypeAlias = Literal["pending", "reflected", "reverted"]


class BackfillCreated(msgspec.Struct, frozen=True, kw_only=True, tag="created"):
    """A backfill begins to take events of the timeframe, of one customer or of all.

    It is closed at ``close_time`` by whoever looks then. ``deprecation_filter`` is the text of a condition on an event,
    which narrows what is replaced.
    """

    backfill_id: str
    at: datetime
    timeframe: Period
    customer: CustomerRef | None
    replace_existing_events: bool
    close_time: datetime | None = None
    deprecation_filter: str | None = None


class BackfillClosed(msgspec.Struct, frozen=True, kw_only=True, tag="closed"):
    """A backfill takes no more events, and those it has come into effect."""

    backfill_id: str
    at: datetime


class BackfillReverted(msgspec.Struct, frozen=True, kw_only=True, tag="reverted"):
    """A backfill is undone, closed or not: its events are out of effect, those it replaced are in effect again."""

    backfill_id: str
    at: datetime


BackfillAction: TypeAlias = BackfillCreated | BackfillClosed | BackfillReverted


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill is at some position; ``*_position`` is where in the log it became so."""

    id: str
    timeframe: Period
    customer: CustomerRef | None
    replace_existing_events: bool
    created_at: datetime
    created_position: int
    close_time: datetime | None = None
    deprecation_filter: str | None = None
    closed_at: datetime | None = None
    closed_position: int | None = None
    reverted_at: datetime | None = None
    reverted_position: int | None = None
    events_ingested: int = 0

    @property
    def status(self) -> BackfillStatus:
        """Pending while it takes events, reflected once they count, reverted when it was undone."""
        if self.reverted_position is not None:
            return "reverted"
        return "pending" if self.closed_position is None else "reflected"

    def replaces(self, event: Event) -> bool:
        """Whether an event with its key makes this one go out of effect once the backfill is closed.

        Without a filter it goes in any case. With one it goes if the filter holds for it, or an event of the backfill
        has its key.
        """
        return self.replace_existing_events and self.timeframe.contains(event.timestamp) and self._is_of(event)

    def _is_of(self, event: Event) -> bool:
        if self.customer is None or event.customer_id == self.customer.id:
            return True
        # Two missing names are not one customer.
        return event.external_customer_id is not None and (
            event.external_customer_id == self.customer.external_customer_id
        )


Record: TypeAlias = tuple[int, BackfillAction]
"""An action and its position."""


def after(backfill: Backfill | None, record: Record) -> Backfill:
    """What a backfill becomes by an action; ``BackfillTransitionError`` when it cannot."""
    position, action = record
    match action:
        case BackfillCreated():
            if backfill is not None:
                raise BackfillTransitionError(backfill.id, found=backfill.status, wanted="pending")
            return _created(position, action)
        case BackfillClosed():
            if backfill is None or backfill.status != "pending":
                raise _refused(backfill, action, wanted="reflected")
            return msgspec.structs.replace(backfill, closed_at=action.at, closed_position=position)
        case BackfillReverted():
            if backfill is None or backfill.status == "reverted":
                raise _refused(backfill, action, wanted="reverted")
            return msgspec.structs.replace(backfill, reverted_at=action.at, reverted_position=position)
        case _:
            assert_never(action)


def standing(records: Iterable[Record], *, as_of: int) -> dict[str, Backfill]:
    """The backfills by id as they stood at a position, oldest first; the records are in the order of the log."""
    backfills: dict[str, Backfill] = {}
    for record in records:
        position, action = record
        if position > as_of:
            break
        backfills[action.backfill_id] = after(backfills.get(action.backfill_id), record)
    return backfills


def due(backfills: Mapping[tuple[str, str], Backfill], *, at: datetime) -> list[tuple[str, str]]:
    """Of the backfills by tenant and id, the open ones whose close time has come, the earliest first."""
    ready = [
        (backfill.close_time, key)
        for key, backfill in backfills.items()
        if backfill.status == "pending" and backfill.close_time is not None and backfill.close_time <= at
    ]
    return [key for _, key in sorted(ready)]


def _created(position: int, action: BackfillCreated) -> Backfill:
    return Backfill(
        id=action.backfill_id,
        timeframe=action.timeframe,
        customer=action.customer,
        replace_existing_events=action.replace_existing_events,
        created_at=action.at,
        created_position=position,
        close_time=action.close_time,
        deprecation_filter=action.deprecation_filter,
    )


def _refused(backfill: Backfill | None, action: BackfillAction, *, wanted: str) -> BackfillTransitionError:
    found = "unknown" if backfill is None else backfill.status
    return BackfillTransitionError(action.backfill_id, found=found, wanted=wanted)
