"""Keys on disk: found by their hash, listed by their tenant, revoked for good."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import api_keys
from orbdo_server.storage.api_keys import StoredKey
from tests.server.conftest import NOW, RIVAL, TENANT

KEY = StoredKey(
    id="key_1",
    tenant=TENANT,
    name="ingest",
    prefix="orbdo_live_ingest_0000",
    secret_hash="a" * 64,
    scopes=["events:write", "usage:read"],
    created_at=NOW,
    expires_at=NOW + timedelta(days=1),
)


def test_a_key_comes_back_as_it_was_kept(transaction: Transaction) -> None:
    """By its hash whoever asks, by its id for its tenant."""
    api_keys.insert(transaction.connection, KEY)
    assert api_keys.find_by_hash(transaction.connection, secret_hash="a" * 64) == KEY
    assert api_keys.get(transaction.connection, tenant=TENANT, key_id="key_1") == KEY


def test_another_tenant_has_no_such_key(transaction: Transaction) -> None:
    """Neither reading nor revoking reaches over."""
    api_keys.insert(transaction.connection, KEY)
    assert api_keys.get(transaction.connection, tenant=RIVAL, key_id="key_1") is None
    assert api_keys.page(transaction.connection, tenant=RIVAL, after=None, limit=10) == ([], False)
    api_keys.revoke(transaction.connection, tenant=RIVAL, key_id="key_1", at=NOW)
    assert api_keys.get(transaction.connection, tenant=TENANT, key_id="key_1") == KEY


def test_an_unknown_hash_is_nobody(transaction: Transaction) -> None:
    """A hash that is not kept names no key."""
    assert api_keys.find_by_hash(transaction.connection, secret_hash="b" * 64) is None


def test_the_first_revocation_stands(transaction: Transaction) -> None:
    """Revoking again does not move the instant at which it happened."""
    api_keys.insert(transaction.connection, KEY)
    for hours in (1, 2):
        api_keys.revoke(transaction.connection, tenant=TENANT, key_id="key_1", at=NOW + timedelta(hours=hours))
    revoked = api_keys.get(transaction.connection, tenant=TENANT, key_id="key_1")
    assert revoked == msgspec.structs.replace(KEY, revoked_at=NOW + timedelta(hours=1))


def test_two_keys_never_share_a_secret(transaction: Transaction) -> None:
    """The hash says whose key it is, so that it is unique over all tenants."""
    api_keys.insert(transaction.connection, KEY)
    with pytest.raises(IntegrityError):
        api_keys.insert(transaction.connection, msgspec.structs.replace(KEY, id="key_2", tenant=RIVAL))


def test_keys_are_listed_newest_first(transaction: Transaction) -> None:
    """A page has at most its limit and says whether there are more."""
    for number in range(3):
        key = msgspec.structs.replace(KEY, id=f"key_{number}", secret_hash=str(number) * 64)
        api_keys.insert(transaction.connection, key)
    keys, more = api_keys.page(transaction.connection, tenant=TENANT, after=None, limit=2)
    assert ([key.id for key in keys], more) == (["key_2", "key_1"], True)
