"""The index of key hashes: certain about what was never added, and complete about what was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.storage.event_log.key_index import RUN_RATIO, Hashes, KeyIndex, Positions, twins

HASH_MAX = 2**64 - 1


def hashes(*values: int) -> Hashes:
    """Hashes as the index takes them."""
    return np.array(values, dtype=np.uint64)


def positions(first: int, count: int) -> Positions:
    """Positions that follow one another."""
    return np.arange(first, first + count, dtype=np.uint64)


def found(index: KeyIndex, *values: int) -> list[tuple[int, int]]:
    """Which of the values are at which position, in order."""
    rows, places = index.find(hashes(*values))
    return sorted(zip(rows.tolist(), places.tolist(), strict=True))


def test_an_empty_index_knows_nothing() -> None:
    """Nothing was added, so nothing is found, whether or not anything is asked."""
    index = KeyIndex()
    assert found(index, 0, HASH_MAX) == []
    assert found(index) == []
    index.add(hashes(), positions(1, 0))
    assert (len(index), index.runs) == (0, 0)


def test_what_was_added_is_found_where_it_is() -> None:
    """The smallest and the greatest hash too, and nothing beside them."""
    index = KeyIndex()
    index.add(hashes(5, 0, HASH_MAX), positions(1, 3))
    assert found(index, HASH_MAX, 1, 0, 5, 6) == [(0, 3), (2, 2), (3, 1)]
    assert len(index) == 3


def test_keys_that_share_a_hash_are_all_found() -> None:
    """A collision gives every place, within one addition and across several."""
    index = KeyIndex()
    index.add(hashes(7, 7, 8), positions(1, 3))
    index.add(hashes(7), positions(4, 1))
    assert found(index, 8, 7) == [(0, 3), (1, 1), (1, 2), (1, 4)]


def test_a_hash_that_is_asked_twice_is_answered_twice() -> None:
    """Two newcomers with one hash each learn of the holder."""
    index = KeyIndex()
    index.add(hashes(7), positions(9, 1))
    assert found(index, 7, 7) == [(0, 9), (1, 9)]


def test_runs_stay_few() -> None:
    """A thousand additions of one key each lie in a handful of runs."""
    index = KeyIndex()
    for position in range(1, 1_001):
        index.add(hashes(position * 2**54), positions(position, 1))
    assert len(index) == 1_000
    assert index.runs <= 10
    assert found(index, 500 * 2**54, 1_000 * 2**54) == [(0, 500), (1, 1_000)]


def test_a_run_at_the_bound_is_left_alone() -> None:
    """Two runs are merged when they have as many keys as the bound together, and not with one more."""
    index = KeyIndex(run_keys_max=4)
    index.add(hashes(1, 2), positions(1, 2))
    index.add(hashes(3, 4), positions(3, 2))
    assert index.runs == 1
    index.add(hashes(5, 6), positions(5, 2))
    assert index.runs == 2
    assert found(index, 1, 6) == [(0, 1), (1, 6)]


def test_a_small_run_is_not_merged_into_a_much_larger_one() -> None:
    """Each key is moved few times, since a merge needs runs of nearly the same size."""
    index = KeyIndex()
    index.add(hashes(*range(RUN_RATIO)), positions(1, RUN_RATIO))
    index.add(hashes(100), positions(10, 1))
    assert index.runs == 2
    index.add(hashes(101), positions(11, 1))
    assert index.runs == 1


def test_positions_far_apart_stay_exact() -> None:
    """Runs that lie more than 2**32 positions apart are kept apart, and those within are merged without a slip."""
    index = KeyIndex()
    index.add(hashes(1), positions(2**40, 1))
    index.add(hashes(2), positions(2**40 + 2**32 - 1, 1))
    assert index.runs == 1
    index.add(hashes(3), positions(2**40 + 2**32, 1))
    assert index.runs == 2
    assert found(index, 1, 2, 3) == [(0, 2**40), (1, 2**40 + 2**32 - 1), (2, 2**40 + 2**32)]


def test_one_addition_does_not_span_more_than_an_offset_can_say() -> None:
    """That would be four billion events in one group: a mistake of ours."""
    with pytest.raises(AssertionError):
        KeyIndex().add(hashes(1, 2), np.array([1, 2**32 + 1], dtype=np.uint64))


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), []), ((1,), []), ((1, 2, 3), []), ((1, 2, 1), [0, 2]), ((5, 5, 1, 5, 1), [0, 1, 2, 3, 4])],
)
def test_twins_are_all_that_share_a_hash(values: tuple[int, ...], expected: list[int]) -> None:
    """Every one of them is named, the first too."""
    assert twins(hashes(*values)).tolist() == expected


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=30), st.integers(2, 64))
def test_the_index_is_a_dictionary_of_positions(additions: list[list[int]], run_keys_max: int) -> None:
    """However additions are cut and merged, every position is found under its hash and no other."""
    index = KeyIndex(run_keys_max=run_keys_max)
    expected: dict[int, list[int]] = {}
    position = 1
    for addition in additions:
        index.add(hashes(*addition), positions(position, len(addition)))
        for place, value in enumerate(addition, start=position):
            expected.setdefault(value, []).append(place)
        position += len(addition)
    assert found(index, *range(31)) == [(value, place) for value in range(31) for place in expected.get(value, ())]
