"""Events of a backfill in requests of a bounded size, and what the answers say."""

import json
from datetime import UTC, datetime

import pytest

from orbdo_sdk import (
    BadRequestError,
    BatchRejectedError,
    BufferLimits,
    InvalidEventError,
    Receipt,
    UnexpectedAnswerError,
)
from orbdo_sdk.client._answers import Answer
from orbdo_sdk.client._backfill_requests import cut, receipts
from orbdo_sdk.client._shipping import NewEvent
from orbdo_sdk.wire import IngestDebug, IngestResponse, encode

AT = datetime(2023, 11, 1, tzinfo=UTC)


def event(key: str) -> NewEvent:
    """An event with a key of one character."""
    return NewEvent(event_type="llm", external_customer_id="acme", idempotency_key=key, timestamp=AT)


def keys(events: str, limits: BufferLimits) -> list[tuple[str, ...]]:
    """The keys of each request for events with these one-character keys."""
    return [request.keys for request in cut(map(event, events), limits, now=lambda: AT)]


def test_events_keep_their_order_and_their_bytes() -> None:
    """A request holds the events as JSON, in the order they came in."""
    requests = list(cut(map(event, "ab"), BufferLimits(), now=lambda: AT))
    assert [request.keys for request in requests] == [("a", "b")]
    assert [sent["idempotency_key"] for sent in json.loads(requests[0].body)["events"]] == ["a", "b"]


def test_a_request_holds_so_many_events() -> None:
    """At the bound they fit into one, one past it begins another."""
    limits = BufferLimits(batch_events_max=3)
    assert keys("abc", limits) == [("a", "b", "c")]
    assert keys("abcd", limits) == [("a", "b", "c"), ("d",)]
    assert keys("", limits) == []


def test_a_request_holds_so_many_bytes() -> None:
    """Two events and the comma between them fit exactly; with one byte less they are two requests."""
    (both,) = cut(map(event, "ab"), BufferLimits(), now=lambda: AT)
    fitting = len(both.body) - len('{"events":[]}')
    assert keys("ab", BufferLimits(event_bytes_max=200, batch_bytes_max=fitting)) == [("a", "b")]
    assert keys("ab", BufferLimits(event_bytes_max=200, batch_bytes_max=fitting - 1)) == [("a",), ("b",)]


def test_an_event_that_cannot_be_delivered_is_refused() -> None:
    """What was cut before it is good."""
    requests = cut([event("a"), event("")], BufferLimits(batch_events_max=1), now=lambda: AT)
    with pytest.raises(InvalidEventError, match="idempotency_key"):
        list(requests)


def answer(body: object, *, status: int = 200) -> Answer:
    """What the server says."""
    return Answer(status, {}, encode(body))


def test_every_event_has_a_receipt() -> None:
    """A key the server had before is a duplicate, and a conflict when it had another event under it."""
    debug = IngestDebug(duplicate=["b", "c"], ingested=["a"], conflict=["c"])
    assert receipts(["a", "b", "c"], answer(IngestResponse(debug=debug)), now=AT) == [
        Receipt(idempotency_key="a", duplicate=False),
        Receipt(idempotency_key="b", duplicate=True),
        Receipt(idempotency_key="c", duplicate=True, conflict=True),
    ]


def test_refused_events_are_named() -> None:
    """The error lists them with their reasons, and the keys of those that are in; other people's keys are ignored."""
    body = {
        "validation_failed": [
            {"idempotency_key": "b", "validation_errors": ["too old", "no customer"]},
            {"idempotency_key": "c", "validation_errors": []},
            {"idempotency_key": "z", "validation_errors": ["not ours"]},
        ],
        "debug": {"duplicate": [], "ingested": ["a"]},
    }
    with pytest.raises(BatchRejectedError) as caught:
        receipts(["a", "b", "c", "d"], answer(body, status=400), now=AT)
    assert [(error.idempotency_key, error.reasons) for error in caught.value.rejections] == [
        ("b", ("too old", "no customer")),
        ("c", ("no reason given",)),
    ]
    assert caught.value.acknowledged_keys == ("a",)


def test_an_event_that_the_answer_leaves_out_is_not_taken_for_granted() -> None:
    """Only what is named is in."""
    body = IngestResponse(debug=IngestDebug(ingested=["a"]))
    with pytest.raises(UnexpectedAnswerError, match="leaves out 2 events, b first"):
        receipts(["a", "b", "c"], answer(body), now=AT)


def test_a_refusal_of_all_is_an_error_of_its_own() -> None:
    """A backfill that is closed takes nothing, and the server's words are in the error."""
    problem = {"type": "about:blank", "status": 400, "title": "The backfill is closed.", "detail": "Open another."}
    with pytest.raises(BadRequestError, match=r"The backfill is closed\.: Open another\."):
        receipts(["a"], answer(problem, status=400), now=AT)
