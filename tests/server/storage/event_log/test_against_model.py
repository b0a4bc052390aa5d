"""Random histories against a model of thirty lines: what is in effect at every position, and stays so for ever."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, assert_never

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import (
    Append,
    BackfillAction,
    BackfillClosed,
    BackfillCreated,
    BackfillReverted,
    BackfillTransitionError,
    Scope,
)
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import ADA, RECEIVED, TENANT, batch, days, event, on, units

HASHES_COLLIDE = "(length(idempotency_key) + ascii(idempotency_key) % 2)::UBIGINT"
Stored: TypeAlias = tuple[int, Event, str | None]


class Model:
    """The log as a list of events, a list of steps, and the definition of what is in effect."""

    def __init__(self) -> None:
        self.stored: list[Stored] = []
        self.created: dict[str, BackfillCreated] = {}
        self.closed: dict[str, int] = {}
        self.reverted: dict[str, int] = {}
        self.position = 0

    def append(self, of: Append) -> Counter[str]:
        """How many are new, duplicates and conflicts."""
        told: Counter[str] = Counter()
        for new in of.events:
            same = [old for old in self.stored if self._is_taken(old, new, of.backfill_id)]
            if not same:
                self.position += 1
                self.stored.append((self.position, new, of.backfill_id))
            told["ingested" if not same else "duplicates" if any(old[1] == new for old in same) else "conflicts"] += 1
        return told

    def is_open(self, name: str) -> bool:
        """Whether a backfill takes events."""
        return name in self.created and name not in self.closed and name not in self.reverted

    def in_effect(self, as_of: int) -> list[str]:
        """The keys that count at a position, in the order of the log."""
        visible = [one for one in self.stored if self._since(one) <= as_of and not self._is_undone(one, as_of)]
        return [one[1].idempotency_key for one in visible if not self._is_replaced(one, as_of)]

    def _is_taken(self, old: Stored, new: Event, home: str | None) -> bool:
        if old[1].idempotency_key != new.idempotency_key or self._is_undone(old, self.position):
            return False
        will_go = (
            home is not None and home != old[2] and self._since(old) <= self.position and self._replaces(home, old)
        )
        return not will_go

    def _since(self, one: Stored) -> int:
        return one[0] if one[2] is None else self.closed.get(one[2], 10**9)

    def _is_undone(self, one: Stored, as_of: int) -> bool:
        return one[2] is not None and self.reverted.get(one[2], 10**9) <= as_of

    def _is_replaced(self, one: Stored, as_of: int) -> bool:
        standing = [name for name, at in self.closed.items() if at <= as_of < self.reverted.get(name, 10**9)]
        return any(self._since(one) < self.closed[name] and self._replaces(name, one) for name in standing)

    def _replaces(self, name: str, one: Stored) -> bool:
        made = self.created[name]
        is_theirs = made.customer is None or one[1].external_customer_id == made.customer.external_customer_id
        return made.replace_existing_events and is_theirs and made.timeframe.contains(one[1].timestamp)


class Send(msgspec.Struct, frozen=True):
    """Batches that are written in one group."""

    batches: list[Append]


class Begin(msgspec.Struct, frozen=True):
    """A backfill begins, for some days of March."""

    name: str
    first: int
    until: int
    customer: CustomerRef | None
    replace: bool


class End(msgspec.Struct, frozen=True):
    """A backfill is closed or reverted."""

    name: str
    closed: bool


Step: TypeAlias = Send | Begin | End

NAMES = st.sampled_from(["bf_1", "bf_2"])
EVENTS = st.builds(
    lambda key, units, day, customer: event(key, units, at=on(day), customer=customer),
    st.sampled_from("abcdef"),
    st.sampled_from([1, 1, 1, 2]),
    st.integers(10, 13),
    st.sampled_from(["ada", "ada", "bob"]),
)
BATCHES = st.builds(
    lambda events, home: batch(*events, backfill_id=home),
    st.lists(EVENTS, max_size=4, unique_by=lambda one: one.idempotency_key),
    st.none() | NAMES,
)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Send, st.lists(BATCHES, min_size=1, max_size=3)),
    st.builds(
        Begin, NAMES, st.sampled_from([10, 11]), st.sampled_from([12, 14]), st.none() | st.just(ADA), st.booleans()
    ),
    st.builds(End, NAMES, st.sampled_from([True, True, False])),
)


def keys_in_effect(log: DuckDBEventLog, as_of: int) -> list[str]:
    """The keys that count at a position, in the order of the log."""
    scope = Scope(tenant=TENANT, as_of=as_of)
    return [key for (key,) in log.read("SELECT idempotency_key FROM events ORDER BY seq", scope=scope).rows]


def play(log: DuckDBEventLog, model: Model, step: Step) -> None:
    """Take a step on both; the log refuses exactly what the model cannot do."""
    match step:
        case Send(batches):
            possible = [one for one in batches if one.backfill_id is None or model.is_open(one.backfill_id)]
            told = [model.append(one) for one in possible]
            for answer, expected in zip(log.append(possible), told, strict=True):
                found = {name: len(getattr(answer, name)) for name in ("ingested", "duplicates", "conflicts")}
                assert found == {name: expected[name] for name in found}
        case Begin(name, first, until, customer, replace):
            made = BackfillCreated(
                backfill_id=name,
                at=RECEIVED,
                timeframe=days(first, until),
                customer=customer,
                replace_existing_events=replace,
            )
            if happened(log, made, expected=name not in model.created):
                model.created[name] = made
                model.position += 1
        case End(name, closed):
            steps, action = (model.closed, BackfillClosed) if closed else (model.reverted, BackfillReverted)
            can = model.is_open(name) if closed else name in model.created and name not in model.reverted
            if happened(log, action(backfill_id=name, at=RECEIVED), expected=can):
                model.position += 1
                steps[name] = model.position
        case _:
            assert_never(step)


def happened(log: DuckDBEventLog, action: BackfillAction, *, expected: bool) -> bool:
    """Whether the log records the action, which is as expected."""
    try:
        log.record_backfill(TENANT, action)
    except BackfillTransitionError:
        assert not expected
        return False
    assert expected
    return True


@settings(max_examples=30)
@given(st.lists(st.one_of(STEPS, st.just("restart")), max_size=14))
def test_every_position_has_what_the_model_says_for_ever(steps: list[Step | str]) -> None:
    """Also after restarts, with colliding hashes, and as it was read when the position was the last one."""
    model = Model()
    read_live: dict[int, list[str]] = {0: []}
    with TemporaryDirectory() as name:
        log = opened(Path(name))
        for step in steps:
            if isinstance(step, str):
                log.close()
                log = opened(Path(name))
            else:
                play(log, model, step)
            assert log.position() == model.position
            read_live[model.position] = keys_in_effect(log, model.position)
        for position in range(model.position + 1):
            keys = keys_in_effect(log, position)
            assert keys == model.in_effect(position)
            assert keys == read_live.get(position, keys)
            assert len(keys) == len(set(keys))
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
    """A log in which most keys share their hash with another."""
    return DuckDBEventLog(folder / "events.duckdb", threads=1, readers_max=1, key_hash=HASHES_COLLIDE)
