"""The index of key hashes: certain about what was never added, and complete about what was."""

import threading
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.storage.event_log.key_index import (
    GENERATION_KEYS,
    RUN_KEYS,
    Hashes,
    KeyIndex,
    key_hashes,
    twins,
)

HASH_MAX = 2**64 - 1
# A hash is not random in these tests: bits at both ends, so that words and bits of the filters differ and collide.
SPREAD = 2**58 + 2**12 + 1

Step: TypeAlias = tuple[str, list[int]]


def hashes(*values: int) -> Hashes:
    """Hashes as the index takes them."""
    return np.array(values, dtype=np.uint64)


def found(index: KeyIndex, *values: int) -> list[tuple[int, int]]:
    """Which of the values are at which position, in order; a key on its way between two places is told once."""
    rows, places = index.find(hashes(*values))
    return sorted(set(zip(rows.tolist(), places.tolist(), strict=True)))


def settle(index: KeyIndex) -> int:
    """Sort everything that waits; how many dicts there were."""
    count = 0
    while index.settle():
        count += 1
    return count


def add(index: KeyIndex, first: int, *values: int, newest: int = 0) -> None:
    """Add hashes at the positions from ``first`` on."""
    index.add(hashes(*values), range(first, first + len(values)), newest=newest)


def test_the_bounds() -> None:
    """The docstring says how much memory these take."""
    assert (RUN_KEYS, GENERATION_KEYS) == (131_072, 8_388_608)


def test_an_empty_index_knows_nothing() -> None:
    """Nothing was added, so nothing is found, whether or not anything is asked."""
    index = KeyIndex()
    assert found(index, 0, HASH_MAX) == []
    assert found(index) == []
    add(index, 1)
    assert (len(index), index.settle(), index.forget(HASH_MAX)) == (0, False, 0)


@pytest.mark.parametrize("settled", [False, True])
def test_what_was_added_is_found_where_it_is(settled: bool) -> None:
    """The smallest and the greatest hash too, and nothing beside them, before and after it is sorted into a run."""
    index = KeyIndex(run_keys=3)
    add(index, 1, 5, 0, HASH_MAX)
    if settled:
        assert settle(index) == 1
    assert found(index, HASH_MAX, 1, 0, 5, 6) == [(0, 3), (2, 2), (3, 1)]
    assert len(index) == 3


def test_keys_that_share_a_hash_are_all_found() -> None:
    """A collision gives every place, within one addition and across several, settled or not."""
    index = KeyIndex()
    add(index, 1, 7, 7, 8, 7)
    add(index, 5, 7)
    expected = [(0, 3), (1, 1), (1, 2), (1, 4), (1, 5)]
    assert found(index, 8, 7) == expected
    settle(index)
    assert found(index, 8, 7) == expected


def test_a_hash_that_is_asked_twice_is_answered_twice() -> None:
    """Two newcomers with one hash each learn of the holder."""
    index = KeyIndex(run_keys=1)
    add(index, 9, 7)
    assert found(index, 7, 7) == [(0, 9), (1, 9)]
    settle(index)
    assert found(index, 7, 7) == [(0, 9), (1, 9)]


def test_a_dict_is_full_at_the_bound() -> None:
    """With one key less nothing waits to be settled."""
    index = KeyIndex(run_keys=3)
    add(index, 1, 1, 2)
    assert settle(index) == 0
    add(index, 3, 3)
    assert settle(index) == 1
    assert found(index, 1, 2, 3) == [(0, 1), (1, 2), (2, 3)]


def test_a_generation_is_full_at_the_bound() -> None:
    """As many keys as the bound are forgotten together; one more begins another generation."""
    index = KeyIndex(run_keys=2, generation_keys=4)
    add(index, 1, 1, 2, newest=10)
    add(index, 3, 3, 4, newest=30)
    add(index, 5, 5, 6, newest=40)
    settle(index)
    assert index.forget(30) == 0
    assert index.forget(31) == 1
    assert found(index, *range(1, 7)) == [(4, 5), (5, 6)]
    assert index.forget(41) == 1
    assert (len(index), found(index, *range(1, 7))) == (0, [])


def test_forgetting_bounds_the_memory() -> None:
    """However many keys have come, what is held are those of the window and less than a generation beside them."""
    index = KeyIndex(run_keys=10, generation_keys=100)
    for first in range(0, 10_000, 10):
        add(index, first, *range(first, first + 10), newest=first)
        settle(index)
        index.forget(first - 500)
    assert 500 <= len(index) <= 620
    assert found(index, 9_500, 9_999) == [(0, 9_500), (1, 9_999)]


def test_keys_that_are_still_in_the_dict_are_not_forgotten() -> None:
    """They are few, and go with their generation once they are in one."""
    index = KeyIndex(run_keys=2)
    add(index, 1, 1, newest=5)
    assert index.forget(6) == 0
    assert found(index, 1) == [(0, 1)]


def test_many_are_loaded_as_runs() -> None:
    """What is read from a file at start is found at once, however it is cut."""
    index = KeyIndex(run_keys=3, generation_keys=6)
    index.load(hashes(*range(10)), np.arange(100, 110, dtype=np.uint64), newest=7)
    assert len(index) == 10
    assert found(index, 0, 9, 10) == [(0, 100), (1, 109)]
    assert index.forget(8) == 2


def test_positions_far_apart_stay_exact() -> None:
    """Runs are counted from their own first position."""
    index = KeyIndex(run_keys=1)
    for position in (2**40, 2**40 + 2**32, 2**63):
        add(index, position, position)
    settle(index)
    assert found(index, 2**40, 2**63) == [(0, 2**40), (1, 2**63)]


def test_a_run_does_not_span_more_than_an_offset_can_say() -> None:
    """2**32 positions are the most; more would be four billion events in one dict: a mistake of ours."""
    index = KeyIndex()
    index.load(hashes(1, 2), np.array([1, 2**32], dtype=np.uint64), newest=0)
    assert found(index, 1, 2) == [(0, 1), (1, 2**32)]
    with pytest.raises(AssertionError):
        index.load(hashes(1, 2), np.array([1, 2**32 + 1], dtype=np.uint64), newest=0)


def test_what_the_filter_lets_through_is_still_not_found() -> None:
    """A filter of one word soon says yes to everything; only time is lost."""
    small = KeyIndex(run_keys=64, generation_keys=4)
    for first in range(0, 640, 64):
        add(small, first, *(value * SPREAD % 2**64 for value in range(first, first + 64)))
    settle(small)
    assert found(small, *(value * SPREAD % 2**64 for value in range(10_000, 10_200))) == []


def test_settling_beside_those_who_add_and_find() -> None:
    """Whatever is added is found from then on, at every moment of its way from a dict into a run."""
    index = KeyIndex(run_keys=8, generation_keys=64)
    done = threading.Event()

    def sort_all() -> None:
        while not done.is_set() or index.settle():
            index.settle()

    thread = threading.Thread(target=sort_all)
    thread.start()
    missed = []
    for first in range(0, 600, 4):
        values = [value * SPREAD % 2**64 for value in range(first, first + 4)]
        add(index, first, *values)
        back = max(0, first - 16)
        asked = range(back, first + 4)
        answer = found(index, *(value * SPREAD % 2**64 for value in asked))
        if answer != [(place, value) for place, value in enumerate(asked)]:
            missed.append(first)
    done.set()
    thread.join()
    assert missed == []
    assert len(index) == 600


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), []), ((1,), []), ((1, 2, 3), []), ((1, 2, 1), [0, 2]), ((5, 5, 1, 5, 1), [0, 1, 2, 3, 4])],
)
def test_twins_are_all_that_share_a_hash(values: tuple[int, ...], expected: list[int]) -> None:
    """Every one of them is named, the first too."""
    assert twins(hashes(*values)).tolist() == expected


def test_the_same_key_of_two_tenants_has_two_hashes() -> None:
    """The tenant is part of it, and of one tenant the same key has the same hash wherever it stands."""
    one = key_hashes(["a", "b"], [("acme", 2)])
    mixed = key_hashes(["a", "a", "b"], [("other", 1), ("acme", 2)])
    assert one.tolist() == mixed.tolist()[1:]
    assert mixed[0] != mixed[1]
    assert key_hashes([], []).tolist() == []
    assert key_hashes([], [("acme", 0)]).tolist() == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 30), max_size=12)),
        st.tuples(st.just("settle"), st.just([])),
        st.tuples(st.just("find"), st.lists(st.integers(0, 31), max_size=5)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 20), st.integers(1, 40))
def test_the_index_is_a_dictionary_of_positions(steps: list[Step], run_keys: int, generation_keys: int) -> None:
    """However additions are cut and sorted, every position is found under its hash and no other."""
    index = KeyIndex(run_keys=run_keys, generation_keys=generation_keys)
    expected: dict[int, list[int]] = {}
    position = 1
    for step, values in [*steps, ("find", list(range(31)))]:
        spread = [value * SPREAD % 2**64 for value in values]
        if step == "settle":
            index.settle()
        elif step == "find":
            places = [(row, place) for row, value in enumerate(values) for place in expected.get(value, ())]
            assert found(index, *spread) == places
        else:
            add(index, position, *spread)
            for place, value in enumerate(values, start=position):
                expected.setdefault(value, []).append(place)
            position += len(values)
    assert len(index) == position - 1


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 100)), max_size=20),
    st.integers(1, 8),
    st.integers(1, 30),
    st.integers(0, 101),
)
def test_nothing_within_the_window_is_forgotten(
    additions: list[tuple[list[int], int]], run_keys: int, generation_keys: int, before: int
) -> None:
    """Every key whose newest instant is not before the window's edge is still found."""
    index = KeyIndex(run_keys=run_keys, generation_keys=generation_keys)
    kept: set[tuple[int, int]] = set()
    position = 1
    for values, newest in additions:
        add(index, position, *values, newest=newest)
        if newest >= before:
            kept.update((value, position + place) for place, value in enumerate(values))
        position += len(values)
    settle(index)
    index.forget(before)
    assert kept <= set(found(index, *range(31)))
