"""What a plan holds, as users say it and as it travels."""

from decimal import Decimal
from typing import Any

import pytest

from orbdo_sdk.client._plans import PlanFeatureGrant, plan_features, plan_prices
from orbdo_sdk.wire import encode


def test_prices_are_named_by_id() -> None:
    """An id is passed on as it is."""
    assert plan_prices(["price_1", "price_2"]) == [{"price_id": "price_1"}, {"price_id": "price_2"}]


def test_features_are_keys_or_grants() -> None:
    """A limit is a number, a meter is a metric, and everything else travels as it is."""
    features: list[str | PlanFeatureGrant] = [
        "sso",
        {"key": "api_calls", "limit": Decimal("1E+3"), "meter_id": "met_1"},
        {"feature_id": "feat_1", "limit": None, "metric_id": "met_2"},
        {"key": "region", "value": "eu", "enabled": False},
    ]
    assert encode(plan_features(features)) == (
        b'[{"key":"sso"},'
        b'{"key":"api_calls","limit":1000,"metric_id":"met_1"},'
        b'{"feature_id":"feat_1","limit":null,"metric_id":"met_2"},'
        b'{"key":"region","value":"eu","enabled":false}]'
    )


def test_an_unknown_field_is_refused() -> None:
    """The grant at fault is named, with what it takes."""
    misspelt: Any = {"key": "api_calls", "max": 5}
    with pytest.raises(ValueError, match=r"features\[1\] has no field 'max'; it takes key, feature_id, enabled, limit"):
        plan_features(["sso", misspelt])


def test_a_limit_is_exact() -> None:
    """A float is refused where it stands."""
    inexact: Any = {"key": "api_calls", "limit": 1.5}
    with pytest.raises(TypeError, match=r"features\[0\]\.limit must be an int or a Decimal, not float"):
        plan_features([inexact])
