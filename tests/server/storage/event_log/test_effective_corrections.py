"""Corrections in readings: what stands in the place of an event, also where backfills replace it, at every position."""

from pathlib import Path

import pytest

from orbdo_server.core.customers import CustomerRef
from orbdo_server.storage.event_log import Appended, Scope
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.errors import CorrectionError
from tests.support.logged_events import (
    ADA,
    RECEIVED,
    amend,
    answer,
    close,
    create,
    days,
    deprecate,
    event,
    keys,
    on,
    revert,
    send,
    undo,
    units,
)


def test_an_amendment_counts_in_the_place_of_the_event(log: DuckDBEventLog) -> None:
    """From its position on and no earlier, again and again, and no more once it is undone."""
    send(log, event("a", 1), event("b", 10))
    steps = [amend(log, 1, event("a", 2)), amend(log, 1, event("a", 3)), undo(log, 1, "a"), undo(log, 1, "a")]
    assert [units(log, as_of=position) for position in (2, *steps)] == [11, 12, 13, 12, 11]
    assert amend(log, 1, event("a", 5)) == 7
    assert units(log) == 15
    assert units(log, as_of=4) == 13
    assert keys(log) == ["b", "a"]


def test_a_deprecated_event_does_not_count(log: DuckDBEventLog) -> None:
    """Amended or not; undoing brings back what was there."""
    send(log, event("a", 1), event("b", 10))
    steps = [deprecate(log, 2, "b"), undo(log, 2, "b"), amend(log, 2, event("b", 20)), deprecate(log, 2, "b")]
    assert [units(log, as_of=position) for position in steps] == [1, 11, 21, 1]
    undo(log, 2, "b")
    assert units(log) == 21


def test_a_correction_that_cannot_follow_leaves_the_log_as_it_is(log: DuckDBEventLog) -> None:
    """It takes no position, and what stood stands."""
    send(log, event("a", 1))
    deprecate(log, 1, "a")
    with pytest.raises(CorrectionError):
        amend(log, 1, event("a", 2))
    with pytest.raises(CorrectionError):
        deprecate(log, 1, "a")
    with pytest.raises(CorrectionError):
        undo(log, 9, "b")
    assert (log.position(), units(log)) == (2, 0)


def test_corrections_are_there_after_a_restart(log: DuckDBEventLog, path: Path) -> None:
    """At every position, and they can be undone then."""
    send(log, event("a", 1), event("b", 10))
    amend(log, 1, event("a", 2))
    deprecate(log, 2, "b")
    log.close()
    again = DuckDBEventLog(path, threads=1)
    assert [units(again, as_of=position) for position in range(5)] == [0, 1, 11, 12, 2]
    undo(again, 2, "b")
    assert units(again) == 12
    again.close()


@pytest.mark.parametrize("corrected", ["live", "backfilled"])
def test_a_backfill_that_is_closed_later_replaces_the_amendment(log: DuckDBEventLog, corrected: str) -> None:
    """As it would replace the event; reverting the backfill brings the amendment back, not the event."""
    home = None
    if corrected == "backfilled":
        home = "bf_0"
        create(log, home)
    send(log, event("a", 1), backfill_id=home)
    target = log.position()
    if home is not None:
        close(log, home)
    amend(log, target, event("a", 2), backfill_id=home)
    create(log, "bf_1")
    send(log, event("b", 10), backfill_id="bf_1")
    assert units(log) == 2
    close(log, "bf_1")
    assert units(log) == 10
    revert(log, "bf_1")
    assert units(log) == 2
    undo(log, target, "a")
    assert units(log) == 1


def test_an_amendment_does_not_bring_back_what_was_replaced_before(log: DuckDBEventLog) -> None:
    """It stands where its event lies, before the close of the backfill, whenever it was made."""
    send(log, event("a", 1))
    create(log, "bf_1")
    close(log, "bf_1")
    amend(log, 1, event("a", 2))
    assert units(log) == 0
    revert(log, "bf_1")
    assert units(log) == 2


def test_an_amendment_of_a_backfilled_event_comes_and_goes_with_the_backfill(log: DuckDBEventLog) -> None:
    """It is of the backfill as its event is, and no event more of it."""
    create(log, "bf_1", replace=False)
    send(log, event("a", 1), backfill_id="bf_1")
    amend(log, 2, event("a", 2), backfill_id="bf_1")
    assert units(log) == 0
    close(log, "bf_1")
    assert units(log) == 2
    assert [one.events_ingested for one in log.backfills("acme", as_of=log.position())] == [1]
    send(log, event("b", 10))
    assert [one.events_ingested for one in log.backfills("acme", as_of=4)] == [1]
    revert(log, "bf_1")
    assert units(log) == 10


def test_a_replacing_backfill_brings_its_own_event_for_a_deprecated_one(log: DuckDBEventLog) -> None:
    """Where it was sent before the deprecation: that is of the event that was there, not of the key."""
    send(log, event("a", 1))
    create(log, "bf_1")
    send(log, event("a", 5), backfill_id="bf_1")
    deprecate(log, 1, "a")
    assert units(log) == 0
    close(log, "bf_1")
    assert units(log) == 5
    revert(log, "bf_1")
    assert units(log) == 0


def test_corrections_act_within_a_narrower_reading(log: DuckDBEventLog) -> None:
    """Of a customer, a period and a tenant only what is theirs, and nothing of others is touched."""
    send(log, event("a", 1), event("b", 10, customer="bob"), event("c", 100, at=on(20)))
    send(log, event("a", 1000), tenant="other")
    amend(log, 1, event("a", 2))
    deprecate(log, 2, "b", customer="bob")
    bob = CustomerRef(id="cus_bob", external_customer_id="bob")
    assert (units(log, customer=ADA), units(log, customer=bob)) == (102, 0)
    assert (units(log, period=days(15, 16)), units(log, period=days(20, 21))) == (2, 100)
    assert units(log, tenant="other") == 1000


def test_events_sent_again_are_held_against_what_was_done_to_them(log: DuckDBEventLog, path: Path) -> None:
    """Both forms of an amended event are known; the key of a deprecated one is spent until that is undone."""
    send(log, event("a", 1), event("b", 10))
    amend(log, 1, event("a", 2))
    deprecate(log, 2, "b")

    def told(opened: DuckDBEventLog) -> list[Appended]:
        return [send(opened, event("a", number)) for number in (1, 2, 3)] + [send(opened, event("b", 10))]

    repeated = [
        answer(4, duplicates=["a"]),
        answer(4, duplicates=["a"]),
        answer(4, conflicts=["a"]),
        answer(4, deprecated=["b"]),
    ]
    assert told(log) == repeated
    log.close()
    again = DuckDBEventLog(path, threads=1, clock=lambda: RECEIVED)
    assert told(again) == repeated
    undo(again, 2, "b")
    assert told(again)[3] == answer(5, duplicates=["b"])
    assert units(again) == 12
    again.close()


def test_a_select_for_a_source_sees_corrections_too(log: DuckDBEventLog) -> None:
    """A reading that is given as a function of its source is of the same events."""
    send(log, event("a", 1), event("b", 10))
    amend(log, 1, event("a", 2))
    scope = Scope(tenant="acme", as_of=log.position())
    rows = log.read(lambda source: f"SELECT sum(u) FROM (SELECT properties.units::INT AS u FROM {source})", scope=scope)
    assert rows.rows == [(12,)]
