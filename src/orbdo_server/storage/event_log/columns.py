"""Events as columns, the form in which they go into the log: many events cost little more than a few."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs

from orbdo_server.core.events import Event
from orbdo_server.storage.event_log.key_index import Positions
from orbdo_server.storage.event_log.records import RepeatedEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = pa.timestamp("us")

Table: TypeAlias = Any
"""A ``pyarrow.Table``, which is known to no type checker."""

EVENT_SCHEMA = pa.schema(
    [
        ("seq", pa.uint64()),
        ("tenant", pa.string()),
        ("idempotency_key", pa.string()),
        ("event_name", pa.string()),
        ("timestamp", _INSTANT),
        ("external_customer_id", pa.string()),
        ("customer_id", pa.string()),
        ("received_at", _INSTANT),
        ("backfill_id", pa.string()),
        ("amends", pa.uint64()),
        ("properties", pa.string()),
    ]
)


REPEAT_SCHEMA = pa.schema(
    [
        ("seq", pa.uint64()),
        ("tenant", pa.string()),
        ("idempotency_key", pa.string()),
        ("received_at", _INSTANT),
        ("conflict", pa.bool_()),
    ]
)


class Origin(msgspec.Struct, frozen=True):
    """What events that came together share, and how many of them there are."""

    tenant: str
    backfill_id: str | None
    received_at: datetime
    amends: int | None
    events: int


class Incoming:
    """The table that a connection sees under a fixed name; what is in it is exchanged between statements.

    Registering an object for each statement would cost a view in the catalogue, which is more than inserting a hundred
    events; and a statement over a name that stays can be prepared once.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.table = schema.empty_table()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The present table as a new Arrow stream."""
        return self.table.__arrow_c_stream__(requested_schema)


def event_table(events: Sequence[Event], origins: Sequence[Origin], positions: Positions) -> Table:
    """All columns of the events, in order, at these positions."""
    origin_of_each = pa.array(np.repeat(np.arange(len(origins)), [origin.events for origin in origins]))
    return pa.table(
        [
            pa.array(positions),
            _texts([origin.tenant for origin in origins]).take(origin_of_each),
            _texts([event.idempotency_key for event in events]),
            _texts([event.event_name for event in events]),
            _instants([event.timestamp for event in events]),
            _texts([event.external_customer_id for event in events]),
            _texts([event.customer_id for event in events]),
            _instants([origin.received_at for origin in origins]).take(origin_of_each),
            _texts([origin.backfill_id for origin in origins]).take(origin_of_each),
            pa.array([origin.amends for origin in origins], pa.uint64()).take(origin_of_each),
            _json([event.properties for event in events]),
        ],
        schema=EVENT_SCHEMA,
    )


def repeat_table(repeats: Sequence[tuple[int, RepeatedEvent]]) -> Table:
    """All columns of events that came again, in order; each with the position that the log had then."""
    return pa.table(
        [
            pa.array([position for position, _ in repeats], pa.uint64()),
            _texts([repeated.tenant for _, repeated in repeats]),
            _texts([repeated.idempotency_key for _, repeated in repeats]),
            _instants([repeated.received_at for _, repeated in repeats]),
            pa.array([repeated.conflict for _, repeated in repeats], pa.bool_()),
        ],
        schema=REPEAT_SCHEMA,
    )


def concat_tables(tables: Sequence[Table]) -> Table:
    """One table after the other, as one in a single piece.

    DuckDB would read several pieces with several threads, of which none gets a whole row group to write: each would go
    through the write-ahead file, and be written again by a checkpoint, at twice the cost.
    """
    return pa.concat_tables(tables).combine_chunks()


def _texts(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def _instants(instants: Sequence[datetime]) -> pa.Array:
    # As durations, which are converted in C; an aware datetime would be asked for its offset one by one.
    return pa.array([at - _EPOCH for at in instants], pa.duration("us")).view(_INSTANT)


def _json(texts: Sequence[msgspec.Raw]) -> pa.Array:
    # The texts are views into request bodies: joined they are the data buffer of a column already.
    ends = np.fromiter(accumulate(map(len, texts), initial=0), dtype=np.int64, count=len(texts) + 1)
    assert int(ends[-1]) < 2**31, "a group of properties is far below 2 GiB"
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)
