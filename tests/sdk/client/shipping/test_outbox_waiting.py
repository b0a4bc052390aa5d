"""Who waits on the outbox, and what wakes them: senders, the keeper, a flush."""

import math
import threading

import pytest

from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.queued import Batch, Queued
from orbdo_sdk.errors import ClosedError
from tests.sdk.client.shipping.clock import Clock
from tests.sdk.client.shipping.outboxes import LIMITS, POLICY, call_for, event, keys, make_outbox, offer, take


@pytest.fixture
def outbox(clock: Clock) -> Outbox:
    """An outbox for eight events of ten bytes or so, two a batch."""
    return make_outbox(clock)


def test_a_closed_outbox_takes_nothing_and_hands_out_what_it_has(outbox: Outbox, clock: Clock) -> None:
    """Closing ends intake only."""
    offer(outbox, clock, "ab")
    outbox.close_intake()
    with pytest.raises(ClosedError):
        outbox.offer(event(clock, "c"))
    with pytest.raises(ClosedError):
        call_for(outbox, clock, "c")
    assert keys(take(outbox).events) == "ab"


def test_a_stopped_outbox_hands_out_nothing(outbox: Outbox, clock: Clock) -> None:
    """Senders and keeper are told to go, even with events left."""
    offer(outbox, clock, "ab")
    outbox.stop()
    assert outbox.next_batch() is None
    assert outbox.wait_for_keeper_call(lambda: math.inf) is False
    assert outbox.wait_until_empty(60.0, elsewhere=lambda: 0) is False


def test_waiting_for_emptiness_looks_elsewhere_too(outbox: Outbox, clock: Clock) -> None:
    """Nothing in memory is not enough while something waits on disk."""
    assert outbox.wait_until_empty(0.0, elsewhere=lambda: 0) is True
    assert outbox.wait_until_empty(0.0, elsewhere=lambda: 1) is False
    offer(outbox, clock, "a")
    assert outbox.wait_until_empty(0.0, elsewhere=lambda: 0) is False


def test_a_flush_does_not_linger() -> None:
    """A sender that waits for company is sent off by a flush, which returns once the batch has landed."""
    limits = BufferLimits(linger_seconds=60.0)
    outbox = Outbox(limits, Gate(POLICY, jitter=lambda: 1.0), monotonic=lambda: 0.0)
    assert outbox.offer(Queued("a", b"{}", 0.0))

    def send() -> None:
        batch = outbox.next_batch()
        assert batch is not None
        outbox.landed(batch)

    sender = threading.Thread(target=send)
    sender.start()
    assert outbox.wait_until_empty(10.0, elsewhere=lambda: 0) is True
    sender.join()


def test_a_sender_is_woken_by_the_first_event_and_by_a_full_batch() -> None:
    """A waiting sender wakes without anybody asking it to look."""
    limits = BufferLimits(batch_events_max=3, linger_seconds=60.0)
    outbox = Outbox(limits, Gate(POLICY, jitter=lambda: 1.0), monotonic=lambda: 0.0)
    taken: list[Batch | None] = []
    sender = threading.Thread(target=lambda: taken.append(outbox.next_batch()))
    sender.start()
    for key in "abc":
        assert outbox.offer(Queued(key, b"{}", 0.0))
    sender.join(10.0)
    assert taken[0] is not None
    assert keys(taken[0].events) == "abc"


def test_the_keeper_is_called_for_a_crowd_and_for_an_early_deadline(outbox: Outbox, clock: Clock) -> None:
    """The keeper does not sleep over memory running short, nor over a call that is due before it wakes."""
    woken: list[bool] = []
    slept: list[float] = []

    def sleep_long() -> float:
        slept.append(clock())
        return 600.0

    outbox.call_keeper()
    assert outbox.wait_for_keeper_call(sleep_long) is True
    assert slept == []
    keeper = threading.Thread(target=lambda: woken.append(outbox.wait_for_keeper_call(sleep_long)))
    keeper.start()
    call_for(outbox, clock, "a")
    keeper.join(10.0)
    keeper = threading.Thread(target=lambda: woken.append(outbox.wait_for_keeper_call(sleep_long)))
    keeper.start()
    offer(outbox, clock, "bcdefg")
    keeper.join(10.0)
    assert woken == [True, True]


def test_a_late_deadline_does_not_wake_the_keeper(clock: Clock) -> None:
    """A keeper that looks around before the call is due is left to sleep."""
    outbox = Outbox(LIMITS, Gate(POLICY, jitter=lambda: 1.0), monotonic=clock)

    def pause_in_which_a_call_comes() -> float:
        assert call_for(outbox, clock, "a") is not None
        return 0.001

    # Before it knows how long it will sleep, every call is early: it is called once more.
    assert outbox.wait_for_keeper_call(pause_in_which_a_call_comes) is True
    asleep = threading.Event()
    woken: list[float] = []

    def sleep() -> None:
        outbox.wait_for_keeper_call(lambda: asleep.set() or 0.05)  # type: ignore[func-returns-value] # both in one
        woken.append(clock())

    keeper = threading.Thread(target=sleep)
    keeper.start()
    assert asleep.wait(10.0)
    assert call_for(outbox, clock, "b") is not None
    keeper.join(10.0)
    assert woken == [1_000.0]
