"""The way of events from the application to the server: ``track`` and ``submit`` put in, threads bring out.

It depends on no event loop, so that one shipper serves sync and async code and any number of loops, and a forked child
gets a working one. What happens to the events inside is told in the modules beside this one.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import httpx

from orbdo_sdk.client._options import BufferLimits, RetryPolicy, SpoolMode, Timeout, normalise_base_url
from orbdo_sdk.client._shipping import lifecycle
from orbdo_sdk.client._shipping.crew import Crew, Equipment
from orbdo_sdk.client._shipping.dead_letters import DeadLetter, DeadLetters
from orbdo_sdk.client._shipping.encoding import NewEvent, encode_event
from orbdo_sdk.client._shipping.queued import Call, Queued, Receipt
from orbdo_sdk.client._shipping.spool import Spool
from orbdo_sdk.client._shipping.spool_folder import SpoolFolder, account_name, default_folder
from orbdo_sdk.client._shipping.statistics import Drop, Statistics
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.errors import BufferFullError, ClosedError, SpoolError

logger = logging.getLogger("orbdo")

# What a process that ends without close() grants the network before the rest goes to disk.
EXIT_SECONDS = 1.0
# What close() grants threads that are about to end anyway, on top of its timeout.
JOIN_SECONDS = 0.2


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


class Shipper:
    """Brings every accepted event to the server, to disk or to the dead letters, whatever happens in between.

    ``spool_path`` is a folder, by default one in the user's state folder; ``spool_mode`` says when it is used:
    ``memory`` never, ``on_pressure`` for what cannot be delivered soon, ``always`` for every event before it is
    accepted. ``account`` names whose events these are, so that they outlive a change of the API key; without it the
    events of a dead process are taken over only by one with the same key. ``on_drop`` hears, in some thread, of every
    event that will not be delivered by itself. ``transport`` is not closed by this shipper. Before the first event
    there is no connection and no lasting thread, unless events of dead processes wait on disk.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        limits: BufferLimits = BufferLimits(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        headers: Mapping[str, str] | None = None,
        spool_path: str | Path | None = None,
        spool_mode: SpoolMode = "on_pressure",
        account: str | None = None,
        on_drop: Callable[[Drop], None] | None = None,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Raise ConfigurationError for options that can never work."""
        self._limits = limits
        self._retry = retry
        self._now = now
        self._monotonic = monotonic
        self._always = self._disk_first = spool_mode == "always"
        self._transport_is_ours = transport is None
        account = account_name(normalise_base_url(base_url), api_key=api_key, headers=headers or {}, account=account)
        folder = SpoolFolder(_folder(spool_path), account) if spool_mode != "memory" else None
        sync = SyncTransport(base_url, api_key, timeout=timeout, headers=headers, http_transport=transport)
        self._equipment = Equipment(limits, retry, sync, folder, on_drop, now=now, monotonic=monotonic, jitter=jitter)
        self._closed = self._emptied = False
        self._crew = self._new_crew()
        self._closing = threading.RLock()
        lifecycle.watch(self)
        if folder is not None:
            # In a thread of its own: the shipper may be made on an event loop, which must not wait for the disk.
            threading.Thread(target=self._look_at_disk, args=(folder,), name="orbdo-look", daemon=True).start()

    def track(
        self,
        event_type: str,
        *,
        external_customer_id: str | None = None,
        customer_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Accept one event for delivery and return its idempotency key at once, without waiting for the network.

        Raises InvalidEventError for an event that can never be delivered, BufferFullError when memory and disk are
        full, ClosedError after ``close``, and in the mode ``always`` SpoolError when the disk fails; the event is not
        accepted then.
        """
        key, payload = encode_event(
            event_type=event_type,
            external_customer_id=external_customer_id,
            customer_id=customer_id,
            properties=properties,
            timestamp=timestamp,
            idempotency_key=idempotency_key,
            now=self._now,
            event_bytes_max=self._limits.event_bytes_max,
        )
        self._accept(Queued(key, payload, self._monotonic()))
        return key

    def submit(self, events: Sequence[NewEvent], *, timeout_seconds: float | None = None) -> Future[list[Receipt]]:
        """Send these events and hear of it: one receipt an event, in their order, once the server has them all.

        The future raises EventRejectedError when the one event, BatchRejectedError when some of several were refused
        (the others are in), the last error when there was no acknowledgement in time (``timeout_seconds``, else the
        retry policy's ``elapsed_seconds_max``), and ClosedError when the client is closed first. Raises at once, with
        nothing sent, what ``track`` raises. Cancelling the wait does not take the events back.
        """
        queued = [self._queued(event) for event in events]
        patience = self._retry.elapsed_seconds_max if timeout_seconds is None else timeout_seconds
        call = Call([event.key for event in queued], deadline=self._monotonic() + patience)
        if not queued:
            call.future.set_result([])
            return call.future
        for event in queued:
            event.call = call
        self._accept_call(call, queued)
        return call.future

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until every accepted event has its final answer, those on disk too; False when time ran out first."""
        return self._crew.outbox.wait_until_empty(timeout_seconds, elsewhere=self._crew.waiting_on_disk)

    def close(self, timeout_seconds: float = 5.0) -> bool:
        """Take no event any more, flush for at most ``timeout_seconds``, put the rest on disk and let go of everything.

        True when nothing was left. What was left is delivered by the next process of the account, or by a living one
        within a minute; in the mode ``memory`` it is dropped, which the hook hears. A second call tells the same.
        """
        with self._closing:
            if self._closed:
                return self._emptied
            self._closed = True
            self._crew.outbox.close_intake()
            self._emptied = self.flush(timeout_seconds)
            self._crew.outbox.stop()
            self._save_rest()
            lifecycle.unwatch(self)
            self._crew.dismiss(deadline=self._monotonic() + JOIN_SECONDS)
            if self._transport_is_ours:
                self._equipment.transport.close()
            return self._emptied

    @property
    def statistics(self) -> Statistics:
        """A reading of the counters."""
        return self._crew.statistics()

    @property
    def dead_letters(self) -> DeadLetters:
        """The events that were refused or grew too old, to list, replay and discard."""
        return self._crew.dead_letters

    def persist(self, *, dying: bool) -> None:
        """SIGTERM came: put everything on disk, and from now on every new event too before it is accepted."""
        crew = self._crew
        if crew.spool is not None:
            self._disk_first = True
            crew.keeper.persist(crew.spool)
        elif not crew.gate.failing:
            self.flush(EXIT_SECONDS)
        if dying:
            unsaved = [event for event in crew.outbox.wanted_events() if event.row == 0]
            crew.ledger.drop(unsaved, reason="terminated", detail="the process was ended by a signal")

    def leave(self) -> None:
        """The process exits without having closed: deliver what goes quickly and put the rest on disk."""
        self.close(0.0 if self._crew.gate.failing else EXIT_SECONDS)

    def forked(self) -> None:
        """This is a forked child: the events held so far are the parent's; begin anew with nothing."""
        self._crew.forget()
        self._crew = self._new_crew()
        self._closing = threading.RLock()
        if self._closed:
            self._crew.outbox.stop()

    def _new_crew(self) -> Crew:
        return Crew(self._equipment, resend=self._resend)

    def _look_at_disk(self, folder: SpoolFolder) -> None:
        if folder.has_spools():
            self._start()
        if self._always and self._crew.spool is not None:
            with contextlib.suppress(SpoolError):  # the first event will tell
                self._crew.spool.prepare()

    def _start(self) -> None:
        try:
            self._crew.start()
            lifecycle.watch_child_exit()
        except RuntimeError as error:
            # The events are safe in memory; the next one tries again, and what is left at exit goes to disk.
            logger.error("no thread could be started to send events: %s", error)

    def _queued(self, event: NewEvent) -> Queued:
        key, payload = encode_event(
            event_type=event.event_type,
            external_customer_id=event.external_customer_id,
            customer_id=event.customer_id,
            properties=event.properties,
            timestamp=event.timestamp,
            idempotency_key=event.idempotency_key,
            now=self._now,
            event_bytes_max=self._limits.event_bytes_max,
        )
        return Queued(key, payload, self._monotonic())

    def _accept(self, event: Queued) -> None:
        crew = self._crew
        if self._disk_first:
            self._write_first([event])
        if not crew.outbox.offer(event):
            self._keep_on_disk(event)
        if not crew.started:
            self._start()

    def _accept_call(self, call: Call, events: Sequence[Queued]) -> None:
        crew = self._crew
        if self._disk_first:
            self._write_first(events)
        if not crew.outbox.offer_call(call, events):
            if crew.spool is not None:
                crew.spool.settle(events)
            raise self._refuse(events, None)
        if not crew.started:
            self._start()

    def _write_first(self, events: Sequence[Queued]) -> None:
        spool = self._spool_open()
        try:
            written = spool.append(events, held=True)
        except SpoolError as error:
            if not self._always:
                return  # after SIGTERM the disk is an addition, not a condition
            self._crew.ledger.drop(events, reason="spool_failed", detail=str(error))
            raise
        if written < len(events) and self._always:
            spool.settle(events)
            raise self._refuse(events, None)

    def _keep_on_disk(self, event: Queued) -> None:
        spool = self._crew.spool
        if spool is None:
            raise self._refuse([event], None)
        try:
            if event.row:
                spool.release([event])
            elif not spool.append([event], held=False):
                raise self._refuse([event], None)
        except SpoolError as error:
            raise self._refuse([event], error) from error
        self._crew.outbox.accept_elsewhere(1)

    def _spool_open(self) -> Spool:
        spool = self._crew.spool
        assert spool is not None
        if self._closed:
            raise ClosedError
        return spool

    def _refuse(self, events: Sequence[Queued], error: SpoolError | None) -> BufferFullError:
        full = BufferFullError(events_max=self._limits.events_max, bytes_max=self._limits.bytes_max)
        self._crew.ledger.drop(events, reason="buffer_full", detail=str(error or full))
        return full

    def _resend(self, letter: DeadLetter) -> None:
        self._accept(Queued(letter.idempotency_key, letter.payload, self._monotonic()))
        self._crew.ledger.replayed += 1

    def _save_rest(self) -> None:
        crew = self._crew
        events = crew.outbox.wanted_events()
        detail = "the client was closed before the event could be sent"
        if crew.spool is not None:
            try:
                crew.spool.append(events, held=False)
            except SpoolError as error:
                detail = str(error)
        lost = [event for event in events if event.row == 0]
        lost_calls = {event.call for event in lost}
        for event in lost:
            event.withdrawn = True
        for call in {event.call for event in events if event.call is not None}:
            spooled = call not in lost_calls
            call.fail(ClosedError("the client was closed before the server acknowledged", spooled=spooled))
        crew.ledger.drop(lost, reason="closed" if crew.spool is None else "spool_failed", detail=detail)


def _folder(spool_path: str | Path | None) -> Path:
    return Path(spool_path) if spool_path is not None else default_folder()
