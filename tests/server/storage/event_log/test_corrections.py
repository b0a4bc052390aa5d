"""Which rows of an event are in effect at a position, from what was done to it."""

import time
from collections.abc import Sequence

import msgspec
import pytest

from orbdo_server.core.customers import CustomerRef
from orbdo_server.storage.event_log.corrections import (
    POSITIONS_REMEMBERED_MAX,
    CorrectionAction,
    CorrectionRecord,
    Corrections,
    CorrectionUndone,
    EventAmended,
    EventDeprecated,
)
from orbdo_server.storage.event_log.errors import CorrectionError
from tests.support.logged_events import ADA, RECEIVED, event

BOB = CustomerRef(id="cus_bob", external_customer_id="bob")


def amended(target: int = 1, *, customer: str = "ada") -> EventAmended:
    """Another event stands in the place of the one that lies there."""
    return EventAmended(event=event("a", 2, customer=customer), target=target, backfill_id=None, at=RECEIVED)


def deprecated(target: int = 1, *, customer_id: str | None = None, external: str | None = "ada") -> EventDeprecated:
    """The event that lies there is deprecated."""
    return EventDeprecated(
        idempotency_key="a", target=target, at=RECEIVED, customer_id=customer_id, external_customer_id=external
    )


def undone(target: int = 1) -> CorrectionUndone:
    """The last correction of the event that lies there is taken back."""
    return CorrectionUndone(idempotency_key="a", target=target, at=RECEIVED)


def corrections(*records: CorrectionRecord) -> Corrections:
    """What was done to the events of one tenant."""
    all_of_them = Corrections()
    for record in records:
        all_of_them.add(record)
    return all_of_them


def in_order(actions: Sequence[CorrectionAction]) -> list[CorrectionRecord]:
    """The actions at the positions 11, 12, ..."""
    return list(enumerate(actions, start=11))


@pytest.mark.parametrize(
    ("actions", "expected", "in_place"),
    [
        ([], (), 1),
        ([amended()], (1,), 11),
        ([deprecated()], (1,), 1),
        ([amended(), amended()], (1, 11), 12),
        ([amended(), deprecated()], (1, 11), 11),
        ([amended(), undone()], (11,), 1),
        ([deprecated(), undone()], (), 1),
        ([amended(), amended(), undone()], (1, 12), 11),
        ([amended(), amended(), undone(), undone()], (11, 12), 1),
        ([amended(), undone(), amended()], (1, 11), 13),
        ([amended(), deprecated(), undone()], (1,), 11),
        ([amended(), deprecated(), undone(), undone()], (11,), 1),
        ([deprecated(), undone(), deprecated()], (1,), 1),
    ],
)
def test_the_last_correction_that_stands_decides(
    actions: list[CorrectionAction], expected: tuple[int, ...], in_place: int
) -> None:
    """Of an event all rows but one are out of effect, or all when it is deprecated."""
    those = corrections(*in_order(actions))
    assert those.superseded(as_of=99) == expected
    assert those.is_deprecated(1) == (in_place in expected)
    assert those.after((99, deprecated() if in_place not in expected else undone())).in_place == in_place


@pytest.mark.parametrize(
    ("before", "action", "message"),
    [
        ([], undone(), "The event 'a' has no correction to undo."),
        ([amended(), undone()], undone(), "The event 'a' has no correction to undo."),
        ([deprecated()], amended(), "The event 'a' is deprecated; undo that first."),
        ([deprecated()], deprecated(), "The event 'a' is deprecated; undo that first."),
        ([amended(), deprecated()], amended(), "The event 'a' is deprecated; undo that first."),
        ([amended(2)], undone(), "The event 'a' has no correction to undo."),
    ],
)
def test_what_cannot_follow_is_refused(before: list[CorrectionAction], action: CorrectionAction, message: str) -> None:
    """An event that is deprecated takes nothing but an undo, and what was not done is not undone; nothing changes."""
    those = corrections(*in_order(before))
    stood = those.superseded(as_of=99)
    for attempt in (those.after, those.add):
        with pytest.raises(CorrectionError) as caught:
            attempt((99, action))
        assert caught.value.detail == message
    assert those.superseded(as_of=99) == stood
    assert len(those.records(as_of=99)) == len(before)


def test_every_position_has_what_stood_there() -> None:
    """Whatever came later, and however many positions were asked about in between."""
    story = in_order([amended(), deprecated(), undone(), amended(2), undone()])
    those = corrections(*story)
    expected = [(), (1,), (1, 11), (1,), (1, 2), (11, 2)]
    for _ in range(2):
        assert [those.superseded(as_of=position) for position in range(10, 16)] == expected
    assert those.records(as_of=13) == story[:3]
    for position in range(16, 17 + POSITIONS_REMEMBERED_MAX):
        those.add((position, amended(position * 10)))
    assert [those.superseded(as_of=position) for position in range(10, 16)] == expected
    assert those.is_deprecated(7) is False


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        (None, {1, 2, 3, 4}),
        (ADA, {1, 2, 4}),
        (BOB, {3, 4}),
        (CustomerRef(id="cus_ada", external_customer_id=None), {2, 4}),
        (CustomerRef(id="ada", external_customer_id="cus_ada"), {4}),
    ],
)
def test_a_customer_has_the_corrections_of_their_events(customer: CustomerRef | None, expected: set[int]) -> None:
    """By either name, an id of ours being no name of the caller's; an event that names nobody is everyone's."""
    those = corrections(
        (11, amended(1)),
        (12, deprecated(2, customer_id="cus_ada", external=None)),
        (13, deprecated(3, external="bob")),
        (14, deprecated(4, external=None)),
    )
    assert set(those.superseded(as_of=99, customer=customer)) == expected
    assert set(those.superseded(as_of=13, customer=customer)) == expected - {4}


def test_an_undo_leaves_the_customer_of_an_event_known() -> None:
    """What was found by its customer before is found after."""
    those = corrections(*in_order([amended(), undone()]))
    assert those.superseded(as_of=99, customer=ADA) == (11,)
    assert those.superseded(as_of=99, customer=BOB) == ()


def test_actions_are_read_back_as_they_were_written() -> None:
    """The log keeps them as JSON, told apart by their tag; a customer may be left out."""
    for action in (amended(), deprecated(), undone()):
        text = msgspec.json.encode(action)
        assert msgspec.json.decode(text, type=EventAmended | EventDeprecated | CorrectionUndone) == action
    bare = b'{"type":"deprecated","idempotency_key":"a","target":1,"at":"2026-03-31T12:00:00Z"}'
    assert msgspec.json.decode(bare, type=EventDeprecated) == deprecated(external=None)


def test_ten_thousand_corrections_are_asked_about_quickly() -> None:
    """At the last position and at another that is asked about again; of a customer it costs what theirs are."""
    those = corrections(*((10**6 + number, amended(number, customer=f"c{number}")) for number in range(1, 10_001)))
    assert len(those.superseded(as_of=10**6 + 5_000)) == 5_000
    began = time.perf_counter()
    for _ in range(5):
        assert len(those.superseded(as_of=10**7)) == 10_000
        assert len(those.superseded(as_of=10**6 + 5_000)) == 5_000
    for number in range(1, 1_001):
        customer = CustomerRef(id="cus_x", external_customer_id=f"c{number}")
        assert those.superseded(as_of=10**7, customer=customer) == (number,)
    assert time.perf_counter() - began < 1
