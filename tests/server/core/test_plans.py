"""What the values of the catalogue say of themselves."""

from orbdo_server.core.plans import FeatureType
from tests.support.billing import fixed_price, usage_price


def test_a_price_with_a_metric_is_a_usage_price() -> None:
    """The quantity of a usage price comes from events, that of a fixed price from its own field."""
    assert usage_price().is_usage
    assert not fixed_price().is_usage


def test_feature_types_are_written_as_on_the_wire() -> None:
    """The three kinds of answers, by the names that clients and the database know."""
    assert [str(kind) for kind in FeatureType] == ["boolean", "limit", "config"]
