"""The queue of events that are in no batch yet."""

from orbdo_sdk.client._shipping.pending import Pending
from orbdo_sdk.client._shipping.queued import Call, Queued


def pending_of(*events: Queued, events_max: int = 3, bytes_max: int = 1_000) -> Pending:
    """A queue with these events."""
    pending = Pending(batch_events_max=events_max, batch_bytes_max=bytes_max)
    for event in events:
        pending.push(event, len(event.payload))
    return pending


def keys(events: list[Queued]) -> list[str]:
    """The keys of the events."""
    return [event.key for event in events]


def sized(key: str, size: int) -> Queued:
    """An event with a payload of that many bytes."""
    return Queued(key, b"x" * size, 0.0)


def test_a_batch_takes_the_oldest_events_up_to_its_count() -> None:
    """Three fit, the fourth stays for the next batch."""
    pending = pending_of(*[sized(key, 10) for key in "abcd"])
    assert pending.full_batches() == 1
    assert keys(pending.take()) == ["a", "b", "c"]
    assert keys(pending.take()) == ["d"]
    assert pending.bytes == 0


def test_a_batch_takes_events_up_to_its_bytes() -> None:
    """Each event counts its payload and the comma; one that fills the batch exactly still goes in."""
    pending = pending_of(sized("a", 49), sized("b", 49), sized("c", 1), events_max=10, bytes_max=100)
    assert keys(pending.take()) == ["a", "b"]
    pending = pending_of(sized("a", 49), sized("b", 50), sized("c", 1), events_max=10, bytes_max=100)
    assert keys(pending.take()) == ["a"]


def test_an_event_larger_than_a_batch_travels_alone() -> None:
    """There is always progress, even with an event that is larger than a batch should be."""
    pending = pending_of(sized("a", 200), sized("b", 1), bytes_max=100)
    assert pending.full_batches() == 2
    assert keys(pending.take()) == ["a"]


def test_a_key_travels_once_in_a_batch() -> None:
    """The server refuses a batch that repeats a key, so that the second event waits its turn."""
    pending = pending_of(*[sized(key, 1) for key in "aabca"], events_max=4)
    assert keys(pending.take()) == ["a", "b", "c"]
    assert pending.bytes == 2
    assert keys(pending.take()) == ["a"]
    assert keys(pending.take()) == ["a"]


def test_many_events_of_one_key_do_not_make_a_batch_search_for_ever() -> None:
    """No batch looks at more events than it may hold."""
    pending = pending_of(*[sized("a", 1) for _ in range(10)], sized("b", 1), events_max=3)
    assert keys(pending.take()) == ["a"]
    assert keys(list(pending.events)) == ["a"] * 9 + ["b"]


def test_a_refused_size_makes_batches_smaller() -> None:
    """After a batch of 5,000 bytes was too large, 2,500 is the bound; it never grows and stays above a floor."""
    pending = pending_of(*[sized(key, 1_200) for key in "abcd"], events_max=10, bytes_max=10_000)
    pending.shrink_batches(5_000)
    assert keys(pending.take()) == ["a", "b"]
    pending.shrink_batches(100_000)
    pending.shrink_batches(10)
    pending.push(sized("e", 10), 10)
    assert keys(pending.take()) == ["c"]


def test_the_newest_events_can_be_taken_out() -> None:
    """The newest go first and not more than asked for; one that somebody waits for stops it."""
    waiting = Queued("w", b"12345", 0.0, call=Call(["w"], deadline=0.0))
    pending = pending_of(sized("a", 1), waiting, sized("b", 1), sized("c", 1), sized("d", 1))
    assert keys(pending.pop_newest(2)) == ["d", "c"]
    assert keys(pending.pop_newest(2)) == ["b"]
    assert keys(pending.pop_newest(2)) == []
    assert pending.bytes == 6


def test_withdrawn_events_are_taken_out() -> None:
    """Only the withdrawn ones leave."""
    first, second = sized("a", 3), sized("b", 4)
    pending = pending_of(first, second)
    assert pending.remove_withdrawn() == []
    first.withdrawn = True
    assert pending.remove_withdrawn() == [first]
    assert keys(list(pending.events)) == ["b"]
    assert pending.bytes == 4
