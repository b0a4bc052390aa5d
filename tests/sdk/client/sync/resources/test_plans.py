# Made from tests/sdk/client/resources/test_plans.py by scripts/unasync.py: change that file and run it.
"""Plans as the client asks for them."""

from decimal import Decimal

import pytest

from orbdo_sdk import Price
from tests.support.answers import PLAN, PLAN_ID, PRICE, PRICE_ID, page
from tests.support.door import Asked, Door, sync_orb


def test_a_plan_is_made_of_prices_and_features(door: Door) -> None:
    """Prices may be ids or the prices themselves, features keys or grants."""
    door.tell(PRICE)
    door.tell(PLAN)
    with sync_orb(door) as orb:
        price: Price = orb.prices.get(PRICE_ID)
        plan = orb.plans.create(
            name="Pro",
            prices=[price, "price_other"],
            features=["sso", {"key": "api_calls", "limit": Decimal(1000), "meter_id": "met_1"}],
            external_plan_id="pro",
        )
    assert plan.id == PLAN_ID
    assert door.asked[1:] == [
        Asked(
            "POST",
            "/v1/plans",
            body={
                "name": "Pro",
                "currency": "USD",
                "external_plan_id": "pro",
                "prices": [{"price_id": PRICE_ID}, {"price_id": "price_other"}],
                "features": [{"key": "sso"}, {"key": "api_calls", "limit": 1000, "metric_id": "met_1"}],
            },
        )
    ]


def test_a_plan_may_say_more(door: Door) -> None:
    """Terms, memo, status, description and metadata travel when given."""
    door.tell(PLAN)
    with sync_orb(door) as orb:
        orb.plans.create(
            name="Pro",
            currency="EUR",
            description="for teams",
            net_terms=30,
            default_invoice_memo="Thank you",
            metadata={"team": "core"},
            status="draft",
        )
    assert door.asked[0].body == {
        "name": "Pro",
        "currency": "EUR",
        "description": "for teams",
        "net_terms": 30,
        "default_invoice_memo": "Thank you",
        "metadata": {"team": "core"},
        "status": "draft",
        "prices": [],
        "features": [],
    }


@pytest.mark.parametrize(
    ("plan_id", "path"), [(PLAN_ID, f"/v1/plans/{PLAN_ID}"), ("pro", "/v1/plans/external_plan_id/pro")]
)
def test_either_id_finds_a_plan(door: Door, plan_id: str, path: str) -> None:
    """A plan is found and changed by the server's id or the caller's own."""
    door.tell(PLAN)
    door.tell(PLAN)
    with sync_orb(door) as orb:
        assert (orb.plans.get(plan_id)).name == "Pro"
        orb.plans.update(plan_id, name="Pro", description="for teams", external_plan_id="pro-2", metadata={})
    assert door.asked == [
        Asked("GET", path),
        Asked(
            "PUT",
            path,
            body={"name": "Pro", "description": "for teams", "external_plan_id": "pro-2", "metadata": {}},
        ),
    ]


def test_the_features_of_a_plan_are_replaced(door: Door) -> None:
    """All features are said again, by key or with a limit."""
    door.tell(PLAN)
    with sync_orb(door) as orb:
        orb.plans.set_features(PLAN_ID, [{"feature_id": "feat_1", "limit": None}, {"key": "beta", "enabled": False}])
    assert door.asked == [
        Asked(
            "PUT",
            f"/v1/plans/{PLAN_ID}/features",
            body={"features": [{"feature_id": "feat_1", "limit": None}, {"key": "beta", "enabled": False}]},
        )
    ]


def test_plans_are_listed(door: Door) -> None:
    """A page of plans brings their prices along."""
    door.tell(page(PLAN))
    with sync_orb(door) as orb:
        listed = list(orb.plans.list())
    assert [price.id for plan in listed for price in plan.prices] == [PRICE_ID]
