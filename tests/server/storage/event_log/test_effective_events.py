"""Which events are in effect at a position: backfills are invisible, then visible at once, and can be undone."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from orbdo_server.core.customers import CustomerRef
from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import (
    Backfill,
    BackfillTransitionError,
    FuturePositionError,
    Scope,
)
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import (
    ADA,
    RECEIVED,
    TENANT,
    close,
    create,
    days,
    event,
    keys,
    on,
    revert,
    send,
    units,
)

BOB = CustomerRef(id="cus_bob", external_customer_id="bob")


def test_a_reading_at_a_position_never_changes(log: DuckDBEventLog) -> None:
    """Whatever comes later, the same question at the same position has the same answer."""
    send(log, event("a", 1), event("b", 2))
    first = log.position()
    send(log, event("c", 4))
    create(log, "bf_1")
    send(log, event("d", 8), backfill_id="bf_1")
    close(log, "bf_1")
    assert [units(log, as_of=position) for position in range(first + 1)] == [0, 1, 3]
    assert units(log) == 8


def test_the_future_cannot_be_asked(log: DuckDBEventLog) -> None:
    """An answer for a position that is not reached would not stay the same."""
    send(log, event("a"))
    assert units(log, as_of=1) == 1
    for ask in (units, keys, lambda log, *, as_of: log.backfills(TENANT, as_of=as_of)):
        with pytest.raises(FuturePositionError) as caught:
            ask(log, as_of=2)
        assert caught.value.detail == "as_of: the log has reached position 1, not 2."


def test_a_backfill_is_invisible_until_it_is_closed(log: DuckDBEventLog) -> None:
    """All its events come into effect at the position where it is closed, and none before."""
    send(log, event("live", 1, at=on(20)))
    create(log, "bf_1", days(1, 10))
    send(log, event("a", 10, at=on(2)), backfill_id="bf_1")
    send(log, event("b", 100, at=on(3)), backfill_id="bf_1")
    before = log.position()
    assert units(log) == 1
    closed = close(log, "bf_1")
    assert closed == before + 1
    assert units(log, as_of=before) == 1
    assert units(log, as_of=closed) == 111


def test_reverting_takes_everything_back(log: DuckDBEventLog) -> None:
    """Its events go, what it replaced returns, and earlier positions keep their answers."""
    send(log, event("live", 1))
    create(log, "bf_1")
    send(log, event("a", 10), backfill_id="bf_1")
    closed = close(log, "bf_1")
    reverted = revert(log, "bf_1")
    assert units(log, as_of=closed - 1) == 1
    assert units(log, as_of=closed) == 10
    assert units(log, as_of=reverted) == 1


def test_a_backfill_reverted_before_it_was_closed_never_counts(log: DuckDBEventLog) -> None:
    """It disappears without having been seen."""
    send(log, event("live", 1))
    create(log, "bf_1")
    send(log, event("a", 10), backfill_id="bf_1")
    revert(log, "bf_1")
    assert [units(log, as_of=position) for position in range(log.position() + 1)] == [0, 1, 1, 1, 1]


def test_a_backfill_that_does_not_replace_adds(log: DuckDBEventLog) -> None:
    """Events that were there stay."""
    send(log, event("live", 1))
    create(log, "bf_1", replace=False)
    send(log, event("a", 10), backfill_id="bf_1")
    close(log, "bf_1")
    assert units(log) == 11


def test_replacing_is_bounded_by_the_timeframe(log: DuckDBEventLog) -> None:
    """The start is in it, the end is not."""
    send(
        log,
        event("before", 1, at=on(9, 23)),
        event("start", 2, at=on(10)),
        event("last", 4, at=on(19, 23)),
        event("end", 8, at=on(20)),
    )
    create(log, "bf_1", days(10, 20))
    close(log, "bf_1")
    assert keys(log) == ["before", "end"]


def test_replacing_is_bounded_by_the_customer(log: DuckDBEventLog) -> None:
    """Only events of the backfill's customer go, under either name; events of nobody known stay."""
    by_our_id = Event(
        event_name="used",
        idempotency_key="ours",
        timestamp=on(15),
        properties=event("x").properties,
        customer_id=ADA.id,
    )
    send(log, event("ada"), by_our_id, event("bob", customer="bob"), event("nobody", customer="nobody"))
    send(log, msgspec.structs.replace(by_our_id, idempotency_key="eve", customer_id="cus_eve"))
    create(log, "bf_1", customer=ADA)
    close(log, "bf_1")
    assert keys(log) == ["bob", "nobody", "eve"]


def test_a_customer_without_an_external_name_replaces_by_our_id_only(log: DuckDBEventLog) -> None:
    """Events without any external name are not taken for theirs."""
    ours = Event(
        event_name="used",
        idempotency_key="ours",
        timestamp=on(15),
        properties=event("x").properties,
        customer_id="cus_bob",
    )
    send(log, event("ada"), ours)
    nameless = CustomerRef(id="cus_ada", external_customer_id=None)
    send(log, msgspec.structs.replace(ours, idempotency_key="hers", customer_id="cus_ada"))
    create(log, "bf_1", customer=nameless)
    close(log, "bf_1")
    assert keys(log) == ["ada", "ours"]
    assert units(log, customer=nameless) == 0
    assert units(log, customer=BOB) == 1


def test_events_that_come_after_the_close_count_beside_it(log: DuckDBEventLog) -> None:
    """A backfill replaces what was there when it was closed, also what came while it was open."""
    send(log, event("before", 1))
    create(log, "bf_1")
    send(log, event("meanwhile", 2))
    close(log, "bf_1")
    send(log, event("after", 4))
    assert keys(log) == ["after"]
    create(log, "bf_2", days(1, 5))
    close(log, "bf_2")
    create(log, "bf_3", days(14, 16))
    close(log, "bf_3")
    send(log, event("at last", 8))
    assert keys(log) == ["at last"]


def test_of_two_backfills_the_one_closed_last_replaces_the_other(log: DuckDBEventLog) -> None:
    """Not the one that began last: its events came into effect earlier."""
    create(log, "bf_1")
    create(log, "bf_2")
    send(log, event("one", 1), backfill_id="bf_1")
    send(log, event("two", 2), backfill_id="bf_2")
    close(log, "bf_2")
    assert keys(log) == ["two"]
    close(log, "bf_1")
    assert keys(log) == ["one"]
    revert(log, "bf_1")
    assert keys(log) == ["two"]


def test_a_backfill_may_send_the_keys_that_it_replaces(log: DuckDBEventLog) -> None:
    """Correcting usage under its own keys counts the correction, and the original again once it is reverted."""
    send(log, event("a", 1), event("b", 2))
    create(log, "bf_1")
    assert send(log, event("a", 10), event("b", 2), backfill_id="bf_1").ingested == ["a", "b"]
    assert send(log, event("a", 10), backfill_id="bf_1").duplicates == ["a"]
    assert send(log, event("a", 1)).duplicates == ["a"]
    assert units(log) == 3
    close(log, "bf_1")
    assert units(log) == 12
    revert(log, "bf_1")
    assert units(log) == 3


def test_a_reverted_backfill_can_be_done_over_with_the_same_keys(log: DuckDBEventLog) -> None:
    """The keys of what is out of effect for good are free."""
    create(log, "bf_1", replace=False)
    send(log, event("a", 1), backfill_id="bf_1")
    close(log, "bf_1")
    revert(log, "bf_1")
    create(log, "bf_2", replace=False)
    assert send(log, event("a", 5), backfill_id="bf_2").ingested == ["a"]
    close(log, "bf_2")
    assert units(log) == 5


def test_a_backfill_that_only_adds_does_not_count_a_known_key_again(log: DuckDBEventLog) -> None:
    """Importing the same history twice counts it once."""
    for name in ("bf_1", "bf_2"):
        create(log, name, replace=False)
        send(log, event("a", 1), event("b", 2), backfill_id=name)
        close(log, name)
    assert units(log) == 3


def test_a_customer_is_found_by_either_name(log: DuckDBEventLog) -> None:
    """Events count for a customer by our id or by the caller's, whenever the customer came to exist."""
    ours = Event(
        event_name="used",
        idempotency_key="ours",
        timestamp=on(15),
        properties=event("x", 2).properties,
        customer_id=ADA.id,
    )
    send(log, event("theirs", 1), ours, event("bob", 4, customer="bob"))
    assert units(log, customer=ADA) == 3
    assert units(log, customer=BOB) == 4
    assert units(log, customer=CustomerRef(id=ADA.id, external_customer_id=None)) == 2
    assert units(log, customer=CustomerRef(id="cus_new", external_customer_id=None)) == 0


def test_a_period_is_half_open(log: DuckDBEventLog) -> None:
    """Its start counts, its end belongs to the next, so that adjoining periods add up."""
    send(log, event("a", 1, at=on(1)), event("b", 2, at=on(2)), event("c", 4, at=on(3)))
    assert units(log, period=days(1, 2)) == 1
    assert units(log, period=days(2, 3)) == 2
    assert units(log, period=days(1, 3)) == 3


@pytest.mark.parametrize(
    ("customer", "expected"),
    [(None, 0b11100), (ADA, 0b00100), (BOB, 0b11000), (CustomerRef(id="cus_eve", external_customer_id="ada"), 0b00100)],
)
def test_backfills_act_within_a_narrower_reading(
    log: DuckDBEventLog, customer: CustomerRef | None, expected: int
) -> None:
    """Leaving out backfills that cannot matter for a customer or a period changes no answer."""
    send(log, event("a", 0b00001), event("b", 0b00010), event("bob", 0b01000, customer="bob"))
    create(log, "bf_ada", days(10, 20), customer=ADA)
    create(log, "bf_none", days(20, 25), customer=BOB)
    send(log, event("new", 0b00100), backfill_id="bf_ada")
    send(log, event("later", 0b100000, at=on(22), customer="bob"), backfill_id="bf_none")
    close(log, "bf_ada")
    close(log, "bf_none")
    send(log, event("bob-2", 0b10000, customer="bob"))
    assert units(log, customer=customer, period=days(10, 20)) == expected


def test_backfills_are_listed_as_they_stood(log: DuckDBEventLog) -> None:
    """With their steps, their scope and how many events they had by then; another tenant sees none of them."""
    created = create(log, "bf_1", days(1, 10), customer=ADA, replace=False)
    send(log, event("a", at=on(2)), event("b", at=on(3)), backfill_id="bf_1")
    create(log, "bf_2")
    closed = close(log, "bf_1")
    begun = Backfill(
        id="bf_1",
        timeframe=days(1, 10),
        customer=ADA,
        replace_existing_events=False,
        created_at=RECEIVED,
        created_position=1,
    )
    assert log.backfills(TENANT, as_of=0) == []
    assert log.backfills(TENANT, as_of=created) == [begun]
    (first, second) = log.backfills(TENANT, as_of=closed)
    assert (first.id, first.status, first.events_ingested, first.closed_position) == ("bf_1", "reflected", 2, closed)
    assert (second.id, second.status, second.events_ingested) == ("bf_2", "pending", 0)
    assert log.backfills("other", as_of=closed) == []
    send(log, event("later"))
    assert [one.events_ingested for one in log.backfills(TENANT, as_of=closed)] == [2, 0]
    assert [one.events_ingested for one in log.backfills(TENANT, as_of=created + 1)] == [1]


def test_events_of_backfills_are_counted_after_a_restart(log: DuckDBEventLog, path: Path) -> None:
    """Only those that were new, by tenant, and those that come later are added."""
    create(log, "bf_1", replace=False)
    create(log, "bf_1", replace=False, tenant="other")
    send(log, event("a"), event("b"), backfill_id="bf_1")
    send(log, event("b"), event("c"), backfill_id="bf_1")
    send(log, event("a"), tenant="other", backfill_id="bf_1")
    log.close()
    again = DuckDBEventLog(path, threads=1)
    send(again, event("d"), backfill_id="bf_1")
    assert [one.events_ingested for one in again.backfills(TENANT, as_of=again.position())] == [4]
    assert [one.events_ingested for one in again.backfills("other", as_of=again.position())] == [1]
    again.close()


@pytest.mark.parametrize("act", [close, revert])
def test_a_step_that_cannot_follow_leaves_the_log_as_it_is(
    log: DuckDBEventLog, act: Callable[[DuckDBEventLog, str], int]
) -> None:
    """An unknown backfill, and one of another tenant, can neither be closed nor reverted."""
    create(log, "bf_1", tenant="other")
    with pytest.raises(BackfillTransitionError):
        act(log, "bf_1")
    assert log.position() == 1
    create(log, "bf_1")
    assert act(log, "bf_1") == 3


def test_a_select_for_a_source_sees_the_same_events(log: DuckDBEventLog) -> None:
    """A reading that is given as a function of its source is in the same scope."""
    send(log, event("a", 1), event("b", 2, customer="bob"), event("c", 4, at=on(20)))
    create(log, "bf_1", days(14, 16), customer=BOB)
    close(log, "bf_1")
    scope = Scope(tenant=TENANT, as_of=log.position(), period=days(10, 30))
    rows = log.read(lambda source: f"SELECT sum(u) FROM (SELECT properties.units::INT AS u FROM {source})", scope=scope)
    assert rows.rows == [(5,)]
