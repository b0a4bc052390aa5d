"""Answers that are believed for some seconds, so that a request need not ask the control plane again."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A bounded number of answers, each for a bounded time; past the bound the one that was learned first goes.

    For any number of threads. Every request asks here, so that looking takes no lock and keeps no order of use.
    ``timer`` counts seconds.
    """

    def __init__(self, *, seconds: float, entries_max: int, timer: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._entries_max = entries_max
        self._timer = timer
        self._entries: dict[K, tuple[V, float]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """What is remembered under the key, or None."""
        entry = self._entries.get(key)
        return None if entry is None or self._timer() >= entry[1] else entry[0]

    def put(self, key: K, value: V) -> None:
        """Remember it from now on."""
        with self._lock:
            # Learned anew, it is the last to go.
            self._entries.pop(key, None)
            while len(self._entries) >= self._entries_max:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (value, self._timer() + self._seconds)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
