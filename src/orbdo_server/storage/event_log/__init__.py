"""The event log: what every store of events promises, and the values that go in and come out.

Events are inserted and never changed. Every commit takes the next positions of one sequence over all tenants, and a
reading names the position it is of, so that it has the same answer for ever. Stores decide two things only: whether a
key was seen before, and whether a backfill still takes events. Everything else was decided before they are called.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log.backfills import (
    Backfill,
    BackfillAction,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    BackfillStatus,
)
from orbdo_server.storage.event_log.corrections import (
    CorrectionAction,
    CorrectionRecord,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
)
from orbdo_server.storage.event_log.errors import (
    BackfillNotOpenError,
    BackfillTransitionError,
    FuturePositionError,
    LogDamagedError,
    LogUnavailableError,
    ReadTimeoutError,
    ResultTooLargeError,
)

__all__ = [
    "Action",
    "Append",
    "Appended",
    "Backfill",
    "BackfillAction",
    "BackfillClosed",
    "BackfillCreated",
    "BackfillNotOpenError",
    "BackfillReverted",
    "BackfillStatus",
    "BackfillTransitionError",
    "CorrectionAction",
    "CorrectionRecord",
    "CorrectionUndone",
    "EventAmended",
    "EventDeprecated",
    "EventLog",
    "EventState",
    "FuturePositionError",
    "HourOfState",
    "LogDamagedError",
    "LogUnavailableError",
    "ReadTimeoutError",
    "Repeated",
    "ResultTooLargeError",
    "Rows",
    "Scope",
    "SelectFrom",
    "StoredEvent",
]

Action: TypeAlias = BackfillAction | CorrectionAction
"""What is recorded in the log beside the events themselves; the overlay follows from it."""


SelectFrom: TypeAlias = Callable[[str], str]
"""A SELECT made for a source: given ``events`` it reads that relation. The source is a table and perhaps a WHERE, so it
ends its FROM: ``lambda source: f"SELECT count(*) FROM (SELECT event_name FROM {source}) WHERE event_name = 'a'"``."""


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """Valid events of one tenant, in UTC and with distinct keys, that came in together."""

    tenant: str
    events: Sequence[Event]
    received_at: datetime
    backfill_id: str | None = None


class Appended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one ``Append``, as idempotency keys; each of its events is in exactly one of the lists.

    ``duplicates`` were there with the same payload, ``conflicts`` with another one, which stays; the event of
    ``deprecated`` was there and deprecated, so that its key is spent. A reading at ``position`` sees all of them.
    """

    position: int
    ingested: list[str]
    duplicates: list[str]
    conflicts: list[str]
    deprecated: list[str] = []


EventState: TypeAlias = Literal["in_effect", "amended", "undone", "deprecated", "replaced", "pending", "reverted"]
"""Why a stored row is in effect or not at a position; the first that holds:

- ``pending``, ``reverted``: its backfill is not closed, or is undone
- ``amended``: a later amendment stands in its place
- ``undone``: it is an amendment that was taken back
- ``deprecated``: it stands for its event, which is deprecated
- ``replaced``: a backfill replaced it
- ``in_effect``: the relation ``events`` has it
"""


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the log: where it lies, how it came, and what it is at the position that was asked for.

    ``amends`` is the position of the first row of its key when it is an amendment.
    """

    position: int
    event: Event
    received_at: datetime
    backfill_id: str | None
    amends: int | None
    state: EventState


class HourOfState(msgspec.Struct, frozen=True, kw_only=True):
    """How many stored rows of one hour of event time, which begins at ``hour``, are in a state."""

    hour: datetime
    state: EventState
    events: int


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """An event that came again under a key that was there: when, and whether it said something else."""

    idempotency_key: str
    received_at: datetime
    conflict: bool


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a reading sees: those in effect for ``tenant`` at the position ``as_of``.

    ``customer``, ``period`` and ``keys``, which are idempotency keys, narrow it further. An event is a customer's by
    either of its two names, whenever the customer came to exist.
    """

    tenant: str
    as_of: int
    customer: CustomerRef | None = None
    period: Period | None = None
    keys: tuple[str, ...] | None = None


class Rows(msgspec.Struct, frozen=True):
    """The answer of a reading; sums of integers are ``int``, decimals ``Decimal``, instants naive datetimes in UTC."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@runtime_checkable
class EventLog(Protocol):
    """A durable, append-only log of events. Every method may be called from any thread and blocks it."""

    def position(self) -> int:
        """The last committed position; 0 when the log is empty."""
        ...

    def append(self, batches: Sequence[Append]) -> list[Appended]:
        """Add all batches in one transaction that is on disk when this returns; one answer for each batch, in order.

        A key is claimed in the transaction of its event. It counts as seen when any event with it was or could again be
        in effect: not if that event's backfill was reverted, nor if it will be replaced by the backfill of this one.
        ``BackfillNotOpenError`` before anything is written, for a batch whose backfill takes no events;
        ``LogUnavailableError`` when the log could not write, after which nothing of any batch is kept.
        """
        ...

    def record(self, tenant: str, action: Action) -> int:
        """Record an action on a backfill or an event, on disk when this returns; the position it takes effect at.

        ``BackfillTransitionError`` or ``CorrectionError`` when the present state does not allow it,
        ``LogUnavailableError``.
        """
        ...

    def backfills(self, tenant: str, *, as_of: int) -> list[Backfill]:
        """The tenant's backfills as they stood at a position, oldest first, with how many events they had."""
        ...

    def corrections(self, tenant: str, *, as_of: int) -> list[CorrectionRecord]:
        """What was done to single events of the tenant at or before a position, oldest first."""
        ...

    def due_backfills(self, *, at: datetime) -> list[tuple[str, str]]:
        """The open backfills of all tenants whose close time has come, as tenant and id, the earliest first."""
        ...

    def stored(
        self, tenant: str, keys: Sequence[str], *, as_of: int, period: Period | None = None
    ) -> list[StoredEvent]:
        """Every row with one of the idempotency keys at or before a position, in effect or not, in order of position.

        ``period`` narrows it by the time of the events. ``ReadTimeoutError``, ``LogUnavailableError``.
        """
        ...

    def states_by_hour(self, tenant: str, period: Period, *, as_of: int) -> list[HourOfState]:
        """How many rows of each state there are in each hour of the period, at or before a position; none of no rows.

        Every stored row counts once, in the hour of its event. ``FuturePositionError``, ``ReadTimeoutError``,
        ``LogUnavailableError``.
        """
        ...

    def repeats(self, tenant: str, key: str) -> list[Repeated]:
        """How often an event came again under its key and was not taken, oldest first."""
        ...

    def read(self, select: str | SelectFrom, *, scope: Scope, parameters: Mapping[str, object] | None = None) -> Rows:
        """Run a SELECT over the relation ``events``: the events of the scope, in no order.

        Its columns are event_name, idempotency_key, timestamp and received_at (in UTC, without a zone),
        external_customer_id, customer_id, properties (a VARIANT: ``properties.tokens``) and seq, the position. No other
        table can be read. Parameters are written ``$name``; names beginning with ``scope_`` are taken.

        A SELECT that reads properties of many events is given as a function of its source, and the store says what that
        is: the store then reads the single properties instead of all of them.

        ``FuturePositionError`` when the log has not reached the scope's position; ``ReadTimeoutError`` and
        ``ResultTooLargeError`` at the bounds of the store; ``LogUnavailableError``.
        """
        ...

    def close(self) -> None:
        """Finish and let go of the files; closing twice is closing once."""
        ...
