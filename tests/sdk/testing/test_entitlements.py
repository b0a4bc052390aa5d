"""What a test says that customers may do, asked through the client's own questions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orbdo_sdk.entitlement import Reason, Source
from orbdo_sdk.errors import ConnectionFailedError, NotFoundError
from orbdo_sdk.testing import InMemoryOrb

pytestmark = pytest.mark.anyio


async def test_nothing_is_granted_until_the_test_says_so() -> None:
    """A fresh Orb denies every feature to everyone."""
    orb = InMemoryOrb()
    assert await orb.entitlements.has_feature("acme", "sso") is False
    assert await orb.entitlements.get_limit("acme", "calls") == Decimal(0)


async def test_a_feature_is_granted_to_one_customer_or_to_all() -> None:
    """``customer_id`` narrows a grant to one customer."""
    orb = InMemoryOrb()
    orb.allow("sso", customer_id="acme")
    orb.allow("export")
    granted = [
        await orb.entitlements.has_feature(customer, feature)
        for customer in ("acme", "umbrella")
        for feature in ("sso", "export")
    ]
    assert granted == [True, True, False, True]


async def test_what_is_said_of_one_customer_goes_before_what_is_said_of_all() -> None:
    """A denial for one customer leaves the others what they have, in whichever order it was said."""
    orb = InMemoryOrb()
    orb.deny("sso", customer_id="umbrella")
    orb.allow("sso")
    assert await orb.entitlements.has_feature("acme", "sso") is True
    assert await orb.entitlements.has_feature("umbrella", "sso") is False


async def test_a_grant_can_be_taken_back() -> None:
    """The last word counts."""
    orb = InMemoryOrb()
    orb.allow("sso")
    orb.deny("sso")
    assert await orb.entitlements.has_feature("acme", "sso") is False


async def test_a_configured_value_is_part_of_the_grant() -> None:
    """A config feature brings its value."""
    orb = InMemoryOrb()
    orb.allow("region", value="eu")
    decision = await orb.entitlements.decide("acme", "region")
    assert (decision.allowed, decision.value) == (True, "eu")


async def test_a_limit_counts_what_is_used() -> None:
    """What was used before and what is used now add up, exactly, for the customer that used it."""
    orb = InMemoryOrb()
    orb.limit("tokens", 5, used=Decimal("0.5"))
    orb.use("tokens", Decimal("2.25"), customer_id="acme")
    orb.use("tokens")
    acme = await orb.entitlements.check_usage("acme", "tokens")
    umbrella = await orb.entitlements.check_usage("umbrella", "tokens")
    assert (acme.current, acme.limit, acme.remaining, acme.exceeded) == (
        Decimal("3.75"),
        Decimal(5),
        Decimal("1.25"),
        False,
    )
    assert umbrella.current == Decimal("1.5")


async def test_a_limit_without_bound_is_unlimited() -> None:
    """None is no limit."""
    orb = InMemoryOrb()
    orb.limit("calls", None)
    assert (await orb.entitlements.decide("acme", "calls", wanted=10**9)).reason is Reason.UNLIMITED


async def test_a_new_limit_keeps_what_was_used() -> None:
    """An upgrade in the middle of a period gives more room, not a fresh start."""
    orb = InMemoryOrb()
    orb.limit("calls", 5)
    orb.use("calls", 5)
    orb.limit("calls", 10)
    assert (await orb.entitlements.check_usage("acme", "calls")).remaining == Decimal(5)


async def test_a_limit_resets_with_its_period() -> None:
    """Each period counts what was used in it: the end of one is the start of the next, and nothing is lost between."""
    orb = InMemoryOrb()
    orb.limit("calls", 5, used=1, period=timedelta(hours=1))
    orb.use("calls", 2)
    first = await orb.entitlements.decide("acme", "calls")
    orb.clock.advance(timedelta(hours=1))
    orb.use("calls", 4)
    second = await orb.entitlements.decide("acme", "calls")
    orb.clock.advance(timedelta(hours=7, minutes=59))
    ninth = await orb.entitlements.decide("acme", "calls")
    assert (first.used, first.reset_at) == (Decimal(3), datetime(2026, 1, 1, 1, tzinfo=UTC))
    assert (second.used, second.reset_at) == (Decimal(4), datetime(2026, 1, 1, 2, tzinfo=UTC))
    assert (ninth.used, ninth.period_start) == (Decimal(0), datetime(2026, 1, 1, 8, tzinfo=UTC))


async def test_metered_events_count_against_a_limit() -> None:
    """A limit on a metric uses what the customer's events of the period add up to."""
    orb = InMemoryOrb()
    orb.metric("tokens_used", event_type="llm_request", sum_of="tokens")
    orb.limit("tokens", 100, metric_id="tokens_used", period=timedelta(hours=1))
    orb.meter.track("llm_request", "acme", properties={"tokens": 60})
    orb.meter.track("llm_request", "umbrella", properties={"tokens": 100})
    await orb.meter.ingest("llm_request", "acme", properties={"tokens": Decimal("39.5")})
    first = await orb.entitlements.check_usage("acme", "tokens")
    orb.clock.advance(timedelta(hours=1))
    second = await orb.entitlements.check_usage("acme", "tokens")
    assert (first.current, first.remaining) == (Decimal("99.5"), Decimal("0.5"))
    assert second.current == Decimal(0)


def test_a_limit_on_a_metric_needs_the_metric() -> None:
    """A metric that nobody described would count nothing without anybody noticing."""
    with pytest.raises(ValueError, match=r"describe the metric 'tokens_used' with orb\.metric"):
        InMemoryOrb().limit("tokens", 5, metric_id="tokens_used")


@pytest.mark.parametrize("period", [timedelta(0), timedelta(seconds=-1)])
def test_a_period_has_a_length(period: timedelta) -> None:
    """A period of no length would never end or never begin."""
    with pytest.raises(ValueError, match="period must be positive"):
        InMemoryOrb().limit("calls", 5, period=period)


def test_usage_needs_a_limit_to_count_against() -> None:
    """A feature without a limit, or with a misspelt name, is refused."""
    orb = InMemoryOrb()
    orb.allow("sso")
    orb.limit("calls", 5)
    with pytest.raises(ValueError, match="no limit was set for the feature 'sso'"):
        orb.use("sso")
    with pytest.raises(ValueError, match="no limit was set for the feature 'call'"):
        orb.use("call")


def test_quantities_are_exact() -> None:
    """A float is refused wherever a quantity is expected."""
    orb = InMemoryOrb()
    with pytest.raises(TypeError, match="limit must be an int or a Decimal"):
        orb.limit("calls", 1.5)  # type: ignore[arg-type]  # what is being tested
    with pytest.raises(TypeError, match="used must be an int or a Decimal"):
        orb.limit("calls", 1, used=0.5)  # type: ignore[arg-type]  # what is being tested
    orb.limit("calls", 1)
    with pytest.raises(TypeError, match="quantity must be an int or a Decimal"):
        orb.use("calls", 0.5)  # type: ignore[arg-type]  # what is being tested


async def test_every_customer_is_known_but_the_forgotten_ones() -> None:
    """A customer the server does not know has no snapshot, whatever everyone is granted."""
    orb = InMemoryOrb()
    orb.allow("sso")
    assert orb.entitlements.peek("ghost") is not None
    orb.forget_customer("ghost")
    assert orb.entitlements.peek("ghost") is None
    assert (await orb.entitlements.decide("ghost", "sso")).reason is Reason.UNKNOWN_CUSTOMER
    with pytest.raises(NotFoundError, match="no customer 'ghost'"):
        await orb.entitlements.snapshot("ghost")


async def test_an_outage_leaves_the_last_snapshot() -> None:
    """What was asked before goes on to be answered, as stale; what was not cannot be."""
    orb = InMemoryOrb()
    orb.allow("sso")
    fresh = await orb.entitlements.decide("acme", "sso")
    orb.reachable = False
    orb.deny("sso")
    stale = await orb.entitlements.decide("acme", "sso")
    assert (fresh.allowed, fresh.source) == (True, Source.SNAPSHOT)
    assert (stale.allowed, stale.source) == (True, Source.STALE)
    with pytest.raises(ConnectionFailedError, match="the in-memory Orb is unreachable"):
        await orb.entitlements.has_feature("umbrella", "sso")
    orb.reachable = True
    assert (await orb.entitlements.decide("acme", "sso")).allowed is False


async def test_snapshots_have_a_version_that_changes_with_the_grants() -> None:
    """Two snapshots of the same grants have the same version, one after a change has another."""
    orb = InMemoryOrb()
    before = await orb.entitlements.fetch("acme")
    again = await orb.entitlements.fetch("acme")
    orb.allow("sso")
    after = await orb.entitlements.fetch("acme")
    assert before.version == again.version != after.version
    assert before.generated_at == datetime(2026, 1, 1, tzinfo=UTC)
