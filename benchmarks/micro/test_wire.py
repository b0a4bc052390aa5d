"""How long the bodies of ingest take to write and to read, for a batch of 1,000 events."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from orbdo_sdk.wire import IngestEvent, IngestRequest, decode, encode

EVENTS = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def batch() -> IngestRequest:
    """A batch as an app that meters tokens sends it."""
    return IngestRequest(events=[_event(number) for number in range(EVENTS)])


def test_encode_a_batch_of_1000_events(benchmark: BenchmarkFixture, batch: IngestRequest) -> None:
    """Writing a batch keeps every event."""
    body: bytes = benchmark(encode, batch)
    assert body.count(b"idempotency_key") == EVENTS


def test_decode_a_batch_of_1000_events(benchmark: BenchmarkFixture, batch: IngestRequest) -> None:
    """Reading a batch gives back what was written."""
    body = encode(batch)
    read: IngestRequest = benchmark(decode, body, IngestRequest)
    assert len(read.events) == EVENTS
    assert read.events[-1].idempotency_key == "request-999"


def _event(number: int) -> IngestEvent:
    return IngestEvent(
        event_name="llm_request",
        idempotency_key=f"request-{number}",
        timestamp=START + timedelta(seconds=number),
        external_customer_id=f"customer-{number % 7}",
        properties={"model": "small", "tokens": 100 + number, "seconds": str(Decimal(number) / 8)},
    )
