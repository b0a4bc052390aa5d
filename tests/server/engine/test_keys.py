"""Keys: what one may give to another, who a key is, and the tenants that keys open."""

from collections.abc import Set
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from orbdo_server.core.api_keys import RANDOM_BYTES, hash_secret
from orbdo_server.engine.keys import (
    ACCOUNT,
    AGENT_ID_LENGTH_MAX,
    AGENTS_MAX,
    Identity,
    admit_agent,
    agent_tenant,
    create_first_key,
    create_key,
    ensure_tenant,
    identify,
    is_known_tenant,
    revoke_key,
)
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import (
    AuthenticationError,
    ConstraintViolationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
)
from orbdo_server.storage import api_keys, audit_entries
from orbdo_server.storage.api_keys import StoredKey
from tests.server.conftest import NOW, RIVAL, TENANT

EVERYTHING = frozenset({"*"})
INSTANT = timedelta(microseconds=1)


def make(
    transaction: Transaction,
    *scopes: str,
    held: Set[str] = EVERYTHING,
    expires_at: datetime | None = None,
) -> tuple[StoredKey, str]:
    """A key of some scopes."""
    return create_key(
        transaction, name="a key", scopes=scopes, held=held, randomness=bytes(RANDOM_BYTES), expires_at=expires_at
    )


def test_a_new_key_is_kept_without_its_secret(transaction: Transaction) -> None:
    """The secret is in the answer and nowhere else."""
    key, secret = make(transaction, "events:write")
    assert secret.startswith("orbdo_live_ingest_")
    assert key == StoredKey(
        id=key.id,
        tenant=TENANT,
        name="a key",
        prefix="orbdo_live_ingest_0000",
        secret_hash=hash_secret(secret),
        scopes=["events:write"],
        created_at=NOW,
    )
    assert api_keys.get(transaction.connection, tenant=TENANT, key_id=key.id) == key


def test_a_key_identifies_its_tenant(transaction: Transaction) -> None:
    """And says what it may do, until when."""
    key, secret = make(transaction, "catalog:read", "usage:read", expires_at=NOW + timedelta(days=1))
    identity = identify(transaction.connection, secret_hash=hash_secret(secret), now=NOW)
    assert identity == Identity(
        tenant=TENANT,
        key_id=key.id,
        scopes=frozenset({"catalog:read", "usage:read"}),
        expires_at=NOW + timedelta(days=1),
    )


@pytest.mark.parametrize(("scopes", "named"), [((), "names no scope"), (("event:write",), "'event:write'")])
def test_a_key_has_scopes_that_exist(transaction: Transaction, scopes: tuple[str, ...], named: str) -> None:
    """A key that may do nothing, or what nobody knows, is a mistake."""
    with pytest.raises(InvalidRequestError, match=named) as caught:
        make(transaction, *scopes)
    assert caught.value.problems[0].field == "scopes"


@pytest.mark.parametrize(
    ("held", "scope"),
    [("keys:write", "*"), ("keys:*", "catalog:read"), ("*:read", "keys:write"), ("catalog:read", "catalog:*")],
)
def test_nobody_gives_what_they_do_not_have(transaction: Transaction, held: str, scope: str) -> None:
    """A key that may make keys is no admin key."""
    with pytest.raises(PermissionDeniedError, match="cannot give the scope"):
        make(transaction, scope, held={held})


def test_a_key_may_give_a_part_of_what_it_has(transaction: Transaction) -> None:
    """A star covers what it stands for."""
    key, _ = make(transaction, "catalog:write", "usage:read", held={"catalog:*", "*:read"})
    assert key.scopes == ["catalog:write", "usage:read"]


def test_a_key_expires_in_the_future_or_not_at_all(transaction: Transaction) -> None:
    """The present is too late, the next microsecond is not."""
    with pytest.raises(InvalidRequestError, match="expires_at: is not in the future"):
        make(transaction, "*", expires_at=NOW)
    key, _ = make(transaction, "*", expires_at=NOW + INSTANT)
    assert key.expires_at == NOW + INSTANT


def test_an_expired_key_is_nobody(transaction: Transaction) -> None:
    """It is good until the instant, and not at it."""
    _, secret = make(transaction, "*", expires_at=NOW + timedelta(days=1))
    secret_hash = hash_secret(secret)
    at = NOW + timedelta(days=1)
    assert identify(transaction.connection, secret_hash=secret_hash, now=at - INSTANT).tenant == TENANT
    with pytest.raises(AuthenticationError):
        identify(transaction.connection, secret_hash=secret_hash, now=at)


def test_a_revoked_key_is_nobody(transaction: Transaction) -> None:
    """From the instant it was revoked, for good, however often it is revoked."""
    key, secret = make(transaction, "*")
    first = revoke_key(transaction, key_id=key.id)
    again = revoke_key(replace(transaction, now=NOW + timedelta(days=1)), key_id=key.id)
    assert first == again
    assert first.revoked_at == NOW
    with pytest.raises(AuthenticationError):
        identify(transaction.connection, secret_hash=hash_secret(secret), now=NOW)


def test_an_unknown_key_is_nobody(transaction: Transaction) -> None:
    """A hash that was never kept."""
    with pytest.raises(AuthenticationError):
        identify(transaction.connection, secret_hash="0" * 64, now=NOW)


def test_another_tenant_cannot_revoke(transaction: Transaction, rival: Transaction) -> None:
    """To them the key does not exist, and it stays valid."""
    key, secret = make(transaction, "*")
    with pytest.raises(NotFoundError):
        revoke_key(rival, key_id=key.id)
    assert identify(transaction.connection, secret_hash=hash_secret(secret), now=NOW).tenant == TENANT
    assert rival.tenant == RIVAL


def test_the_first_key_is_made_once(transaction: Transaction) -> None:
    """An account that has a key, valid or not, gets no other by itself; the making is on record."""
    secret = create_first_key(transaction, randomness=bytes(RANDOM_BYTES))
    assert secret is not None
    identity = identify(transaction.connection, secret_hash=hash_secret(secret), now=NOW)
    assert identity.scopes == {"*"}
    revoke_key(transaction, key_id=identity.key_id)
    assert create_first_key(transaction, randomness=b"\1" * RANDOM_BYTES) is None
    [entry] = audit_entries.read_all(transaction.connection)
    assert entry.resource_id == identity.key_id


def test_an_agent_has_a_tenant_of_its_own() -> None:
    """Named after the account and the agent."""
    assert agent_tenant(ACCOUNT, "writer-7") == "main:writer-7"
    assert agent_tenant(ACCOUNT, "a:b") == "main:a:b"


@pytest.mark.parametrize(
    ("agent", "is_taken"),
    [
        ("x" * AGENT_ID_LENGTH_MAX, True),
        ("x" * (AGENT_ID_LENGTH_MAX + 1), False),
        ("!~", True),
        ("", False),
        ("a b", False),
        ("a\tb", False),
        ("a\x7f", False),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", False),
    ],
)
def test_an_agent_is_a_word(agent: str, is_taken: bool) -> None:
    """Printable ASCII without spaces, up to the bound."""
    if is_taken:
        assert agent_tenant(ACCOUNT, agent) == f"main:{agent}"
    else:
        with pytest.raises(InvalidRequestError, match="Orbdo-Agent"):
            agent_tenant(ACCOUNT, agent)


def test_agents_have_no_agents() -> None:
    """Otherwise the agent a:b of the account would be the agent b of the agent a."""
    with pytest.raises(InvalidRequestError, match="key of the account"):
        agent_tenant("main:a", "b")


def test_a_tenant_is_added_once(transaction: Transaction) -> None:
    """Asking for it again changes nothing."""
    assert not is_known_tenant(transaction.connection, tenant="main")
    for name in ("Main account", "Another name"):
        ensure_tenant(transaction.connection, tenant="main", name=name, now=NOW)
    assert is_known_tenant(transaction.connection, tenant="main")


def test_an_account_has_a_bound_of_agents(transaction: Transaction) -> None:
    """At the bound no other is taken; those that are known stay welcome."""
    ensure_tenant(transaction.connection, tenant="main", name="Main account", now=NOW)
    admit = partial(admit_agent, transaction.connection, now=NOW, agents_max=2)
    for agent in ("a", "b", "a"):
        admit(tenant=f"main:{agent}", agent=agent)
    with pytest.raises(ConstraintViolationError, match="at most 2 agents"):
        admit(tenant="main:c", agent="c")
    admit(tenant="main:b", agent="b")
    assert AGENTS_MAX == 100_000
