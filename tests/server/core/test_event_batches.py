"""The body of an ingest request: what is taken, what is named with its mistakes, and what refuses the whole batch."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.errors import ConflictingEventsError, EventBatchTooLargeError, InvalidEventBatchError
from orbdo_server.core.event_batches import EventBatch, RejectedEvent, read_events
from orbdo_server.core.events import GRACE_DEFAULT, validate
from orbdo_server.core.periods import Period

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
EVENT: dict[str, object] = {
    "event_name": "llm_request",
    "idempotency_key": "key",
    "timestamp": "2026-03-15T12:00:00Z",
    "external_customer_id": "ada",
    "properties": {"tokens": 12},
}


def changed(key: str, **fields: object) -> dict[str, object]:
    """The event under another key and with other fields; a field that is ``...`` is left out."""
    return {name: value for name, value in {**EVENT, "idempotency_key": key, **fields}.items() if value is not ...}


def read(*events: object, events_max: int = 100, backfill: Period | None = None) -> EventBatch:
    """A batch that was received on 15 March 2026 at noon."""
    return read_body(json.dumps({"events": events}).encode(), events_max=events_max, backfill=backfill)


def read_body(body: bytes, *, events_max: int = 100, backfill: Period | None = None) -> EventBatch:
    """A body that was received on 15 March 2026 at noon."""
    return read_events(body, now=NOW, grace=GRACE_DEFAULT, events_max=events_max, backfill=backfill)


def keys(batch: EventBatch) -> list[str]:
    """The keys of what was taken, in order."""
    return [event.idempotency_key for event in batch.events]


def test_a_batch_is_read_in_order() -> None:
    """Valid events come out as they came in, with the text of their properties."""
    batch = read(changed("b"), changed("a", customer_id="cus_1", external_customer_id=None))
    assert keys(batch) == ["b", "a"]
    assert bytes(batch.events[0].properties) == b'{"tokens": 12}'
    assert batch.events[0].timestamp == NOW
    assert (batch.duplicates, batch.rejected) == ([], [])


def test_an_empty_batch_is_a_batch() -> None:
    """Nothing to do is no mistake."""
    assert read() == EventBatch([], [], [])


@pytest.mark.parametrize("timestamp", ["2026-03-15T12:00:00", "2026-03-15 12:00:00Z", "2026-03-15T17:30:00+05:30"])
def test_times_come_in_several_forms(timestamp: str) -> None:
    """Without an offset a time is UTC; any offset is moved to UTC; microseconds are the finest that is kept."""
    (event,) = read(changed("a", timestamp=timestamp)).events
    assert event.timestamp == NOW
    assert event.timestamp.tzinfo is UTC


def test_a_finer_time_is_rounded_to_the_microsecond() -> None:
    """Clients that send seven digits of a second are understood."""
    (event,) = read(changed("a", timestamp="2026-03-15T11:00:00.9799609Z")).events
    assert event.timestamp == datetime(2026, 3, 15, 11, 0, 0, 979_961, tzinfo=UTC)


def test_the_invalid_are_named_and_the_rest_is_taken() -> None:
    """One bad event among good ones costs nobody else anything."""
    batch = read(changed("a"), changed("b", properties={"nested": {}}), changed("c"), changed("d", event_name=""))
    assert keys(batch) == ["a", "c"]
    assert batch.rejected == [
        RejectedEvent(1, "b", ("properties.nested: found an object; expected a number, a string, a boolean or null",)),
        RejectedEvent(3, "d", ("event_name: has 0 characters; expected 1 to 255",)),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"idempotency_key": "x" * 256},
        {"idempotency_key": "a\x00"},
        {"event_name": "x" * 256},
        {"external_customer_id": ""},
        {"external_customer_id": "x" * 256},
        {"external_customer_id": None},
        {"customer_id": "cus_1"},
        {"timestamp": "2026-03-15T12:06:00Z"},
        {"timestamp": "2026-03-14T12:00:00Z"},
        {"timestamp": "0001-01-01T00:00:00+05:00"},
        {"properties": []},
    ],
)
def test_each_rule_of_an_event_holds_in_a_batch(fields: dict[str, object]) -> None:
    """Whatever is wrong with one event is found between two good ones."""
    batch = read(changed("a"), changed("b", **fields), changed("c"))
    assert keys(batch) == ["a", "c"]
    assert [wrong.index for wrong in batch.rejected] == [1]
    assert len(batch.rejected[0].problems) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event_name": ...}, ("event_name: is missing",)),
        ({"event_name": 5}, ("event_name: found a number; expected a string",)),
        ({"event_name": None}, ("event_name: found null; expected a string",)),
        ({"customer_id": False}, ("customer_id: found a boolean; expected a string",)),
        ({"surprise": 1}, ("'surprise': is not a field of an event",)),
        (
            {"timestamp": "yesterday"},
            ("timestamp: found 'yesterday'; expected an RFC 3339 date and time, such as 2026-03-15T12:00:00Z",),
        ),
        (
            {"timestamp": 1_773_576_000},
            ("timestamp: found a number; expected an RFC 3339 date and time, such as 2026-03-15T12:00:00Z",),
        ),
        (
            {"surprise": 1, "event_name": "", "timestamp": "2026-03-15T12:06:00", "external_customer_id": None},
            (
                "event_name: has 0 characters; expected 1 to 255",
                "timestamp: 2026-03-15T12:06:00+00:00 is in the future; expected at most 2026-03-15T12:05:00+00:00",
                "'surprise': is not a field of an event",
                "customer_id: found neither; expected exactly one of customer_id and external_customer_id",
            ),
        ),
        (
            {"properties": [], "surprise": 1},
            ("'surprise': is not a field of an event", "properties: found a list; expected an object"),
        ),
    ],
)
def test_an_event_of_the_wrong_shape_is_named_field_by_field(
    fields: dict[str, object], expected: tuple[str, ...]
) -> None:
    """Missing, unknown and mistyped fields are told together with what is wrong in the others."""
    batch = read(changed("a"), changed("b", **fields))
    assert keys(batch) == ["a"]
    (rejected,) = batch.rejected
    assert (rejected.index, rejected.idempotency_key) == (1, "b")
    assert sorted(rejected.problems) == sorted(expected)


def test_the_customer_is_missing_when_neither_id_is_there() -> None:
    """Leaving both out is like sending null, even when something else is misshapen."""
    (rejected,) = read(changed("a", external_customer_id=..., properties=...)).rejected
    assert rejected.problems == (
        "properties: is missing",
        "customer_id: found neither; expected exactly one of customer_id and external_customer_id",
    )


def test_an_event_without_a_readable_key_is_named_by_its_place() -> None:
    """The key is empty in the answer when it is missing or no string."""
    batch = read(5, changed("a", idempotency_key=7), changed("b", idempotency_key=...))
    assert batch.rejected == [
        RejectedEvent(0, "", ("event: found a number; expected an object",)),
        RejectedEvent(1, "", ("idempotency_key: found a number; expected a string",)),
        RejectedEvent(2, "", ("idempotency_key: is missing",)),
    ]


def test_a_number_that_would_lose_digits_is_kept_as_text() -> None:
    """Only the event it is in is rewritten."""
    batch = read(changed("a"), changed("b", properties={"n": 2**64}))
    assert [bytes(event.properties) for event in batch.events] == [b'{"tokens": 12}', b'{"n":"18446744073709551616"}']


def test_the_same_event_twice_is_one_and_a_duplicate() -> None:
    """A client that repeats itself within a batch is counted once and told."""
    batch = read(changed("a"), changed("a", timestamp="2026-03-15T13:00:00+01:00"), changed("b"), changed("a"))
    assert keys(batch) == ["a", "b"]
    assert batch.duplicates == ["a", "a"]


def test_one_key_for_two_events_refuses_the_batch() -> None:
    """Which of the two was meant is not guessed, and nothing of the batch is taken."""
    with pytest.raises(ConflictingEventsError) as caught:
        read(changed("a"), changed("b"), changed("a", properties={"tokens": 13}))
    assert caught.value.idempotency_key == "a"
    assert caught.value.message == "the idempotency key 'a' is in the batch twice, with different events"


def test_one_key_for_a_valid_and_an_invalid_event_refuses_the_batch() -> None:
    """Else the key would be taken by the one while the answer says that the other may be sent again."""
    with pytest.raises(ConflictingEventsError):
        read(changed("a"), changed("a", properties=[]))


def test_a_batch_has_a_bound() -> None:
    """As many events as the bound are taken, one more refuses the batch, whether or not all of them are events."""
    assert len(read(changed("a"), changed("b"), events_max=2).events) == 2
    assert len(read(1, 2, events_max=2).rejected) == 2
    for events in ([changed("a"), changed("b"), changed("c")], [1, 2, 3]):
        with pytest.raises(EventBatchTooLargeError) as caught:
            read(*events, events_max=2)
        assert caught.value.message == "the batch has 3 events, at most 2 are taken at once"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "the body is no batch of events: Input data was truncated"),
        (b"[]", "the body is no batch of events: Expected `object`, got `array`"),
        (b"{}", "the body is no batch of events: Object missing required field `events`"),
        (b'{"events": 5}', "the body is no batch of events: Expected `array`, got `int` - at `$.events`"),
        (b'{"events": []}x', "the body is no batch of events: JSON is malformed: trailing characters (byte 15)"),
        (b'{"events": ["\xff"]}', "the body is not UTF-8"),
        (b'{"events": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "the body is nested too deeply"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(body: bytes, expected: str) -> None:
    """The answer says where it stops being one."""
    with pytest.raises(InvalidEventBatchError) as caught:
        read_body(body)
    assert caught.value.message == expected
    assert caught.value.field == "body"


def test_events_of_a_backfill_are_held_against_its_timeframe() -> None:
    """The same batch is too old without the backfill, and in time with it."""
    old = changed("a", timestamp="2026-02-10T00:00:00Z")
    february = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    assert keys(read(old, changed("b"))) == ["b"]
    assert keys(read(old, changed("b"), backfill=february)) == ["a"]


@pytest.mark.parametrize("place", range(9))
def test_one_bad_event_is_found_anywhere(place: int) -> None:
    """Halving the batch leaves no place out."""
    events = [changed(f"k{index}", properties={"n": [] if index == place else 1}) for index in range(9)]
    batch = read(*events)
    assert [wrong.index for wrong in batch.rejected] == [place]
    assert keys(batch) == [f"k{index}" for index in range(9) if index != place]


TIMES = st.sampled_from(
    ["2026-03-15T12:00:00Z", "2026-03-15T12:05:00.000001Z", "2026-03-15T00:00:00Z", "2026-03-14T23:59:59Z"]
)
TEXTS = st.sampled_from(["x", "", "x" * 255, "x" * 256, "\x00", "é"])
CUSTOMERS = st.none() | TEXTS
PROPERTIES: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    TEXTS, st.sampled_from([1, 0.1, 2**70, "t", None, True, [], {}]), max_size=3
)


@given(
    st.lists(
        st.builds(
            lambda name, at, ours, theirs, properties: {
                "event_name": name,
                "timestamp": at,
                "customer_id": ours,
                "external_customer_id": theirs,
                "properties": properties,
            },
            TEXTS,
            TIMES,
            CUSTOMERS,
            CUSTOMERS,
            PROPERTIES,
        ),
        max_size=6,
    )
)
def test_every_event_is_taken_or_named_and_what_is_taken_is_valid(events: list[dict[str, object]]) -> None:
    """The quick look at a whole batch never takes an event that the close look refuses, and drops none."""
    batch = read(*[{**event, "idempotency_key": f"k{index}"} for index, event in enumerate(events)])
    named = {wrong.idempotency_key for wrong in batch.rejected}
    assert sorted([*keys(batch), *named]) == [f"k{index}" for index in range(len(events))]
    assert [validate(event, now=NOW, grace=GRACE_DEFAULT) for event in batch.events] == [()] * len(batch.events)
    assert all(wrong.problems for wrong in batch.rejected)


def test_the_grace_period_is_an_argument() -> None:
    """A longer grace period takes older events."""
    body = json.dumps({"events": [changed("a", timestamp="2026-03-13T12:00:00Z")]}).encode()
    batch = read_events(body, now=NOW, grace=timedelta(days=2), events_max=1)
    assert keys(batch) == ["a"]
