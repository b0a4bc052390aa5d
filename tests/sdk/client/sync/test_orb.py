# Made from tests/sdk/client/test_orb.py by scripts/unasync.py: change that file and run it.
"""The client as a whole: how it is made, shared and closed. Its resources have tests of their own."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from orbdo_sdk import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    RetryPolicy,
    ServerError,
    SnapshotPolicy,
    SyncOrb,
    Timeout,
)
from tests.support.answers import CUSTOMER, SNAPSHOT
from tests.support.door import API_KEY, BASE_URL, Asked, Door, sync_orb, sync_until


@dataclass
class Robot:
    """An agent of some framework."""

    id: str


def test_the_server_answers_a_ping(door: Door) -> None:
    """The key goes with it as a bearer."""
    door.tell({"response": "pong"})
    with sync_orb(door) as orb:
        assert (orb.ping()).response == "pong"
    assert door.asked == [Asked("GET", "/v1/ping")]
    assert door.asked[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert "orbdo-agent" not in door.asked[0].headers


def test_a_key_that_is_not_known_is_an_error(door: Door) -> None:
    """The ping finds it out."""
    door.tell(status=401)
    with sync_orb(door) as orb, pytest.raises(AuthenticationError):
        orb.ping()


def test_address_and_key_may_come_from_the_environment(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else does."""
    monkeypatch.setenv("ORBDO_BASE_URL", "https://billing.test/v1")
    monkeypatch.setenv("ORBDO_API_KEY", "key-of-the-environment")
    door.tell({"response": "pong"})
    with SyncOrb(
        spool_mode="memory",
        http_transport=door,
    ) as orb:
        orb.ping()
    assert door.asked[0].path == "/v1/ping"
    assert door.asked[0].headers["host"] == "billing.test"
    assert door.asked[0].headers["authorization"] == "Bearer key-of-the-environment"


def test_a_client_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, with the two ways to give one."""
    monkeypatch.delenv("ORBDO_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="ORBDO_API_KEY"):
        SyncOrb(BASE_URL)


def test_other_options_share_everything_else(door: Door) -> None:
    """A client with less patience tries once where the other would try again; entitlements are shared."""
    door.tell(SNAPSHOT)
    door.tell(status=503)
    with sync_orb(door) as orb:
        hasty = orb.with_options(timeout=Timeout(read_seconds=1.0), retry=RetryPolicy(attempts_max=1))
        orb.entitlements.snapshot("acme")
        assert hasty.entitlements.peek("acme") is not None
        with pytest.raises(ServerError):
            hasty.customers.get("acme")
        assert len(door.asked) == 2
        door.tell(status=503)
        door.tell(CUSTOMER)
        assert (orb.customers.get("acme")).name == "Acme"


def test_entitlements_are_held_as_the_policy_says(door: Door) -> None:
    """A client that holds one customer asks again for the first after the second."""
    for version in ("v1", "v2", "v3"):
        door.tell({**SNAPSHOT, "version": version})
    with sync_orb(door, snapshots=SnapshotPolicy(customers_max=1)) as orb:
        versions = [(orb.entitlements.snapshot(customer)).version for customer in ("acme", "bolt", "acme")]
    assert versions == ["v1", "v2", "v3"]


def test_closing_delivers_what_was_tracked(door: Door) -> None:
    """Nothing is left, the doors are closed, and closing again does nothing."""
    orb = sync_orb(door)
    orb.meter.track("llm", "acme", idempotency_key="k1")
    assert orb.close(5.0) is True
    assert [event["idempotency_key"] for event in door.ingested[0].body["events"]] == ["k1"]
    assert door.closed >= 1
    assert orb.close() is True
    with pytest.raises(ClosedError):
        orb.meter.track("llm", "acme")
    with pytest.raises(ClosedError):
        orb.meter.ingest("llm", "acme")


def test_a_closed_client_asks_nothing(door: Door) -> None:
    """After a request or without one, every further one is an error of its own."""
    door.tell({"response": "pong"})
    orb = sync_orb(door)
    orb.ping()
    orb.close()
    with pytest.raises(ClosedError):
        orb.ping()
    with pytest.raises(ClosedError):
        orb.entitlements.has_feature("acme", "sso")
    assert len(door.asked) == 1


def test_closing_says_when_something_is_left(door: Door) -> None:
    """An event that the server does not take in time is not delivered, which the answer says."""
    door.hold()
    orb = sync_orb(door)
    orb.meter.track("llm", "acme")
    sync_until(lambda: len(door.ingested) == 1)
    assert orb.close(0.05) is False
    door.release()


@pytest.mark.parametrize("agent", ["robot-7", Robot("robot-7")])
def test_an_agent_has_a_client_of_its_own(door: Door, agent: str | Robot) -> None:
    """Its calls and its events carry its id, those of the account do not, and it is the same one each time."""
    door.tell(CUSTOMER)
    door.tell(SNAPSHOT)
    door.tell(CUSTOMER)
    with sync_orb(door) as orb:
        of_agent = orb.for_agent(agent)
        assert orb.for_agent("robot-7") is of_agent
        assert of_agent.for_agent("robot-7") is of_agent
        assert orb.for_agent("robot-8") is not of_agent
        of_agent.customers.get("acme")
        of_agent.entitlements.snapshot("acme")
        assert orb.entitlements.peek("acme") is None
        orb.customers.get("acme")
        of_agent.meter.ingest("llm", "acme")
        orb.meter.ingest("llm", "acme")
    assert [asked.headers.get("orbdo-agent") for asked in door.asked] == ["robot-7", "robot-7", None]
    assert [asked.headers.get("orbdo-agent") for asked in door.ingested] == ["robot-7", None]


def test_an_agents_client_is_closed_alone_or_with_all(door: Door) -> None:
    """Alone, it delivers its own events and leaves the others be; the next one for the agent is new."""
    with sync_orb(door) as orb:
        first = orb.for_agent("a")
        first.meter.track("llm", "acme", idempotency_key="k1")
        assert first.close() is True
        assert door.closed == 0
        with pytest.raises(ClosedError):
            first.meter.track("llm", "acme")
        second = orb.for_agent("a")
        assert second is not first
        second.meter.track("llm", "acme", idempotency_key="k2")
    keys = [event["idempotency_key"] for asked in door.ingested for event in asked.body["events"]]
    assert keys == ["k1", "k2"]
    with pytest.raises(ClosedError):
        second.meter.track("llm", "acme")


def test_an_agents_client_may_stand_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made from the class it takes its settings from the environment; no agent without an id is served."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ORBDO_API_KEY", API_KEY)
    orb = SyncOrb.for_agent(Robot("robot-7"))
    assert orb.for_agent("robot-7") is not orb
    orb.close()
    with pytest.raises(ConfigurationError, match="agent"):
        SyncOrb.for_agent("")
    with pytest.raises(ConfigurationError, match="agent"):
        SyncOrb(BASE_URL, API_KEY, agent="two words")
