"""Why each stored row is in effect or not, as SQL beside the relation of those that are."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orbdo_server.core.periods import Period
from orbdo_server.storage.event_log import CorrectionRecord, EventState, StoredEvent
from orbdo_server.storage.event_log.backfills import Backfill
from orbdo_server.storage.event_log.corrections import Corrected, after
from orbdo_server.storage.event_log.effective import EffectiveEvents
from orbdo_server.storage.event_log.log_file import event_of
from orbdo_server.storage.event_log.schema import ROW


def rows_with_states(
    effective: EffectiveEvents, backfills: Mapping[str, Backfill], corrections: Iterable[CorrectionRecord]
) -> tuple[str, dict[str, object]]:
    """Rows of the keys ``$keys``, of ``$tenant`` up to ``$as_of``, their state last, in order of position.

    ``effective`` are the rows in effect of the same tenant and position, at least those that are asked about.
    """
    state, parameters = _state(effective, backfills, corrections)
    sql = f"""
        SELECT {ROW}, {state} FROM stored_events
        WHERE {_OF_PERIOD} AND idempotency_key IN (SELECT unnest($keys::VARCHAR[])) ORDER BY seq
    """  # noqa: S608 - the expression is ours
    return sql, parameters


def hours_of_states(
    effective: EffectiveEvents, backfills: Mapping[str, Backfill], corrections: Iterable[CorrectionRecord]
) -> tuple[str, dict[str, object]]:
    """How many rows there are of each hour and state, of ``$tenant`` up to ``$as_of``."""
    state, parameters = _state(effective, backfills, corrections)
    sql = f"""
        SELECT date_trunc('hour', timestamp) AS hour, {state} AS state, count(*) FROM stored_events
        WHERE {_OF_PERIOD} GROUP BY ALL ORDER BY ALL
    """  # noqa: S608 - the expression is ours
    return sql, parameters


def bounds_of(period: Period | None) -> dict[str, datetime | None]:
    """The parameters ``$start`` and ``$end``, which are null where there is no bound."""
    if period is None:
        return {"start": None, "end": None}
    return {"start": _naive(period.start), "end": _naive(period.end)}


def stored_event(row: Sequence[Any]) -> StoredEvent:
    """A row of ``rows_with_states``."""
    position, backfill_id, received_at, amends, state = row[0], row[7], row[9], row[10], row[11]
    return StoredEvent(
        position=position,
        event=event_of(tuple(row)),
        received_at=received_at.replace(tzinfo=UTC),
        backfill_id=backfill_id,
        amends=amends,
        state=state,
    )


_OF_PERIOD = """tenant = $tenant AND seq <= $as_of
    AND ($start::TIMESTAMP IS NULL OR timestamp >= $start) AND ($end::TIMESTAMP IS NULL OR timestamp < $end)"""


def _state(
    effective: EffectiveEvents, backfills: Mapping[str, Backfill], corrections: Iterable[CorrectionRecord]
) -> tuple[str, dict[str, object]]:
    """An expression over ``stored_events`` that gives an ``EventState``, and its parameters."""
    parameters: dict[str, object] = dict(effective.parameters)
    cases: list[str] = []
    for state in ("pending", "reverted"):
        parameters[f"state_{state}"] = [one.id for one in backfills.values() if one.status == state]
        cases.append(f"WHEN coalesce(list_contains($state_{state}::VARCHAR[], backfill_id), false) THEN '{state}'")
    for reason, rows in _reasons(corrections).items():
        parameters[f"state_{reason}"] = rows
        cases.append(f"WHEN seq IN (SELECT unnest($state_{reason}::UBIGINT[])) THEN '{reason}'")
    cases.append(f"WHEN seq IN (SELECT seq FROM {effective.source}) THEN 'in_effect'")  # noqa: S608 - ours
    return f"CASE {' '.join(cases)} ELSE 'replaced' END", parameters


def _reasons(corrections: Iterable[CorrectionRecord]) -> dict[EventState, list[int]]:
    """The rows that corrections put out of effect, by what they are."""
    events: dict[int, Corrected] = {}
    for record in corrections:
        target = record[1].target
        events[target] = after(events.get(target), record)
    reasons: dict[EventState, list[int]] = {"amended": [], "undone": [], "deprecated": []}
    for event in events.values():
        for row in event.superseded:
            reasons[_reason(event, row)].append(row)
    return reasons


def _reason(event: Corrected, row: int) -> EventState:
    in_place = event.standing[-1] if event.standing else event.target
    if row == in_place:
        return "deprecated"
    return "undone" if row in event.amendments and row not in event.standing else "amended"


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
