"""Making, checking and revoking API keys, and the tenants they open."""

import hmac
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from orbdo_server.core.api_keys import SCOPES_OF, KeyKind, allows, kind_of, make_secret, unknown_scopes
from orbdo_server.engine.audit import record_command
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import (
    AuthenticationError,
    ConstraintViolationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
)
from orbdo_server.storage import api_keys, tenants
from orbdo_server.storage.api_keys import StoredKey

ACCOUNT = "main"
AGENT_HEADER = "Orbdo-Agent"
AGENT_ID_LENGTH_MAX = 48
AGENTS_MAX = 100_000
ENVIRONMENT_KEY_ID = "key_environment"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose key it is, what it may do, and until when."""

    tenant: str
    key_id: str
    scopes: frozenset[str]
    expires_at: datetime | None = None


def create_key(
    transaction: Transaction,
    *,
    name: str,
    scopes: tuple[str, ...],
    held: Set[str],
    randomness: bytes,
    expires_at: datetime | None = None,
) -> tuple[StoredKey, str]:
    """A new key and its secret, which is not kept and cannot be shown again.

    Raises ``PermissionDeniedError`` for a scope that is not covered by those ``held`` by whoever makes the key.
    """
    unknown = unknown_scopes(scopes)
    if unknown or not scopes:
        message = f"{unknown[0]!r} is not a scope" if unknown else "names no scope"
        raise InvalidRequestError.of("scopes", message)
    beyond = [scope for scope in scopes if not allows(held, scope)]
    if beyond:
        message = f"A key cannot give the scope {beyond[0]}, which it does not have."
        raise PermissionDeniedError(message)
    if expires_at is not None and expires_at <= transaction.now:
        raise InvalidRequestError.of("expires_at", "is not in the future")
    parts = make_secret(kind_of(scopes), randomness)
    key = StoredKey(
        id=transaction.new_id("key"),
        tenant=transaction.tenant,
        name=name,
        prefix=parts.prefix,
        secret_hash=parts.secret_hash,
        scopes=list(scopes),
        created_at=transaction.now,
        expires_at=expires_at,
    )
    api_keys.insert(transaction.connection, key)
    return key, parts.secret


def revoke_key(transaction: Transaction, *, key_id: str) -> StoredKey:
    """The key, revoked; revoking it again changes nothing."""
    api_keys.revoke(transaction.connection, tenant=transaction.tenant, key_id=key_id, at=transaction.now)
    key = api_keys.get(transaction.connection, tenant=transaction.tenant, key_id=key_id)
    if key is None:
        raise NotFoundError.of("ApiKey", key_id)
    return key


def identify(connection: Connection, *, secret_hash: str, now: datetime) -> Identity:
    """Whose key has this hash; raises ``AuthenticationError`` for one that is unknown, revoked or expired."""
    key = api_keys.find_by_hash(connection, secret_hash=secret_hash)
    if key is None or not hmac.compare_digest(key.secret_hash, secret_hash):
        raise AuthenticationError
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise AuthenticationError
    return Identity(tenant=key.tenant, key_id=key.id, scopes=frozenset(key.scopes), expires_at=key.expires_at)


def agent_tenant(tenant: str, agent: str) -> str:
    """The tenant of one agent of an account.

    Raises ``InvalidRequestError`` for an id that is empty, too long or not printable ASCII without spaces, and for a
    key that is an agent's own: agents have no agents, or ``a:b`` could be reached in two ways.
    """
    if tenant != ACCOUNT:
        raise InvalidRequestError.of(AGENT_HEADER, "goes with a key of the account, not with an agent's own")
    if not 1 <= len(agent) <= AGENT_ID_LENGTH_MAX or not agent.isascii() or not agent.isprintable() or " " in agent:
        message = f"must have 1 to {AGENT_ID_LENGTH_MAX} printable ASCII characters without spaces"
        raise InvalidRequestError.of(AGENT_HEADER, message)
    return f"{tenant}:{agent}"


def is_known_tenant(connection: Connection, *, tenant: str) -> bool:
    """Whether anything was ever asked for the tenant."""
    return tenants.exists(connection, tenant=tenant)


def ensure_tenant(connection: Connection, *, tenant: str, name: str, now: datetime) -> None:
    """Add the tenant when it is not there yet."""
    if not tenants.exists(connection, tenant=tenant):
        tenants.insert(connection, tenant=tenant, name=name, created_at=now)


def admit_agent(
    connection: Connection, *, tenant: str, agent: str, now: datetime, agents_max: int = AGENTS_MAX
) -> None:
    """Add the tenant of an agent that is heard of for the first time.

    Raises ``ConstraintViolationError`` when the account has as many as it may have: any key can name an agent.
    """
    if tenants.exists(connection, tenant=tenant):
        return
    if tenants.count_agents(connection, tenant=ACCOUNT) >= agents_max:
        message = f"An account has at most {agents_max} agents."
        raise ConstraintViolationError(message)
    tenants.insert(connection, tenant=tenant, name=agent, created_at=now)


def create_first_key(transaction: Transaction, *, randomness: bytes) -> str | None:
    """The secret of an admin key when the tenant has no key at all, else None."""
    keys, _ = api_keys.page(transaction.connection, tenant=transaction.tenant, after=None, limit=1)
    if keys:
        return None
    admin = SCOPES_OF[KeyKind.ADMIN]
    key, secret = create_key(transaction, name="first key", scopes=admin, held=set(admin), randomness=randomness)
    record_command(transaction, action="make the first key", resource_id=key.id)
    return secret
