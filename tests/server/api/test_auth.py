"""Who is asking: how long an answer to that is remembered, and what ends it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from anyio import CapacityLimiter, create_task_group, to_thread
from sqlalchemy import event

from orbdo_server.api.auth import REMEMBERED_SECONDS, Authentication
from orbdo_server.api.endpoints import Caller
from orbdo_server.core.api_keys import KEY_CHARACTERS_MAX, RANDOM_BYTES, KeyKind, make_secret
from orbdo_server.engine.keys import ACCOUNT, create_key, ensure_tenant, is_known_tenant, revoke_key
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import AuthenticationError, InvalidRequestError
from orbdo_server.identifiers import new_id
from orbdo_server.storage.database import Database
from tests.server.conftest import NOW

pytestmark = pytest.mark.anyio

OWN_KEY = "x" * KEY_CHARACTERS_MAX
INSTANT = timedelta(microseconds=1)


class Clocks:
    """An instant and a number of seconds that a test moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.seconds = 0.0


class Door:
    """A control plane with one key, and servers that know it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clocks = Clocks()
        self.limiter = CapacityLimiter(1)
        with database.write() as connection:
            ensure_tenant(connection, tenant=ACCOUNT, name="Main account", now=NOW)
        self.key_id, self.secret = self.make_key(1)

    def make_key(self, randomness: int, *, expires_at: datetime | None = None) -> tuple[str, str]:
        """The id and the secret of a new key."""
        with self.database.write() as connection:
            transaction = Transaction(connection=connection, tenant=ACCOUNT, now=NOW, new_id=new_id)
            key, secret = create_key(
                transaction,
                name="a key",
                scopes=("catalog:read",),
                held={"*"},
                randomness=bytes([randomness] * RANDOM_BYTES),
                expires_at=expires_at,
            )
        return key.id, secret

    def revoke(self) -> None:
        """Somebody revokes the first key."""
        with self.database.write() as connection:
            transaction = Transaction(connection=connection, tenant=ACCOUNT, now=NOW, new_id=new_id)
            revoke_key(transaction, key_id=self.key_id)

    def knows(self, tenant: str) -> bool:
        """Whether there is such a tenant."""
        with self.database.read() as connection:
            return is_known_tenant(connection, tenant=tenant)

    def server(self, *environment_keys: str) -> Authentication:
        """One server before this control plane."""
        return Authentication(
            self.database,
            environment_keys=environment_keys,
            clock=lambda: self.clocks.now,
            timer=lambda: self.clocks.seconds,
        )

    async def ask(self, server: Authentication, secret: str | None = None, agent: str | None = None) -> Caller:
        """Who the server takes the sender of a key for."""
        headers = [(b"authorization", f"Bearer {secret or self.secret}".encode("latin-1"))]
        if agent is not None:
            headers.append((b"orbdo-agent", agent.encode()))
        return await server.caller(headers, self.limiter)

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """What the database is asked meanwhile."""
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(self.database._engine, "before_cursor_execute", note)
        yield asked
        event.remove(self.database._engine, "before_cursor_execute", note)


@pytest.fixture
def door(database: Database) -> Door:
    """A door to knock at."""
    return Door(database)


async def test_a_key_says_who_it_is(door: Door) -> None:
    """Tenant, key and scopes."""
    caller = await door.ask(door.server())
    assert caller == Caller(tenant="main", key_id=door.key_id, scopes=frozenset({"catalog:read"}))


async def test_the_operators_own_key_may_do_everything(door: Door) -> None:
    """It needs no form and no row, and no query is made for it; up to its bound."""
    server = door.server("another", OWN_KEY)
    with door.statements() as asked:
        caller = await door.ask(server, OWN_KEY)
        with pytest.raises(AuthenticationError):
            await door.ask(server, OWN_KEY + "x")
    assert caller == Caller(tenant="main", key_id="key_environment", scopes=frozenset({"*"}))
    assert asked == []


async def test_a_mistyped_key_asks_no_database(door: Door) -> None:
    """The checksum is enough, so that guessing costs the server nothing."""
    with door.statements() as asked:
        for secret in (door.secret[:-1], door.secret + "0", "orbdo_live_admin_x", "hello", "\xe9"):
            with pytest.raises(AuthenticationError):
                await door.ask(door.server("own"), secret)
    assert asked == []


async def test_a_key_is_looked_up_once_in_a_while(door: Door) -> None:
    """For as long as it is remembered nobody asks the database; then it is asked again."""
    server = door.server()
    first = await door.ask(server)
    with door.statements() as asked:
        door.clocks.seconds = REMEMBERED_SECONDS - 0.001
        assert await door.ask(server) is first
        assert asked == []
        door.clocks.seconds = REMEMBERED_SECONDS
        assert await door.ask(server) == first
        assert asked != []


async def test_those_who_wait_behind_a_look_up_do_not_repeat_it(door: Door) -> None:
    """A hundred requests at the instant at which a key is forgotten ask the database once."""
    server = door.server()
    with door.statements() as asked:
        async with create_task_group() as group:
            for _ in range(100):
                group.start_soon(door.ask, server)
    assert len([statement for statement in asked if "FROM api_keys" in statement]) == 1


async def test_a_key_that_is_remembered_needs_no_waiting(door: Door) -> None:
    """It is known at once after it was looked up, until it is forgotten; what is no key is refused at once."""
    server, headers = door.server(), [(b"authorization", f"Bearer {door.secret}".encode())]
    assert server.remembered(headers) is None
    caller = await door.ask(server)
    assert server.remembered(headers) is caller
    server.forget()
    assert server.remembered(headers) is None
    with pytest.raises(AuthenticationError):
        server.remembered([])


async def test_a_revoked_key_is_refused_by_every_server_in_time(door: Door) -> None:
    """At once by the one that revoked it, by the others when they have forgotten it."""
    here, elsewhere = door.server(), door.server()
    for server in (here, elsewhere):
        await door.ask(server)
    await to_thread.run_sync(door.revoke)
    here.forget()
    with pytest.raises(AuthenticationError):
        await door.ask(here)
    assert (await door.ask(elsewhere)).key_id == door.key_id
    door.clocks.seconds = REMEMBERED_SECONDS
    with pytest.raises(AuthenticationError):
        await door.ask(elsewhere)


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered(door: Door) -> None:
    """Whoever was let in with it is not let in again."""
    server = door.server()

    def revoke_meanwhile(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM api_keys" in statement:
            server.forget()

    event.listen(door.database._engine, "after_cursor_execute", revoke_meanwhile)
    await door.ask(server)
    event.remove(door.database._engine, "after_cursor_execute", revoke_meanwhile)
    with door.statements() as asked:
        await door.ask(server)
    assert asked != []


async def test_an_expired_key_is_refused_at_once(door: Door) -> None:
    """However well it is remembered."""
    server = door.server()
    _, secret = await to_thread.run_sync(lambda: door.make_key(2, expires_at=NOW + timedelta(seconds=1)))
    door.clocks.now = NOW + timedelta(seconds=1) - INSTANT
    await door.ask(server, secret)
    door.clocks.now = NOW + timedelta(seconds=1)
    with pytest.raises(AuthenticationError):
        await door.ask(server, secret)


async def test_a_key_that_is_refused_is_not_remembered(door: Door) -> None:
    """One that is made a moment later is valid from then on."""
    server = door.server()
    future = make_secret(KeyKind.CUSTOM, bytes([3] * RANDOM_BYTES)).secret
    with pytest.raises(AuthenticationError):
        await door.ask(server, future)
    assert await to_thread.run_sync(lambda: door.make_key(3)[1]) == future
    assert (await door.ask(server, future)).tenant == "main"


async def test_an_agent_comes_to_be_when_it_is_first_named(door: Door) -> None:
    """From then on it costs no write."""
    server = door.server()
    caller = await door.ask(server, agent="writer")
    assert caller.tenant == "main:writer"
    assert await to_thread.run_sync(door.knows, "main:writer")
    door.clocks.seconds = REMEMBERED_SECONDS
    with door.statements() as asked:
        assert await door.ask(server, agent="writer") == caller
    assert not [statement for statement in asked if statement.startswith(("INSERT", "BEGIN IMMEDIATE"))]


async def test_agents_are_told_apart_by_the_same_key(door: Door) -> None:
    """What is remembered of one is not answered for another, or for the account."""
    server = door.server()
    tenants = [(await door.ask(server, agent=agent)).tenant for agent in ("a", None, "b", "a")]
    assert tenants == ["main:a", "main", "main:b", "main:a"]


async def test_an_agent_that_is_none_is_refused_behind_the_key(door: Door) -> None:
    """A stranger does not learn what an agent may be called."""
    with pytest.raises(InvalidRequestError, match="Orbdo-Agent"):
        await door.ask(door.server(), agent="a b")
    with pytest.raises(AuthenticationError):
        await door.ask(door.server(), "hello", agent="a b")
