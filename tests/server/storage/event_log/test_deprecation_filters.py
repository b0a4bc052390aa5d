"""Backfills that replace only the events which meet a condition, those that come late too."""

import pytest

from orbdo_server.core.customers import CustomerRef
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import ADA, amend, close, create, days, deprecate, event, keys, on, revert, send, units


def test_only_events_that_meet_the_filter_are_replaced(log: DuckDBEventLog) -> None:
    """In the timeframe and of the customer; reverting brings them back."""
    send(log, event("a", 5), event("b", 50), event("c", 500, at=on(20)), event("d", 5000, customer="bob"))
    create(log, "bf_1", days(10, 16), customer=ADA, only="units > 10")
    send(log, event("new", 7), backfill_id="bf_1")
    before = log.position()
    assert units(log) == 5555
    close(log, "bf_1")
    assert keys(log) == ["a", "c", "d", "new"]
    assert units(log, customer=ADA) == 512
    assert units(log, customer=CustomerRef(id="cus_bob", external_customer_id="bob")) == 5000
    revert(log, "bf_1")
    assert units(log) == 5555
    assert units(log, as_of=before) == 5555


def test_matching_events_that_come_late_are_out_of_effect_too(log: DuckDBEventLog) -> None:
    """As long as the backfill stands; others that come late count."""
    create(log, "bf_1", only="units > 10")
    close(log, "bf_1")
    send(log, event("a", 5), event("b", 50))
    assert keys(log) == ["a"]
    assert send(log, event("b", 50)).duplicates == ["b"]
    revert(log, "bf_1")
    assert keys(log) == ["a", "b"]


def test_the_backfills_own_events_are_not_held_against_its_filter(log: DuckDBEventLog) -> None:
    """Nor are those of a backfill that is closed later, which was made on purpose; those of an earlier one are."""
    create(log, "bf_0", replace=False)
    send(log, event("early", 11), backfill_id="bf_0")
    close(log, "bf_0")
    create(log, "bf_1", only="units > 10")
    send(log, event("own", 20), backfill_id="bf_1")
    close(log, "bf_1")
    create(log, "bf_2", replace=False)
    send(log, event("later", 30), backfill_id="bf_2")
    close(log, "bf_2")
    assert keys(log) == ["own", "later"]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("units > 10", ["a", "none", "text"]),
        ("NOT units > 10", ["b", "none", "text"]),
        ("units IS NULL", ["a", "b", "text"]),
        ("event_name = 'used' AND timestamp >= TIMESTAMP '2026-03-15'", []),
        ("FALSE", ["a", "b", "none", "text"]),
    ],
)
def test_an_event_of_which_it_cannot_be_told_is_not_replaced(
    log: DuckDBEventLog, only: str, expected: list[str]
) -> None:
    """A property that is absent, null or no number meets neither a comparison nor its opposite."""
    send(log, event("a", 5), event("b", 50), event("none", None), event("text", "many"))
    create(log, "bf_1", only=only)
    close(log, "bf_1")
    assert keys(log) == expected


def test_a_key_that_is_sent_again_goes_whether_it_meets_the_filter_or_not(log: DuckDBEventLog) -> None:
    """So that an event counts once under its key: as the backfill has it while that stands, as it was before after."""
    send(log, event("a", 5), event("b", 50))
    create(log, "bf_1", only="units > 10")
    assert send(log, event("a", 6), event("b", 60), backfill_id="bf_1").ingested == ["a", "b"]
    close(log, "bf_1")
    assert units(log) == 66
    assert send(log, event("a", 5)).duplicates == ["a"]
    assert send(log, event("a", 7)).conflicts == ["a"]
    revert(log, "bf_1")
    assert units(log) == 55


def test_a_filter_looks_at_what_an_event_was_amended_to(log: DuckDBEventLog) -> None:
    """Before the backfill and after; what it does not meet any more counts, what meets it now does not."""
    send(log, event("a", 5), event("b", 50), event("c", 6))
    amend(log, 2, event("b", 7))
    create(log, "bf_1", only="units > 10")
    close(log, "bf_1")
    assert units(log) == 18
    amend(log, 1, event("a", 70))
    assert units(log) == 13
    deprecate(log, 3, "c")
    assert units(log) == 7
    revert(log, "bf_1")
    assert units(log) == 77


def test_a_backfill_that_is_closed_later_replaces_what_a_filter_left(log: DuckDBEventLog) -> None:
    """Its own filter and those of others add up."""
    send(log, event("a", 5), event("b", 50), event("c", 500))
    create(log, "bf_1", only="units > 100")
    close(log, "bf_1")
    create(log, "bf_2", only="units < 10")
    close(log, "bf_2")
    assert keys(log) == ["b"]
    create(log, "bf_3")
    close(log, "bf_3")
    assert keys(log) == []
    revert(log, "bf_3")
    revert(log, "bf_1")
    assert keys(log) == ["b", "c"]
