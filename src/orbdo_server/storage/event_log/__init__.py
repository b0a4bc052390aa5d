"""The event log: what every store of events promises, and the values that go in and come out.

Events are inserted and never changed. Every commit takes the next positions of one sequence over all tenants, and a
reading names the position it is of, so that it has the same answer for ever. Stores decide two things only: whether a
key was seen before, and whether a backfill still takes events. Everything else was decided before they are called.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

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
from orbdo_server.storage.event_log.errors import (
    BackfillNotOpenError,
    BackfillTransitionError,
    FuturePositionError,
    LogUnavailableError,
    ReadTimeoutError,
    ResultTooLargeError,
)

__all__ = [
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
    "EventLog",
    "FuturePositionError",
    "LogUnavailableError",
    "ReadTimeoutError",
    "ResultTooLargeError",
    "Rows",
    "Scope",
    "SelectFrom",
]


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

    ``duplicates`` were there with the same payload, ``conflicts`` with another one, which stays. A reading at
    ``position`` sees all of them.
    """

    position: int
    ingested: list[str]
    duplicates: list[str]
    conflicts: list[str]


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a reading sees: those in effect for ``tenant`` at the position ``as_of``.

    ``customer`` and ``period`` narrow it further. An event is a customer's by either of its two names, whenever the
    customer came to exist.
    """

    tenant: str
    as_of: int
    customer: CustomerRef | None = None
    period: Period | None = None


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

    def record_backfill(self, tenant: str, action: BackfillAction) -> int:
        """Record what happened to a backfill, on disk when this returns; the position it takes effect at.

        ``BackfillTransitionError`` when the backfill's present state does not allow it, ``LogUnavailableError``.
        """
        ...

    def backfills(self, tenant: str, *, as_of: int) -> list[Backfill]:
        """The tenant's backfills as they stood at a position, oldest first, with how many events they had."""
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

    def maintain(self) -> None:
        """Do what is due for the files of the log, between two appends; what it cannot do now, it does next time."""
        ...

    def close(self) -> None:
        """Finish and let go of the files; closing twice is closing once."""
        ...
