"""Features, and plans that gather prices and features."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from orbdo_server.core.money import minor_digits
from orbdo_server.core.plans import Feature, FeatureType, Plan, PlanFeature, PlanStatus, Price
from orbdo_server.engine.items import require_active_metric
from orbdo_server.engine.prices import NewPrice, create_price, require_price
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import DuplicateResourceError, InvalidRequestError, NotFoundError
from orbdo_server.storage import features, plans


class NewPlanFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature as a plan is to grant it, named by its id or its key."""

    feature: str
    enabled: bool = True
    limit: Decimal | None = None
    value: str | None = None
    metric_id: str | None = None


class NewPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan to make; each price is an existing one's id or a price to make."""

    name: str
    currency: str
    prices: Sequence[str | NewPrice]
    features: Sequence[NewPlanFeature] = ()
    external_plan_id: str | None = None
    description: str = ""
    status: PlanStatus = "active"
    net_terms: int | None = None
    default_invoice_memo: str | None = None
    metadata: dict[str, str] = {}


def create_feature(
    transaction: Transaction, *, key: str, name: str, kind: FeatureType, metadata: dict[str, str]
) -> Feature:
    """A new feature; raises ``DuplicateResourceError`` when the key is taken."""
    known = features.find(transaction.connection, tenant=transaction.tenant, id_or_key=key)
    if known is not None:
        raise DuplicateResourceError.of("key", f"is that of the feature {known.id} already")
    feature = Feature(
        id=transaction.new_id("feat"),
        tenant=transaction.tenant,
        key=key,
        name=name,
        type=kind,
        created_at=transaction.now,
        metadata=metadata,
    )
    features.insert(transaction.connection, feature)
    return feature


def require_feature(transaction: Transaction, id_or_key: str) -> Feature:
    """The feature; raises ``NotFoundError``."""
    feature = features.find(transaction.connection, tenant=transaction.tenant, id_or_key=id_or_key)
    if feature is None:
        raise NotFoundError.of("Feature", id_or_key)
    return feature


def create_plan(transaction: Transaction, new: NewPlan) -> Plan:
    """A new plan, with the prices it brings along.

    Raises what ``create_price`` raises, ``InvalidRequestError`` for a price in another currency, and
    ``DuplicateResourceError`` when the external id is taken.
    """
    minor_digits(new.currency)
    _check_external_id(transaction, new.external_plan_id, plan_id=None)
    plan = Plan(
        id=transaction.new_id("plan"),
        tenant=transaction.tenant,
        name=new.name,
        currency=new.currency,
        created_at=transaction.now,
        description=new.description,
        external_plan_id=new.external_plan_id,
        status=new.status,
        net_terms=new.net_terms,
        default_invoice_memo=new.default_invoice_memo,
        metadata=new.metadata,
        prices=tuple(_price(transaction, price) for price in new.prices),
        features=_features(transaction, new.features),
    )
    _check_prices(plan)
    plans.insert(transaction.connection, plan)
    return plan


def require_plan(transaction: Transaction, plan_id: str) -> Plan:
    """The plan; raises ``NotFoundError``."""
    plan = plans.get(transaction.connection, tenant=transaction.tenant, plan_id=plan_id)
    if plan is None:
        raise NotFoundError.of("Plan", plan_id)
    return plan


def require_plan_by_external_id(transaction: Transaction, external_plan_id: str) -> Plan:
    """The plan with this id in the caller's own system; raises ``NotFoundError``."""
    plan = plans.find_by_external_id(
        transaction.connection, tenant=transaction.tenant, external_plan_id=external_plan_id
    )
    if plan is None:
        raise NotFoundError.of("Plan", external_plan_id)
    return plan


def update_plan(
    transaction: Transaction,
    plan: Plan,
    *,
    name: str | None,
    description: str | None,
    external_plan_id: str | None,
    status: PlanStatus | None,
    metadata: dict[str, str] | None,
) -> Plan:
    """The plan with another name, description, external id, status or metadata; None leaves what is there."""
    _check_external_id(transaction, external_plan_id, plan_id=plan.id)
    changed = msgspec.structs.replace(
        plan,
        name=name or plan.name,
        description=plan.description if description is None else description,
        external_plan_id=external_plan_id or plan.external_plan_id,
        status=status or plan.status,
        metadata=plan.metadata if metadata is None else metadata,
    )
    plans.update(transaction.connection, changed)
    return changed


def set_plan_features(transaction: Transaction, plan: Plan, new: Sequence[NewPlanFeature]) -> Plan:
    """The plan granting exactly these features, at once to everyone who is on it."""
    changed = msgspec.structs.replace(plan, features=_features(transaction, new))
    plans.replace_features(transaction.connection, changed)
    return changed


def _price(transaction: Transaction, new: str | NewPrice) -> Price:
    return require_price(transaction, new) if isinstance(new, str) else create_price(transaction, new)


def _check_prices(plan: Plan) -> None:
    seen: set[str] = set()
    for index, price in enumerate(plan.prices):
        if price.currency != plan.currency:
            message = f"is in {price.currency}, the plan in {plan.currency}"
            raise InvalidRequestError.of(f"prices[{index}].currency", message)
        if price.id in seen:
            raise InvalidRequestError.of(f"prices[{index}].price_id", "is in the plan twice")
        seen.add(price.id)


def _features(transaction: Transaction, new: Sequence[NewPlanFeature]) -> tuple[PlanFeature, ...]:
    granted: dict[str, PlanFeature] = {}
    for index, entry in enumerate(new):
        feature = require_feature(transaction, entry.feature)
        _check_grant(transaction, feature, entry, where=f"features[{index}]")
        if feature.id in granted:
            raise InvalidRequestError.of(f"features[{index}]", f"grants {feature.key!r} a second time")
        granted[feature.id] = PlanFeature(
            feature=feature,
            enabled=entry.enabled,
            limit=entry.limit,
            value=entry.value,
            metric_id=entry.metric_id,
        )
    return tuple(granted.values())


def _check_grant(transaction: Transaction, feature: Feature, new: NewPlanFeature, *, where: str) -> None:
    is_limit = feature.type is FeatureType.LIMIT
    if not is_limit and (new.limit is not None or new.metric_id is not None):
        raise InvalidRequestError.of(f"{where}.limit", f"{feature.key!r} is a {feature.type} feature and has no limit")
    if new.limit is not None and new.limit < 0:
        raise InvalidRequestError.of(f"{where}.limit", "is below 0")
    if is_limit and new.limit is not None and new.metric_id is None:
        raise InvalidRequestError.of(f"{where}.metric_id", "a limit needs the metric that counts against it")
    if feature.type is FeatureType.CONFIG and new.value is None:
        raise InvalidRequestError.of(f"{where}.value", f"{feature.key!r} is a config feature and needs a value")
    if feature.type is not FeatureType.CONFIG and new.value is not None:
        raise InvalidRequestError.of(f"{where}.value", f"{feature.key!r} is a {feature.type} feature and has no value")
    if new.metric_id is not None:
        require_active_metric(transaction, new.metric_id)


def _check_external_id(transaction: Transaction, external_plan_id: str | None, *, plan_id: str | None) -> None:
    if external_plan_id is None:
        return
    known = plans.find_by_external_id(
        transaction.connection, tenant=transaction.tenant, external_plan_id=external_plan_id
    )
    if known is not None and known.id != plan_id:
        raise DuplicateResourceError.of("external_plan_id", f"is that of the plan {known.id} already")
