"""Corrections of events as Orb bounds them: while their period is open, and so many of a customer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest

from orbdo_server.core.events import Event
from orbdo_server.engine.corrections import (
    CORRECTIONS_COUNTED,
    Amendment,
    Bounds,
    amend_event,
    deprecate_event,
    undo_correction,
)
from orbdo_server.engine.customers import create_customer
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import event, keys, send, units

BOUNDS = Bounds(age_max=timedelta(days=15), corrections_max=100)
SPENT = "The customer has had 2 corrections in 100 days (corrections_max); use a backfill for more."


def amended(of: Event, number: int) -> Amendment:
    """The event with another number of units."""
    return Amendment(
        event_name=of.event_name,
        timestamp=of.timestamp,
        properties=msgspec.Raw(msgspec.json.encode({"units": number})),
        customer_id=of.customer_id,
        external_customer_id=of.external_customer_id,
    )


def at_most(corrections_max: int) -> Bounds:
    """Bounds with another number of corrections."""
    return Bounds(age_max=BOUNDS.age_max, corrections_max=corrections_max)


def at(transaction: Transaction, now: datetime) -> Transaction:
    """The transaction at another instant."""
    return replace(transaction, now=now)


@pytest.mark.parametrize(("older", "is_open"), [(timedelta(), True), (timedelta.resolution, False)])
def test_an_event_is_corrected_while_its_period_is_open(
    transaction: Transaction, log: DuckDBEventLog, older: timedelta, is_open: bool
) -> None:
    """At the oldest instant that ingest takes, and not a microsecond before: neither amended, deprecated nor undone."""
    oldest = event("a", 1, at=transaction.now - BOUNDS.age_max - older)
    send(log, oldest)
    acts: list[Callable[[], None]] = [
        lambda: amend_event(transaction, log, "a", amended(oldest, 2), bounds=BOUNDS),
        lambda: deprecate_event(transaction, log, "a", bounds=BOUNDS),
        lambda: undo_correction(transaction, log, "a", age_max=BOUNDS.age_max),
    ]
    for act in acts:
        if is_open:
            act()
        else:
            with pytest.raises(ConstraintViolationError, match="where the billing period is open"):
                act()
    assert units(log) == (2 if is_open else 1)


def test_a_customer_has_so_many_corrections(transaction: Transaction, log: DuckDBEventLog) -> None:
    """Amendments and deprecations count, also those that were undone; undoing does not, nor does saying it again."""
    bounds = at_most(2)
    of = event("a", 1)
    send(log, of, event("b", 10), event("bob", 100, customer="bob"))
    amend_event(transaction, log, "a", amended(of, 2), bounds=bounds)
    amend_event(transaction, log, "a", amended(of, 2), bounds=bounds)
    undo_correction(transaction, log, "a", age_max=bounds.age_max)
    deprecate_event(transaction, log, "b", bounds=bounds)
    deprecate_event(transaction, log, "b", bounds=bounds)
    acts: list[Callable[[], None]] = [
        lambda: amend_event(transaction, log, "a", amended(of, 3), bounds=bounds),
        lambda: deprecate_event(transaction, log, "a", bounds=bounds),
    ]
    for act in acts:
        with pytest.raises(ConstraintViolationError) as caught:
            act()
        assert caught.value.detail == SPENT
    undo_correction(transaction, log, "b", age_max=bounds.age_max)
    deprecate_event(transaction, log, "bob", bounds=bounds)
    assert units(log) == 11


def test_corrections_are_counted_for_a_hundred_days(transaction: Transaction, log: DuckDBEventLog) -> None:
    """One of exactly so long ago is not counted any more."""
    bounds = Bounds(age_max=timedelta(days=200), corrections_max=1)
    of = event("a", 1)
    send(log, of)
    amend_event(transaction, log, "a", amended(of, 2), bounds=bounds)
    later = transaction.now + CORRECTIONS_COUNTED
    with pytest.raises(ConstraintViolationError, match="has had 1 corrections"):
        amend_event(at(transaction, later - timedelta.resolution), log, "a", amended(of, 3), bounds=bounds)
    amend_event(at(transaction, later), log, "a", amended(of, 3), bounds=bounds)
    assert units(log) == 3


def test_a_customer_is_counted_under_both_names(transaction: Transaction, log: DuckDBEventLog) -> None:
    """By our id and by the caller's, once the two are known to be one; then another name buys no more."""
    customer = create_customer(
        transaction,
        name="Ada",
        email="ada@b.example",
        external_customer_id="ada",
        currency=None,
        timezone="UTC",
        auto_issuance=None,
        metadata={},
        details={},
    )
    ours = msgspec.structs.replace(event("b", 10), external_customer_id=None, customer_id=customer.id)
    send(log, event("a", 1), ours, event("c", 100))
    bounds = at_most(2)
    deprecate_event(transaction, log, "a", bounds=bounds)
    deprecate_event(transaction, log, "b", bounds=bounds)
    for key in ("a", "b"):
        undo_correction(transaction, log, key, age_max=bounds.age_max)
        with pytest.raises(ConstraintViolationError) as caught:
            deprecate_event(transaction, log, key, bounds=bounds)
        assert caught.value.detail == SPENT
    assert keys(log) == ["a", "b", "c"]


def test_no_corrections_can_be_allowed(transaction: Transaction, log: DuckDBEventLog) -> None:
    """With a bound of 0 only backfills change what is in."""
    send(log, event("a", 1))
    with pytest.raises(ConstraintViolationError, match="has had 0 corrections"):
        deprecate_event(transaction, log, "a", bounds=at_most(0))
