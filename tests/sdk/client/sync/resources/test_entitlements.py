# Made from tests/sdk/client/resources/test_entitlements.py by scripts/unasync.py: change that file and run it.
"""Entitlements as apps ask for them; how snapshots are kept is tested beside ``_snapshots``."""

from decimal import Decimal

import pytest

from orbdo_sdk import Reason, Source, UsageCheck
from tests.support.answers import CUSTOMER, NOT_FOUND, PLAN, SNAPSHOT, SUBSCRIPTION
from tests.support.door import Asked, Door, sync_orb


@pytest.mark.parametrize(
    ("key", "has"),
    [("sso", True), ("region", True), ("beta", False), ("exports", True), ("seats", True), ("unheard_of", False)],
)
def test_a_feature_is_had_or_not(door: Door, key: str, *, has: bool) -> None:
    """A switch counts when it is on, a limit even when it is used up, and what is not listed never."""
    door.tell(SNAPSHOT)
    with sync_orb(door) as orb:
        assert orb.entitlements.has_feature("acme", key) is has
    assert door.asked == [Asked("GET", "/v1/entitlements/acme")]


@pytest.mark.parametrize(
    ("key", "limit"),
    [("api_calls", Decimal(1000)), ("seats", None), ("sso", None), ("beta", Decimal(0)), ("unheard_of", Decimal(0))],
)
def test_a_limit_is_a_number_or_none(door: Door, key: str, limit: Decimal | None) -> None:
    """None is no limit, and what is not granted has a limit of nothing."""
    door.tell(SNAPSHOT)
    with sync_orb(door) as orb:
        assert orb.entitlements.get_limit("acme", key) == limit


@pytest.mark.parametrize(
    ("key", "check"),
    [
        (
            "api_calls",
            UsageCheck(current=Decimal("400.5"), limit=Decimal(1000), remaining=Decimal("599.5"), exceeded=False),
        ),
        ("exports", UsageCheck(current=Decimal(10), limit=Decimal(10), remaining=Decimal(0), exceeded=True)),
        ("seats", UsageCheck(current=Decimal(7), limit=None, remaining=None, exceeded=False)),
        ("sso", UsageCheck(current=Decimal(0), limit=None, remaining=None, exceeded=False)),
        ("unheard_of", UsageCheck(current=Decimal(0), limit=Decimal(0), remaining=Decimal(0), exceeded=True)),
    ],
)
def test_usage_is_checked_against_the_limit(door: Door, key: str, check: UsageCheck) -> None:
    """What is used, what is left, and whether one more would be too much."""
    door.tell(SNAPSHOT)
    with sync_orb(door) as orb:
        assert orb.entitlements.check_usage("acme", key) == check


def test_one_snapshot_answers_every_question(door: Door) -> None:
    """The server is asked once, however many questions follow."""
    door.tell(SNAPSHOT)
    with sync_orb(door) as orb:
        assert orb.entitlements.has_feature("acme", "sso")
        decision = orb.entitlements.decide("acme", "api_calls", wanted=Decimal("599.5"))
        assert (decision.allowed, decision.reason, decision.source) == (True, Reason.GRANTED, Source.SNAPSHOT)
        denied = orb.entitlements.decide("acme", "api_calls", wanted=600)
        assert (denied.allowed, denied.reason) == (False, Reason.LIMIT_REACHED)
        assert (orb.entitlements.snapshot("acme")).version == "v1"
        assert orb.entitlements.peek("acme") is orb.entitlements.snapshot("acme")
    assert door.asked == [Asked("GET", "/v1/entitlements/acme")]


def test_a_customer_that_is_not_known_has_nothing(door: Door) -> None:
    """Every question has a safe answer, the server being asked once."""
    door.tell(NOT_FOUND, status=404)
    with sync_orb(door) as orb:
        assert orb.entitlements.has_feature("nobody", "sso") is False
        assert orb.entitlements.get_limit("nobody", "api_calls") == Decimal(0)
        assert (orb.entitlements.check_usage("nobody", "api_calls")).exceeded is True
        decision = orb.entitlements.decide("nobody", "sso")
    assert (decision.allowed, decision.reason, decision.source) == (False, Reason.UNKNOWN_CUSTOMER, Source.DEFAULT)
    assert len(door.asked) == 1


def test_the_server_is_asked_again_when_told_to(door: Door) -> None:
    """``fetch`` brings the newest snapshot, for the questions that follow too."""
    door.tell(SNAPSHOT)
    door.tell({**SNAPSHOT, "version": "v2"})
    with sync_orb(door) as orb:
        orb.entitlements.snapshot("acme")
        assert (orb.entitlements.fetch("acme")).version == "v2"
        assert (orb.entitlements.snapshot("acme")).version == "v2"


def test_a_decision_in_an_outage_is_stale(door: Door) -> None:
    """A change of this client outdates the snapshot; when the server cannot be asked, it decides all the same."""
    door.tell(SNAPSHOT)
    door.tell(CUSTOMER)
    for _ in range(2):
        door.tell(status=503)
    with sync_orb(door) as orb:
        assert (orb.entitlements.decide("acme", "sso")).source is Source.SNAPSHOT
        assert orb.entitlements.is_stale("acme") is False
        orb.customers.create(customer_id="bolt", email="billing@bolt.test")
        assert orb.entitlements.peek("acme") is None
        decision = orb.entitlements.decide("acme", "sso")
        assert (decision.allowed, decision.source) == (True, Source.STALE)
        assert orb.entitlements.is_stale("acme") is True


@pytest.mark.parametrize("change", ["create", "update", "cancel", "set_features"])
def test_changes_of_this_client_are_seen_at_once(door: Door, change: str) -> None:
    """The next question after a change asks the server."""
    door.tell(SNAPSHOT)
    door.tell(PLAN if change == "set_features" else SUBSCRIPTION)
    door.tell({**SNAPSHOT, "version": "v2"})
    with sync_orb(door) as orb:
        orb.entitlements.snapshot("acme")
        if change == "create":
            orb.subscriptions.create(customer_id="acme", plan_id="pro")
        elif change == "update":
            orb.subscriptions.update("sub_1", plan_id="pro")
        elif change == "cancel":
            orb.subscriptions.cancel("sub_1")
        else:
            orb.plans.set_features("plan_1", ["sso"])
        assert (orb.entitlements.snapshot("acme")).version == "v2"
