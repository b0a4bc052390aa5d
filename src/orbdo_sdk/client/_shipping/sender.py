"""One request at a time: take a batch, post it, tell everybody what the answer means.

Several senders run side by side, each in a daemon thread of its own, so that throughput is not bound to one round trip.
It decides nothing about when; the outbox does.
"""

import copy
import logging
from collections.abc import Callable, Collection
from datetime import datetime
from typing import assert_never

from orbdo_sdk.client._options import RetryPolicy
from orbdo_sdk.client._shipping.ledger import Ledger
from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.queued import Batch, Call
from orbdo_sdk.client._shipping.verdict import Failed, Indivisible, Settled, Verdict, read_verdict, verdict_of_error
from orbdo_sdk.client._transport import Request, SyncTransport
from orbdo_sdk.errors import ApiError, ConnectionFailedError, OrbError, RequestTooLargeError

logger = logging.getLogger("orbdo")

INGEST_PATH = "/v1/ingest"
# After so many failures of one batch, with successes of others between them, the fault is in the batch.
SETBACKS_MAX = 3
FAULT_STATUS = 500


class Sender:
    """Sends batches until the outbox is stopped."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        ledger: Ledger,
        transport: SyncTransport,
        retry: RetryPolicy,
        event_age_seconds_max: float,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._transport = transport
        self._retry = retry
        self._event_age_seconds_max = event_age_seconds_max
        self._now = now
        self._monotonic = monotonic

    def run(self) -> None:
        """Send whatever the outbox hands out, until it is stopped."""
        while (batch := self._outbox.next_batch()) is not None:
            if not self._expire(batch):
                self.send(batch)

    def send(self, batch: Batch) -> None:
        """Post the batch once and see to what the answer asks for."""
        began_at = self._monotonic()
        self._ledger.going_out(batch)
        verdict = self._post(batch)
        match verdict:
            case Settled():
                self._settle(batch, verdict)
            case Indivisible():
                self._divide(batch, verdict)
            case Failed():
                self._fail(batch, verdict, began_at=began_at)
            case _:
                assert_never(verdict)

    def _post(self, batch: Batch) -> Verdict:
        request = Request(
            method="POST",
            path=INGEST_PATH,
            query={"debug": "true"},
            body=batch.body,
            idempotency_key=batch.idempotency_key,
        )
        try:
            answer = self._transport.exchange(request)
        except OrbError as error:
            return verdict_of_error(error)
        except Exception as error:
            # A transport that was handed in may fail in its own ways; this thread must survive them all.
            logger.exception("sending events failed unexpectedly")
            return verdict_of_error(ConnectionFailedError(f"sending failed: {error!r}"))
        return read_verdict(answer, [event.key for event in batch.events], now=self._now())

    def _settle(self, batch: Batch, settled: Settled) -> None:
        open_keys = settled.rejected.keys() | settled.unsettled
        self._ledger.acknowledge(
            [event for event in batch.events if event.key not in open_keys],
            duplicates=settled.duplicates,
            conflicts=settled.conflicts,
        )
        self._ledger.reject(
            [(event, settled.rejected[event.key]) for event in batch.events if event.key in settled.rejected]
        )
        rest = [event for event in batch.events if event.key in settled.unsettled]
        self._outbox.landed(batch, again=[Batch.of(rest, attempts=batch.attempts)] if rest else [])

    def _divide(self, batch: Batch, refusal: Indivisible) -> None:
        if len(batch.events) > 1:
            too_large = isinstance(refusal.error, RequestTooLargeError)
            self._outbox.landed(batch, again=batch.halves(), too_large=too_large)
        else:
            self._ledger.reject([(batch.events[0], refusal.reasons)])
            self._outbox.landed(batch)

    def _fail(self, batch: Batch, failure: Failed, *, began_at: float) -> None:
        if failure.refused or batch.attempts >= self._retry.attempts_max:
            self.give_up({event.call for event in batch.events if event.call is not None}, failure.error)
        again = [batch]
        if self._is_at_fault(batch, failure.error):
            if len(batch.events) == 1:
                self._ledger.reject([(batch.events[0], (f"the server fails on it: {failure.error}",))])
                again = []
            else:
                again = batch.halves()
        self._outbox.failed(batch, failure, began_at=began_at, again=again)

    def give_up(self, calls: Collection[Call], error: OrbError) -> None:
        """End these calls with the error; their events are no longer sent."""
        if calls:
            self._ledger.withdraw(self._outbox.withdraw(calls))
        for call in calls:
            call.fail(_for_call(error, call))

    def _is_at_fault(self, batch: Batch, error: OrbError) -> bool:
        if not isinstance(error, ApiError) or error.status != FAULT_STATUS:
            return False
        if batch.successes_seen != self._outbox.successes:
            batch.setbacks += 1
            batch.successes_seen = self._outbox.successes
        return batch.setbacks >= SETBACKS_MAX

    def _expire(self, batch: Batch) -> bool:
        horizon = self._monotonic() - self._event_age_seconds_max
        if batch.oldest_at >= horizon:
            return False
        self._ledger.expire([event for event in batch.events if event.accepted_at < horizon])
        rest = [event for event in batch.events if event.accepted_at >= horizon]
        self._outbox.returned(batch, again=[Batch.of(rest, attempts=batch.attempts - 1)] if rest else [])
        return True


def _for_call(error: OrbError, call: Call) -> OrbError:
    if isinstance(error, ConnectionFailedError):
        own = type(error)(str(error), idempotency_keys=call.keys)
        own.__cause__ = error
        return own
    return copy.copy(error)
