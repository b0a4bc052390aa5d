"""Features as the client asks for them."""

import pytest

from tests.support.answers import FEATURE, page
from tests.support.door import Asked, Door, async_orb

pytestmark = pytest.mark.anyio


async def test_a_feature_is_a_switch_unless_told_otherwise(door: Door) -> None:
    """A key is all a feature needs."""
    door.tell({**FEATURE, "key": "sso", "type": "boolean"})
    async with async_orb(door) as orb:
        assert (await orb.features.create("sso")).type == "boolean"
    assert door.asked == [Asked("POST", "/v1/features", body={"key": "sso", "type": "boolean"})]


async def test_a_feature_may_be_a_limit_with_a_name(door: Door) -> None:
    """Type, name and metadata travel as they are."""
    door.tell(FEATURE)
    async with async_orb(door) as orb:
        await orb.features.create("api_calls", type="limit", name="API calls", metadata={"team": "core"})
    assert door.asked[0].body == {
        "key": "api_calls",
        "type": "limit",
        "name": "API calls",
        "metadata": {"team": "core"},
    }


async def test_a_feature_is_found_by_its_key_and_listed(door: Door) -> None:
    """The key is good for the address."""
    door.tell(FEATURE)
    door.tell(page(FEATURE))
    async with async_orb(door) as orb:
        assert (await orb.features.get("api_calls")).id == "feat_1"
        assert [feature.key async for feature in orb.features.list(limit=100)] == ["api_calls"]
    assert door.asked == [
        Asked("GET", "/v1/features/api_calls"),
        Asked("GET", "/v1/features", query=(("limit", "100"),)),
    ]
