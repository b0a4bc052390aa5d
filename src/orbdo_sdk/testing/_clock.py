"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

CLOCK_START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """An instant in UTC that only ``advance`` moves; called without arguments it says which."""

    def __init__(self, start: datetime = CLOCK_START) -> None:
        if start.utcoffset() is None:
            message = f"a clock must start at an aware instant, got {start}"
            raise ValueError(message)
        self._now = start.astimezone(UTC)

    def __call__(self) -> datetime:
        """The instant it stands at."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move on and return the new instant; raises ValueError for a step backwards."""
        if by < timedelta(0):
            message = f"a clock does not go backwards, got {by}"
            raise ValueError(message)
        self._now += by
        return self._now
