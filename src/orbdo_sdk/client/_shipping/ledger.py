"""What became of every event: the counters, the dead letters, the rows in the spool and the calls that wait.

Whoever learns an event's fate tells it here, and nothing disappears without passing through. Nothing is decided here.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from orbdo_sdk.client._shipping.dead_letters import DeadLetters
from orbdo_sdk.client._shipping.queued import Batch, Queued
from orbdo_sdk.client._shipping.spool import Spool
from orbdo_sdk.client._shipping.statistics import Drop, DropReason
from orbdo_sdk.errors import SpoolError

logger = logging.getLogger("orbdo")

LOG_PAUSE_SECONDS = 60.0
Reasoned = tuple[Queued, tuple[str, ...]]


class Ledger:
    """The fate of events. Safe to use from any thread."""

    def __init__(
        self,
        *,
        spool: Spool | None,
        dead_letters: DeadLetters,
        on_drop: Callable[[Drop], None] | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._dead_letters = dead_letters
        self._on_drop = on_drop
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._logged_at: dict[str, float] = {}
        self.adopted = 0
        self.replayed = 0
        self.sent = 0
        self.retried = 0
        self.acknowledged = 0
        self.duplicate = 0
        self.conflict = 0
        self.rejected = 0
        self.withdrawn = 0
        self.dropped: Counter[DropReason] = Counter()

    def going_out(self, batch: Batch) -> None:
        """A request with this batch is about to be made."""
        with self._lock:
            self.sent += 1
            self.retried += batch.attempts > 1

    def acknowledge(
        self, events: Sequence[Queued], *, duplicates: Collection[str] = (), conflicts: Collection[str] = ()
    ) -> None:
        """The server has these events; it had the ``duplicates`` before, and other events under the ``conflicts``."""
        self._settle_rows(events)
        counted = [event for event in events if not event.withdrawn]
        conflicting = [event for event in counted if event.key in conflicts] if conflicts else []
        with self._lock:
            self.acknowledged += len(counted)
            self.duplicate += sum(event.key in duplicates for event in counted) if duplicates else 0
            self.conflict += len(conflicting)
        self.drop(conflicting, reason="conflict", detail="the server has another event under this idempotency key")
        for event in counted:
            if event.call is not None:
                event.call.acknowledge(event.key, duplicate=event.key in duplicates, conflict=event.key in conflicts)

    def reject(self, reasoned: Sequence[Reasoned]) -> None:
        """The server refused these events for good; they go to the dead letters."""
        counted = [(event, reasons) for event, reasons in reasoned if not event.withdrawn]
        with self._lock:
            self.rejected += len(counted)
        self._bury(counted, reason="rejected")
        self._settle_rows([event for event, _ in reasoned])
        for event, reasons in counted:
            if event.call is not None:
                event.call.reject(event.key, reasons)

    def expire(self, events: Sequence[Queued]) -> None:
        """These events are too old to be sent: the server may have forgotten that it has them already."""
        self._bury([(event, ("too old to be sent again safely",)) for event in events], reason="expired")
        self._settle_rows(events)

    def withdraw(self, events: Sequence[Queued]) -> None:
        """The calls that brought these events have failed and their callers were told."""
        with self._lock:
            self.withdrawn += len(events)
        self._settle_rows(events)

    def drop(self, events: Sequence[Queued], *, reason: DropReason, detail: str, kept: bool = False) -> None:
        """These events will not be delivered by themselves: count them, log it and tell the hook."""
        if not events:
            return
        with self._lock:
            self.dropped[reason] += len(events)
            now = self._monotonic()
            quiet = now - self._logged_at.get(reason, now - LOG_PAUSE_SECONDS) < LOG_PAUSE_SECONDS
            if not quiet:
                self._logged_at[reason] = now
        if not quiet:
            logger.error("%d events dropped (%s): %s", len(events), reason, detail)
        for event in events if self._on_drop is not None else ():
            self._tell(Drop(reason=reason, idempotency_key=event.key, payload=event.payload, detail=detail, kept=kept))

    def _bury(self, reasoned: Sequence[Reasoned], *, reason: DropReason) -> None:
        if not reasoned:
            return
        kept, detail = 0, "the dead letters are full"
        try:
            kept = self._dead_letters.add(reasoned)
        except SpoolError as error:
            detail = str(error)
        for event, reasons in reasoned[:kept]:
            self.drop([event], reason=reason, detail="; ".join(reasons), kept=True)
        self.drop([event for event, _ in reasoned[kept:]], reason="dead_letters_full", detail=detail)

    def _settle_rows(self, events: Sequence[Queued]) -> None:
        if self._spool is None:
            return
        try:
            self._spool.settle(events)
        except SpoolError as error:
            # Their rows are sent again later and the server recognises them; nothing is lost or counted twice.
            logger.warning("delivered events could not be removed from the spool: %s", error)

    def _tell(self, drop: Drop) -> None:
        assert self._on_drop is not None
        try:
            self._on_drop(drop)
        except Exception:
            logger.exception("the on_drop hook failed")
