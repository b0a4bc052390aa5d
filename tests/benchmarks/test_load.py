"""The load generator: its requests are events the server takes, it counts acknowledged ones, it stops at an error."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
import pytest

from benchmarks.ingest_requests import requests
from benchmarks.load import HOST, Answerer, Generator, LoadError, Outcome, Plan, answer_status
from orbdo_server.core.event_batches import read_events
from orbdo_server.core.events import Event

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
PLAN = Plan(port=0, api_key="key", batch_events=10, connections=4, seconds=0.3, seed=1, warm_up_seconds=0.05)
CLOSING_SECONDS = 0.05


class Refuser(Answerer):
    """Says that the queue is full."""

    def data_received(self, data: bytes) -> None:
        """Answer, whatever came."""
        self._transport.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nfull")


class Hangup(Answerer):
    """Closes the connection at the first request."""

    def data_received(self, data: bytes) -> None:
        """Close."""
        self._transport.close()


async def outcome_of(plan: Plan, server_of: Callable[[], asyncio.Protocol]) -> Outcome:
    """What comes of a plan against a server in the same loop."""
    server = await asyncio.get_running_loop().create_server(server_of, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            return await Generator(msgspec.structs.replace(plan, port=port)).run()
        finally:
            # Its side of the connections sees them close.
            await asyncio.sleep(CLOSING_SECONDS)


def events_of(request: memoryview, *, events_max: int) -> list[Event]:
    """The events of a request as the server reads them; none is refused and its head tells its length."""
    head, _, body = bytes(request).partition(b"\r\n\r\n")
    assert f"\r\nContent-Length: {len(body)}".encode() in head
    batch = read_events(body, now=NOW, grace=timedelta(hours=12), events_max=events_max)
    assert batch.rejected == []
    assert batch.duplicates == []
    return batch.events


@pytest.mark.parametrize("batch_events", [1, 10, 1_500])
def test_requests_hold_valid_events_with_keys_of_their_own(batch_events: int) -> None:
    """Within a block of 1,000 events and past its end, every event is accepted and no key comes twice."""
    made = requests(api_key="key", batch_events=batch_events, now=NOW, seed=1)
    count = 3_000 // batch_events + 1
    events = [event for request in islice(made, count) for event in events_of(request, events_max=batch_events)]
    assert len(events) == count * batch_events
    assert len({event.idempotency_key for event in events}) == count * batch_events


def test_requests_carry_the_key_and_other_seeds_give_other_events() -> None:
    """The API key is in the head; two generators never send the same event."""
    one, other = (next(requests(api_key="s3cret", batch_events=1, now=NOW, seed=seed)) for seed in (1, 2))
    assert b"\r\nAuthorization: Bearer s3cret\r\n" in bytes(one)
    assert events_of(one, events_max=1)[0].idempotency_key != events_of(other, events_max=1)[0].idempotency_key


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (b"", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length:0\r\n\r\n", 503),
    ],
)
def test_an_answer_has_a_status_when_all_of_it_is_there(received: bytes, status: int | None) -> None:
    """An answer counts with its last byte, not before."""
    assert answer_status(received) == status


def test_an_answer_without_a_length_is_an_error() -> None:
    """The generator does not guess where such an answer ends."""
    with pytest.raises(LoadError, match="has no length"):
        answer_status(b"HTTP/1.1 200 OK\r\n\r\n{}")


def test_a_load_counts_the_events_of_acknowledged_requests() -> None:
    """As fast as answers come: all of the time counts as acknowledged, the time after the warm-up as the rate."""
    outcome = asyncio.run(outcome_of(PLAN, Answerer))
    assert outcome.acknowledged_events % 10 == 0
    assert 0 < outcome.events_per_second * 0.3 <= outcome.acknowledged_events
    assert outcome.requests_per_second == pytest.approx(outcome.events_per_second / 10)
    assert 0 < outcome.p50_ms <= outcome.p99_ms <= outcome.p999_ms <= outcome.longest_ms


def test_a_load_keeps_to_its_rate() -> None:
    """At 100 requests a second for 0.3 s after 0.1 s of warm-up, 40 requests of 10 events are sent."""
    plan = msgspec.structs.replace(PLAN, requests_per_second=100.0, warm_up_seconds=0.1)
    outcome = asyncio.run(outcome_of(plan, Answerer))
    assert 300 <= outcome.acknowledged_events <= 410


@pytest.mark.parametrize(
    ("server_of", "message"), [(Refuser, "429 Too Many Requests"), (Hangup, "the server closed a connection")]
)
def test_a_load_gives_up_at_the_first_failure(server_of: Callable[[], asyncio.Protocol], message: str) -> None:
    """An answer that is not 200, or a connection that goes, ends the load with what happened."""
    with pytest.raises(LoadError, match=message):
        asyncio.run(outcome_of(PLAN, server_of))
