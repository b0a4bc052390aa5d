"""Features, and plans that gather prices and features."""

from decimal import Decimal
from typing import Any

import pytest

from orbdo_server.core.errors import UnknownCurrencyError
from orbdo_server.core.plans import FeatureType, Plan, PlanFeature
from orbdo_server.engine import items, plans, prices
from orbdo_server.engine.plans import NewPlan, NewPlanFeature
from orbdo_server.engine.prices import NewPrice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError, DuplicateResourceError, InvalidRequestError, NotFoundError
from tests.server.conftest import NOW, TENANT

SQL = "SELECT count(*) FROM events"


@pytest.fixture
def item_id(transaction: Transaction) -> str:
    """An item to price."""
    return items.create_item(transaction, name="Seats", metadata={}).id


@pytest.fixture
def metric_id(transaction: Transaction) -> str:
    """A metric that can count against a limit."""
    made = items.create_metric(transaction, name="Calls", sql=SQL, item_id=None, description=None, metadata={})
    return made.id


def seats(item_id: str, *, currency: str = "USD", **changes: Any) -> NewPrice:
    """A fixed fee."""
    return NewPrice(
        name="Seats",
        item_id=item_id,
        currency=currency,
        cadence="monthly",
        model_type="unit",
        config={"unit_amount": "10.00"},
        fixed_price_quantity=Decimal(1),
        **changes,
    )


def feature(transaction: Transaction, key: str, kind: FeatureType = FeatureType.BOOLEAN) -> str:
    """The id of a new feature."""
    return plans.create_feature(transaction, key=key, name=key, kind=kind, metadata={}).id


def add(transaction: Transaction, *sold: str | NewPrice, **changes: Any) -> Plan:
    """A plan in dollars."""
    fields: dict[str, Any] = {"name": "Pro", "currency": "USD", "prices": sold, **changes}
    return plans.create_plan(transaction, NewPlan(**fields))


def test_a_feature_is_found_by_id_and_by_key(transaction: Transaction, rival: Transaction) -> None:
    """By its own tenant."""
    feature_id = feature(transaction, "sso")
    for name in (feature_id, "sso"):
        assert plans.require_feature(transaction, name).id == feature_id
        with pytest.raises(NotFoundError, match=f"Feature with identifier: {name}"):
            plans.require_feature(rival, name)


def test_a_key_is_taken_once(transaction: Transaction, rival: Transaction) -> None:
    """By another feature, or as the id of one; another tenant may use it."""
    feature_id = feature(transaction, "sso")
    for key in ("sso", feature_id):
        with pytest.raises(DuplicateResourceError):
            feature(transaction, key)
    assert feature(rival, "sso") != feature_id


def test_a_plan_brings_prices_along_and_takes_those_there_are(transaction: Transaction, item_id: str) -> None:
    """In the order they are given in."""
    known = prices.create_price(transaction, seats(item_id))
    plan = add(transaction, seats(item_id, external_price_id="seats"), known.id, external_plan_id="pro", net_terms=30)
    assert (plan.tenant, plan.created_at, plan.status, plan.version) == (TENANT, NOW, "active", 1)
    assert [price.external_price_id for price in plan.prices] == ["seats", None]
    assert plan.prices[1] == known
    assert plans.require_plan(transaction, plan.id) == plan
    assert plans.require_plan_by_external_id(transaction, "pro") == plan


def test_a_plan_is_in_one_currency(transaction: Transaction, item_id: str) -> None:
    """A known one, which is that of all its prices."""
    with pytest.raises(InvalidRequestError, match=r"prices\[1\].currency: is in EUR, the plan in USD"):
        add(transaction, seats(item_id), seats(item_id, currency="EUR"))
    with pytest.raises(UnknownCurrencyError):
        add(transaction, currency="XXX")


def test_a_price_is_in_a_plan_once(transaction: Transaction, item_id: str) -> None:
    """Twice would be billed twice."""
    price = prices.create_price(transaction, seats(item_id))
    with pytest.raises(InvalidRequestError, match=r"prices\[1\].price_id: is in the plan twice"):
        add(transaction, price.id, price.id)


def test_a_plan_takes_no_price_of_another_tenant(transaction: Transaction, rival: Transaction, item_id: str) -> None:
    """Nor a feature or a metric of theirs."""
    price = prices.create_price(transaction, seats(item_id))
    feature(transaction, "sso")
    with pytest.raises(NotFoundError, match="Price"):
        add(rival, price.id)
    with pytest.raises(NotFoundError, match="Feature"):
        add(rival, features=[NewPlanFeature(feature="sso")])


def test_an_external_id_is_taken_once(transaction: Transaction, rival: Transaction) -> None:
    """By a new plan or by a change; a plan may keep its own, and another tenant may use the same."""
    plan = add(transaction, external_plan_id="pro")
    with pytest.raises(DuplicateResourceError, match=plan.id):
        add(transaction, external_plan_id="pro")
    other = add(transaction)
    unchanged: dict[str, Any] = {"name": None, "description": None, "status": None, "metadata": None}
    with pytest.raises(DuplicateResourceError, match=plan.id):
        plans.update_plan(transaction, other, external_plan_id="pro", **unchanged)
    assert plans.update_plan(transaction, plan, external_plan_id="pro", **unchanged) == plan
    assert add(rival, external_plan_id="pro").id != plan.id


def test_a_plan_is_changed_in_its_words(transaction: Transaction) -> None:
    """What is not given stays."""
    plan = add(transaction, status="draft", description="All", metadata={"a": "b"})
    nothing: dict[str, Any] = dict.fromkeys(("name", "description", "external_plan_id", "status", "metadata"))
    assert plans.update_plan(transaction, plan, **nothing) == plan
    changed = plans.update_plan(
        transaction, plan, name="Team", description="", external_plan_id="team", status="active", metadata={}
    )
    assert (changed.name, changed.description, changed.external_plan_id) == ("Team", "", "team")
    assert (changed.status, changed.metadata) == ("active", {})
    assert plans.require_plan(transaction, plan.id) == changed


def test_a_plan_grants_features(transaction: Transaction, metric_id: str) -> None:
    """Named by key or id: a switch, a limit with its metric, a limit without end, and a value."""
    feature_id = feature(transaction, "sso")
    for key, kind in [("calls", FeatureType.LIMIT), ("seats", FeatureType.LIMIT), ("region", FeatureType.CONFIG)]:
        feature(transaction, key, kind)
    granted = [
        NewPlanFeature(feature=feature_id, enabled=False),
        NewPlanFeature(feature="calls", limit=Decimal(0), metric_id=metric_id),
        NewPlanFeature(feature="seats"),
        NewPlanFeature(feature="region", value=""),
    ]
    plan = add(transaction, features=granted)
    assert plan.features == (
        PlanFeature(feature=plans.require_feature(transaction, "sso"), enabled=False),
        PlanFeature(feature=plans.require_feature(transaction, "calls"), limit=Decimal(0), metric_id=metric_id),
        PlanFeature(feature=plans.require_feature(transaction, "seats")),
        PlanFeature(feature=plans.require_feature(transaction, "region"), value=""),
    )
    assert plans.require_plan(transaction, plan.id) == plan


@pytest.mark.parametrize(
    ("grant", "field"),
    [
        ({"feature": "sso", "limit": Decimal(1)}, "features[0].limit"),
        ({"feature": "sso", "metric_id": "met_1"}, "features[0].limit"),
        ({"feature": "sso", "value": "on"}, "features[0].value"),
        ({"feature": "calls", "limit": Decimal(1)}, "features[0].metric_id"),
        ({"feature": "calls", "limit": Decimal("-0.1"), "metric_id": "met_1"}, "features[0].limit"),
        ({"feature": "calls", "value": "many"}, "features[0].value"),
        ({"feature": "region"}, "features[0].value"),
        ({"feature": "region", "value": "eu", "limit": Decimal(1)}, "features[0].limit"),
    ],
)
def test_a_grant_fits_its_feature(transaction: Transaction, grant: dict[str, Any], field: str) -> None:
    """What a feature cannot have is refused, not ignored."""
    feature(transaction, "sso")
    feature(transaction, "calls", FeatureType.LIMIT)
    feature(transaction, "region", FeatureType.CONFIG)
    with pytest.raises(InvalidRequestError) as caught:
        add(transaction, features=[NewPlanFeature(**grant)])
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_feature_is_granted_once(transaction: Transaction) -> None:
    """By its key and by its id it is the same feature."""
    feature_id = feature(transaction, "sso")
    with pytest.raises(InvalidRequestError, match=r"features\[1\]: grants 'sso' a second time"):
        add(transaction, features=[NewPlanFeature(feature="sso"), NewPlanFeature(feature=feature_id)])


def test_a_limit_counts_an_active_metric(transaction: Transaction, metric_id: str) -> None:
    """One that exists and is not archived."""
    feature(transaction, "calls", FeatureType.LIMIT)
    items.set_metric_archived(transaction, metric_id, archived=True)
    with pytest.raises(ConstraintViolationError, match="is archived"):
        add(transaction, features=[NewPlanFeature(feature="calls", limit=Decimal(1), metric_id=metric_id)])
    with pytest.raises(NotFoundError, match="BillableMetric"):
        add(transaction, features=[NewPlanFeature(feature="calls", limit=Decimal(1), metric_id="met_unknown")])


def test_features_are_set_as_a_whole(transaction: Transaction) -> None:
    """What a plan granted before and is not given again, it grants no more."""
    feature(transaction, "sso")
    feature(transaction, "logs")
    plan = add(transaction, features=[NewPlanFeature(feature="sso")])
    changed = plans.set_plan_features(transaction, plan, [NewPlanFeature(feature="logs")])
    assert [granted.feature.key for granted in changed.features] == ["logs"]
    assert plans.require_plan(transaction, plan.id) == changed


def test_another_tenants_plan_does_not_exist(transaction: Transaction, rival: Transaction) -> None:
    """By neither id."""
    plan = add(transaction, external_plan_id="pro")
    with pytest.raises(NotFoundError, match=f"Plan with identifier: {plan.id}"):
        plans.require_plan(rival, plan.id)
    with pytest.raises(NotFoundError, match="Plan with identifier: pro"):
        plans.require_plan_by_external_id(rival, "pro")
