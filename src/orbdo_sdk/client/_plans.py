"""What a plan holds, as users describe it, made into what the server takes: prices and features."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypedDict

from orbdo_sdk.client._amounts import number
from orbdo_sdk.client._vocabulary import Body
from orbdo_sdk.wire import Price


class PlanFeatureGrant(TypedDict, total=False):
    """What a plan grants of one feature, named by ``key`` or ``feature_id``.

    A limit takes ``limit`` (None or nothing is unlimited) and the ``metric_id`` it counts, which may also be called
    ``meter_id``; a config takes ``value``; ``enabled`` False withholds the feature.
    """

    key: str
    feature_id: str
    enabled: bool
    limit: int | Decimal | None
    value: str
    metric_id: str
    meter_id: str


def plan_prices(prices: Iterable[str | Price]) -> list[Body]:
    """Each price by its id, whether it was given as an id or as the price itself."""
    return [{"price_id": price if isinstance(price, str) else price.id} for price in prices]


def plan_features(features: Iterable[str | PlanFeatureGrant]) -> list[Body]:
    """Each grant with the wire's field names; a bare key grants the feature with nothing more to say.

    Raises ValueError for an unknown field, TypeError for a float as limit.
    """
    return [
        {"key": feature} if isinstance(feature, str) else _grant(feature, index=index)
        for index, feature in enumerate(features)
    ]


def _grant(feature: PlanFeatureGrant, *, index: int) -> Body:
    fields: Mapping[str, object] = feature
    unknown = sorted(fields.keys() - PlanFeatureGrant.__annotations__.keys())
    if unknown:
        known = ", ".join(PlanFeatureGrant.__annotations__)
        message = f"features[{index}] has no field {unknown[0]!r}; it takes {known}"
        raise ValueError(message)
    grant: Body = {("metric_id" if name == "meter_id" else name): value for name, value in fields.items()}
    limit = feature.get("limit")
    if limit is not None:
        grant["limit"] = number(limit, name=f"features[{index}].limit")
    return grant
