# Made from tests/sdk/client/resources/test_api_keys.py by scripts/unasync.py: change that file and run it.
"""API keys as the client asks for them."""

from datetime import UTC, datetime

from tests.support.answers import API_KEY, page
from tests.support.door import Asked, Door, sync_orb


def test_a_key_comes_with_its_secret(door: Door) -> None:
    """The scopes and the end of the key travel, and the secret is in the answer."""
    door.tell(API_KEY)
    with sync_orb(door) as orb:
        key = orb.api_keys.create(name="importer", scopes=["events:write"], expires_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert key.secret == "orbdo_live_ingest_AbCdEfGh"
    assert door.asked == [
        Asked(
            "POST",
            "/v1/api_keys",
            body={"name": "importer", "scopes": ["events:write"], "expires_at": "2027-01-01T00:00:00Z"},
        )
    ]


def test_a_key_may_be_of_a_kind(door: Door) -> None:
    """Without scopes the kind says what the key may do."""
    door.tell(API_KEY)
    with sync_orb(door) as orb:
        orb.api_keys.create(name="dashboard", kind="read")
    assert door.asked[0].body == {"name": "dashboard", "kind": "read"}


def test_keys_are_listed_and_revoked(door: Door) -> None:
    """A listed key has no secret, a revoked one has the instant."""
    listed = {name: value for name, value in API_KEY.items() if name != "secret"}
    door.tell(page(listed))
    door.tell({**listed, "revoked_at": "2026-03-01T00:00:00Z"})
    with sync_orb(door) as orb:
        assert [key.secret for key in orb.api_keys.list()] == [None]
        assert (orb.api_keys.revoke("key_1")).revoked_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert door.asked == [Asked("GET", "/v1/api_keys"), Asked("POST", "/v1/api_keys/key_1/revoke", body={})]
