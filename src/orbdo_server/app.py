"""The server as an ASGI app: opens the stores, wires the table of routes, and closes everything again."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from functools import cache, partial
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from orbdo_sdk.wire import encode
from orbdo_server import __version__
from orbdo_server.api import backups, documents, ingest, system
from orbdo_server.api.auth import Authentication
from orbdo_server.api.dispatch import READERS, WRITERS, Handler, bind
from orbdo_server.api.middleware import RequestBoundary, RequireKey, Shortcut
from orbdo_server.api.openapi import describe
from orbdo_server.api.routes import ENDPOINTS
from orbdo_server.core.api_keys import RANDOM_BYTES
from orbdo_server.engine.housekeeping import Housekeeper
from orbdo_server.engine.ingest import Ingest
from orbdo_server.engine.keys import ACCOUNT, create_first_key, ensure_tenant
from orbdo_server.engine.log_watch import note, require_log, require_same_time
from orbdo_server.engine.restore import require_finished
from orbdo_server.engine.stores import Stores
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import UnavailableError
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage.database import Database
from orbdo_server.storage.documents import Documents
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.tenants import insert_state, read_state

SIGNING_SECRET = "signing_secret"  # noqa: S105 - the name of a row, not a secret
SIGNING_SECRET_BYTES = 32


class OrbdoApp:
    """An ASGI app on stores that are open; they are closed when its lifespan ends, or by ``close``."""

    def __init__(self, stores: Stores, *, keys: tuple[str, ...] = ()) -> None:
        self.stores = stores
        self.ingest = Ingest(stores.log)
        self._housekeeper = Housekeeper(stores, clock=utc_now)
        # Set when the process was told to end: from then on it is not ready, though it still answers.
        self.is_stopping = False
        self._closed = False
        readers = CapacityLimiter(READERS)
        self.door = ingest.IngestDoor(stores, self.ingest, readers)
        self._app = self._build(keys, readers)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one ASGI connection."""
        return self._app(scope, receive, send)

    def close(self) -> None:
        """Finish what was begun, then close the stores; closing twice is closing once."""
        if not self._closed:
            self._closed = True
            self.ingest.close()
            self._housekeeper.close()
            with suppress(UnavailableError):
                note(self.stores)
            self.stores.close()

    def _build(self, keys: tuple[str, ...], readers: CapacityLimiter) -> ASGIApp:
        authentication = Authentication(self.stores.database, environment_keys=keys, clock=utc_now)
        guarded = partial(RequireKey, authentication=authentication, limiter=readers)
        api = Router(
            [ingest.ingest_route(self.door), *self._routes(readers, authentication.forget), *self._backup_routes()],
            redirect_slashes=False,
        )
        routes = [
            Route("/healthz", system.healthz),
            Route("/readyz", partial(system.readyz, stores=self.stores, limiter=readers)),
            Route("/openapi.json", _openapi),
            documents.route(self.stores, readers),
            Mount("/v1", app=guarded(api)),
        ]
        router = Router(routes, redirect_slashes=False, lifespan=self._lifespan)
        routed = partial(self._route, router)
        return RequestBoundary(Shortcut(routed, method="POST", path="/v1/ingest", door=guarded(self.door)))

    def _route(self, router: Router, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Routers raise what they do not find where there is an app, and answer in plain text where there is none.
        return router({**scope, "app": self}, receive, send)

    def _routes(self, readers: CapacityLimiter, forget_keys: Callable[[], None]) -> list[Route]:
        """One route an address, in the order of the table, so that a wrong method is told all the right ones."""
        writers = CapacityLimiter(WRITERS)
        addresses: dict[str, dict[str, Handler]] = {}
        for endpoint in ENDPOINTS:
            addresses.setdefault(endpoint.path, {})[endpoint.method] = bind(
                endpoint,
                self.stores,
                writers if endpoint.writes else readers,
                committed=forget_keys if endpoint.tag == "keys" else _nothing,
            )
        return [Route(path, partial(_answer, handlers), methods=[*handlers]) for path, handlers in addresses.items()]

    def _backup_routes(self) -> list[Route]:
        """What is about the server as a whole."""
        release = bind(backups.RELEASE, self.stores, CapacityLimiter(WRITERS))
        return backups.routes(self.stores, partial(_answer, {"POST": release}))

    @asynccontextmanager
    async def _lifespan(self, _app: object) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await to_thread.run_sync(self.close)


def open_stores(settings: Settings) -> Stores:
    """The stores that the settings name, ready for use: folders made, tables at this version.

    Raises ``StartError`` for settings that name no such store and for a damaged or a newer database, and what the event
    log raises when it cannot be opened; nothing stays open then.
    """
    require_finished(settings.data)
    require_log(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        # The log comes first: it lets nobody else in, so that no tables are changed under a server that runs.
        log = opened.enter_context(closing(DuckDBEventLog(settings.log_path, dedupe_window=settings.dedupe_window)))
        database = opened.enter_context(closing(Database(settings.database)))
        database.migrate()
        require_same_time(database, log)
        stores = Stores(
            settings=settings,
            database=database,
            log=log,
            documents=Documents(settings.documents),
            signing_secret=_prepare(database),
        )
        note(stores)
        opened.pop_all()
    return stores


def _prepare(database: Database) -> bytes:
    """The secret that links and cursors are signed with; the first start makes it, and the account."""
    with database.write() as connection:
        ensure_tenant(connection, tenant=ACCOUNT, name="Main account", now=utc_now())
        secret = read_state(connection, name=SIGNING_SECRET)
        if secret is None:
            secret = secrets.token_hex(SIGNING_SECRET_BYTES)
            insert_state(connection, name=SIGNING_SECRET, value=secret)
    return bytes.fromhex(secret)


def create_app(settings: Settings) -> OrbdoApp:
    """The app for these settings; ``ORBDO_API_KEY`` is accepted as an admin key."""
    return OrbdoApp(open_stores(settings), keys=(settings.api_key,) if settings.api_key else ())


def first_key(app: OrbdoApp) -> str | None:
    """The secret of a new admin key when there is no key at all; it is shown once and never kept."""
    if app.stores.settings.api_key:
        return None
    with app.stores.database.write() as connection:
        transaction = Transaction(connection=connection, tenant=ACCOUNT, now=utc_now(), new_id=new_id)
        return create_first_key(transaction, randomness=secrets.token_bytes(RANDOM_BYTES))


class EmbeddedApp(OrbdoApp):
    """The server inside a caller's process; ``api_key`` opens it and lives as long as the process."""

    def __init__(self, stores: Stores, api_key: str) -> None:
        super().__init__(stores, keys=(api_key,))
        self.api_key = api_key


def create_embedded_app(path: str | Path) -> EmbeddedApp:
    """The app that ``Orb.embedded(path)`` talks to, on a data folder of its own."""
    settings = Settings.load({}, data=Path(path))
    return EmbeddedApp(open_stores(settings), api_key=f"orbdo_embedded_{secrets.token_urlsafe(24)}")


async def _answer(handlers: Mapping[str, Handler], request: Request) -> Response:
    # Whoever is answered a GET may ask for its head alone.
    return await handlers["GET" if request.method == "HEAD" else request.method](request)


async def _openapi(_request: Request) -> Response:
    return Response(_description(), media_type="application/json")


@cache
def _description() -> bytes:
    return encode(describe((*ENDPOINTS, ingest.INGEST, backups.RELEASE), version=__version__))


def _nothing() -> None:
    """There is nothing to do after most changes."""
