"""Orb's official client, validating strictly, looks events up over a socket."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orb
import pytest

from orbdo_server.commands.demonstration.server import running_server

HOUR = timedelta(hours=1)
NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[orb.Orb]:
    """The official client, which raises for every answer that is not as its types say, at a server with two events."""
    with (
        running_server(tmp_path_factory.mktemp("data")) as server,
        orb.Orb(
            api_key=server.api_key, base_url=f"{server.url}/v1", max_retries=0, _strict_response_validation=True
        ) as client,
    ):
        backfill = client.events.backfills.create(timeframe_start=NOVEMBER, timeframe_end=NOVEMBER + timedelta(days=1))
        client.events.ingest(events=[event("old", NOVEMBER + HOUR)], backfill_id=backfill.id)
        client.events.backfills.close(backfill.id)
        client.events.ingest(events=[event("now/1", datetime.now(UTC) - timedelta(minutes=1))])
        yield client


def event(key: str, at: datetime) -> Any:
    """An event of a customer who does not exist yet."""
    return {
        "event_name": "llm_request",
        "idempotency_key": key,
        "timestamp": at,
        "external_customer_id": "acme",
        "properties": {"tokens": 50, "share": 0.25, "model": "m", "cached": True},
    }


def test_events_of_the_last_week_are_found(client: orb.Orb) -> None:
    """By default; an older one only in a timeframe that has it, and what is not found is no error."""
    (found,) = client.events.search(event_ids=["old", "now/1", "nothing"]).data
    assert (found.id, found.event_name, found.deprecated) == ("now/1", "llm_request", False)
    assert (found.customer_id, found.external_customer_id) == (None, "acme")
    assert found.properties == {"tokens": 50, "share": 0.25, "model": "m", "cached": True}
    timeframe: Any = {"timeframe_start": NOVEMBER, "timeframe_end": NOVEMBER + 2 * HOUR}
    older = client.events.search(event_ids=["old", "now/1"], **timeframe)
    assert [(event.id, event.timestamp) for event in older.data] == [("old", NOVEMBER + HOUR)]
    assert client.events.search(event_ids=["nothing"], timeframe_start=None, timeframe_end=None).data == []


def test_corrected_events_are_found_as_they_stand(client: orb.Orb) -> None:
    """An amended event as its amendment, a deprecated one with the word for it."""
    client.customers.create(email="ada@example.com", name="Ada", external_customer_id="ada")
    at = datetime.now(UTC) - timedelta(days=1)
    sent: list[Any] = [{**event(key, at), "external_customer_id": "ada"} for key in ("amended", "deprecated")]
    client.events.ingest(events=sent)
    client.events.update(
        "amended", event_name="llm_request", properties={"tokens": 7}, timestamp=at, external_customer_id="ada"
    )
    client.events.deprecate("deprecated")
    found = client.events.search(event_ids=["deprecated", "amended"]).data
    assert [(event.id, event.deprecated) for event in found] == [("deprecated", True), ("amended", False)]
    assert found[1].properties == {"tokens": 7}


def test_volume_is_listed_by_the_hour(client: orb.Orb) -> None:
    """All hours of a timeframe at once, whatever the limit; until now without an end."""
    volumes = client.events.volume.list(timeframe_start=NOVEMBER, timeframe_end=NOVEMBER + 3 * HOUR, limit=1)
    assert [(hour.timeframe_start, hour.timeframe_end, hour.count) for hour in volumes.data] == [
        (NOVEMBER, NOVEMBER + HOUR, 0),
        (NOVEMBER + HOUR, NOVEMBER + 2 * HOUR, 1),
        (NOVEMBER + 2 * HOUR, NOVEMBER + 3 * HOUR, 0),
    ]
    recent = client.events.volume.list(timeframe_start=datetime.now(UTC) - HOUR, cursor=None)
    assert sum(hour.count for hour in recent.data) == 1


def test_a_timeframe_that_is_too_long_is_refused_as_the_client_knows_it(client: orb.Orb) -> None:
    """Its own class for an invalid request, with the field in it."""
    with pytest.raises(orb.BadRequestError) as refused:
        client.events.volume.list(timeframe_start=NOVEMBER, timeframe_end=NOVEMBER + timedelta(days=93))
    assert type(refused.value).__name__ == "RequestValidationError"
    assert "timeframe_end" in str(refused.value)
