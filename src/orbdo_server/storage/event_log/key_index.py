"""Which positions a hash of a key may be at: 64-bit hashes in memory, in a few sorted runs. It stores no key.

A hit says "perhaps": two keys may share a hash, so whoever asks compares the keys in the log. A miss is certain. It is
rebuilt from the log at start and is never written to disk, so the hash need not be the same in the next process.

Memory is 12 bytes a key: 8 of hash, 4 of position. While two runs are merged both are there twice, which is bounded by
``RUN_KEYS_MAX``: 50 million keys take 600 MB and a merge 100 MB more. A search costs one bisection a run.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]
Positions: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = npt.NDArray[np.intp]

# Runs shrink by at least this factor from one to the next, so that there are few and each key is merged few times.
RUN_RATIO = 2
# A merge holds up the writer: at this size by some 50 ms. Larger runs stay as they are.
RUN_KEYS_MAX = 1 << 22
_OFFSET_MAX = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class _Run:
    """Hashes in ascending order; ``offsets`` are positions counted from ``first``, which halves their size."""

    hashes: Hashes
    offsets: npt.NDArray[np.uint32]
    first: int
    last: int


class KeyIndex:
    """Hashes of keys by position. One thread uses it; ``add`` leaves what ``find`` gave out untouched."""

    def __init__(self, *, run_keys_max: int = RUN_KEYS_MAX) -> None:
        self._runs: list[_Run] = []
        self._run_keys_max = run_keys_max

    def __len__(self) -> int:
        return sum(len(run.hashes) for run in self._runs)

    @property
    def runs(self) -> int:
        """How many bisections a search takes."""
        return len(self._runs)

    def add(self, hashes: Hashes, positions: Positions) -> None:
        """Remember keys, given by hash, at ascending positions that lie after all that were added before."""
        if not len(hashes):
            return
        first, last = int(positions[0]), int(positions[-1])
        assert last - first <= _OFFSET_MAX, "one addition spans fewer than 2**32 positions"
        order = np.argsort(hashes)
        offsets = (positions[order] - np.uint64(first)).astype(np.uint32)
        self._runs.append(_Run(hashes[order], offsets, first, last))
        while self._should_merge():
            newer, older = self._runs.pop(), self._runs.pop()
            self._runs.append(_merged(older, newer))

    def find(self, hashes: Hashes) -> tuple[Rows, Positions]:
        """Every place where one of ``hashes`` is remembered: which of them, and at which position, side by side."""
        order = np.argsort(hashes)
        # In ascending order the bisections touch memory in order too, which makes them several times as fast.
        needles = hashes[order]
        found = [_found(run, needles) for run in self._runs]
        rows = [order[which] for which, _ in found]
        positions = [places for _, places in found]
        return np.concatenate([_NO_ROWS, *rows]), np.concatenate([_NO_POSITIONS, *positions])

    def _should_merge(self) -> bool:
        if len(self._runs) < 2:
            return False
        older, newer = self._runs[-2:]
        keys = len(older.hashes) + len(newer.hashes)
        return (
            len(older.hashes) < RUN_RATIO * len(newer.hashes)
            and keys <= self._run_keys_max
            and newer.last - older.first <= _OFFSET_MAX
        )


def twins(hashes: Hashes) -> Rows:
    """Which of ``hashes`` are there more than once, all of them, in ascending order."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return _NO_ROWS
    shared = np.zeros(len(hashes), dtype=np.bool_)
    shared[order[1:][same]] = True
    shared[order[:-1][same]] = True
    return np.flatnonzero(shared)


_NO_ROWS: Rows = np.empty(0, dtype=np.intp)
_NO_POSITIONS: Positions = np.empty(0, dtype=np.uint64)


def _found(run: _Run, needles: Hashes) -> tuple[Rows, Positions]:
    start = np.searchsorted(run.hashes, needles, side="left")
    hit = np.flatnonzero(run.hashes[np.minimum(start, len(run.hashes) - 1)] == needles)
    if not len(hit):
        return _NO_ROWS, _NO_POSITIONS
    end = np.searchsorted(run.hashes, needles[hit], side="right")
    counts = end - start[hit]
    which = np.repeat(hit, counts)
    # The places of each hit: from its start, one after the other.
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = run.offsets[np.repeat(start[hit], counts) + within]
    return which, places.astype(np.uint64) + np.uint64(run.first)


def _merged(older: _Run, newer: _Run) -> _Run:
    hashes = np.concatenate([older.hashes, newer.hashes])
    moved = newer.offsets + np.uint32(newer.first - older.first)
    offsets = np.concatenate([older.offsets, moved])
    # The stable sort of numpy merges two sorted halves instead of sorting anew.
    order = np.argsort(hashes, kind="stable")
    return _Run(hashes[order], offsets[order], older.first, newer.last)
