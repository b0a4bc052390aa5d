"""The fill: valid events in bulk, each with a key of its own, which add up to what they say of themselves."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from benchmarks.event_fill import CUSTOMERS, Group, customer_name, groups
from orbdo_server.core.events import Event, validate

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


def made(count: int, *, group_events: int = 1_000, seed: int = 1) -> list[Group]:
    """All groups of a fill."""
    return list(groups(count, group_events=group_events, seed=seed, now=NOW))


def events_of(some: list[Group]) -> list[Event]:
    """Their events, in order."""
    return [event for group in some for event in group.events]


def test_a_fill_has_as_many_events_as_it_was_asked_for() -> None:
    """The last group is smaller; nothing asked for is nothing made."""
    assert [len(group.events) for group in made(2_500)] == [1_000, 1_000, 500]
    assert made(0) == []


def test_every_event_is_valid_and_has_a_key_of_its_own() -> None:
    """A log takes them as it takes those of a request, a month back; keys look like UUIDs."""
    events = events_of(made(2_500))
    assert all(validate(event, now=NOW, grace=timedelta(days=30)) == () for event in events)
    assert len({event.idempotency_key for event in events}) == 2_500
    assert {tuple(map(len, event.idempotency_key.split("-"))) for event in events} == {(8, 4, 4, 4, 12)}


def test_another_seed_gives_other_keys() -> None:
    """The same seed gives the same events."""
    one, same, other = (events_of(made(100, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert {event.idempotency_key for event in one}.isdisjoint({event.idempotency_key for event in other})


def test_events_come_in_the_order_of_their_time_give_or_take_an_hour() -> None:
    """The first group begins thirty days back, and the last one ends before now."""
    first, *_, last = made(60_000, group_events=1_000)
    assert all(
        timedelta(0) <= event.timestamp - (NOW - timedelta(days=30)) < timedelta(hours=1) for event in first.events
    )
    assert all(timedelta(0) < NOW - event.timestamp < timedelta(hours=13) for event in last.events)


def test_the_tokens_of_each_customer_are_known() -> None:
    """They are what the properties of the customer's events add up to."""
    some = made(3_000)
    counted: Counter[str | None] = Counter()
    for event in events_of(some):
        counted[event.external_customer_id] += msgspec.json.decode(event.properties)["generated_tokens"]
    totals = np.sum([group.tokens for group in some], axis=0)
    assert {customer_name(number): totals[number] for number in range(CUSTOMERS) if totals[number]} == counted
