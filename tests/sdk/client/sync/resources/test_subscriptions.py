# Made from tests/sdk/client/resources/test_subscriptions.py by scripts/unasync.py: change that file and run it.
"""Subscriptions as the client asks for them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.support.answers import CUSTOMER_ID, PLAN_ID, SUBSCRIPTION, page
from tests.support.door import Asked, Door, sync_orb

NAIVE = datetime(2023, 11, 1)  # noqa: DTZ001 - what the client refuses
CHANGE = "/v1/subscriptions/sub_1/schedule_plan_change"
CANCEL = "/v1/subscriptions/sub_1/cancel"


def test_a_subscription_is_a_customer_on_a_plan(door: Door) -> None:
    """Both may be named by the caller's own ids."""
    door.tell(SUBSCRIPTION)
    with sync_orb(door) as orb:
        assert (orb.subscriptions.create(customer_id="acme", plan_id="pro")).id == "sub_1"
    assert door.asked == [
        Asked("POST", "/v1/subscriptions", body={"external_customer_id": "acme", "external_plan_id": "pro"})
    ]


def test_a_subscription_may_have_items_of_its_own(door: Door) -> None:
    """Prices, instants and everything else travel under the wire's names."""
    door.tell(SUBSCRIPTION)
    with sync_orb(door) as orb:
        orb.subscriptions.create(
            customer_id=CUSTOMER_ID,
            plan_id=PLAN_ID,
            items=[{"price_id": "price_1"}, {"price_id": "price_2", "quantity": 5}],
            start_date=datetime(2023, 11, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            end_date=datetime(2024, 11, 1, tzinfo=UTC),
            align_billing_with_subscription_start_date=False,
            billing_cycle_day=31,
            name="main",
            net_terms=14,
            metadata={"team": "core"},
        )
    assert door.asked[0].body == {
        "customer_id": CUSTOMER_ID,
        "plan_id": PLAN_ID,
        "start_date": "2023-11-01T00:00:00Z",
        "end_date": "2024-11-01T00:00:00Z",
        "name": "main",
        "net_terms": 14,
        "metadata": {"team": "core"},
        "add_prices": [{"price_id": "price_1"}, {"price_id": "price_2", "fixed_price_quantity": 5}],
        "align_billing_with_subscription_start_date": False,
        "billing_cycle_anchor_configuration": {"day": 31},
    }


def test_a_naive_instant_is_refused(door: Door) -> None:
    """It could mean any instant, and nothing is sent."""
    with sync_orb(door) as orb, pytest.raises(ValueError, match="start_date must be an aware datetime"):
        orb.subscriptions.create(customer_id="acme", plan_id="pro", start_date=NAIVE)
    assert door.asked == []


def test_a_subscription_is_found_and_listed(door: Door) -> None:
    """A list may be one customer's."""
    door.tell(SUBSCRIPTION)
    door.tell(page(SUBSCRIPTION))
    with sync_orb(door) as orb:
        assert (orb.subscriptions.get("sub_1")).status == "active"
        assert [one.id for one in orb.subscriptions.list(customer_id="acme", limit=5)] == ["sub_1"]
    assert door.asked == [
        Asked("GET", "/v1/subscriptions/sub_1"),
        Asked("GET", "/v1/subscriptions", query=(("external_customer_id", "acme"), ("limit", "5"))),
    ]


def test_a_prorated_change_happens_at_once(door: Door) -> None:
    """Prorating splits the period now; not prorating waits for its end; an instant of one's own wins."""
    for _ in range(3):
        door.tell(SUBSCRIPTION)
    with sync_orb(door) as orb:
        orb.subscriptions.update("sub_1", plan_id="scale")
        orb.subscriptions.update("sub_1", plan_id=PLAN_ID, prorate=False)
        orb.subscriptions.update("sub_1", plan_id="scale", at=datetime(2026, 2, 3, tzinfo=UTC))
    assert door.asked == [
        Asked("POST", CHANGE, body={"external_plan_id": "scale", "change_option": "immediate"}),
        Asked("POST", CHANGE, body={"plan_id": PLAN_ID, "change_option": "end_of_subscription_term"}),
        Asked(
            "POST",
            CHANGE,
            body={
                "external_plan_id": "scale",
                "change_option": "requested_date",
                "change_date": "2026-02-03T00:00:00Z",
            },
        ),
    ]


def test_a_cancellation_waits_for_the_end_of_the_period(door: Door) -> None:
    """It can also be at once, or at an instant."""
    for _ in range(3):
        door.tell({**SUBSCRIPTION, "end_date": "2026-02-01T00:00:00Z"})
    with sync_orb(door) as orb:
        ended = orb.subscriptions.cancel("sub_1")
        orb.subscriptions.cancel("sub_1", at_period_end=False)
        orb.subscriptions.cancel("sub_1", at=datetime(2026, 1, 15, tzinfo=UTC))
    assert ended.end_date == datetime(2026, 2, 1, tzinfo=UTC)
    assert door.asked == [
        Asked("POST", CANCEL, body={"cancel_option": "end_of_subscription_term"}),
        Asked("POST", CANCEL, body={"cancel_option": "immediate"}),
        Asked("POST", CANCEL, body={"cancel_option": "requested_date", "cancellation_date": "2026-01-15T00:00:00Z"}),
    ]


def test_details_are_changed_without_touching_costs(door: Door) -> None:
    """Name, payment term and metadata have a request of their own."""
    door.tell(SUBSCRIPTION)
    with sync_orb(door) as orb:
        orb.subscriptions.set_details("sub_1", name="main", net_terms=30, metadata={"team": "core"})
    assert door.asked == [
        Asked("PUT", "/v1/subscriptions/sub_1", body={"name": "main", "net_terms": 30, "metadata": {"team": "core"}})
    ]
