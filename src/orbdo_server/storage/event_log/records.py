"""What a record of the journal says, and the JSON it is written as."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias, assert_never

import msgspec

from orbdo_server.storage.event_log import Action, Append


class RepeatedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event that came again under a key that was there."""

    tenant: str
    idempotency_key: str
    received_at: datetime
    conflict: bool


class EventsRecord(msgspec.Struct, frozen=True, kw_only=True, tag="events"):
    """What a group commit took: its events lie at the positions from ``first`` on, in their order."""

    first: int
    batches: Sequence[Append]
    repeats: Sequence[RepeatedEvent] = ()

    @property
    def events(self) -> int:
        """How many positions it takes."""
        return sum(len(batch.events) for batch in self.batches)


class ActionRecord(msgspec.Struct, frozen=True, kw_only=True, tag="action"):
    """Something that happened to a backfill or to an event."""

    position: int
    tenant: str
    action: Action


Record: TypeAlias = EventsRecord | ActionRecord

encode = msgspec.json.Encoder().encode
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def decode(payload: bytes) -> Record:
    """The record; it was written by ``encode``, and its digest says that it is as it was."""
    return _DECODER.decode(payload)


def last_position(record: Record) -> int:
    """The position of the log after the record."""
    match record:
        case EventsRecord():
            return record.first + record.events - 1
        case ActionRecord():
            return record.position
        case _:
            assert_never(record)
