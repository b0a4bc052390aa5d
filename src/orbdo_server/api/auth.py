"""Who is asking. A key is looked up once and remembered for a few seconds, so that ingest does not query for it."""

import hmac
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TypeAlias

from anyio import CapacityLimiter, to_thread

from orbdo_server.api.endpoints import Caller
from orbdo_server.core.api_keys import KEY_CHARACTERS_MAX, hash_secret, is_well_formed
from orbdo_server.engine.keys import (
    ACCOUNT,
    AGENT_HEADER,
    ENVIRONMENT_KEY_ID,
    Identity,
    admit_agent,
    agent_tenant,
    identify,
    is_known_tenant,
)
from orbdo_server.engine.remembered import Remembered
from orbdo_server.errors import AuthenticationError
from orbdo_server.storage.database import Database

# As ASGI has them: names are in lower case.
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

REMEMBERED_SECONDS = 5
REMEMBERED_MAX = 10_000
AUTHORIZATION = b"authorization"
AGENT = AGENT_HEADER.lower().encode()


class Authentication:
    """Turns the headers of a request into a ``Caller``.

    A revoked key is refused at once by the server that revoked it and within ``REMEMBERED_SECONDS`` by any other; an
    expired one at once by all. ``timer`` counts seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        environment_keys: tuple[str, ...],
        clock: Callable[[], datetime],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._environment_hashes = tuple(hash_secret(key) for key in environment_keys)
        self._clock = clock
        self._known: Remembered[tuple[str, str | None], tuple[Caller, datetime | None]] = Remembered(
            seconds=REMEMBERED_SECONDS, entries_max=REMEMBERED_MAX, timer=timer
        )
        self._forgotten_times = 0
        self._lock = threading.Lock()

    def remembered(self, headers: Headers) -> Caller | None:
        """Who sends a request with these headers, or None when that has to be looked up.

        Raises ``AuthenticationError`` for headers without anything like a key.
        """
        secret_hash, _, agent = _credentials(headers)
        return self._remembered(secret_hash, agent)

    async def caller(self, headers: Headers, limiter: CapacityLimiter) -> Caller:
        """Who sends a request with these headers; ``AuthenticationError``, the same whatever is wrong with the key."""
        secret_hash, secret, agent = _credentials(headers)
        remembered = self._remembered(secret_hash, agent)
        if remembered is not None:
            return remembered
        is_ours = self._is_of_environment(secret_hash)
        if not is_ours and not is_well_formed(secret):
            raise AuthenticationError
        look_up = partial(self._look_up, secret_hash, agent, is_of_environment=is_ours)
        return await to_thread.run_sync(look_up, limiter=limiter)

    def forget(self) -> None:
        """Look every key up again; called when one is revoked."""
        with self._lock:
            self._forgotten_times += 1
            self._known.clear()

    def _remembered(self, secret_hash: str, agent: str | None) -> Caller | None:
        known = self._known.get((secret_hash, agent))
        if known is None:
            return None
        caller, expires_at = known
        return None if expires_at is not None and expires_at <= self._clock() else caller

    def _is_of_environment(self, secret_hash: str) -> bool:
        # Every one is compared, found or not, so that the time it takes tells nothing.
        return any([hmac.compare_digest(secret_hash, known) for known in self._environment_hashes])  # noqa: C419 - see above

    def _look_up(self, secret_hash: str, agent: str | None, *, is_of_environment: bool) -> Caller:
        # Many requests may have waited for one of them to look.
        remembered = self._remembered(secret_hash, agent)
        if remembered is not None:
            return remembered
        forgotten_times = self._forgotten_times
        identity = self._identify(secret_hash, is_of_environment=is_of_environment)
        tenant = identity.tenant if agent is None else self._tenant_of(identity, agent)
        caller = Caller(tenant=tenant, key_id=identity.key_id, scopes=identity.scopes)
        with self._lock:
            # A key that was revoked while it was looked up is not remembered as valid.
            if self._forgotten_times == forgotten_times:
                self._known.put((secret_hash, agent), (caller, identity.expires_at))
        return caller

    def _identify(self, secret_hash: str, *, is_of_environment: bool) -> Identity:
        if is_of_environment:
            return Identity(tenant=ACCOUNT, key_id=ENVIRONMENT_KEY_ID, scopes=frozenset({"*"}))
        with self._database.read() as connection:
            return identify(connection, secret_hash=secret_hash, now=self._clock())

    def _tenant_of(self, identity: Identity, agent: str) -> str:
        tenant = agent_tenant(identity.tenant, agent)
        with self._database.read() as connection:
            is_known = is_known_tenant(connection, tenant=tenant)
        if not is_known:
            with self._database.write() as connection:
                admit_agent(connection, tenant=tenant, agent=agent, now=self._clock())
        return tenant


def _credentials(headers: Headers) -> tuple[str, str, str | None]:
    """The hash of the key that was sent, the key, and the agent."""
    authorization = agent = None
    for name, value in headers:
        if name == AUTHORIZATION and authorization is None:
            authorization = value.decode("latin-1")
        elif name == AGENT and agent is None:
            agent = value.decode("latin-1")
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret or len(secret) > KEY_CHARACTERS_MAX:
        raise AuthenticationError
    return hash_secret(secret), secret, agent
