"""Batches whose bytes stay the same, and calls that end once each of their events has."""

import pytest

from orbdo_sdk.client._shipping.queued import Batch, Call, Queued, Receipt
from orbdo_sdk.errors import BatchRejectedError, ClosedError, EventRejectedError


def event(key: str, payload: bytes = b"{}", at: float = 0.0, call: Call | None = None) -> Queued:
    """An accepted event."""
    return Queued(key, payload, at, call=call)


def test_a_batch_is_the_body_of_one_request() -> None:
    """The payloads are joined as they are, and the size counts them and nothing else."""
    batch = Batch.of([event("a", b'{"n":1}', at=5.0), event("b", b'{"n":22}', at=3.0)])
    assert batch.body == b'{"events":[{"n":1},{"n":22}]}'
    assert batch.size == 15
    assert batch.oldest_at == 3.0
    assert len(batch.idempotency_key) == 36


def test_halves_hold_the_same_events_under_new_keys() -> None:
    """Splitting keeps every event and the number of attempts, and no half reuses the key of other bytes."""
    batch = Batch.of([event("a"), event("b"), event("c")], attempts=2)
    first, second = batch.halves()
    assert [e.key for e in first.events] == ["a"]
    assert [e.key for e in second.events] == ["b", "c"]
    assert first.attempts == second.attempts == 2
    assert len({batch.idempotency_key, first.idempotency_key, second.idempotency_key}) == 3


def test_a_batch_without_withdrawn_events_is_itself() -> None:
    """The bytes and the key of a batch stay as they are unless an event was withdrawn."""
    batch = Batch.of([event("a"), event("b")])
    assert batch.without_withdrawn() is batch
    batch.events[0].withdrawn = True
    rest = batch.without_withdrawn()
    assert rest is not None
    assert [e.key for e in rest.events] == ["b"]
    batch.events[1].withdrawn = True
    assert batch.without_withdrawn() is None


def test_a_call_gives_its_receipts_in_the_order_of_its_events() -> None:
    """The call waits for its last event, whichever that is."""
    call = Call(["a", "b"], deadline=0.0)
    call.acknowledge("b", duplicate=True)
    assert not call.future.done()
    call.acknowledge("a", duplicate=False)
    assert call.future.result() == [
        Receipt(idempotency_key="a", duplicate=False),
        Receipt(idempotency_key="b", duplicate=True),
    ]


def test_a_call_that_repeats_a_key_gets_a_receipt_for_each() -> None:
    """The same event twice in one call is one fact and two receipts."""
    call = Call(["a", "a", "b"], deadline=0.0)
    call.acknowledge("a", duplicate=False)
    call.acknowledge("b", duplicate=False)
    assert [receipt.idempotency_key for receipt in call.future.result()] == ["a", "a", "b"]
    call.acknowledge("a", duplicate=True)
    assert call.future.result()[0].duplicate is False


def test_the_rejection_of_a_single_event_is_the_error_of_its_call() -> None:
    """The caller of one event hears which one was refused and why."""
    call = Call(["a"], deadline=0.0)
    call.reject("a", ("too old",))
    with pytest.raises(EventRejectedError) as caught:
        call.future.result()
    assert (caught.value.idempotency_key, caught.value.reasons) == ("a", ("too old",))


def test_the_rejection_of_some_events_names_them_and_the_others() -> None:
    """The caller of several events hears which ones were refused and which ones are in."""
    call = Call(["a", "b", "c"], deadline=0.0)
    call.reject("b", ("too old", "no such customer"))
    call.acknowledge("c", duplicate=False)
    call.acknowledge("a", duplicate=False)
    with pytest.raises(BatchRejectedError) as caught:
        call.future.result()
    assert caught.value.acknowledged_keys == ("a", "c")
    assert [(r.idempotency_key, r.reasons) for r in caught.value.rejections] == [("b", ("too old", "no such customer"))]


def test_only_the_first_end_of_a_call_counts() -> None:
    """A call that has failed stays failed, whatever is heard of its events later."""
    call = Call(["a"], deadline=0.0)
    call.fail(ClosedError())
    call.fail(ClosedError("again"))
    call.acknowledge("a", duplicate=False)
    with pytest.raises(ClosedError, match="the client is closed"):
        call.future.result()


def test_the_wait_cannot_take_an_event_back() -> None:
    """Cancelling the future has no effect: the event may be on the wire already."""
    call = Call(["a"], deadline=0.0)
    assert call.future.cancel() is False
    call.acknowledge("a", duplicate=False)
    assert len(call.future.result()) == 1
