"""Features and plans over HTTP."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orbdo_sdk.wire import Feature as WireFeature
from orbdo_sdk.wire import Page
from orbdo_sdk.wire import Plan as WirePlan
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery
from orbdo_server.api.fields import Currency, Exact, ExternalId, Id, Metadata, Name
from orbdo_server.api.items import Description
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.api.prices import NewPlanPriceBody, answer_prices, to_new_price
from orbdo_server.api.render.catalog import render_feature, render_plan
from orbdo_server.core.plans import FeatureType, Plan
from orbdo_server.engine import plans as engine
from orbdo_server.engine.plans import NewPlan, NewPlanFeature
from orbdo_server.engine.prices import NewPrice
from orbdo_server.storage import features, plans

PLAN_PRICES_MAX = 200
PLAN_FEATURES_MAX = 500
NET_TERMS_DAYS_MAX = 365
FEATURE_KEY_PATTERN = r"^[a-z][a-z0-9_.-]{0,63}$"
FEATURE_VALUE_LENGTH_MAX = 1_000


class NewFeatureBody(Body):
    """A feature to make; without a name it is called by its key."""

    key: Annotated[str, Field(pattern=FEATURE_KEY_PATTERN)]
    type: FeatureType = FeatureType.BOOLEAN
    name: Name | None = None
    metadata: Metadata | None = None


class PlanFeatureBody(Body):
    """What a plan grants of a feature, named by ``key`` or ``feature_id``."""

    key: Id | None = None
    feature_id: Id | None = None
    enabled: bool = True
    limit: Exact | None = None
    value: Annotated[str, Field(max_length=FEATURE_VALUE_LENGTH_MAX)] | None = None
    metric_id: Id | None = None

    @model_validator(mode="after")
    def _names_one_feature(self) -> Self:
        if (self.key is None) == (self.feature_id is None):
            message = "give exactly one of key and feature_id"
            raise ValueError(message)
        return self

    @property
    def name(self) -> str:
        """Whichever of the two was given."""
        name = self.key or self.feature_id
        assert name is not None, "one of the two is given"
        return name


class PlanPriceBody(Body):
    """One price of a plan: a new one, or the id of an existing one."""

    price: NewPlanPriceBody | None = None
    price_id: Id | None = None

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        if (self.price is None) == (self.price_id is None):
            message = "give exactly one of price and price_id"
            raise ValueError(message)
        return self


class NewPlanBody(Body):
    """A plan to make."""

    name: Name
    currency: Currency
    prices: Annotated[list[PlanPriceBody], Field(max_length=PLAN_PRICES_MAX)]
    features: Annotated[list[PlanFeatureBody], Field(max_length=PLAN_FEATURES_MAX)] = []
    external_plan_id: ExternalId | None = None
    description: Description | None = None
    status: Literal["active", "draft"] = "active"
    net_terms: Annotated[int, Field(ge=0, le=NET_TERMS_DAYS_MAX)] | None = None
    default_invoice_memo: Description | None = None
    metadata: Metadata | None = None


class PlanChange(Body):
    """What to change of a plan; its prices stay. A draft can be made active, an active plan no draft."""

    name: Name | None = None
    status: Literal["active"] | None = None
    description: Description | None = None
    external_plan_id: ExternalId | None = None
    metadata: Metadata | None = None


class PlanFeaturesBody(Body):
    """The features a plan is to grant, all of them."""

    features: Annotated[list[PlanFeatureBody], Field(max_length=PLAN_FEATURES_MAX)]


def create_feature(call: Call[NewFeatureBody, NoQuery]) -> WireFeature:
    """A new feature."""
    feature = engine.create_feature(
        call.transaction,
        key=call.body.key,
        name=call.body.name or call.body.key,
        kind=call.body.type,
        metadata=call.body.metadata or {},
    )
    return render_feature(feature)


def list_features(call: Call[NoBody, ListQuery]) -> Page[WireFeature]:
    """Features, newest first."""
    connection = call.transaction.connection
    return answer_page(
        call,
        "features",
        lambda after, limit: features.page(connection, tenant=call.tenant, after=after, limit=limit),
        render_feature,
    )


def fetch_feature(call: Call[NoBody, NoQuery]) -> WireFeature:
    """One feature, by its id or its key."""
    return render_feature(engine.require_feature(call.transaction, call.path["feature"]))


def create_plan(call: Call[NewPlanBody, NoQuery]) -> WirePlan:
    """A new plan, with the prices it brings along."""
    body = call.body
    new = NewPlan(
        name=body.name,
        currency=body.currency,
        prices=[_price(entry, currency=body.currency) for entry in body.prices],
        features=_features(body.features),
        external_plan_id=body.external_plan_id,
        description=body.description or "",
        status=body.status,
        net_terms=body.net_terms,
        default_invoice_memo=body.default_invoice_memo,
        metadata=body.metadata or {},
    )
    return answer_plan(call, engine.create_plan(call.transaction, new))


def list_plans(call: Call[NoBody, ListQuery]) -> Page[WirePlan]:
    """Plans, newest first."""
    connection = call.transaction.connection
    return answer_page(
        call,
        "plans",
        lambda after, limit: plans.page(connection, tenant=call.tenant, after=after, limit=limit),
        lambda plan: answer_plan(call, plan),
    )


def fetch_plan(call: Call[NoBody, NoQuery]) -> WirePlan:
    """One plan."""
    return answer_plan(call, engine.require_plan(call.transaction, call.path["plan_id"]))


def fetch_plan_by_external_id(call: Call[NoBody, NoQuery]) -> WirePlan:
    """The plan with this id in the caller's own system."""
    plan = engine.require_plan_by_external_id(call.transaction, call.path["external_plan_id"])
    return answer_plan(call, plan)


def update_plan(call: Call[PlanChange, NoQuery]) -> WirePlan:
    """The plan, changed."""
    return _update(call, engine.require_plan(call.transaction, call.path["plan_id"]))


def update_plan_by_external_id(call: Call[PlanChange, NoQuery]) -> WirePlan:
    """The plan with this id in the caller's own system, changed."""
    return _update(call, engine.require_plan_by_external_id(call.transaction, call.path["external_plan_id"]))


def set_features(call: Call[PlanFeaturesBody, NoQuery]) -> WirePlan:
    """The plan, granting exactly the features given."""
    plan = engine.require_plan(call.transaction, call.path["plan_id"])
    return answer_plan(call, engine.set_plan_features(call.transaction, plan, _features(call.body.features)))


def answer_plan(call: Call[Any, Any], plan: Plan) -> WirePlan:
    """A plan with its prices."""
    return render_plan(plan, prices=answer_prices(call, plan.prices))


def _update(call: Call[PlanChange, NoQuery], plan: Plan) -> WirePlan:
    changed = engine.update_plan(
        call.transaction,
        plan,
        name=call.body.name,
        description=call.body.description,
        external_plan_id=call.body.external_plan_id,
        status=call.body.status,
        metadata=call.body.metadata,
    )
    return answer_plan(call, changed)


def _price(entry: PlanPriceBody, *, currency: str) -> str | NewPrice:
    if entry.price is not None:
        return to_new_price(entry.price, currency=entry.price.currency or currency)
    assert entry.price_id is not None, "one of the two is given"
    return entry.price_id


def _features(entries: list[PlanFeatureBody]) -> list[NewPlanFeature]:
    return [
        NewPlanFeature(
            feature=entry.name,
            enabled=entry.enabled,
            limit=entry.limit,
            value=entry.value,
            metric_id=entry.metric_id,
        )
        for entry in entries
    ]


READ, WRITE = "catalog:read", "catalog:write"
BY_EXTERNAL_ID = "/plans/external_plan_id/{external_plan_id}"
ENDPOINTS = (
    Endpoint(
        "POST", "/features", create_feature, WRITE, "Make a feature.", WireFeature, body=NewFeatureBody, tag="features"
    ),
    Endpoint(
        "GET", "/features", list_features, READ, "List features.", Page[WireFeature], query=ListQuery, tag="features"
    ),
    Endpoint("GET", "/features/{feature}", fetch_feature, READ, "Fetch a feature.", WireFeature, tag="features"),
    Endpoint("POST", "/plans", create_plan, WRITE, "Make a plan.", WirePlan, body=NewPlanBody, tag="plans"),
    Endpoint("GET", "/plans", list_plans, READ, "List plans.", Page[WirePlan], query=ListQuery, tag="plans"),
    Endpoint("GET", BY_EXTERNAL_ID, fetch_plan_by_external_id, READ, "Fetch a plan by your id.", WirePlan, tag="plans"),
    Endpoint(
        "PUT",
        BY_EXTERNAL_ID,
        update_plan_by_external_id,
        WRITE,
        "Change a plan by your id.",
        WirePlan,
        body=PlanChange,
        tag="plans",
    ),
    Endpoint("GET", "/plans/{plan_id}", fetch_plan, READ, "Fetch a plan.", WirePlan, tag="plans"),
    Endpoint("PUT", "/plans/{plan_id}", update_plan, WRITE, "Change a plan.", WirePlan, body=PlanChange, tag="plans"),
    Endpoint(
        "PUT",
        "/plans/{plan_id}/features",
        set_features,
        WRITE,
        "Set what a plan grants.",
        WirePlan,
        body=PlanFeaturesBody,
        tag="plans",
    ),
)
