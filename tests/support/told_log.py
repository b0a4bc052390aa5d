"""A log that says what it was told, and therefore can contradict itself as no log that works ever does."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import msgspec

from orbdo_server.core.events import Event
from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log import (
    Action,
    Append,
    Appended,
    Backfill,
    CorrectionRecord,
    EventState,
    HourOfState,
    Repeated,
    Rows,
    Scope,
    SelectFrom,
    StoredEvent,
)
from tests.support.billing import utc

RECEIVED = utc(2023, 12, 31)
COLUMNS = """
    event_name VARCHAR, idempotency_key VARCHAR, timestamp TIMESTAMP, external_customer_id VARCHAR, customer_id VARCHAR,
    properties VARIANT, seq UBIGINT, received_at TIMESTAMP
"""


class ToldRow(msgspec.Struct, kw_only=True):
    """A row, and what it is from which position on."""

    stored: StoredEvent
    states: dict[int, EventState]

    def at(self, as_of: int) -> StoredEvent:
        """The row as it stands at a position."""
        positions = sorted(self.states)
        state = self.states[positions[bisect_right(positions, as_of) - 1]]
        return msgspec.structs.replace(self.stored, state=state)


class ToldLog:
    """An ``EventLog`` of one tenant whose rows, states and counts are set by a test."""

    def __init__(self) -> None:
        self.rows: list[ToldRow] = []
        self.told_repeats: dict[str, list[Repeated]] = {}
        self.told_corrections: list[CorrectionRecord] = []
        self.told_hours: list[HourOfState] | None = None
        self.at = 0

    def put(
        self,
        *events: Event,
        state: EventState = "in_effect",
        backfill_id: str | None = None,
        amends: int | None = None,
    ) -> int:
        """Rows in this state, from their positions on; the position of the last."""
        for event in events:
            self.at += 1
            stored = StoredEvent(
                position=self.at,
                event=event,
                received_at=RECEIVED,
                backfill_id=backfill_id,
                amends=amends,
                state=state,
            )
            self.rows.append(ToldRow(stored=stored, states={self.at: state}))
        return self.at

    def turn(self, key: str, state: EventState) -> int:
        """The rows there are with this key are in another state from the next position on."""
        self.at += 1
        for row in self.rows:
            if row.stored.event.idempotency_key == key:
                row.states[self.at] = state
        return self.at

    def position(self) -> int:
        """The last position."""
        return self.at

    def append(self, batches: Sequence[Append]) -> list[Appended]:
        """Not told."""
        raise NotImplementedError

    def record(self, tenant: str, action: Action) -> int:
        """Not told."""
        raise NotImplementedError

    def backfills(self, tenant: str, *, as_of: int) -> list[Backfill]:
        """There are none."""
        return []

    def due_backfills(self, *, at: datetime) -> list[tuple[str, str]]:
        """There are none."""
        return []

    def corrections(self, tenant: str, *, as_of: int) -> list[CorrectionRecord]:
        """Those that were told."""
        return [record for record in self.told_corrections if record[0] <= as_of]

    def stored(
        self, tenant: str, keys: Sequence[str], *, as_of: int, period: Period | None = None
    ) -> list[StoredEvent]:
        """The rows with these keys."""
        return [
            row
            for row in self._standing(as_of)
            if row.event.idempotency_key in keys and (period is None or period.contains(row.event.timestamp))
        ]

    def states_by_hour(self, tenant: str, period: Period, *, as_of: int) -> list[HourOfState]:
        """What was told of the hours, or else what the rows say."""
        if self.told_hours is not None:
            return self.told_hours
        counts: Counter[tuple[datetime, EventState]] = Counter(
            (row.event.timestamp.replace(minute=0, second=0, microsecond=0), row.state)
            for row in self._standing(as_of)
            if period.contains(row.event.timestamp)
        )
        return [HourOfState(hour=hour, state=state, events=events) for (hour, state), events in counts.items()]

    def repeats(self, tenant: str, key: str) -> list[Repeated]:
        """Those that were told."""
        return self.told_repeats.get(key, [])

    def read(self, select: str | SelectFrom, *, scope: Scope, parameters: Mapping[str, object] | None = None) -> Rows:
        """The SELECT over the rows in effect, by DuckDB."""
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE events ({COLUMNS})")
            for row in self._standing(scope.as_of):
                if row.state == "in_effect" and _within(row.event, scope):
                    connection.execute(
                        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?::JSON::VARIANT, ?, ?)", _values(row)
                    )
            sql = select if isinstance(select, str) else select("events")
            found = connection.execute(sql, dict(parameters or {}))
            return Rows(tuple(column[0] for column in found.description or ()), found.fetchall())

    def close(self) -> None:
        """Nothing is open."""

    def _standing(self, as_of: int) -> list[StoredEvent]:
        return [row.at(as_of) for row in self.rows if row.stored.position <= as_of]


def _within(event: Event, scope: Scope) -> bool:
    customer = scope.customer
    is_theirs = customer is None or (
        event.customer_id == customer.id
        or (event.external_customer_id is not None and event.external_customer_id == customer.external_customer_id)
    )
    is_in_time = scope.period is None or scope.period.contains(event.timestamp)
    return is_theirs and is_in_time and (scope.keys is None or event.idempotency_key in scope.keys)


def _values(row: StoredEvent) -> list[object]:
    event = row.event
    return [
        event.event_name,
        event.idempotency_key,
        _naive(event.timestamp),
        event.external_customer_id,
        event.customer_id,
        bytes(event.properties).decode(),
        row.position,
        _naive(row.received_at),
    ]


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
