"""Reconciliation: hours whose parts add up, names that nobody has, and invoices page by page."""

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbdo_server.core.periods import Period
from orbdo_server.engine import reconciliation as module
from orbdo_server.engine.invoicing import create_draft
from orbdo_server.engine.issuing import issue_invoice, void_invoice
from orbdo_server.engine.reconciled_invoices import Difference
from orbdo_server.engine.reconciliation import HourOfEvents, Reconciliation, Unmatched, reconcile
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, InvalidRequestError, TooLargeError
from orbdo_server.storage.event_log import (
    Append,
    BackfillClosed,
    BackfillCreated,
    BackfillNotOpenError,
    BackfillReverted,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
    EventLog,
    EventState,
    HourOfState,
    StoredEvent,
)
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.billing import TENANT, utc
from tests.support.metered import event
from tests.support.told_log import ToldLog

START = utc(2023, 11, 16)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def told() -> ToldLog:
    """A log that says what it is told."""
    return ToldLog()


def of(
    transaction: Transaction,
    log: EventLog,
    start: datetime = START,
    end: datetime = START + 2 * HOUR,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 20,
) -> Reconciliation:
    """Two hours, unless told."""
    return reconcile(transaction, log, start=start, end=end, after=after, limit=limit)


def parts(hour: HourOfEvents) -> dict[str, int]:
    """What the stored rows of an hour are."""
    others: dict[str, int] = {state: events for state, events in hour.states.items() if state != "in_effect"}
    return {"in_effect": hour.in_effect, "unmatched": hour.unmatched, **others}


def test_every_hour_is_there_with_its_parts(ledger: Transaction, told: ToldLog) -> None:
    """Rows of each state in one hour, none in the other."""
    states: list[EventState] = ["in_effect", "amended", "undone", "deprecated", "replaced", "pending", "reverted"]
    for state in states:
        told.put(event(state, at=START), state=state)
    told.put(event("another", at=START + HOUR - timedelta.resolution), event("bob's", at=START, customer="bob"))
    found = of(ledger, told)
    first, second = found.hours
    assert (found.as_of, first.hour.start, second.hour.end) == (9, START, START + 2 * HOUR)
    ones = {"amended": 1, "undone": 1, "deprecated": 1, "replaced": 1, "pending": 1, "reverted": 1}
    assert (first.stored, parts(first)) == (9, {"in_effect": 2, "unmatched": 1, **ones})
    assert (second.stored, parts(second)) == (0, {"in_effect": 0, "unmatched": 0})
    assert found.differences == []


def test_a_period_is_half_open(ledger: Transaction, told: ToldLog) -> None:
    """The hour that begins where it ends is not in it."""
    told.put(event("before", at=START - timedelta.resolution), event("after", at=START + 2 * HOUR))
    assert [hour.stored for hour in of(ledger, told).hours] == [0, 0]


def test_names_that_nobody_has_are_listed(ledger: Transaction, told: ToldLog) -> None:
    """Those with the most events first; by our ids too, which an older control plane may not know."""
    ours = msgspec.structs.replace(event("d", at=START), external_customer_id=None, customer_id="cus_gone")
    adas = msgspec.structs.replace(event("e", at=START), external_customer_id=None, customer_id="cus_ada")
    told.put(event("a", at=START, customer="bob"), event("b", at=START + HOUR, customer="eve"), ours, adas)
    told.put(event("c", at=START + HOUR, customer="eve"), event("f", at=START))
    found = of(ledger, told)
    assert found.unmatched == [
        Unmatched(column="external_customer_id", name="eve", events=2),
        Unmatched(column="external_customer_id", name="bob", events=1),
        Unmatched(column="customer_id", name="cus_gone", events=1),
    ]
    assert [(hour.in_effect, hour.unmatched) for hour in found.hours] == [(2, 2), (0, 2)]
    assert found.differences == []


def test_another_tenants_customers_are_nobodys(rival: Transaction, ledger: Transaction, told: ToldLog) -> None:
    """A name is matched within the tenant only."""
    told.put(event("a", at=START))
    assert of(ledger, told).unmatched == []
    assert [one.name for one in of(rival, told).unmatched] == ["ada"]


def test_names_are_looked_up_some_at_a_time(
    ledger: Transaction, told: ToldLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are looked up at once, the answer is the same; past the last lookup it is refused."""
    monkeypatch.setattr(module, "NAMES_MAX", 2)
    monkeypatch.setattr(module, "LOOKUPS_MAX", 3)
    told.put(*(event(name, at=START, customer=name) for name in ("ada", "b", "c", "d", "e")))
    assert [one.name for one in of(ledger, told).unmatched] == ["b", "c", "d", "e"]
    told.put(event("f", at=START, customer="f"))
    with pytest.raises(TooLargeError, match="More than 6 customers have events in this time"):
        of(ledger, told)


def test_so_many_names_are_listed(ledger: Transaction, told: ToldLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says how many are left off; every hour has them all the same."""
    monkeypatch.setattr(module, "UNMATCHED_LISTED_MAX", 2)
    told.put(*(event(name, at=START, customer=name) for name in ("b", "c")))
    assert (len(of(ledger, told).unmatched), of(ledger, told).unmatched_left_off) == (2, 0)
    told.put(event("d", at=START, customer="d"))
    found = of(ledger, told)
    assert ([one.name for one in found.unmatched], found.unmatched_left_off) == (["b", "c"], 1)
    assert found.hours[0].unmatched == 3


def test_states_that_contradict_the_readings_are_a_difference(ledger: Transaction, told: ToldLog) -> None:
    """The hour is named with both numbers."""
    told.put(event("a", at=START + HOUR))
    told.told_hours = [HourOfState(hour=START + HOUR, state="in_effect", events=3)]
    assert of(ledger, told).differences == [
        Difference(kind="in_effect", hour=START + HOUR, expected=Decimal(3), found=Decimal(1))
    ]


def test_invoices_for_part_of_the_time_are_compared(ledger: Transaction, told: ToldLog) -> None:
    """Of November and December, the months that have an hour of the period; void ones and drafts are left out."""
    told.put(event("a", 5))
    november, december, january = (issue(ledger, told) for _ in range(3))
    void_invoice(ledger, invoice_id=january)
    create_draft(ledger, told, subscription_id="sub_ada")

    def ids(start: datetime, end: datetime) -> list[str]:
        return [one.invoice.id for one in of(ledger, told, start, end).invoices]

    edge = utc(2023, 12, 1)
    assert ids(edge - HOUR, edge) == [november]
    assert ids(edge, edge + HOUR) == [december]
    assert sorted(ids(edge - HOUR, edge + HOUR)) == sorted([november, december])
    assert ids(utc(2024, 1, 10), utc(2024, 1, 11)) == []


def test_invoices_come_page_by_page(ledger: Transaction, told: ToldLog) -> None:
    """Each page has its own differences beside those of the hours."""
    for _ in range(2):
        issue(ledger, told)
    told.put(event("late", 5))
    edge = utc(2023, 12, 1)
    first = of(ledger, told, edge - HOUR, edge + HOUR, limit=1)
    last = first.invoices[-1].invoice
    second = of(ledger, told, edge - HOUR, edge + HOUR, limit=1, after=(last.created_at, last.id))
    assert (first.more, second.more) == (True, False)
    kinds = [[one.kind for one in page.differences] for page in (first, second)]
    assert sorted(kinds) == [[], ["late_events"]]


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        (START + timedelta(minutes=1), START + HOUR, "start: is not on the hour"),
        (START, START + HOUR + timedelta(seconds=1), "end: is not on the hour"),
        (START, START + HOUR + timedelta.resolution, "end: is not on the hour"),
        (START, START, "end: is not after start"),
        (START, START + 31 * DAY + HOUR, "end: is more than 744 hours after start"),
    ],
)
def test_other_times_are_refused(
    ledger: Transaction, told: ToldLog, start: datetime, end: datetime, problem: str
) -> None:
    """Whole hours, at least one and not more than a long month has."""
    with pytest.raises(InvalidRequestError, match=problem):
        of(ledger, told, start, end)


def test_a_long_month_is_reconciled(ledger: Transaction, told: ToldLog) -> None:
    """744 hours are not too many."""
    assert len(of(ledger, told, START, START + 31 * DAY).hours) == 744


def issue(ledger: Transaction, log: EventLog) -> str:
    """Issue the earliest month that is not invoiced."""
    draft = create_draft(ledger, log, subscription_id="sub_ada")
    return issue_invoice(ledger, log, invoice_id=draft.invoice.id).invoice.id


WINDOWS = count()
KEYS, BACKFILLS = st.sampled_from("abcd"), st.sampled_from("xyz")
STEPS = st.one_of(
    st.tuples(st.just("send"), KEYS, st.integers(0, 1), st.sampled_from(["ada", "bob"]), st.none() | BACKFILLS),
    st.tuples(st.sampled_from(["amend", "deprecate", "undo"]), KEYS),
    st.tuples(st.just("create"), BACKFILLS, st.booleans()),
    st.tuples(st.sampled_from(["close", "revert"]), BACKFILLS),
)


class Window:
    """Two hours of one log, and what happens to the events that lie in them."""

    def __init__(self, log: DuckDBEventLog) -> None:
        self.log = log
        self.number = next(WINDOWS)
        self.start = START + self.number * 2 * HOUR
        self.rows = 0

    def take(self, step: tuple[Any, ...]) -> None:
        """Do what can be done; what the log refuses does not happen."""
        name, *about = step
        with suppress(ConstraintViolationError, BackfillNotOpenError):
            getattr(self, name)(*about)

    def send(self, key: str, hour: int, customer: str, backfill: str | None) -> None:
        """An event, of a backfill or not."""
        sent = event(self.named(key), at=self.start + hour * HOUR, customer=customer)
        backfill_id = None if backfill is None else self.named(backfill)
        (told,) = self.log.append(
            [Append(tenant=TENANT, events=[sent], received_at=sent.timestamp, backfill_id=backfill_id)]
        )
        self.rows += len(told.ingested)

    def amend(self, key: str) -> None:
        """Another quantity for the first row of the key."""
        first = self.first(key)
        changed = msgspec.structs.replace(first.event, properties=msgspec.Raw(b'{"tokens":2}'))
        self.log.record(
            TENANT,
            EventAmended(event=changed, target=first.position, backfill_id=first.backfill_id, at=self.start),
        )
        self.rows += 1

    def deprecate(self, key: str) -> None:
        """The first row of the key and its amendments, out of effect."""
        self.log.record(
            TENANT, EventDeprecated(idempotency_key=self.named(key), target=self.first(key).position, at=self.start)
        )

    def undo(self, key: str) -> None:
        """The last correction taken back."""
        self.log.record(
            TENANT, CorrectionUndone(idempotency_key=self.named(key), target=self.first(key).position, at=self.start)
        )

    def create(self, backfill: str, replace: bool) -> None:
        """A backfill of both hours."""
        self.log.record(
            TENANT,
            BackfillCreated(
                backfill_id=self.named(backfill),
                at=self.start,
                timeframe=Period(self.start, self.start + 2 * HOUR),
                customer=None,
                replace_existing_events=replace,
            ),
        )

    def close(self, backfill: str) -> None:
        """The backfill in effect."""
        self.log.record(TENANT, BackfillClosed(backfill_id=self.named(backfill), at=self.start))

    def revert(self, backfill: str) -> None:
        """The backfill undone."""
        self.log.record(TENANT, BackfillReverted(backfill_id=self.named(backfill), at=self.start))

    def first(self, key: str) -> StoredEvent:
        """The first row of a key, which corrections name."""
        rows = self.log.stored(TENANT, [self.named(key)], as_of=self.log.position())
        if not rows:
            raise ConstraintViolationError(key)
        return rows[0]

    def named(self, name: str) -> str:
        """A name of this window's own."""
        return f"{name}-{self.number}"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
def test_the_parts_of_an_hour_add_up_to_what_was_stored(
    ledger: Transaction, log: DuckDBEventLog, steps: list[tuple[Any, ...]]
) -> None:
    """Whatever happens to events, each stored row is in one state, and as many are in effect as readings see."""
    window = Window(log)
    for step in steps:
        window.take(step)
    found = of(ledger, log, window.start, window.start + 2 * HOUR)
    assert sum(hour.stored for hour in found.hours) == window.rows
    assert [sum(parts(hour).values()) for hour in found.hours] == [hour.stored for hour in found.hours]
    assert found.differences == []
