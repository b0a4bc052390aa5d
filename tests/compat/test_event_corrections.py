"""Orb's official client, validating strictly, on corrections of events and on all that a backfill can be told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orb
import pytest

from orbdo_sdk import SyncOrb
from orbdo_server.commands.demonstration.server import RunningServer, running_server

START = datetime(2023, 11, 1, tzinfo=UTC)
END = datetime(2023, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`orbdo serve` in a process of its own."""
    with running_server(tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[orb.Orb]:
    """The official client, which raises for every answer that is not as its types say."""
    with orb.Orb(
        api_key=server.api_key, base_url=f"{server.url}/v1", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture(scope="module")
def ours(server: RunningServer) -> Iterator[SyncOrb]:
    """Our client, which asks what the events come to and takes a correction back."""
    with SyncOrb(base_url=server.url, api_key=server.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def metric_id(client: orb.Orb) -> str:
    """A metric that adds up tokens, and the customer that uses them."""
    client.customers.create(email="a@b.example", name="Acme", external_customer_id="acme")
    item = client.items.create(name="Tokens")
    return client.metrics.create(
        name="Tokens", description="All tokens", item_id=item.id, sql="SELECT sum(tokens) FROM events"
    ).id


def ingest(client: orb.Orb, key: str, tokens: int, at: datetime, *, backfill_id: str | None = None) -> None:
    """One event of so many tokens."""
    events: list[Any] = [
        {
            "event_name": "llm_request",
            "idempotency_key": key,
            "timestamp": at,
            "external_customer_id": "acme",
            "properties": {"tokens": tokens},
        }
    ]
    into: dict[str, Any] = {} if backfill_id is None else {"backfill_id": backfill_id}
    assert client.events.ingest(events=events, **into).validation_failed == []


def test_an_event_is_amended_and_deprecated(client: orb.Orb, ours: SyncOrb, metric_id: str) -> None:
    """Each is answered with the id of the event, and counts at once; our undo takes them back one by one."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    ingest(client, "corrected/1", 100, at)

    def used() -> Decimal:
        (row,) = ours.meter.get_usage("acme", metric_id, start=at, end=at + timedelta(minutes=1)).data
        return row.quantity

    amended = client.events.update(
        "corrected/1",
        event_name="llm_request",
        timestamp=at,
        external_customer_id="acme",
        properties={"tokens": 70},
    )
    assert (amended.amended, used()) == ("corrected/1", Decimal(70))
    deprecated = client.events.deprecate("corrected/1")
    assert (deprecated.deprecated, used()) == ("corrected/1", Decimal(0))
    assert client.events.deprecate("corrected/1").deprecated == "corrected/1"
    ours.events.undo("corrected/1")
    assert used() == Decimal(70)
    ours.events.undo("corrected/1")
    assert used() == Decimal(100)


def test_a_correction_that_cannot_be_says_why(client: orb.Orb, metric_id: str) -> None:
    """An unknown event is not found; another time or customer is a wrong field, of which the client tells."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    ingest(client, "kept", 1, at)
    with pytest.raises(orb.NotFoundError):
        client.events.deprecate("never came")
    with pytest.raises(orb.BadRequestError) as caught:
        client.events.update(
            "kept", event_name="llm_request", timestamp=START, external_customer_id="acme", properties={}
        )
    assert "timestamp: is not that of the event" in str(caught.value.body)


def test_a_backfill_has_a_filter_and_closes_by_itself(client: orb.Orb, ours: SyncOrb, metric_id: str) -> None:
    """The close time is the planned one until it is closed; only events that meet the filter are replaced."""
    whole = client.events.backfills.create(timeframe_start=START, timeframe_end=END, replace_existing_events=False)
    assert whole.close_time == whole.created_at + timedelta(days=1)
    ingest(client, "small", 5, START, backfill_id=whole.id)
    ingest(client, "large", 500, START, backfill_id=whole.id)
    client.events.backfills.close(whole.id)

    soon = datetime.now(UTC) + timedelta(hours=1)
    backfill = client.events.backfills.create(
        timeframe_start=START,
        timeframe_end=END,
        close_time=soon,
        external_customer_id="acme",
        replace_existing_events=True,
        deprecation_filter="tokens > 100 AND event_name = 'llm_request'",
    )
    assert (backfill.status, backfill.close_time) == ("pending", soon)
    assert backfill.deprecation_filter == "tokens > 100 AND event_name = 'llm_request'"
    listed = client.events.backfills.list(status="pending").data
    assert [(one.id, one.deprecation_filter) for one in listed] == [(backfill.id, backfill.deprecation_filter)]
    ingest(client, "replaced", 50, START, backfill_id=backfill.id)

    def used() -> Decimal:
        (row,) = ours.meter.get_usage("acme", metric_id, start=START, end=END).data
        return row.quantity

    assert used() == Decimal(505)
    closed = client.events.backfills.close(backfill.id)
    assert closed.status == "reflected"
    assert closed.close_time is not None
    assert closed.close_time < soon
    assert used() == Decimal(55)
    assert client.events.backfills.fetch(backfill.id).close_time == closed.close_time
    assert client.events.backfills.revert(backfill.id).status == "reverted"
    assert used() == Decimal(505)
