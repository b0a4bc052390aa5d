"""Random histories against a model of thirty lines: what is in effect at every position, and stays so for ever."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, TypeAlias, assert_never

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.errors import ConstraintViolationError
from orbdo_server.storage.event_log import (
    Action,
    Append,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    CorrectionAction,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
    Scope,
)
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import ADA, RECEIVED, TENANT, batch, days, event, on, units

KEYS = "abcdef"
NEVER = 10**9
MANY_UNITS = "units > 1"

Usage: TypeAlias = dict[str | None, tuple[int, int]]
"""How many events and how many units are in effect, by customer."""


class Row(NamedTuple):
    """A row of the log; ``target`` is the first row of its key, which is itself unless it is an amendment."""

    position: int
    event: Event
    home: str | None
    target: int

    @property
    def units(self) -> int:
        """What the event counts."""
        return int(msgspec.json.decode(self.event.properties)["units"])


class Model:
    """The log as a list of rows, lists of what was done, and the definition of what is in effect."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.corrections: list[tuple[int, CorrectionAction]] = []
        self.created: dict[str, BackfillCreated] = {}
        self.closed: dict[str, int] = {}
        self.reverted: dict[str, int] = {}
        self.position = 0

    def append(self, of: Append) -> Counter[str]:
        """How many are new, duplicates, conflicts, and of deprecated events."""
        told: Counter[str] = Counter()
        for new in of.events:
            holders = [row for row in self.rows if self._holds(row, new, of.backfill_id)]
            standing = [row for row in holders if not self._is_deprecated(row)]
            if not holders:
                self.position += 1
                self.rows.append(Row(self.position, new, of.backfill_id, self.position))
            found = "duplicates" if any(row.event == new for row in standing) else "conflicts"
            told["ingested" if not holders else found if standing else "deprecated"] += 1
        return told

    def is_open(self, name: str) -> bool:
        """Whether a backfill takes events."""
        return name in self.created and name not in self.closed and name not in self.reverted

    def can(self, action: CorrectionAction) -> bool:
        """Whether a correction can follow: nothing but an undo follows a deprecation, and an undo needs something."""
        standing = self._standing(action.target, self.position)
        return len(standing) > 1 if isinstance(action, CorrectionUndone) else standing[-1] is not None

    def in_effect(self, as_of: int) -> list[Row]:
        """The rows that count at a position, in the order of the log."""
        there = [row for row in self.rows if self._standing(row.target, as_of)[-1] == row.position <= as_of]
        visible = [row for row in there if self._since(row) <= as_of and not self._is_undone(row, as_of)]
        return [row for row in visible if not self._is_replaced(row, as_of)]

    def _standing(self, target: int, as_of: int) -> list[int | None]:
        """The rows that stood for the event one after the other, the last one now; None where it was deprecated."""
        rows: list[int | None] = [target]
        for position, action in self.corrections:
            if action.target == target and position <= as_of:
                match action:
                    case EventAmended():
                        rows.append(position)
                    case EventDeprecated():
                        rows.append(None)
                    case _:
                        rows.pop()
        return rows

    def _is_deprecated(self, row: Row) -> bool:
        return self._standing(row.target, self.position)[-1] is None

    def _holds(self, old: Row, new: Event, home: str | None) -> bool:
        if old.event.idempotency_key != new.idempotency_key or self._is_undone(old, self.position):
            return False
        will_go = home not in {None, old.home} and self._since(old) <= self.position and self._concerns(home, old)
        return self._is_deprecated(old) or not will_go

    def _since(self, row: Row) -> int:
        return row.target if row.home is None else self.closed.get(row.home, NEVER)

    def _is_undone(self, row: Row, as_of: int) -> bool:
        return row.home is not None and self.reverted.get(row.home, NEVER) <= as_of

    def _is_replaced(self, row: Row, as_of: int) -> bool:
        standing = [name for name, at in self.closed.items() if at <= as_of < self.reverted.get(name, NEVER)]
        return any(self._concerns(name, row) and self._replaces(name, row) for name in standing)

    def _concerns(self, name: str | None, row: Row) -> bool:
        made = self.created[name or ""]
        is_theirs = made.customer is None or row.event.external_customer_id == made.customer.external_customer_id
        return made.replace_existing_events and is_theirs and made.timeframe.contains(row.event.timestamp)

    def _replaces(self, name: str, row: Row) -> bool:
        is_earlier = self._since(row) < self.closed[name]
        if self.created[name].deprecation_filter is None:
            return is_earlier
        own = {one.event.idempotency_key for one in self.rows if one.home == name}
        meets = row.units > 1 or row.event.idempotency_key in own
        return row.home != name and meets and (is_earlier or row.home is None)


class Send(msgspec.Struct, frozen=True):
    """Batches that are written in one group, each for the open backfill that a number picks, or for none."""

    batches: list[tuple[list[Event], int | None]]


class Begin(msgspec.Struct, frozen=True):
    """A backfill begins, for some days of March; one that is there already cannot begin again."""

    pick: int
    first: int
    until: int
    customer: CustomerRef | None
    replace: Literal["all", "some", "none"]


class End(msgspec.Struct, frozen=True):
    """One of the backfills that can be closed, or reverted, is; or one that cannot where there is none."""

    pick: int
    closed: bool


class Correct(msgspec.Struct, frozen=True):
    """Something is done to one of the events, which a number picks; ``units`` are for an amendment."""

    what: Literal["amend", "deprecate", "undo"]
    pick: int
    units: int


Step: TypeAlias = Send | Begin | End | Correct

PICKS = st.integers(0, 5)
EVENTS = st.builds(
    lambda key, units, day, customer: event(key, units, at=on(day), customer=customer),
    st.sampled_from(KEYS),
    st.sampled_from([1, 1, 1, 2]),
    st.integers(10, 13),
    st.sampled_from(["ada", "ada", "bob"]),
)
BATCHES = st.tuples(st.lists(EVENTS, max_size=4, unique_by=lambda one: one.idempotency_key), st.none() | PICKS)
SENDS = st.builds(Send, st.lists(BATCHES, min_size=1, max_size=3))
BEGINS = st.builds(
    Begin,
    st.sampled_from([99, 99, 99, 0]),
    st.sampled_from([10, 10, 11]),
    st.sampled_from([14, 14, 12]),
    st.none() | st.just(ADA),
    st.sampled_from(["all", "some", "none"]),
)
ENDS = st.builds(End, PICKS, st.booleans())
CORRECTIONS = st.builds(Correct, st.sampled_from(["amend", "amend", "deprecate", "undo"]), PICKS, st.integers(1, 9))
STEPS: st.SearchStrategy[Step | str] = st.one_of(
    SENDS, SENDS, BEGINS, ENDS, ENDS, CORRECTIONS, CORRECTIONS, st.just("restart")
)


def play(log: DuckDBEventLog, model: Model, step: Step) -> None:
    """Take a step on both; the log refuses exactly what the model cannot do."""
    match step:
        case Send(batches):
            open_ones = [name for name in model.created if model.is_open(name)]
            appends = [batch(*events, backfill_id=picked(open_ones, pick)) for events, pick in batches]
            told = [model.append(one) for one in appends]
            for answer, expected in zip(log.append(appends), told, strict=True):
                lists = ("ingested", "duplicates", "conflicts", "deprecated")
                assert {name: len(getattr(answer, name)) for name in lists} == {name: expected[name] for name in lists}
        case Begin(pick):
            made = begun(step, f"bf_{min(pick, len(model.created))}")
            if happened(log, model, made, expected=made.backfill_id not in model.created):
                model.created[made.backfill_id] = made
        case End(pick, closed):
            steps, action = (model.closed, BackfillClosed) if closed else (model.reverted, BackfillReverted)
            possible = [name for name in model.created if model.is_open(name) or not (closed or name in model.reverted)]
            name = picked(possible, pick) or "bf_0"
            if happened(log, model, action(backfill_id=name, at=RECEIVED), expected=name in possible):
                steps[name] = model.position
        case Correct():
            correction = corrected(model, step)
            if correction is not None and happened(log, model, correction, expected=model.can(correction)):
                remember(model, correction)
        case _:
            assert_never(step)


def picked(names: list[str], pick: int | None) -> str | None:
    """The name that a number picks, if there is any."""
    return None if pick is None or not names else names[pick % len(names)]


def begun(step: Begin, name: str) -> BackfillCreated:
    """The backfill of a step."""
    return BackfillCreated(
        backfill_id=name,
        at=RECEIVED,
        timeframe=days(step.first, step.until),
        customer=step.customer,
        replace_existing_events=step.replace != "none",
        deprecation_filter=MANY_UNITS if step.replace == "some" else None,
    )


def corrected(model: Model, step: Correct) -> CorrectionAction | None:
    """The correction of a step, if there is an event."""
    first = [row for row in model.rows if row.position == row.target]
    if not first:
        return None
    row = first[step.pick % len(first)]
    key, customer = row.event.idempotency_key, row.event.external_customer_id
    match step.what:
        case "amend":
            instead = event(key, step.units, at=row.event.timestamp, customer=customer or "")
            return EventAmended(event=instead, target=row.position, backfill_id=row.home, at=RECEIVED)
        case "deprecate":
            return EventDeprecated(idempotency_key=key, target=row.position, at=RECEIVED, external_customer_id=customer)
        case _:
            return CorrectionUndone(idempotency_key=key, target=row.position, at=RECEIVED)


def remember(model: Model, correction: CorrectionAction) -> None:
    """Take a correction into the model, an amendment as a row too."""
    model.corrections.append((model.position, correction))
    if isinstance(correction, EventAmended):
        model.rows.append(Row(model.position, correction.event, correction.backfill_id, correction.target))


def happened(log: DuckDBEventLog, model: Model, action: Action, *, expected: bool) -> bool:
    """Whether the log records the action, which is as expected; it takes a position."""
    try:
        log.record(TENANT, action)
    except ConstraintViolationError:
        assert not expected
        return False
    assert expected
    model.position += 1
    return True


def usage_of(rows: list[Row]) -> Usage:
    """What the rows come to."""
    customers = {row.event.external_customer_id for row in rows}
    theirs = {one: [row.units for row in rows if row.event.external_customer_id == one] for one in customers}
    return {one: (len(counted), sum(counted)) for one, counted in theirs.items()}


def read_usage(log: DuckDBEventLog, as_of: int, customer: CustomerRef | None = None) -> Usage:
    """What the log says of all customers, or of one."""
    scope = Scope(tenant=TENANT, as_of=as_of, customer=customer)
    select = "SELECT external_customer_id, count(*), sum(properties.units::BIGINT) FROM events GROUP BY 1"
    return {one: (count, int(total)) for one, count, total in log.read(select, scope=scope).rows}


def rows_in_effect(log: DuckDBEventLog, as_of: int) -> list[tuple[int, str]]:
    """The positions and keys of the rows that are said to be in effect where every row is shown."""
    rows = [row for row in log.stored(TENANT, KEYS, as_of=as_of) if row.state == "in_effect"]
    return [(row.position, row.event.idempotency_key) for row in rows]


@pytest.mark.slow
@pytest.mark.timeout(120)
@settings(max_examples=8)
@given(st.lists(STEPS, min_size=60, max_size=60))
def test_every_position_has_what_the_model_says_for_ever(steps: list[Step | str]) -> None:
    """Also after restarts, of one customer alone, and as it was read when the position was the last one."""
    model = Model()
    read_live: dict[int, Usage] = {0: {}}
    with TemporaryDirectory() as name:
        log = opened(Path(name))
        for step in steps:
            if isinstance(step, str):
                log.close()
                log = opened(Path(name))
            else:
                play(log, model, step)
            assert log.position() == model.position
            read_live[model.position] = read_usage(log, model.position)
        for position in range(model.position + 1):
            expected = model.in_effect(position)
            usage = usage_of(expected)
            assert read_usage(log, position) == usage
            assert usage == read_live.get(position, usage)
            assert len({row.event.idempotency_key for row in expected}) == len(expected)
            if position % 4 == model.position % 4:
                assert read_usage(log, position, ADA).get("ada") == usage.get("ada")
                assert rows_in_effect(log, position) == [(row.position, row.event.idempotency_key) for row in expected]
        log.close()


@settings(max_examples=10)
@given(st.data())
def test_order_and_batching_do_not_matter(data: st.DataObject) -> None:
    """The same events, some sent again, shuffled and cut in any way, are the same usage."""
    events = [event(f"k{number}", number, at=on(10 + number % 5)) for number in range(12)]
    sent = data.draw(st.permutations([*events, *events[:5]]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1))))
    pieces = [sent[start:end] for start, end in pairwise([0, *cuts, len(sent)])]
    with TemporaryDirectory() as name:
        log = opened(Path(name))
        for piece in pieces:
            log.append([batch(one) for one in piece])
        assert units(log) == 66
        assert [units(log, period=days(day, day + 1)) for day in range(10, 15)] == [15, 18, 9, 11, 13]
        log.close()


def opened(folder: Path) -> DuckDBEventLog:
    """A log whose clock stands, so that it remembers every key."""
    return DuckDBEventLog(folder / "events.duckdb", threads=1, readers_max=1, clock=lambda: RECEIVED)
