"""A client with its server in the same process; how it is found and shared is tested beside ``_embedded``."""

from pathlib import Path

import pytest

from orbdo_sdk import ConfigurationError, Orb, RetryPolicy, TimedOutError, Timeout
from tests.sdk.client.small_app import SmallApps

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts_max=1)


async def test_an_embedded_client_needs_neither_address_nor_key(tmp_path: Path) -> None:
    """The server starts with the first request, takes the key that it made, and stops with the client."""
    apps = SmallApps()
    async with Orb.embedded(tmp_path, find_server=apps.find, spool_mode="memory") as orb:
        assert apps.made == []
        assert (await orb.ping()).response == "pong"
        assert (await orb.items.get("packed")).name == "packed"
    assert apps.life == ["start", "stop"]


async def test_events_of_an_embedded_client_are_delivered_before_it_stops(tmp_path: Path) -> None:
    """Waited for or tracked, they reach the server that stops after them."""
    apps = SmallApps()
    orb = Orb.embedded(str(tmp_path), find_server=apps.find, spool_path=tmp_path / "spool")
    receipt = await orb.meter.ingest("llm", "acme", idempotency_key="k1")
    assert receipt.duplicate is False
    orb.meter.track("llm", "acme", idempotency_key="k2")
    assert await orb.close() is True
    assert apps.life == ["start", "event k1", "event k2", "stop"]
    await orb.close()
    assert apps.life[-1] == "stop"


async def test_clients_of_one_folder_share_one_server(tmp_path: Path) -> None:
    """Agents too; it stops with the last of them."""
    apps = SmallApps()
    first = Orb.embedded(tmp_path, find_server=apps.find, spool_mode="memory")
    second = Orb.embedded(tmp_path, find_server=apps.find, spool_mode="memory", agent="robot")
    assert (await first.ping()).response == "pong"
    assert (await second.ping()).response == "robot"
    assert (await first.for_agent("other").ping()).response == "other"
    await first.close()
    assert apps.life == ["start"]
    await second.close()
    assert apps.life == ["start", "stop"]


async def test_a_slow_answer_of_an_embedded_server_is_a_timeout(tmp_path: Path) -> None:
    """The client's patience holds here as over a network."""
    apps = SmallApps()
    timeout = Timeout(read_seconds=0.05)
    async with Orb.embedded(tmp_path, find_server=apps.find, spool_mode="memory", timeout=timeout) as orb:
        hasty = orb.with_options(retry=ONCE)
        with pytest.raises(TimedOutError):
            await hasty.items.get("slow")


async def test_an_embedded_server_that_refuses_says_why(tmp_path: Path) -> None:
    """The first request raises, the ones after it do, and closing is no trouble."""
    apps = SmallApps(trouble="startup")
    async with Orb.embedded(tmp_path, find_server=apps.find, spool_mode="memory") as orb:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="did not start"):
                await orb.ping()
        with pytest.raises(ConfigurationError, match="did not start"):
            await orb.meter.ingest("llm", "acme")
    assert apps.life == ["start"]
