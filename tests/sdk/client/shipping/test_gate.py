"""When requests may go out again after some have failed."""

from orbdo_sdk.client._options import RetryPolicy
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.errors import ConnectionFailedError

POLICY = RetryPolicy(
    wait_initial_seconds=1.0, wait_seconds_max=8.0, refused_wait_initial_seconds=300.0, refused_wait_seconds_max=3600.0
)
DOWN = ConnectionFailedError("refused")


def gate(jitter: float = 1.0) -> Gate:
    """A gate whose randomness is fixed."""
    return Gate(POLICY, jitter=lambda: jitter)


def fail(gate: Gate, *, at: float, began_at: float, refused: bool = False, retry_after: float = 0.0) -> None:
    """A request failed."""
    gate.failed(DOWN, began_at=began_at, now=at, refused=refused, retry_after=retry_after)


def test_a_new_gate_is_open() -> None:
    """Nothing has failed yet."""
    assert gate().seconds_until_open(0.0, urgent=False) == 0.0
    assert not gate().failing


def test_the_wait_doubles_with_each_round_of_failures_up_to_its_ceiling() -> None:
    """1, 2, 4, 8 and then 8 for good, when jitter takes the whole of it."""
    closed = gate()
    waits = []
    for at in (10.0, 20.0, 30.0, 40.0, 50.0):
        fail(closed, at=at, began_at=at - 1)
        waits.append(closed.seconds_until_open(at, urgent=False))
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert closed.failing_since == 10.0
    assert closed.last_error is DOWN


def test_jitter_takes_any_part_of_the_wait() -> None:
    """Half of the randomness is half of the wait, none is none."""
    half, none = gate(0.5), gate(0.0)
    fail(half, at=10.0, began_at=9.0)
    fail(none, at=10.0, began_at=9.0)
    assert half.seconds_until_open(10.0, urgent=False) == 0.5
    assert none.seconds_until_open(10.0, urgent=False) == 0.0


def test_requests_that_fail_together_are_one_round() -> None:
    """Four requests that were under way at once make the wait grow once, not four times."""
    closed = gate()
    for at in (10.0, 10.1, 10.2):
        fail(closed, at=at, began_at=9.0)
    assert closed.seconds_until_open(10.0, urgent=False) == 1.0


def test_the_server_s_wait_is_a_floor() -> None:
    """Retry-After lengthens the wait, for urgent requests too, and is believed up to the longest wait there is."""
    closed = gate()
    fail(closed, at=10.0, began_at=9.0, retry_after=30.0)
    assert closed.seconds_until_open(10.0, urgent=False) == 30.0
    assert closed.seconds_until_open(10.0, urgent=True) == 30.0
    fail(closed, at=10.0, began_at=9.0, retry_after=1e9)
    assert closed.seconds_until_open(10.0, urgent=False) == 3600.0


def test_a_short_retry_after_does_not_shorten_the_wait() -> None:
    """It is a floor and nothing else."""
    closed = gate()
    fail(closed, at=10.0, began_at=9.0, retry_after=0.1)
    assert closed.seconds_until_open(10.0, urgent=False) == 1.0


def test_refused_credentials_wait_in_the_slow_class() -> None:
    """A wrong key is tried after minutes, between half of the ceiling and the whole of it."""
    whole, half = gate(1.0), gate(0.0)
    fail(whole, at=0.0, began_at=0.0, refused=True)
    fail(half, at=0.0, began_at=0.0, refused=True)
    assert whole.seconds_until_open(0.0, urgent=False) == 300.0
    assert half.seconds_until_open(0.0, urgent=False) == 150.0


def test_somebody_waiting_looks_again_after_a_second() -> None:
    """An awaited call does not wait for a backoff that has grown to minutes, but it does not hammer either."""
    closed = gate()
    fail(closed, at=10.0, began_at=9.0, refused=True)
    assert closed.seconds_until_open(10.0, urgent=True) == 1.0
    assert closed.seconds_until_open(11.0, urgent=True) == 0.0


def test_a_success_ends_the_episode() -> None:
    """The gate opens at once and the next failure starts from the beginning."""
    closed = gate()
    for at in (10.0, 20.0, 30.0):
        fail(closed, at=at, began_at=at - 1, retry_after=60.0)
    closed.succeeded()
    assert not closed.failing
    assert closed.last_error is None
    assert closed.seconds_until_open(30.0, urgent=False) == 0.0
    fail(closed, at=40.0, began_at=39.0)
    assert closed.seconds_until_open(40.0, urgent=False) == 1.0
