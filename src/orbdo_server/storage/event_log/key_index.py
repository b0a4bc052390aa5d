"""Which position a key may be at: 64-bit hashes in memory. It stores no key.

A hit says "perhaps": two keys may share a hash, so whoever asks compares the keys in the log. A miss is certain. It is
rebuilt from the log at start and is never written to disk, so the hash differs from process to process, and nobody can
aim at it: it is Python's own for strings, SipHash with a random key.

New keys go into a dict; a full one is sorted into a run. Runs are gathered into generations, each with a Bloom
filter, so that a key that is in none of them, as nearly all are, costs one look a generation (Bloom 1970; one word of
64 bits a key, as in Putze, Sanders and Singler 2007). A generation is forgotten as a whole, when the newest of its keys
is older than the window.

Memory is 14 bytes a key of a full generation: 8 of hash, 4 of position, 2 of filter; 50 million keys take 700 MB. The
keys in the dict take some 200 bytes each, at most ``RUN_KEYS`` of them twice.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]
Positions: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = npt.NDArray[np.intp]

RUN_KEYS = 1 << 17
GENERATION_KEYS = 1 << 23
# Sixteen bits of filter for each key of a full generation: one in a hundred looks finds what is not there.
FILTER_BITS_A_KEY = 16
_WORD_BITS = 64
_OFFSET_MAX = (1 << 32) - 1


def key_hashes(
    keys: Sequence[str], tenants: Sequence[tuple[str, int]], key_hash: Callable[[str], int] = hash
) -> Hashes:
    """The hash of each key together with its tenant; ``tenants`` are in the order of the keys, each with its count."""
    hashes = np.fromiter(map(key_hash, keys), dtype=np.int64, count=len(keys))
    if not len(hashes):
        return hashes.view(np.uint64)
    if len(tenants) == 1:
        return (hashes ^ hash(tenants[0][0])).view(np.uint64)
    of_tenants = np.fromiter((hash(tenant) for tenant, _ in tenants), dtype=np.int64, count=len(tenants))
    return (hashes ^ np.repeat(of_tenants, [keys for _, keys in tenants])).view(np.uint64)


@dataclass(frozen=True, slots=True)
class _Run:
    """Hashes in ascending order; ``offsets`` are positions counted from ``first``, which halves their size."""

    hashes: Hashes
    offsets: npt.NDArray[np.uint32]
    first: int


@dataclass(slots=True)
class _Generation:
    """Keys that are forgotten together. ``filter`` has three bits of one word set for each of them."""

    filter: Hashes
    runs: list[_Run] = field(default_factory=list)
    keys: int = 0
    newest: int = 0


class KeyIndex:
    """Hashes of keys by position. One thread adds and finds; ``settle`` may be called from another one."""

    def __init__(self, *, run_keys: int = RUN_KEYS, generation_keys: int = GENERATION_KEYS) -> None:
        self._run_keys = run_keys
        self._generation_keys = generation_keys
        words = max(1, generation_keys * FILTER_BITS_A_KEY // _WORD_BITS)
        self._word_bits = np.uint64(_WORD_BITS - (words - 1).bit_length()) if words > 1 else None
        self._words = 1 << (words - 1).bit_length()
        self._young: dict[int, int] = {}
        self._young_newest = 0
        # Full dicts on their way into runs; they are looked at until their run can be.
        self._settling: list[tuple[dict[int, int], int]] = []
        self._generations: list[_Generation] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        dicts = [self._young, *(keys for keys, _ in self._settling)]
        return sum(map(len, dicts)) + sum(one.keys for one in self._generations)

    def add(self, hashes: Hashes, positions: range, *, newest: int) -> None:
        """Remember keys at their positions, all of which lie after those added before.

        ``newest`` is the latest instant of any of them, in microseconds since 1970: until when a key is remembered
        counts from there.
        """
        listed = hashes.tolist()
        if not self._young.keys().isdisjoint(listed):
            self._turn()
        before = len(self._young)
        self._young.update(zip(listed, positions, strict=True))
        self._young_newest = max(self._young_newest, newest)
        if len(self._young) != before + len(listed):
            self._add_again(listed, positions, newest)
        if len(self._young) >= self._run_keys:
            self._turn()

    def find(self, hashes: Hashes) -> tuple[Rows, Positions]:
        """Every place where one of ``hashes`` is remembered: which of them, and at which position, side by side."""
        rows: list[int] = []
        positions: list[int] = []
        listed = hashes.tolist()
        for keys in (self._young, *(keys for keys, _ in list(self._settling))):
            if not keys.keys().isdisjoint(listed):
                hits = [row for row, value in enumerate(listed) if value in keys]
                rows += hits
                positions += [keys[listed[row]] for row in hits]
        found = [(np.array(rows, dtype=np.intp), np.array(positions, dtype=np.uint64)), *self._find_settled(hashes)]
        return np.concatenate([some for some, _ in found]), np.concatenate([places for _, places in found])

    def settle(self) -> bool:
        """Sort one full dict into a run, if there is any; whether there was. It holds up nobody who finds or adds."""
        with self._lock:
            if not self._settling:
                return False
            keys, newest = self._settling[0]
            hashes = np.fromiter(keys.keys(), dtype=np.uint64, count=len(keys))
            positions = np.fromiter(keys.values(), dtype=np.uint64, count=len(keys))
            self._add_run(hashes, positions, newest)
            del self._settling[0]
            return True

    def load(self, hashes: Hashes, positions: Positions, *, newest: int) -> None:
        """Remember many keys at once, as runs; for a log that is being opened."""
        with self._lock:
            for start in range(0, len(hashes), self._run_keys):
                some = slice(start, start + self._run_keys)
                self._add_run(hashes[some], positions[some], newest)

    def forget(self, before: int) -> int:
        """Let go of the generations whose newest key lies before an instant, in microseconds since 1970; how many."""
        with self._lock:
            kept = [one for one in self._generations if one.newest >= before]
            gone = len(self._generations) - len(kept)
            self._generations = kept
            return gone

    def _turn(self) -> None:
        """Begin a new dict; the full one waits to be settled."""
        self._settling.append((self._young, self._young_newest))
        self._young, self._young_newest = {}, 0

    def _add_again(self, hashes: list[int], positions: range, newest: int) -> None:
        """Remember the positions that others with the same hash, added at once with them, took the place of."""
        for value, position in zip(hashes, positions, strict=True):
            if self._young[value] != position:
                self._settling.append(({value: position}, newest))

    def _add_run(self, hashes: Hashes, positions: Positions, newest: int) -> None:
        first = int(positions.min())
        assert int(positions.max()) - first <= _OFFSET_MAX, "a run spans fewer than 2**32 positions"
        order = np.argsort(hashes)
        run = _Run(hashes[order], (positions[order] - np.uint64(first)).astype(np.uint32), first)
        words, bits = self._places(run.hashes)
        last = self._generations[-1] if self._generations else None
        if last is None or last.keys + len(hashes) > self._generation_keys:
            last = _Generation(np.zeros(self._words, dtype=np.uint64))
            np.bitwise_or.at(last.filter, words, bits)
            last.runs.append(run)
            self._generations = [*self._generations, last]
        else:
            last.runs.append(run)
            np.bitwise_or.at(last.filter, words, bits)
        last.keys += len(hashes)
        last.newest = max(last.newest, newest)

    def _find_settled(self, hashes: Hashes) -> list[tuple[Rows, Positions]]:
        generations = self._generations
        if not generations:
            return []
        words, bits = self._places(hashes)
        found: list[tuple[Rows, Positions]] = []
        for generation in generations:
            perhaps = np.flatnonzero((generation.filter[words] & bits) == bits)
            if len(perhaps):
                needles = hashes[perhaps]
                found += [
                    (perhaps[which], places)
                    for which, places in (_found(run, needles) for run in list(generation.runs))
                    if len(which)
                ]
        return found

    def _places(self, hashes: Hashes) -> tuple[Rows, Hashes]:
        """Of each hash the word of a filter that it belongs to, and the three bits that it has there."""
        low = np.uint64(_WORD_BITS - 1)
        one = np.uint64(1)
        bits = one << (hashes & low)
        bits |= one << ((hashes >> np.uint64(6)) & low)
        bits |= one << ((hashes >> np.uint64(12)) & low)
        words = np.zeros(len(hashes), dtype=np.intp) if self._word_bits is None else (hashes >> self._word_bits)
        return words.astype(np.intp), bits


def twins(hashes: Hashes) -> Rows:
    """Which of ``hashes`` are there more than once, all of them, in ascending order."""
    listed = hashes.tolist()
    if len(set(listed)) == len(listed):
        return _NO_ROWS
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)


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
