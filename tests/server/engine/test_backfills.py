"""When backfills close by themselves, and which of their events may be told to go."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orbdo_server.engine.backfills import (
    FILTER_CHARACTERS_MAX,
    OPEN_FOR_DEFAULT,
    NewBackfill,
    close_backfill,
    close_due,
    create_backfill,
    revert_backfill,
)
from orbdo_server.engine.housekeeping import run_due
from orbdo_server.engine.stores import Stores
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import InvalidRequestError
from orbdo_server.settings import Settings
from orbdo_server.storage.database import Database
from orbdo_server.storage.documents import Documents
from orbdo_server.storage.event_log import Action, BackfillClosed, BackfillCreated, BackfillReverted
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import days, event, on, send, units


def new(
    first: int = 1,
    until: int = 5,
    *,
    close_time: datetime | None = None,
    only: str | None = None,
    replace_existing_events: bool = True,
) -> NewBackfill:
    """A backfill of some days of March."""
    return NewBackfill(
        timeframe_start=on(first),
        timeframe_end=on(until),
        customer=None,
        replace_existing_events=replace_existing_events,
        close_time=close_time,
        deprecation_filter=only,
    )


def statuses(log: DuckDBEventLog, tenant: str) -> list[str]:
    """What the backfills of a tenant are now."""
    return [one.status for one in log.backfills(tenant, as_of=log.position())]


def test_a_backfill_closes_a_day_after_it_was_created(transaction: Transaction, log: DuckDBEventLog) -> None:
    """Unless another time is said, which lies after its creation."""
    assert create_backfill(transaction, log, new()).close_time == transaction.now + timedelta(days=1)
    soon = transaction.now + timedelta.resolution
    assert create_backfill(transaction, log, new(6, 7, close_time=soon)).close_time == soon
    with pytest.raises(InvalidRequestError) as caught:
        create_backfill(transaction, log, new(8, 9, close_time=transaction.now))
    assert caught.value.detail == "close_time: is not in the future"


def test_what_is_due_is_closed_for_every_tenant(
    transaction: Transaction, rival: Transaction, log: DuckDBEventLog
) -> None:
    """At the close time and not before, once; what is closed then counts then."""
    mine = create_backfill(transaction, log, new(close_time=transaction.now + timedelta(hours=1)))
    create_backfill(rival, log, new(close_time=transaction.now + timedelta(hours=1)))
    create_backfill(transaction, log, new(6, 7))
    send(log, event("a", 5, at=on(2)), backfill_id=mine.id)
    due_at = transaction.now + timedelta(hours=1)
    assert close_due(log, now=due_at - timedelta.resolution) == 0
    assert units(log) == 0
    assert close_due(log, now=due_at) == 2
    assert (statuses(log, transaction.tenant), statuses(log, rival.tenant)) == (["reflected", "pending"], ["reflected"])
    assert units(log) == 5
    assert log.backfills(transaction.tenant, as_of=log.position())[0].closed_at == due_at
    assert close_due(log, now=due_at) == 0
    assert close_due(log, now=transaction.now + OPEN_FOR_DEFAULT) == 1


def test_what_was_closed_or_reverted_by_hand_is_not_due(transaction: Transaction, log: DuckDBEventLog) -> None:
    """Its time may come, and nothing happens."""
    close_backfill(transaction, log, create_backfill(transaction, log, new()).id)
    revert_backfill(transaction, log, create_backfill(transaction, log, new()).id)
    position = log.position()
    assert close_due(log, now=transaction.now + timedelta(days=9)) == 0
    assert log.position() == position


class ARivalThread(DuckDBEventLog):
    """A log in which somebody reverts every backfill right before it is closed."""

    def record(self, tenant: str, action: Action) -> int:
        """Revert it, then go on."""
        if isinstance(action, BackfillClosed):
            super().record(tenant, BackfillReverted(backfill_id=action.backfill_id, at=action.at))
        return super().record(tenant, action)


def test_a_backfill_that_is_reverted_meanwhile_stays_reverted(transaction: Transaction, tmp_path: Path) -> None:
    """Somebody was quicker than the clock; the others are closed all the same."""
    log = ARivalThread(tmp_path / "rival.duckdb", threads=1)
    create_backfill(transaction, log, new())
    assert close_due(log, now=transaction.now + OPEN_FOR_DEFAULT) == 0
    assert statuses(log, transaction.tenant) == ["reverted"]
    log.close()


def test_housekeeping_closes_what_is_due(log: DuckDBEventLog, database: Database, tmp_path: Path) -> None:
    """As often as it is run, by the instant that it is told."""
    stores = Stores(
        settings=Settings(data=tmp_path),
        database=database,
        log=log,
        documents=Documents("memory:///"),
        signing_secret=b"secret",
    )
    created = BackfillCreated(
        backfill_id="bf_1",
        at=on(15),
        timeframe=days(1, 5),
        customer=None,
        replace_existing_events=True,
        close_time=on(16),
    )
    log.record("acme", created)
    run_due(stores, on(15))
    assert statuses(log, "acme") == ["pending"]
    for _ in range(2):
        run_due(stores, on(16))
        assert statuses(log, "acme") == ["reflected"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (new(only="units > 1", replace_existing_events=False), "says which events are replaced; it needs"),
        (new(only=""), "line 1, column 1: the condition is empty; compare a property: tokens > 100"),
        (new(only="sum(units) > 1"), "line 1, column 1: sum() inside an aggregate or a condition"),
        (new(only="a / b / c > 1"), "the condition has too many products and quotients in each other"),
        (new(only=" " * FILTER_CHARACTERS_MAX + "a"), "has more than 2000 characters"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(
    transaction: Transaction, log: DuckDBEventLog, given: NewBackfill, problem: str
) -> None:
    """When the backfill is created and not when it is read; so is one of a backfill that replaces nothing."""
    with pytest.raises(InvalidRequestError) as caught:
        create_backfill(transaction, log, given)
    assert caught.value.problems[0].field == "deprecation_filter"
    assert problem in caught.value.problems[0].message
    assert log.position() == 0


def test_a_filter_may_be_as_long_as_its_bound(transaction: Transaction, log: DuckDBEventLog) -> None:
    """And is kept as it was written."""
    text = " " * (FILTER_CHARACTERS_MAX - 1) + "a"
    assert create_backfill(transaction, log, new(only=text)).deprecation_filter == text
