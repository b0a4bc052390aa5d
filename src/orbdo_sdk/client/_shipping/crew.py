"""The parts of one shipper in one process and the threads that run them; a forked child makes itself a new crew."""

import threading
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import datetime

from orbdo_sdk.client._options import BufferLimits, RetryPolicy
from orbdo_sdk.client._shipping.dead_letters import DeadLetter, DeadLetters
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.client._shipping.keeper import Keeper
from orbdo_sdk.client._shipping.ledger import Ledger
from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.sender import Sender
from orbdo_sdk.client._shipping.spool import Spool
from orbdo_sdk.client._shipping.spool_folder import SpoolFolder
from orbdo_sdk.client._shipping.statistics import Drop, Statistics
from orbdo_sdk.client._transport import SyncTransport


@dataclass(frozen=True)
class Equipment:
    """What a crew works with; ``folder`` is None in memory mode."""

    limits: BufferLimits
    retry: RetryPolicy
    transport: SyncTransport
    folder: SpoolFolder | None
    on_drop: Callable[[Drop], None] | None
    _: KW_ONLY
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    jitter: Callable[[], float]

    def wall_time(self, at: float) -> float:
        """A monotonic instant as wall-clock seconds, which another process understands."""
        return self.now().timestamp() - (self.monotonic() - at)

    def monotonic_time(self, at: float) -> float:
        """Wall-clock seconds as a monotonic instant of this process."""
        return self.monotonic() - (self.now().timestamp() - at)


class Crew:
    """Outbox, spool, ledger, and the threads between them; the threads start when asked to."""

    def __init__(self, equipment: Equipment, *, resend: Callable[[DeadLetter], None]) -> None:
        limits, monotonic = equipment.limits, equipment.monotonic
        folder = equipment.folder
        self._equipment = equipment
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.started = False
        self.gate = Gate(equipment.retry, jitter=equipment.jitter)
        self.outbox = Outbox(limits, self.gate, monotonic=monotonic)
        self.spool = Spool(folder.new_path, limits.spool_bytes_max, equipment.wall_time) if folder is not None else None
        self.dead_letters = DeadLetters(
            folder.dead_letters_path if folder is not None else None,
            letters_max=limits.dead_letters_max,
            now=equipment.now,
            resend=resend,
        )
        self.ledger = Ledger(
            spool=self.spool, dead_letters=self.dead_letters, on_drop=equipment.on_drop, monotonic=monotonic
        )
        self.sender = Sender(
            outbox=self.outbox,
            ledger=self.ledger,
            transport=equipment.transport,
            retry=equipment.retry,
            event_age_seconds_max=limits.spool_age_seconds_max,
            now=equipment.now,
            monotonic=monotonic,
        )
        self.keeper = Keeper(
            outbox=self.outbox,
            gate=self.gate,
            ledger=self.ledger,
            spool=self.spool,
            folder=folder,
            limits=limits,
            give_up=self.sender.give_up,
            monotonic=monotonic,
            accepted_at=equipment.monotonic_time,
        )

    def start(self) -> None:
        """Start the threads, once. Raises RuntimeError when the system gives none; the next call tries again."""
        with self._lock:
            work = [("orbdo-keeper", self.keeper.run)]
            work += [("orbdo-sender", self.sender.run)] * self._equipment.limits.requests_in_flight_max
            for name, run in work[len(self._threads) :]:
                thread = threading.Thread(target=run, name=name, daemon=True)
                thread.start()
                self._threads.append(thread)
            self.started = True

    def waiting_on_disk(self) -> int:
        """How many events are on disk only."""
        return self.spool.waiting if self.spool is not None else 0

    def dismiss(self, *, deadline: float) -> None:
        """Stop the threads and let go of the files; a thread in the middle of a request is left to end by itself."""
        self.outbox.stop()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - self._equipment.monotonic()))
        if self.spool is not None:
            self.spool.close()
        self.dead_letters.close()

    def forget(self) -> None:
        """This is a forked child: files and threads are the parent's."""
        if self.spool is not None:
            self.spool.forget()
        self.dead_letters.forget()

    def statistics(self) -> Statistics:
        """A reading of all counters."""
        ledger, outbox, spool = self.ledger, self.outbox, self.spool
        oldest_at = outbox.oldest_at()
        return Statistics(
            accepted=outbox.accepted,
            adopted=ledger.adopted,
            replayed=ledger.replayed,
            sent=ledger.sent,
            retried=ledger.retried,
            acknowledged=ledger.acknowledged,
            duplicate=ledger.duplicate,
            conflict=ledger.conflict,
            rejected=ledger.rejected,
            withdrawn=ledger.withdrawn,
            dropped=dict(ledger.dropped),
            spooled=spool.written if spool is not None else 0,
            in_memory=outbox.held,
            on_disk=spool.count if spool is not None else 0,
            oldest_age_seconds=0.0 if oldest_at is None else max(0.0, self._equipment.monotonic() - oldest_at),
        )
