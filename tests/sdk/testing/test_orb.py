"""An in-memory Orb in the place of a real one."""

import pytest

from orbdo_sdk import Orb, Timeout
from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.testing import InMemoryOrb, ManualClock

pytestmark = pytest.mark.anyio


async def serve(orb: Orb, customer_id: str) -> bool:
    """What an application does with its Orb."""
    if not await orb.entitlements.has_feature(customer_id, "sso"):
        return False
    orb.meter.track("login", customer_id)
    return True


async def test_it_stands_in_for_an_orb() -> None:
    """Code that is written for an Orb takes it, to a type checker and at run time."""
    async with InMemoryOrb() as orb:
        orb.allow("sso", customer_id="acme")
        assert isinstance(orb, Orb)
        assert await serve(orb, "acme") is True
        assert await serve(orb, "umbrella") is False
        assert [event.event_type for event in orb.events] == ["login"]


async def test_it_answers_a_ping_and_takes_options() -> None:
    """What a client does at its start works and changes nothing."""
    orb = InMemoryOrb()
    assert (await orb.ping()).response == "pong"
    assert orb.with_options(timeout=Timeout(read_seconds=1.0)) is orb


def test_orbs_may_share_a_clock() -> None:
    """The clock is the test's own when it brings one."""
    clock = ManualClock()
    assert InMemoryOrb(clock=clock).clock is InMemoryOrb(clock=clock).clock


@pytest.mark.parametrize(
    "resource",
    ["customers", "items", "metrics", "prices", "plans", "features", "subscriptions", "invoices", "api_keys"],
)
def test_what_needs_a_server_says_so(resource: str) -> None:
    """A resource that is not imitated names the way to one that works."""
    with pytest.raises(NotImplementedError, match=rf"InMemoryOrb has no {resource}; Orb\.embedded"):
        getattr(InMemoryOrb(), resource).create  # noqa: B018 - looking is what is tested


def test_every_resource_of_an_orb_is_accounted_for() -> None:
    """A resource that a real Orb gets is imitated here or says that it is not."""
    public = {name for name in vars(Orb(base_url="http://app.test", api_key="key")) if not name.startswith("_")}
    assert public <= vars(InMemoryOrb()).keys()


async def test_every_agent_has_its_own() -> None:
    """Events and grants of an agent are apart from all others; asked for again, it is the same one."""
    orb = InMemoryOrb()
    first, second = orb.for_agent("one"), orb.for_agent("two")
    assert isinstance(first, InMemoryOrb)
    first.allow("sso")
    first.meter.track("login", "acme")
    assert orb.for_agent("one") is first
    assert (len(first.events), len(orb.events)) == (1, 0)
    assert await second.entitlements.has_feature("acme", "sso") is False
    assert first.clock is orb.clock


def test_an_agent_may_stand_alone() -> None:
    """``InMemoryOrb.for_agent`` needs no Orb before it, and checks the id."""
    assert isinstance(InMemoryOrb.for_agent("one"), InMemoryOrb)
    with pytest.raises(ConfigurationError):
        InMemoryOrb.for_agent("")
