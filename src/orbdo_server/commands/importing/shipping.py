"""Sending the events of a file: recent ones as they are, history through backfills that open and close around it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import anyio
import msgspec

from orbdo_sdk import BatchRejectedError, Event, InvalidEventError, Orb
from orbdo_sdk.wire import Backfill
from orbdo_server.commands.importing.mapping import BadRow

BATCH_EVENTS = 2_000
# A backfill spans at most 31 days; windows are counted from one epoch, so that every run cuts in the same places.
WINDOW = timedelta(days=31)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What is younger needs no backfill, with an hour to spare before the grace period ends.
RECENT = timedelta(hours=11)


class Numbered(msgspec.Struct, frozen=True):
    """An event and the line of the file it stands on."""

    line: int
    event: Event


class Outcome(msgspec.Struct):
    """What became of the rows of a file."""

    ingested: int = 0
    duplicates: int = 0
    bad: list[BadRow] = []


def window_of(at: datetime, now: datetime) -> int | None:
    """The number of the 31-day window that a historic instant lies in; None for a recent one."""
    return None if at > now - RECENT else (at - EPOCH) // WINDOW


class Shipment:
    """Sends events in batches, each to the backfill of its window; nothing historic counts before all of it is in."""

    def __init__(self, orb: Orb, *, now: datetime, outcome: Outcome, advanced: Callable[[int], None]) -> None:
        self._orb = orb
        self._now = now
        self._outcome = outcome
        self._advanced = advanced
        self._backfills: dict[int, Backfill] = {}
        self._waiting: dict[int | None, list[Numbered]] = {}

    async def run(self, entries: Iterable[Numbered | BadRow], windows: Iterable[int]) -> None:
        """Send all events and note the rows that are none. When something fails, the history sent is taken back."""
        try:
            await self._open(windows)
            for entry in entries:
                if isinstance(entry, BadRow):
                    self._outcome.bad.append(entry)
                    self._advanced(1)
                else:
                    await self._add(entry)
            await self._finish()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._give_up()
            raise

    async def _open(self, windows: Iterable[int]) -> None:
        for window in sorted(windows):
            start = EPOCH + window * WINDOW
            self._backfills[window] = await self._orb.events.backfills.create(
                timeframe_start=start,
                timeframe_end=start + WINDOW,
                replace_existing_events=False,
            )

    async def _finish(self) -> None:
        """Send what is left, then let all history count."""
        for window in list(self._waiting):
            await self._send(window)
        while self._backfills:
            window, backfill = next(iter(self._backfills.items()))
            await self._orb.events.backfills.close(backfill.id)
            del self._backfills[window]

    async def _give_up(self) -> None:
        for backfill in self._backfills.values():
            await self._orb.events.backfills.revert(backfill.id)

    async def _add(self, numbered: Numbered) -> None:
        """Take one event; a full batch is sent."""
        assert numbered.event.timestamp is not None, "an imported event says when it happened"
        window = window_of(numbered.event.timestamp, self._now)
        batch = self._waiting.setdefault(window, [])
        batch.append(numbered)
        if len(batch) >= BATCH_EVENTS:
            await self._send(window)

    async def _send(self, window: int | None) -> None:
        batch = self._waiting.pop(window)
        await self._deliver(window, batch)
        self._advanced(len(batch))

    async def _deliver(self, window: int | None, batch: list[Numbered]) -> None:
        """Send a batch. One with an event that can never be sent is halved until that event stands alone."""
        events = [numbered.event for numbered in batch]
        try:
            if window is None:
                receipts = await self._orb.meter.ingest_batch(events)
            else:
                receipts = await self._orb.events.backfills.ingest(self._backfills[window].id, events)
        except InvalidEventError as error:
            if len(batch) == 1:
                self._outcome.bad.append(BadRow(batch[0].line, str(error)))
                return
            half = len(batch) // 2
            await self._deliver(window, batch[:half])
            await self._deliver(window, batch[half:])
        except BatchRejectedError as error:
            self._note_rejections(batch, error)
        else:
            repeated = sum(receipt.duplicate for receipt in receipts)
            self._outcome.duplicates += repeated
            self._outcome.ingested += len(receipts) - repeated

    def _note_rejections(self, batch: list[Numbered], error: BatchRejectedError) -> None:
        reasons = {rejection.idempotency_key: "; ".join(rejection.reasons) for rejection in error.rejections}
        self._outcome.bad += [
            BadRow(numbered.line, reasons[key])
            for numbered in batch
            if (key := numbered.event.idempotency_key or "") in reasons
        ]
        self._outcome.ingested += len(error.acknowledged_keys)
