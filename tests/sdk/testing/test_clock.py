"""A clock that only a test moves."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orbdo_sdk.testing import ManualClock


def test_it_stands_still_until_it_is_moved() -> None:
    """Asked twice it says the same instant; advanced by a span it says the later one."""
    clock = ManualClock()
    assert (clock(), clock()) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.advance(timedelta(days=1, seconds=1)) == datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)
    assert clock() == datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)


def test_it_may_start_anywhere_and_speaks_utc() -> None:
    """A start in another zone is the same instant."""
    clock = ManualClock(datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert clock().isoformat() == "2026-02-28T23:00:00+00:00"


def test_a_naive_start_is_refused() -> None:
    """A naive instant could mean any."""
    with pytest.raises(ValueError, match="aware instant"):
        ManualClock(datetime(2026, 3, 1))  # noqa: DTZ001 - what is being tested


def test_it_may_stand_but_not_go_backwards() -> None:
    """No step is allowed, a step back is not."""
    clock = ManualClock()
    clock.advance(timedelta(0))
    with pytest.raises(ValueError, match="does not go backwards"):
        clock.advance(timedelta(microseconds=-1))
