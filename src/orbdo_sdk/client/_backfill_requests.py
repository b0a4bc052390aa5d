"""Events of a backfill cut into requests, and what the answers say of them. Pure but for the clock it is given.

They do not go through the buffer: a backfill is loaded on purpose, and its caller waits for every part of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from orbdo_sdk.client._answers import Answer
from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping import NewEvent, Receipt
from orbdo_sdk.client._shipping.encoding import encode_event
from orbdo_sdk.client._shipping.verdict import Settled, read_verdict
from orbdo_sdk.errors import BatchRejectedError, EventRejectedError, UnexpectedAnswerError

HEAD, TAIL = b'{"events":[', b"]}"


class BackfillRequest(msgspec.Struct, frozen=True):
    """One request's worth of events: their keys, in order, and its body."""

    keys: tuple[str, ...]
    body: bytes


def cut(events: Iterable[NewEvent], limits: BufferLimits, *, now: Callable[[], datetime]) -> Iterator[BackfillRequest]:
    """Requests of at most ``batch_events_max`` events and ``batch_bytes_max`` bytes, in the order of the events.

    Raises InvalidEventError at the first event that can never be delivered; what was cut before it is good.
    """
    keys: list[str] = []
    payloads: list[bytes] = []
    size = 0
    for event in events:
        key, payload = encode_event(
            event_type=event.event_type,
            external_customer_id=event.external_customer_id,
            customer_id=event.customer_id,
            properties=event.properties,
            timestamp=event.timestamp,
            idempotency_key=event.idempotency_key,
            now=now,
            event_bytes_max=limits.event_bytes_max,
        )
        full = len(keys) >= limits.batch_events_max or size + len(payload) > limits.batch_bytes_max
        if keys and full:
            yield _request(keys, payloads)
            keys, payloads, size = [], [], 0
        keys.append(key)
        payloads.append(payload)
        size += len(payload) + 1
    if keys:
        yield _request(keys, payloads)


def receipts(keys: Sequence[str], answer: Answer, *, now: datetime) -> list[Receipt]:
    """A receipt an event.

    Raises BatchRejectedError naming the events that were refused, UnexpectedAnswerError when the answer leaves one out,
    and the ApiError of an answer that refuses them all without a word on which is at fault.
    """
    verdict = read_verdict(answer, keys, now=now)
    if not isinstance(verdict, Settled):
        raise verdict.error
    if verdict.rejected:
        rejections = [EventRejectedError(key, reasons) for key, reasons in verdict.rejected.items()]
        refused = verdict.rejected.keys() | verdict.unsettled
        raise BatchRejectedError(rejections, [key for key in keys if key not in refused])
    if verdict.unsettled:
        message = f"the server's answer leaves out {len(verdict.unsettled)} events, {min(verdict.unsettled)} first"
        raise UnexpectedAnswerError(message, status=answer.status, request_id=answer.request_id)
    return [
        Receipt(idempotency_key=key, duplicate=key in verdict.duplicates, conflict=key in verdict.conflicts)
        for key in keys
    ]


def _request(keys: list[str], payloads: list[bytes]) -> BackfillRequest:
    return BackfillRequest(tuple(keys), HEAD + b",".join(payloads) + TAIL)
