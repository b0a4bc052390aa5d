"""One event, then the usage it counts in: each answer must have all events that were sent before it."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
import numpy as np

from benchmarks.figures import Figure
from benchmarks.server import Client, Server
from orbdo_sdk.wire import Usage

PAIRS_MAX = 300
SECONDS_MAX = 10.0
METRIC_SQL = "SELECT count(*) FROM events WHERE event_name = 'seen'"


def read_after_write(server: Server, where: str) -> list[Figure]:
    """The time of writing an event and reading its usage, one after the other; of the write alone; of the read alone.

    ``where`` names what the log held meanwhile and makes the customer, so that it is used once.
    """
    customer = f"read-after-write-{where.replace(' ', '-')}"
    with Client(server) as client:
        query = _query(client, customer)
        writes: list[float] = []
        reads: list[float] = []
        deadline = time.perf_counter() + SECONDS_MAX
        while len(reads) < PAIRS_MAX and time.perf_counter() < deadline:
            event = _event(customer, f"{customer}-{len(reads)}")
            began = time.perf_counter()
            client.post("/v1/ingest", {"events": [event]})
            written = time.perf_counter()
            usage = msgspec.json.decode(client.get(f"/v1/usage?{query}"), type=Usage)
            reads.append(time.perf_counter() - written)
            writes.append(written - began)
            assert usage.data[0].events_counted == len(reads), (usage, len(reads))
    return list(_figures(where, writes, reads))


def _query(client: Client, customer: str) -> str:
    named = {"external_customer_id": customer, "name": customer, "email": "billing@bench.example"}
    client.post("/v1/customers", named)
    metric = msgspec.json.decode(client.post("/v1/metrics", {"name": customer, "sql": METRIC_SQL}))
    now = datetime.now(UTC)
    period = {"start": (now - timedelta(hours=3)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    return urlencode({"external_customer_id": customer, "metric_id": metric["id"], **period})


def _event(customer: str, key: str) -> dict[str, object]:
    return {
        "event_name": "seen",
        "idempotency_key": key,
        "timestamp": datetime.now(UTC).isoformat(),
        "external_customer_id": customer,
        "properties": {},
    }


def _figures(where: str, writes: Sequence[float], reads: Sequence[float]) -> Iterator[Figure]:
    note = f"ingest one event, then read usage that has it; {len(reads)} pairs one after the other, one connection"
    pairs = [write + read for write, read in zip(writes, reads, strict=True)]
    for name, seconds in (("read after write", pairs), ("its write alone", writes), ("its read alone", reads)):
        for quantile in (50, 99):
            value = float(np.percentile(seconds, quantile)) * 1e3
            yield Figure(f"{name}, {where}, p{quantile}", value, "ms", "lower", note)
