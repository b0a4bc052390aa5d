"""Events as columns, the form in which they go into the log: many events cost little more than a few."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs

from orbdo_server.core.events import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = pa.timestamp("us")

Table: TypeAlias = Any
"""A ``pyarrow.Table``, which is known to no type checker."""

KEY_SCHEMA = pa.schema([("tenant", pa.string()), ("idempotency_key", pa.string())])
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
        ("properties", pa.string()),
    ]
)


class Origin(msgspec.Struct, frozen=True):
    """What the events of one request share, and how many of them there are."""

    tenant: str
    backfill_id: str | None
    received_at: datetime
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


def key_table(events: Sequence[Event], origins: Sequence[Origin]) -> Table:
    """Tenant and key of each event, in order."""
    tenants = _texts([origin.tenant for origin in origins]).take(_origin_of_each(origins))
    return pa.table([tenants, _texts([event.idempotency_key for event in events])], schema=KEY_SCHEMA)


def event_table(events: Sequence[Event], origins: Sequence[Origin], *, keys: Table, first_seq: int) -> Table:
    """All columns of the events, in order, at the positions from ``first_seq`` on; ``keys`` is their ``key_table``."""
    origin_of_each = _origin_of_each(origins)
    return pa.table(
        [
            pa.array(np.arange(first_seq, first_seq + len(events), dtype=np.uint64)),
            keys.column("tenant"),
            keys.column("idempotency_key"),
            _texts([event.event_name for event in events]),
            _instants([event.timestamp for event in events]),
            _texts([event.external_customer_id for event in events]),
            _texts([event.customer_id for event in events]),
            _instants([origin.received_at for origin in origins]).take(origin_of_each),
            _texts([origin.backfill_id for origin in origins]).take(origin_of_each),
            _json([event.properties for event in events]),
        ],
        schema=EVENT_SCHEMA,
    )


def _origin_of_each(origins: Sequence[Origin]) -> pa.Array:
    return pa.array(np.repeat(np.arange(len(origins)), [origin.events for origin in origins]))


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
