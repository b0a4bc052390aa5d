"""Plans on disk, with their prices and features in order."""

from decimal import Decimal

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from orbdo_server.core.plans import Feature, FeatureType, Plan, PlanFeature
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import features, items, metrics, plans, prices
from tests.server.conftest import NOW, RIVAL, TENANT
from tests.support.billing import ITEM, METRIC, fixed_price, usage_price

CALLS = Feature(id="feat_calls", tenant=TENANT, key="calls", name="Calls", type=FeatureType.LIMIT, created_at=NOW)
REGION = Feature(id="feat_reg", tenant=TENANT, key="region", name="Region", type=FeatureType.CONFIG, created_at=NOW)
PLAN = Plan(
    id="plan_1",
    tenant=TENANT,
    name="Pro",
    currency="USD",
    created_at=NOW,
    description="All of it",
    external_plan_id="pro",
    net_terms=30,
    default_invoice_memo="Thank you",
    metadata={"a": "b"},
    prices=(usage_price("price_b"), fixed_price("price_a")),
    features=(
        PlanFeature(feature=REGION, value="eu"),
        PlanFeature(feature=CALLS, enabled=False, limit=Decimal("10.50"), metric_id=METRIC.id),
    ),
)


@pytest.fixture(autouse=True)
def _kept(transaction: Transaction) -> None:
    """What the plan refers to."""
    items.insert(transaction.connection, ITEM)
    metrics.insert(transaction.connection, METRIC)
    for price in PLAN.prices:
        prices.insert(transaction.connection, price)
    for feature in (CALLS, REGION):
        features.insert(transaction.connection, feature)


def test_a_plan_comes_back_as_it_was_kept(transaction: Transaction) -> None:
    """Prices and features in the order they were given in, and only for its own tenant."""
    plans.insert(transaction.connection, PLAN)
    assert plans.get(transaction.connection, tenant=TENANT, plan_id="plan_1") == PLAN
    assert plans.get(transaction.connection, tenant=RIVAL, plan_id="plan_1") is None
    find = plans.find_by_external_id
    assert find(transaction.connection, tenant=TENANT, external_plan_id="pro") == PLAN
    assert find(transaction.connection, tenant=RIVAL, external_plan_id="pro") is None


def test_a_plan_may_be_nearly_empty(transaction: Transaction) -> None:
    """Neither prices nor features are needed, and what is left out stays left out."""
    plan = Plan(id="plan_2", tenant=TENANT, name="Free", currency="JPY", created_at=NOW, status="draft")
    plans.insert(transaction.connection, plan)
    assert plans.get(transaction.connection, tenant=TENANT, plan_id="plan_2") == plan


def test_an_external_id_is_unique_to_the_tenant(transaction: Transaction) -> None:
    """The database itself refuses a second one."""
    plans.insert(transaction.connection, PLAN)
    with pytest.raises(IntegrityError):
        plans.insert(transaction.connection, msgspec.structs.replace(PLAN, id="plan_2"))


def test_a_change_is_kept(transaction: Transaction) -> None:
    """Name, description, external id, status and metadata; what it costs is not changed in place."""
    plans.insert(transaction.connection, PLAN)
    changed = msgspec.structs.replace(
        PLAN, name="Team", description="", external_plan_id="team", status="draft", metadata={}
    )
    plans.update(transaction.connection, msgspec.structs.replace(changed, currency="EUR", prices=(), net_terms=1))
    assert plans.get(transaction.connection, tenant=TENANT, plan_id="plan_1") == changed
    plans.update(transaction.connection, msgspec.structs.replace(changed, tenant=RIVAL, name="Theirs"))
    assert plans.get(transaction.connection, tenant=TENANT, plan_id="plan_1") == changed


def test_features_are_replaced_as_a_whole(transaction: Transaction) -> None:
    """Those that are not given any more are gone."""
    plans.insert(transaction.connection, PLAN)
    changed = msgspec.structs.replace(PLAN, features=(PlanFeature(feature=CALLS, metric_id=None),))
    plans.replace_features(transaction.connection, changed)
    assert plans.get(transaction.connection, tenant=TENANT, plan_id="plan_1") == changed


def test_plans_are_listed_for_their_tenant(transaction: Transaction) -> None:
    """Another tenant's list is empty."""
    plans.insert(transaction.connection, PLAN)
    assert plans.page(transaction.connection, tenant=TENANT, after=None, limit=5) == ([PLAN], False)
    assert plans.page(transaction.connection, tenant=RIVAL, after=None, limit=5) == ([], False)
