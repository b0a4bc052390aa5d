"""How old an event may be, and how seldom that is worked out."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from orbdo_server.engine.acceptance import REMEMBERED_SECONDS, Acceptance
from orbdo_server.storage.database import Database

GRACE = timedelta(hours=12)
INSTANT = timedelta(microseconds=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


class Seconds:
    """A timer that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The present second."""
        return self.now


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(database._engine, "before_cursor_execute", note)
    yield asked
    event.remove(database._engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("now", "oldest"),
    [
        (MARCH + timedelta(days=14), MARCH),
        (APRIL, MARCH),
        (APRIL + GRACE - INSTANT, MARCH),
        (APRIL + GRACE, APRIL),
        (APRIL + timedelta(days=14), APRIL),
    ],
)
def test_a_month_is_open_until_its_grace_period_is_over(database: Database, now: datetime, oldest: datetime) -> None:
    """Without subscriptions it is the calendar month."""
    acceptance = Acceptance(database, grace=GRACE)
    assert now - acceptance.age_max("acme", now) == oldest


def test_what_is_remembered_changes_with_the_month(database: Database) -> None:
    """The answer of one instant is that of the next up to the end of the month, forwards and backwards."""
    acceptance = Acceptance(database, grace=GRACE)
    acceptance.age_max("acme", MARCH + timedelta(days=14))
    for now, oldest in (
        (APRIL + GRACE - INSTANT, MARCH),
        (APRIL + GRACE, APRIL),
        (APRIL + GRACE - INSTANT, MARCH),
    ):
        assert acceptance.remembered_age_max("acme", now) == now - oldest


def test_the_control_plane_is_asked_once_in_a_while(database: Database) -> None:
    """Nothing is known before it was asked, nor when it is due again, and nothing of another tenant."""
    timer, now = Seconds(), MARCH + timedelta(days=14)
    acceptance = Acceptance(database, grace=GRACE, timer=timer)
    assert acceptance.remembered_age_max("acme", now) is None
    acceptance.age_max("acme", now)
    with queries(database) as asked:
        timer.now = REMEMBERED_SECONDS - 0.001
        assert acceptance.age_max("acme", now) == acceptance.remembered_age_max("acme", now) == timedelta(days=14)
        assert acceptance.remembered_age_max("globex", now) is None
        assert asked == []
        timer.now = REMEMBERED_SECONDS
        assert acceptance.remembered_age_max("acme", now) is None
        assert acceptance.age_max("acme", now) == timedelta(days=14)
        assert len(asked) == 1
