# Made from tests/sdk/client/resources/test_features.py by scripts/unasync.py: change that file and run it.
"""Features as the client asks for them."""

from tests.support.answers import FEATURE, page
from tests.support.door import Asked, Door, sync_orb


def test_a_feature_is_a_switch_unless_told_otherwise(door: Door) -> None:
    """A key is all a feature needs."""
    door.tell({**FEATURE, "key": "sso", "type": "boolean"})
    with sync_orb(door) as orb:
        assert (orb.features.create("sso")).type == "boolean"
    assert door.asked == [Asked("POST", "/v1/features", body={"key": "sso", "type": "boolean"})]


def test_a_feature_may_be_a_limit_with_a_name(door: Door) -> None:
    """Type, name and metadata travel as they are."""
    door.tell(FEATURE)
    with sync_orb(door) as orb:
        orb.features.create("api_calls", type="limit", name="API calls", metadata={"team": "core"})
    assert door.asked[0].body == {
        "key": "api_calls",
        "type": "limit",
        "name": "API calls",
        "metadata": {"team": "core"},
    }


def test_a_feature_is_found_by_its_key_and_listed(door: Door) -> None:
    """The key is good for the address."""
    door.tell(FEATURE)
    door.tell(page(FEATURE))
    with sync_orb(door) as orb:
        assert (orb.features.get("api_calls")).id == "feat_1"
        assert [feature.key for feature in orb.features.list(limit=100)] == ["api_calls"]
    assert door.asked == [
        Asked("GET", "/v1/features/api_calls"),
        Asked("GET", "/v1/features", query=(("limit", "100"),)),
    ]
