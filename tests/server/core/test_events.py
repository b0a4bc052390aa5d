"""What a valid event is, in words when it is not, and when two events say the same."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from orbdo_server.core.events import (
    AHEAD_MAX,
    CUSTOMER_ID_LENGTH_MAX,
    EVENT_NAME_LENGTH_MAX,
    GRACE_DEFAULT,
    IDEMPOTENCY_KEY_LENGTH_MAX,
    Event,
    accepted_instants,
    in_utc,
    same_payload,
    validate,
)
from orbdo_server.core.periods import Period

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
FEBRUARY = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
VALID = Event(
    event_name="llm_request",
    idempotency_key="key-1",
    timestamp=NOW,
    properties=msgspec.Raw(b'{"tokens": 12}'),
    external_customer_id="ada",
)


def changed(**fields: object) -> Event:
    """The valid event with other fields."""
    return msgspec.structs.replace(VALID, **fields)


def problems(event: Event, *, backfill: Period | None = None) -> tuple[str, ...]:
    """What is wrong with an event received on 15 March 2026 at noon."""
    return validate(event, now=NOW, grace=GRACE_DEFAULT, backfill=backfill)


def test_a_valid_event_has_no_problems() -> None:
    """Name, key, time, one customer and flat properties are all there is to it."""
    assert problems(VALID) == ()


def test_the_customer_may_be_named_by_our_id() -> None:
    """Either of the two ids of a customer will do."""
    assert problems(changed(external_customer_id=None, customer_id="cus_1")) == ()


@pytest.mark.parametrize(
    ("field", "length_max"),
    [
        ("event_name", EVENT_NAME_LENGTH_MAX),
        ("idempotency_key", IDEMPOTENCY_KEY_LENGTH_MAX),
        ("external_customer_id", CUSTOMER_ID_LENGTH_MAX),
    ],
)
def test_texts_have_one_to_255_characters(field: str, length_max: int) -> None:
    """A text of 255 characters is taken; an empty one and one of 256 are not."""
    assert length_max == 255
    assert problems(changed(**{field: "é" * 255})) == ()
    assert problems(changed(**{field: "x" * 256})) == (f"{field}: has 256 characters; expected 1 to 255",)
    assert problems(changed(**{field: ""})) == (f"{field}: has 0 characters; expected 1 to 255",)


def test_our_id_of_a_customer_is_bounded_too() -> None:
    """The id that we gave is checked like the caller's own."""
    assert problems(changed(external_customer_id=None, customer_id="")) == (
        "customer_id: has 0 characters; expected 1 to 255",
    )


def test_what_no_database_takes_is_refused() -> None:
    """NUL and half a surrogate pair are named."""
    assert problems(changed(event_name="a\x00b")) == ("event_name: contains a NUL character",)
    assert problems(changed(idempotency_key="a\ud800")) == ("idempotency_key: contains half of a surrogate pair",)


def test_an_event_has_exactly_one_customer() -> None:
    """Neither and both are refused."""
    expected = "expected exactly one of customer_id and external_customer_id"
    assert problems(changed(external_customer_id=None)) == (f"customer_id: found neither; {expected}",)
    assert problems(changed(customer_id="cus_1")) == (f"customer_id: found both; {expected}",)


def test_an_event_may_be_as_old_as_the_grace_period() -> None:
    """Twelve hours are taken to the microsecond; older usage is pointed to backfills."""
    oldest = datetime(2026, 3, 15, 0, tzinfo=UTC)
    assert problems(changed(timestamp=oldest)) == ()
    assert problems(changed(timestamp=oldest - timedelta(microseconds=1))) == (
        "timestamp: 2026-03-14T23:59:59.999999+00:00 is older than the grace period; "
        "expected at least 2026-03-15T00:00:00+00:00, or a backfill",
    )


def test_an_event_may_be_five_minutes_ahead() -> None:
    """A clock that is a little fast does no harm; one that is more than five minutes fast does."""
    assert timedelta(minutes=5) == AHEAD_MAX
    assert problems(changed(timestamp=NOW + timedelta(minutes=5))) == ()
    assert problems(changed(timestamp=NOW + timedelta(minutes=5, microseconds=1))) == (
        "timestamp: 2026-03-15T12:05:00.000001+00:00 is in the future; expected at most 2026-03-15T12:05:00+00:00",
    )


def test_an_event_of_a_backfill_lies_in_its_timeframe() -> None:
    """The start of the timeframe is in it, its end is not, and the grace period does not matter."""
    outside = "is outside the backfill; expected from 2026-02-01T00:00:00+00:00 until before 2026-03-01T00:00:00+00:00"
    assert problems(changed(timestamp=FEBRUARY.start), backfill=FEBRUARY) == ()
    assert problems(changed(timestamp=FEBRUARY.end - timedelta(microseconds=1)), backfill=FEBRUARY) == ()
    assert problems(changed(timestamp=FEBRUARY.end), backfill=FEBRUARY) == (
        f"timestamp: 2026-03-01T00:00:00+00:00 {outside}",
    )
    assert problems(changed(timestamp=NOW), backfill=FEBRUARY) == (f"timestamp: 2026-03-15T12:00:00+00:00 {outside}",)


def test_a_backfill_does_not_take_the_future() -> None:
    """A timeframe that reaches beyond now does not let events ahead of now in."""
    frame = Period(NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert problems(changed(timestamp=NOW + timedelta(minutes=6)), backfill=frame) == (
        "timestamp: 2026-03-15T12:06:00+00:00 is in the future; expected at most 2026-03-15T12:05:00+00:00",
    )


def test_the_accepted_instants_are_those_that_have_no_problem() -> None:
    """First and last are included, for backfills to the microsecond before their end."""
    assert accepted_instants(now=NOW, grace=GRACE_DEFAULT, backfill=None) == (
        datetime(2026, 3, 15, 0, tzinfo=UTC),
        datetime(2026, 3, 15, 12, 5, tzinfo=UTC),
    )
    assert accepted_instants(now=NOW, grace=GRACE_DEFAULT, backfill=FEBRUARY) == (
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
    )


def test_a_time_without_an_offset_is_refused() -> None:
    """Which instant it means is not guessed here."""
    assert problems(changed(timestamp=datetime(2026, 3, 15, 12))) == (  # noqa: DTZ001 - that is what is refused
        "timestamp: 2026-03-15T12:00:00 has no offset from UTC; expected one, such as Z",
    )


def test_everything_wrong_is_named_at_once() -> None:
    """Nobody has to send an event four times to learn of four mistakes."""
    wrong = changed(
        event_name="", timestamp=NOW + timedelta(days=1), external_customer_id=None, properties=msgspec.Raw(b"[]")
    )
    assert problems(wrong) == (
        "event_name: has 0 characters; expected 1 to 255",
        "timestamp: 2026-03-16T12:00:00+00:00 is in the future; expected at most 2026-03-15T12:05:00+00:00",
        "customer_id: found neither; expected exactly one of customer_id and external_customer_id",
        "properties: found a list; expected an object",
    )


def test_instants_are_moved_to_utc() -> None:
    """An offset is taken into account, none means UTC, and what is in UTC stays the same object."""
    berlin = timezone(timedelta(hours=1))
    noon = datetime(2026, 3, 15, 12, tzinfo=UTC)
    for at in (datetime(2026, 3, 15, 13, tzinfo=berlin), datetime(2026, 3, 15, 12)):  # noqa: DTZ001 - none means UTC
        moved = in_utc(changed(timestamp=at))
        assert moved.timestamp == noon
        assert moved.timestamp.tzinfo is UTC
    assert in_utc(VALID) is VALID


def test_an_instant_that_utc_cannot_say_is_refused_as_too_old() -> None:
    """The first hours of the calendar, east of Greenwich, are no crash."""
    first = changed(timestamp=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))
    assert in_utc(first) is first
    assert problems(first)[0].startswith("timestamp: 0001-01-01T00:00:00+05:00 is older than the grace period")


@pytest.mark.parametrize(
    "properties",
    [
        b'{"tokens": 12}',
        b'{"tokens":12}',
        b'{"tokens":12.0}',
        b'{"tokens":1.2e1}',
        b'{ "tok\\u0065ns" : 12 }',
    ],
)
def test_the_way_a_payload_is_written_does_not_matter(properties: bytes) -> None:
    """Spaces, escapes and ways to write a number make no other payload, nor does another key."""
    again = changed(properties=msgspec.Raw(properties), idempotency_key="key-2")
    assert same_payload(VALID, again)


@pytest.mark.parametrize(
    "fields",
    [
        {"event_name": "other"},
        {"timestamp": NOW + timedelta(microseconds=1)},
        {"external_customer_id": "bob"},
        {"external_customer_id": None, "customer_id": "ada"},
        {"properties": msgspec.Raw(b'{"tokens": 13}')},
        {"properties": msgspec.Raw(b'{"tokens": "12"}')},
        {"properties": msgspec.Raw(b"{}")},
    ],
)
def test_another_payload_is_told_apart(fields: dict[str, object]) -> None:
    """Each part of the payload counts, and a number is not the text of its digits."""
    assert not same_payload(VALID, changed(**fields))
