# Made from src/orbdo_sdk/client/_snapshots.py by scripts/unasync.py: change that file and run it.
"""Entitlement snapshots: fetched once for all who ask, refreshed beside, kept when the server cannot be reached.

What is old and what is usable, the store decides; what a snapshot allows, ``orbdo_sdk.entitlement`` does.
"""

import random
import time
from collections.abc import Callable
from functools import partial

from orbdo_sdk.client._options import RetryPolicy
from orbdo_sdk.client._requests import Request
from orbdo_sdk.client._single_flight import SyncSingleFlight
from orbdo_sdk.client._snapshot_store import Held, SnapshotPolicy, SnapshotStore
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client._vocabulary import path
from orbdo_sdk.errors import ApiError, ConnectionFailedError, TimedOutError, UnexpectedAnswerError
from orbdo_sdk.wire import EntitlementSnapshot

# Somebody may be waiting for a snapshot with a request of their own at hand; the patience of other calls is too long.
RETRY = RetryPolicy(attempts_max=2, elapsed_seconds_max=5.0)

NOT_MODIFIED = 304


class Snapshots:
    """The entitlements of customers as this process knows them."""

    def __init__(
        self,
        transport: SyncTransport,
        policy: SnapshotPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport.with_options(retry=RETRY)
        self._wait_seconds = policy.wait_seconds
        self._store = SnapshotStore(policy, clock=clock, jitter=jitter)
        self._flights: SyncSingleFlight[Held] = SyncSingleFlight(beside_max=policy.refreshes_max)

    def peek(self, customer_id: str) -> EntitlementSnapshot | None:
        """The snapshot at hand, without waiting for anything; None when there is none to decide by.

        One that is due is refreshed beside this call.
        """
        snapshot, is_due = self._store.glance(customer_id)
        if is_due:
            generation = self._store.generation
            self._flights.start((customer_id, generation), partial(self._ask, customer_id, generation))
        return snapshot

    def get(self, customer_id: str) -> EntitlementSnapshot:
        """The snapshot at hand, or else the one that ``fetch`` gives."""
        snapshot = self.peek(customer_id)
        return self.fetch(customer_id) if snapshot is None else snapshot

    def fetch(self, customer_id: str) -> EntitlementSnapshot:
        """The server's snapshot at this moment, or the last good one when the server cannot be asked.

        With neither, raises what went wrong: NotFoundError for a customer that the server does not know.
        """
        before = self._store.look(customer_id)
        if before is not None and self._store.pause(before) is not None:
            return _snapshot_of(before)
        generation = self._store.generation
        last_good = before is not None and before.snapshot is not None
        try:
            held = self._flights.join(
                (customer_id, generation),
                partial(self._ask, customer_id, generation),
                wait_seconds=self._wait_seconds if last_good else None,
            )
        except TimeoutError:
            error = TimedOutError(f"no entitlements within {self._wait_seconds} seconds")
            held = self._store.fail(customer_id, error, generation=generation)
        return _snapshot_of(held)

    def is_stale(self, customer_id: str) -> bool:
        """Whether the snapshot that would be used is older than it should be, for want of a better one."""
        held = self._store.look(customer_id)
        return held is not None and self._store.is_stale(held)

    def expire(self) -> None:
        """Ask the server before deciding by any snapshot from before this moment."""
        self._store.expire()

    def close(self) -> None:
        """Fetch no more; snapshots at hand can still be looked at."""
        self._flights.close()

    def _ask(self, customer_id: str, generation: int) -> Held:
        before = self._store.look(customer_id)
        last_good, etag = (None, None) if before is None else (before.snapshot, before.etag)
        headers = {} if etag is None else {"If-None-Match": etag}
        request = Request(method="GET", path=path("entitlements", customer_id), headers=headers)
        try:
            answer = self._transport.send(request)
            if answer.status == NOT_MODIFIED and last_good is not None:
                return self._store.keep(customer_id, last_good, etag=etag, generation=generation)
            snapshot = answer.decode(EntitlementSnapshot)
        except (ApiError, ConnectionFailedError, UnexpectedAnswerError) as error:
            return self._store.fail(customer_id, error, generation=generation)
        return self._store.keep(customer_id, snapshot, etag=answer.headers.get("etag"), generation=generation)


def _snapshot_of(held: Held) -> EntitlementSnapshot:
    if held.snapshot is not None:
        return held.snapshot
    assert held.error is not None, "what is known of a customer is a snapshot or a failure"
    # Its old traceback belongs to whoever asked first, and would grow with everybody who asks.
    raise held.error.with_traceback(None)
