"""The fate of events: counted, kept, told, and never silent."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from orbdo_sdk.client._shipping.dead_letters import DeadLetters
from orbdo_sdk.client._shipping.ledger import Ledger
from orbdo_sdk.client._shipping.queued import Batch, Call, Queued
from orbdo_sdk.client._shipping.shipper import utc_now
from orbdo_sdk.client._shipping.spool import Spool
from orbdo_sdk.client._shipping.statistics import Drop
from orbdo_sdk.errors import EventRejectedError, SpoolError
from tests.sdk.client.shipping.clock import Clock


class Books:
    """A ledger with what it writes into, in memory unless a path is given."""

    def __init__(self, clock: Clock, *, letters_max: int = 10, path: Path | None = None) -> None:
        self.drops: list[Drop] = []
        self.letters = DeadLetters(path, letters_max=letters_max, now=utc_now, resend=lambda letter: None)
        self.ledger = Ledger(spool=None, dead_letters=self.letters, on_drop=self.drops.append, monotonic=clock)


def events(keys: str, call: Call | None = None) -> list[Queued]:
    """An event for each letter."""
    return [Queued(key, b"{}", 0.0, call=call) for key in keys]


def told(drops: Sequence[Drop]) -> list[tuple[str, str, str, bool]]:
    """What the hook heard."""
    return [(drop.reason, drop.idempotency_key, drop.detail, drop.kept) for drop in drops]


def test_requests_are_counted(clock: Clock) -> None:
    """Every request counts as sent, one that repeats a batch as retried too."""
    ledger = Books(clock).ledger
    ledger.going_out(Batch.of(events("a"), attempts=1))
    ledger.going_out(Batch.of(events("a"), attempts=2))
    assert (ledger.sent, ledger.retried) == (2, 1)


def test_acknowledged_events_are_counted_and_their_call_hears(clock: Clock) -> None:
    """Duplicates are acknowledged as well and counted apart."""
    ledger = Books(clock).ledger
    call = Call(["a", "b"], deadline=0.0)
    ledger.acknowledge(events("ab", call) + events("c"), duplicates={"b"})
    assert (ledger.acknowledged, ledger.duplicate) == (3, 1)
    assert [receipt.duplicate for receipt in call.future.result()] == [False, True]


def test_conflicting_events_are_told(clock: Clock) -> None:
    """An event whose key the server has for another event is not counted there: its caller and the hook hear of it."""
    books = Books(clock)
    call = Call(["a"], deadline=0.0)
    books.ledger.acknowledge(events("a", call) + events("b"), duplicates={"a", "b"}, conflicts={"a"})
    assert (books.ledger.duplicate, books.ledger.conflict) == (2, 1)
    assert told(books.drops) == [("conflict", "a", "the server has another event under this idempotency key", False)]
    assert call.future.result()[0].conflict is True


def test_withdrawn_events_are_not_counted_twice(clock: Clock) -> None:
    """An answer that comes after the call has failed changes no figure."""
    books = Books(clock)
    withdrawn = events("a")
    books.ledger.withdraw(withdrawn)
    withdrawn[0].withdrawn = True
    books.ledger.acknowledge(withdrawn)
    books.ledger.reject([(withdrawn[0], ("late",))])
    ledger = books.ledger
    assert (ledger.withdrawn, ledger.acknowledged, ledger.rejected) == (1, 0, 0)
    assert books.letters.count() == 0


def test_rejected_events_are_kept_and_told(clock: Clock) -> None:
    """A refused event goes to the dead letters with its reasons, to the hook and to its call."""
    books = Books(clock)
    call = Call(["a"], deadline=0.0)
    (event,) = events("a", call)
    books.ledger.reject([(event, ("too old", "unknown"))])
    assert books.ledger.rejected == 1
    assert told(books.drops) == [("rejected", "a", "too old; unknown", True)]
    assert books.letters.list()[0].reasons == ("too old", "unknown")
    assert isinstance(call.future.exception(), EventRejectedError)


def test_expired_events_are_kept_and_told(clock: Clock) -> None:
    """An event too old to be sent safely is not lost either."""
    books = Books(clock)
    books.ledger.expire(events("a"))
    assert books.ledger.dropped == {"expired": 1}
    assert told(books.drops) == [("expired", "a", "too old to be sent again safely", True)]
    assert books.letters.count() == 1


def test_what_the_dead_letters_cannot_keep_is_told(clock: Clock, tmp_path: Path) -> None:
    """Full or failing dead letters make a drop that says so."""
    books = Books(clock, letters_max=1)
    books.ledger.reject([(event, ("no",)) for event in events("ab")])
    assert told(books.drops) == [
        ("rejected", "a", "no", True),
        ("dead_letters_full", "b", "the dead letters are full", False),
    ]
    (tmp_path / "letters").mkdir()
    failing = Books(clock, path=tmp_path / "letters")
    failing.ledger.reject([(event, ("no",)) for event in events("a")])
    assert [drop.reason for drop in failing.drops] == ["dead_letters_full"]
    assert "cannot be" in failing.drops[0].detail


def test_drops_are_logged_but_not_one_by_one(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The log hears of a reason once a minute, the hook and the counter of every event."""
    books = Books(clock)
    with caplog.at_level(logging.ERROR, "orbdo"):
        for _ in range(3):
            books.ledger.drop(events("ab"), reason="closed", detail="bye")
        clock.advance(60.0)
        books.ledger.drop(events("c"), reason="closed", detail="bye")
        books.ledger.drop([], reason="closed", detail="nothing")
    assert caplog.messages == ["2 events dropped (closed): bye", "1 events dropped (closed): bye"]
    assert books.ledger.dropped == {"closed": 7}
    assert len(books.drops) == 7


def test_a_failing_hook_harms_nobody(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The application's hook may raise; it is logged, and the next event is told all the same."""
    heard: list[str] = []

    def hook(drop: Drop) -> None:
        heard.append(drop.idempotency_key)
        raise RuntimeError("broken hook")

    letters = DeadLetters(None, letters_max=1, now=utc_now, resend=lambda letter: None)
    ledger = Ledger(spool=None, dead_letters=letters, on_drop=hook, monotonic=clock)
    ledger.drop(events("ab"), reason="closed", detail="bye")
    assert heard == ["a", "b"]
    assert "the on_drop hook failed" in caplog.text


def test_a_drop_without_a_hook_is_counted(clock: Clock) -> None:
    """The hook is optional, the counter is not."""
    letters = DeadLetters(None, letters_max=1, now=utc_now, resend=lambda letter: None)
    ledger = Ledger(spool=None, dead_letters=letters, on_drop=None, monotonic=clock)
    ledger.drop(events("a"), reason="closed", detail="bye")
    assert ledger.dropped == {"closed": 1}


class FailingSpool(Spool):
    """A spool whose disk fails when rows are deleted."""

    def settle(self, events: Sequence[Queued]) -> None:
        """Fail."""
        raise SpoolError("the disk is gone")


def test_rows_that_cannot_be_deleted_do_not_stop_the_answer(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that fails when delivered events are deleted costs a duplicate later, which the server recognises."""
    spool = FailingSpool(lambda: tmp_path / "spool", 1_000, lambda at: at)
    letters = DeadLetters(None, letters_max=1, now=utc_now, resend=lambda letter: None)
    ledger = Ledger(spool=spool, dead_letters=letters, on_drop=None, monotonic=clock)
    call = Call(["a"], deadline=0.0)
    ledger.acknowledge(events("a", call))
    assert len(call.future.result()) == 1
    assert "could not be removed from the spool: the disk is gone" in caplog.text
