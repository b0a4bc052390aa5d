"""The events in memory: bounds, what is due when, and who is let go."""

import math

import pytest

from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.queued import Batch
from tests.sdk.client.shipping.clock import Clock
from tests.sdk.client.shipping.outboxes import DOWN, call_for, event, keys, make_outbox, offer, take


@pytest.fixture
def outbox(clock: Clock) -> Outbox:
    """An outbox for eight events of ten bytes or so, two a batch."""
    return make_outbox(clock)


def test_a_lone_event_lingers(outbox: Outbox, clock: Clock) -> None:
    """It waits for company for the linger and goes alone then."""
    assert outbox.seconds_until_due() is None
    offer(outbox, clock, "a")
    assert outbox.seconds_until_due() == 0.5
    clock.advance(0.5)
    assert keys(take(outbox).events) == "a"
    assert outbox.seconds_until_due() is None


def test_a_full_batch_goes_at_once(outbox: Outbox, clock: Clock) -> None:
    """Two events fill a batch; the third lingers from its own arrival."""
    offer(outbox, clock, "a")
    clock.advance(0.25)
    offer(outbox, clock, "bc")
    assert keys(take(outbox).events) == "ab"
    assert outbox.seconds_until_due() == 0.5


def test_bytes_fill_a_batch_too(outbox: Outbox, clock: Clock) -> None:
    """An event of the batch's size is due at once."""
    assert outbox.offer(event(clock, "a", size=200))
    assert outbox.seconds_until_due() == 0


def test_the_count_is_bounded(outbox: Outbox, clock: Clock) -> None:
    """Eight events fit and the ninth does not, wherever the eight are on their way."""
    offer(outbox, clock, "abcdefgh")
    assert not outbox.offer(event(clock, "i"))
    batch = take(outbox)
    assert not outbox.offer(event(clock, "i"))
    outbox.landed(batch)
    assert outbox.offer(event(clock, "i"))
    assert outbox.accepted == 9


def test_the_bytes_are_bounded(outbox: Outbox, clock: Clock) -> None:
    """800 bytes fit, one more does not."""
    for key in "abcd":
        assert outbox.offer(event(clock, key, size=199))
    assert not outbox.offer(event(clock, "e", size=5))
    assert outbox.offer(event(clock, "e", size=4))
    assert outbox.held_bytes == 800


def test_a_call_that_is_alone_always_fits(outbox: Outbox, clock: Clock) -> None:
    """Its caller holds the events anyway; a second one must fit beside it, by count and by bytes."""
    assert call_for(outbox, clock, "abcdefghij") is not None
    assert call_for(outbox, clock, "k") is None
    assert outbox.held == 10


def test_a_second_call_must_fit_by_bytes(outbox: Outbox, clock: Clock) -> None:
    """The bound on bytes counts for calls too, and exactly the bound fits."""
    assert call_for(outbox, clock, "ab", size=300) is not None
    assert call_for(outbox, clock, "c", size=201) is None
    assert call_for(outbox, clock, "c", size=200) is not None


def test_somebody_waiting_shortens_the_linger(outbox: Outbox, clock: Clock) -> None:
    """The batch with an awaited event goes after the short linger and takes tracked events along."""
    offer(outbox, clock, "a")
    clock.advance(0.25)
    call_for(outbox, clock, "b")
    assert outbox.seconds_until_due() == 0  # full
    batch = take(outbox)
    assert keys(batch.events) == "ab"
    call_for(outbox, clock, "c")
    assert outbox.seconds_until_due() == pytest.approx(0.1)


def test_what_is_left_beside_a_call_lingers_shortly(outbox: Outbox, clock: Clock) -> None:
    """The rest of a large call does not wait the long linger of tracked events."""
    call_for(outbox, clock, "abc")
    take(outbox)
    assert outbox.seconds_until_due() == pytest.approx(0.1)


def test_a_failed_batch_is_sent_again_with_the_same_bytes(outbox: Outbox, clock: Clock) -> None:
    """Its body and its idempotency key stay what they were, and its attempts are counted."""
    offer(outbox, clock, "ab")
    first = take(outbox)
    outbox.failed(first, DOWN, began_at=clock(), again=[first])
    assert outbox.seconds_until_due() == 2.0
    assert outbox.held == 2
    clock.advance(2.0)
    second = take(outbox)
    assert second is first
    assert second.attempts == 2


def test_one_request_at_a_time_probes_a_failing_server(outbox: Outbox, clock: Clock) -> None:
    """While the server fails, the next request goes out only when the one before has ended."""
    offer(outbox, clock, "abcdef")
    first, second = take(outbox), take(outbox)
    outbox.failed(first, DOWN, began_at=clock(), again=[first])
    clock.advance(2.0)
    assert outbox.seconds_until_due() is None
    outbox.failed(second, DOWN, began_at=clock(), again=[second])
    assert outbox.seconds_until_due() is not None
    clock.advance(4.0)
    probe = take(outbox)
    assert outbox.seconds_until_due() is None
    outbox.landed(probe)
    assert outbox.seconds_until_due() == 0


def test_a_fresh_batch_probes_before_one_that_has_failed(outbox: Outbox, clock: Clock) -> None:
    """A batch the server cannot digest does not hold up the others: it comes after them until one has succeeded."""
    offer(outbox, clock, "abcdef")
    poisoned = take(outbox)
    outbox.failed(poisoned, DOWN, began_at=clock(), again=[poisoned])
    clock.advance(2.0)
    fresh = take(outbox)
    assert keys(fresh.events) == "cd"
    outbox.landed(fresh)
    assert take(outbox) is poisoned


def test_somebody_waiting_does_not_wait_for_a_long_backoff(outbox: Outbox, clock: Clock) -> None:
    """An awaited call looks at a failing server again within a second."""
    offer(outbox, clock, "ab")
    batch = take(outbox)
    outbox.failed(batch, DOWN, began_at=clock(), again=[batch])
    assert outbox.seconds_until_due() == 2.0
    call_for(outbox, clock, "c")
    assert outbox.seconds_until_due() == 1.0


def test_parts_of_a_batch_are_sent_again(outbox: Outbox, clock: Clock) -> None:
    """The halves of a batch that was too large go next, and later batches are smaller."""
    assert outbox.offer(event(clock, "a", size=90))
    assert outbox.offer(event(clock, "b", size=90))
    batch = take(outbox)
    outbox.landed(batch, again=batch.halves(), too_large=True)
    assert outbox.held == 2
    assert outbox.held_bytes == 180
    assert keys(take(outbox).events) + keys(take(outbox).events) == "ab"


def test_a_batch_can_be_given_back_unsent(outbox: Outbox, clock: Clock) -> None:
    """What is not sent after all leaves, and the gate learns nothing from it."""
    offer(outbox, clock, "ab")
    batch = take(outbox)
    outbox.returned(batch, again=[Batch.of(batch.events[1:])])
    assert outbox.held == 1
    assert outbox.successes == 0
    assert keys(take(outbox).events) == "b"


def test_withdrawing_a_call_lets_go_of_its_events(outbox: Outbox, clock: Clock) -> None:
    """Pending and retried events of the call leave; those on the wire leave when they come back."""
    call = call_for(outbox, clock, "abcde")
    assert call is not None
    offer(outbox, clock, "f")
    retried, flying = take(outbox), take(outbox)
    outbox.failed(retried, DOWN, began_at=clock(), again=[retried])
    assert keys(outbox.withdraw([call])) == "cdabe"
    assert keys(outbox.wanted_events()) == "f"
    assert outbox.held == 3  # the two on the wire and the tracked one
    assert outbox.withdraw([call]) == []
    outbox.failed(flying, DOWN, began_at=clock(), again=[flying])
    assert outbox.held == 1
    assert outbox.held_bytes == 10


def test_only_the_events_of_the_call_leave_a_batch(outbox: Outbox, clock: Clock) -> None:
    """A tracked event that shares a batch with a withdrawn one is sent again without it."""
    call = call_for(outbox, clock, "a")
    assert call is not None
    offer(outbox, clock, "b")
    batch = take(outbox)
    outbox.failed(batch, DOWN, began_at=clock(), again=[batch])
    outbox.withdraw([call])
    clock.advance(2.0)
    rest = take(outbox)
    assert keys(rest.events) == "b"
    assert rest.idempotency_key != batch.idempotency_key


def test_calls_run_out_of_time(outbox: Outbox, clock: Clock) -> None:
    """A call is overdue from its deadline on, unless it has ended."""
    assert outbox.next_deadline() == math.inf
    first = call_for(outbox, clock, "a")
    clock.advance(1.0)
    second = call_for(outbox, clock, "b")
    assert first is not None
    assert second is not None
    assert outbox.next_deadline() == first.deadline
    clock.advance(28.9)
    assert outbox.calls_due() == []
    clock.advance(0.1)
    assert outbox.calls_due() == [first]
    first.acknowledge("a", duplicate=False)
    second.acknowledge("b", duplicate=False)
    outbox.landed(take(outbox))
    clock.advance(100.0)
    assert outbox.calls_due() == []


def test_a_crowded_outbox_gives_its_newest_events_away(outbox: Outbox, clock: Clock) -> None:
    """Above six of eight it is crowded, and it is relieved when at most four are left."""
    offer(outbox, clock, "abcdef")
    before = outbox.crowded
    offer(outbox, clock, "g")
    assert (before, outbox.crowded) == (False, True)
    assert keys(outbox.relieve()) == "gfe"
    assert outbox.relieve() == []
    assert outbox.held == 4


def test_an_outbox_crowded_by_bytes_is_relieved_by_bytes(outbox: Outbox, clock: Clock) -> None:
    """Three events of 250 bytes are above three quarters of 800; two leave to get below half."""
    for key in "abc":
        assert outbox.offer(event(clock, key, size=250))
    assert outbox.crowded
    assert keys(outbox.relieve()) == "cb"
    assert outbox.held_bytes == 250


def test_awaited_events_stay_in_memory(outbox: Outbox, clock: Clock) -> None:
    """What somebody waits for is not moved to disk."""
    call_for(outbox, clock, "abcdefgh")
    assert outbox.crowded
    assert outbox.relieve() == []


def test_room_is_what_does_not_crowd(outbox: Outbox, clock: Clock) -> None:
    """Up to half of the bounds may be loaded from disk, by count and by bytes."""
    assert outbox.room() == 4
    offer(outbox, clock, "abc")
    assert outbox.room() == 1
    offer(outbox, clock, "de")
    assert outbox.room() == 0
    batch = take(outbox)
    outbox.landed(batch)
    assert outbox.offer(event(clock, "f", size=380))
    assert outbox.room() == 0


def test_one_batch_from_disk_probes_a_failing_server(outbox: Outbox, clock: Clock) -> None:
    """While the server fails nothing is loaded, unless there is nothing else left to try it with."""
    offer(outbox, clock, "ab")
    batch = take(outbox)
    outbox.failed(batch, DOWN, began_at=clock(), again=[batch])
    assert outbox.room() == 0
    clock.advance(2.0)
    batch = take(outbox)
    outbox.failed(batch, DOWN, began_at=clock(), again=[])
    assert outbox.room() == 2


def test_loaded_events_are_due_at_once(outbox: Outbox, clock: Clock) -> None:
    """They have waited long enough, and are not counted as accepted again."""
    outbox.restore([event(clock, "a")])
    assert outbox.seconds_until_due() == 0
    assert outbox.accepted == 0
    assert outbox.held == 1


def test_events_kept_elsewhere_are_counted(outbox: Outbox) -> None:
    """An event that went straight to disk was accepted as well."""
    outbox.accept_elsewhere(3)
    assert outbox.accepted == 3


def test_the_oldest_event_is_known(outbox: Outbox, clock: Clock) -> None:
    """Wherever it is on its way."""
    assert outbox.oldest_at() is None
    offer(outbox, clock, "ab")
    accepted_at = clock()
    take(outbox)
    clock.advance(5.0)
    offer(outbox, clock, "c")
    assert outbox.oldest_at() == accepted_at
