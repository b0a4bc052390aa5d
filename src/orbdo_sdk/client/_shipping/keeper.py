"""Minds what senders cannot while they wait for the server: memory, disk and the patience of callers.

Runs in a daemon thread. It moves events to disk when memory runs short or the server has failed for a while, back when
there is room, takes over what dead processes left, and ends calls whose time is up. It sends nothing.
"""

import logging
from collections.abc import Callable, Collection

from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping import _sqlite
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.client._shipping.ledger import Ledger
from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.queued import Call, Queued
from orbdo_sdk.client._shipping.spool import Spool, Stored
from orbdo_sdk.client._shipping.spool_folder import SpoolFolder
from orbdo_sdk.errors import OrbError, SpoolError, TimedOutError

logger = logging.getLogger("orbdo")

ADOPT_PAUSE_SECONDS = 60.0
BUSY_PAUSE_SECONDS = 0.5
LOAD_EVENTS_MAX = 5_000


class Keeper:
    """Keeps memory, disk and deadlines in order until the outbox is stopped; ``spool`` is None in memory mode."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        gate: Gate,
        ledger: Ledger,
        spool: Spool | None,
        folder: SpoolFolder | None,
        limits: BufferLimits,
        give_up: Callable[[Collection[Call], OrbError], None],
        monotonic: Callable[[], float],
        accepted_at: Callable[[float], float],
    ) -> None:
        self._outbox = outbox
        self._gate = gate
        self._ledger = ledger
        self._spool = spool
        self._folder = folder
        self._limits = limits
        self._give_up = give_up
        self._monotonic = monotonic
        self._accepted_at = accepted_at
        self._adopt_at = monotonic()
        self._persist_at = monotonic()
        self._disk_trouble = ""

    def run(self) -> None:
        """Keep order until the outbox is stopped."""
        self._outbox.call_keeper()
        while self._outbox.wait_for_keeper_call(self.pause_seconds):
            self.keep()

    def keep(self) -> None:
        """One round of everything there is to do."""
        self._end_overdue_calls()
        if self._spool is None or self._folder is None:
            return
        try:
            self._adopt(self._spool, self._folder)
            self._relieve(self._spool)
            self._persist_in_outage(self._spool)
            self._load(self._spool)
            self._disk_trouble = ""
        except SpoolError as error:
            if str(error) != self._disk_trouble:
                self._disk_trouble = str(error)
                logger.warning("events stay in memory only: %s", error)

    def persist(self, spool: Spool) -> None:
        """Write everything that is in memory only to disk; what does not fit stays in memory only."""
        with _sqlite.LOCK:
            spool.append(self._outbox.wanted_events(), held=True)

    def pause_seconds(self) -> float:
        """How long the keeper may sleep when nobody calls it."""
        waiting = self._spool is not None and self._spool.waiting
        if waiting and self._outbox.room() > LOAD_EVENTS_MAX and not self._disk_trouble:
            return 0.0
        busy = self._outbox.held or waiting
        pause = BUSY_PAUSE_SECONDS if busy else ADOPT_PAUSE_SECONDS
        return max(0.0, min(pause, self._outbox.next_deadline() - self._monotonic()))

    def _end_overdue_calls(self) -> None:
        overdue = self._outbox.calls_due()
        if overdue:
            last = self._gate.last_error
            self._give_up(overdue, last if last is not None else TimedOutError("no acknowledgement in time"))

    def _adopt(self, spool: Spool, folder: SpoolFolder) -> None:
        if self._monotonic() >= self._adopt_at:
            self._adopt_at = self._monotonic() + ADOPT_PAUSE_SECONDS
            self._ledger.adopted += folder.adopt(spool)

    def _relieve(self, spool: Spool) -> None:
        if not self._outbox.crowded or spool.room_bytes <= self._limits.event_bytes_max:
            return
        # The lock is taken before the events leave the outbox: whoever spools everything then (a dying process) waits
        # until these are written too.
        while True:
            with _sqlite.LOCK:
                events = self._outbox.relieve()
                if not events or not self._move(events, spool):
                    return

    def _move(self, events: list[Queued], spool: Spool) -> bool:
        try:
            spool.append(events, held=True)
        finally:
            spool.release(events)
            stay = [event for event in events if event.row == 0]
            if stay:
                self._outbox.restore(stay)
        return not stay

    def _persist_in_outage(self, spool: Spool) -> None:
        # Again and again while it lasts, so that a power cut in an outage costs only what came since the last time.
        since, now = self._gate.failing_since, self._monotonic()
        pause = self._limits.spool_after_seconds
        if since is not None and now - since >= pause and now >= self._persist_at:
            self._persist_at = now + pause
            self.persist(spool)

    def _load(self, spool: Spool) -> None:
        with _sqlite.LOCK:
            rows = spool.load(min(LOAD_EVENTS_MAX, self._outbox.room()))
            if rows:
                self._outbox.restore([self._queued(row) for row in rows])
            self._outbox.expect_more(waits=spool.waiting > 0)

    def _queued(self, stored: Stored) -> Queued:
        return Queued(stored.key, stored.payload, self._accepted_at(stored.accepted_at), row=stored.row)
