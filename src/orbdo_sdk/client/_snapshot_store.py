"""The entitlement snapshots this process holds, and how old each may become: state and rules, no I/O.

A snapshot is fresh for a while, then usable while a newer one is fetched beside, and at last too old to decide by,
unless the server cannot be asked. What was good is only ever replaced by something good.
"""

import math
import os
import threading
from collections.abc import Callable
from typing import Final

import msgspec
from cachetools import LRUCache

from orbdo_sdk.errors import ApiError, ConfigurationError, OrbError
from orbdo_sdk.wire import EntitlementSnapshot

# Past this power of two every pause has long reached its cap.
DOUBLINGS_MAX = 32
# A refresh is due somewhere within this part of the soft age before its end, so that processes drift apart.
JITTER_PART: Final = 0.2


class SnapshotPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How old an entitlement snapshot may become, how many are held, and how long anybody waits for one, in seconds.

    After ``soft_age_seconds`` a snapshot is refreshed beside the requests it answers. After ``hard_age_seconds`` the
    next request waits for a newer one, at most ``wait_seconds``, and uses the old one when there is none to be had.
    After a failure the server is left alone for a while that doubles from ``retry_initial_seconds``.
    """

    soft_age_seconds: float = 30.0
    hard_age_seconds: float = 600.0
    wait_seconds: float = 1.0
    retry_initial_seconds: float = 1.0
    retry_seconds_max: float = 60.0
    customers_max: int = 10_000
    refreshes_max: int = 8

    def __post_init__(self) -> None:
        """Refuse bounds that are not positive, or a hard age below the soft one."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                raise ConfigurationError(f"{name} must be a positive number, got {value!r}")
        if self.hard_age_seconds < self.soft_age_seconds:
            raise ConfigurationError("hard_age_seconds must not be below soft_age_seconds")
        if self.retry_seconds_max < self.retry_initial_seconds:
            raise ConfigurationError("retry_seconds_max must not be below retry_initial_seconds")


class Held(msgspec.Struct, frozen=True, gc=False):
    """What is known of one customer: the last good snapshot, if any, and the last failure, if it came later.

    Instants are those of the store's clock. ``generation`` counts the changes this client made on the server.
    """

    snapshot: EntitlementSnapshot | None
    etag: str | None
    refresh_at: float
    expires_at: float
    generation: int
    failures: int = 0
    error: OrbError | None = None
    retry_at: float = 0.0


_NOTHING = Held(snapshot=None, etag=None, refresh_at=-math.inf, expires_at=-math.inf, generation=-1)


class SnapshotStore:
    """The customers last asked about, each with what is known of it; safe from any thread and after a fork."""

    def __init__(self, policy: SnapshotPolicy, *, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._held: LRUCache[str, Held] = LRUCache(maxsize=policy.customers_max)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.generation = 0

    def look(self, customer_id: str) -> Held | None:
        """What is known of the customer, however old; None for one never asked about or long forgotten."""
        with self._guard():
            try:
                return self._held[customer_id]
            except KeyError:
                return None

    def glance(self, customer_id: str) -> tuple[EntitlementSnapshot | None, bool]:
        """The snapshot to decide by without asking, None when there is none, and whether to fetch a newer one beside.

        One past its hard age is still good while the server is left alone after a failure.
        """
        # Spelled out where it could call `look`: this is what an entitlement check costs.
        with self._lock if self._pid == os.getpid() else self._guard():
            try:
                held = self._held[customer_id]
            except KeyError:
                return None, False
        if held.generation != self.generation:
            return None, False
        now = self._clock()
        if now < held.refresh_at:
            return held.snapshot, False
        paused = now < held.retry_at
        if now < held.expires_at or paused:
            return held.snapshot, not paused
        return None, False

    def is_stale(self, held: Held) -> bool:
        """Whether its snapshot is older than it should ever be, and used for want of a better one."""
        return held.generation != self.generation or self._clock() >= held.expires_at

    def pause(self, held: Held) -> OrbError | None:
        """The failure after which the server is still left alone; None when it may be asked."""
        paused = held.generation == self.generation and self._clock() < held.retry_at
        return held.error if paused else None

    def keep(self, customer_id: str, snapshot: EntitlementSnapshot, *, etag: str | None, generation: int) -> Held:
        """Hold a good snapshot; ``generation`` is the one its request began in."""
        now = self._clock()
        soft = self._policy.soft_age_seconds * (1.0 - JITTER_PART * self._jitter())
        held = Held(
            snapshot=snapshot,
            etag=etag,
            refresh_at=now + soft,
            expires_at=now + self._policy.hard_age_seconds,
            generation=generation,
        )
        return self._put(customer_id, held)

    def fail(self, customer_id: str, error: OrbError, *, generation: int) -> Held:
        """Note that the server could not be asked; the snapshot there was stays."""
        before = self.look(customer_id) or _NOTHING
        # A snapshot from before a change of this client is good enough for the outage, and for no longer.
        outdated = before.generation != generation
        failures = before.failures + 1
        held = Held(
            snapshot=before.snapshot,
            etag=before.etag,
            refresh_at=-math.inf if outdated else before.refresh_at,
            expires_at=-math.inf if outdated else before.expires_at,
            generation=generation,
            failures=failures,
            error=error,
            retry_at=self._clock() + self._pause_seconds(failures, error),
        )
        return self._put(customer_id, held)

    def expire(self) -> None:
        """Trust no snapshot any more without asking: this client changed something they may depend on."""
        with self._guard():
            self.generation += 1

    def _pause_seconds(self, failures: int, error: OrbError) -> float:
        policy = self._policy
        doubled = policy.retry_initial_seconds * 2.0 ** min(failures - 1, DOUBLINGS_MAX)
        asked = error.retry_after_seconds if isinstance(error, ApiError) else None
        pause = max(doubled * (1.0 - JITTER_PART * self._jitter()), asked or 0.0)
        return min(pause, policy.retry_seconds_max)

    def _put(self, customer_id: str, held: Held) -> Held:
        with self._guard():
            self._held[customer_id] = held
        return held

    def _guard(self) -> threading.Lock:
        if self._pid != os.getpid():
            # The lock may have been held by a thread that does not exist in this child.
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock
