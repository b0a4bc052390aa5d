"""``Orb``: one client, its resources as attributes.

It holds connections, a buffer of events and the entitlements it has seen: make one a process (and, when it is async,
one an event loop), and close it. What the server does is not decided here.
"""

import copy
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx

from orbdo_sdk.client._agents import Agent, AgentOrbs, agent_id
from orbdo_sdk.client._bridge import async_call
from orbdo_sdk.client._embedded import (
    API_KEY,
    BASE_URL,
    AsyncEmbeddedTransport,
    EmbeddedServer,
    EmbeddedTransport,
    absolute,
    find_server,
)
from orbdo_sdk.client._host import CreateEmbeddedApp
from orbdo_sdk.client._options import NOT_GIVEN, BufferLimits, NotGiven, RetryPolicy, SpoolMode, Timeout
from orbdo_sdk.client._requests import Request
from orbdo_sdk.client._settings import (
    ClientSettings,
    OrbOptions,
    api_key_or_default,
    async_hang_up,
    async_transport,
    base_url_or_default,
    shipper,
    utc_now,
)
from orbdo_sdk.client._shipping import Drop
from orbdo_sdk.client._snapshot_store import SnapshotPolicy
from orbdo_sdk.client._snapshots import Snapshots
from orbdo_sdk.client._transport import AsyncTransport
from orbdo_sdk.client._vocabulary import path
from orbdo_sdk.client.resources.api_keys import ApiKeys
from orbdo_sdk.client.resources.backups import Backups
from orbdo_sdk.client.resources.customers import Customers
from orbdo_sdk.client.resources.entitlements import Entitlements
from orbdo_sdk.client.resources.events import Backfills, Events
from orbdo_sdk.client.resources.features import Features
from orbdo_sdk.client.resources.invoices import Invoices
from orbdo_sdk.client.resources.items import Items
from orbdo_sdk.client.resources.meter import Meter
from orbdo_sdk.client.resources.metrics import Metrics
from orbdo_sdk.client.resources.plans import Plans
from orbdo_sdk.client.resources.prices import Prices
from orbdo_sdk.client.resources.reconciliation import Reconciliations
from orbdo_sdk.client.resources.subscriptions import Subscriptions
from orbdo_sdk.wire import Ping


class _ForAgent:
    """``Orb.for_agent`` makes a client of its own; ``orb.for_agent`` one that shares the connections of ``orb``."""

    def __get__(self, orb: "Orb | None", owner: "type[Orb]") -> "Callable[[Agent], Orb]":
        return owner._standing_alone_for if orb is None else orb._sharing_for


class Orb:
    """A client of one orbdo account. Use it as a context manager, or close it.

    ``meter`` takes usage in and reads it back; ``customers``, ``items``, ``metrics``, ``prices``, ``plans`` and
    ``features`` are the catalogue; ``subscriptions`` and ``invoices`` are the billing; ``entitlements`` are what your
    app asks before it works; ``events``, ``reconciliation``, ``api_keys`` and ``backups`` are for the operator.

    ``base_url`` and ``api_key`` come from ORBDO_BASE_URL and ORBDO_API_KEY when they are not given. ``timeout`` and
    ``retry`` bound every call, ``limits`` the buffer of events, ``snapshots`` the entitlements held. Events that cannot
    be delivered wait in the folder ``spool_path`` as ``spool_mode`` says, under the name ``account``, which outlives a
    change of the key; ``on_drop`` hears of those that never will be. ``agent`` makes every call concern that agent.
    The transports of httpx may be your own, and are closed with the client. Raises ConfigurationError for an option
    that can never work; no request is made.
    """

    for_agent = _ForAgent()
    """``for_agent(agent)``: a client whose every call concerns one agent, apart from all others of the account.

    The agent is an id or any object with one. ``Orb.for_agent(agent)`` takes its settings from the environment
    and is closed on its own. ``orb.for_agent(agent)`` shares the connections of ``orb``, is the same for the same
    agent, and is closed with ``orb`` at the latest; one client keeps at most ``AGENTS_MAX`` of them. Raises
    ConfigurationError for an id that is not 1 to 48 printable ASCII characters.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        limits: BufferLimits = BufferLimits(),  # noqa: B008 - frozen
        snapshots: SnapshotPolicy = SnapshotPolicy(),  # noqa: B008 - frozen
        spool_path: str | Path | None = None,
        spool_mode: SpoolMode = "on_pressure",
        account: str | None = None,
        on_drop: Callable[[Drop], None] | None = None,
        agent: Agent | None = None,
        http_transport: httpx.BaseTransport | None = None,
        async_http_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings = ClientSettings(
            base_url=base_url_or_default(base_url),
            api_key=api_key_or_default(api_key),
            timeout=timeout,
            retry=retry,
            limits=limits,
            snapshots=snapshots,
            spool_path=spool_path,
            spool_mode=spool_mode,
            account=account,
            on_drop=on_drop,
            agent=None if agent is None else agent_id(agent),
            http_transport=http_transport,
            async_http_transport=async_http_transport,
        )
        self._open(settings, async_transport(settings), parent=None)

    @classmethod
    def embedded(
        cls,
        folder: str | Path,
        *,
        find_server: Callable[[], CreateEmbeddedApp] = find_server,
        **options: Unpack[OrbOptions],
    ) -> Self:
        """A client with the server in this process, its data in ``folder``; it needs no address and no key.

        The server starts with the first request and stops when the last client of the folder is closed. It runs on a
        thread of its own, so that it neither blocks the caller nor is blocked by it. The first request raises
        ConfigurationError when the server is not installed or refuses the folder.
        """
        home = absolute(folder)
        return cls(
            BASE_URL,
            API_KEY,
            account=f"embedded {home}",
            http_transport=EmbeddedTransport(EmbeddedServer(home, find_server)),
            async_http_transport=AsyncEmbeddedTransport(EmbeddedServer(home, find_server)),
            **options,
        )

    def with_options(
        self, *, timeout: Timeout | NotGiven = NOT_GIVEN, retry: RetryPolicy | NotGiven = NOT_GIVEN
    ) -> Self:
        """The same client with other patience for its calls; buffer and entitlements are shared and keep theirs.

        Closing either closes both.
        """
        changed = copy.copy(self)
        changed._bind(self._transport.with_options(timeout=timeout, retry=retry))
        return changed

    async def ping(self) -> Ping:
        """The server's greeting; raises AuthenticationError when it does not know the key."""
        answer = await self._transport.send(Request(method="GET", path=path("ping")))
        return answer.decode(Ping)

    async def close(self, timeout_seconds: float = 5.0) -> bool:
        """Take no more events, deliver those at hand for at most ``timeout_seconds``, and let go of everything.

        True when nothing was left; what was left waits on disk for the next process. Its agents' clients are closed
        with it, its own for an agent only itself. Closing again does nothing.
        """
        deadline = time.monotonic() + timeout_seconds
        emptied = [await agent.close(deadline - time.monotonic()) for agent in self._agents.all()]
        emptied.append(await async_call(self._shipper.close, max(0.0, deadline - time.monotonic())))
        await self._snapshots.close()
        if self._parent is None:
            await self._transport.close()
            await async_hang_up(self._settings)
        else:
            self._parent._agents.forget(self._settings.agent or "")
        return all(emptied)

    async def __aenter__(self) -> Self:
        """The client itself; nothing is connected yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, with the patience that ``close`` has by itself."""
        await self.close()

    @classmethod
    def _standing_alone_for(cls, agent: Agent) -> "Orb":
        return cls(agent=agent)

    def _sharing_for(self, agent: Agent) -> "Orb":
        parent = self if self._parent is None else self._parent
        return parent._agents.get(agent_id(agent), parent._share)

    def _share(self, agent: str) -> "Orb":
        orb = copy.copy(self)
        settings = self._settings.for_agent(agent)
        orb._open(settings, self._transport.with_options(headers=settings.headers), parent=self)
        return orb

    def _open(self, settings: ClientSettings, transport: AsyncTransport, *, parent: "Orb | None") -> None:
        self._settings = settings
        self._parent = parent
        self._agents: AgentOrbs[Orb] = AgentOrbs()
        self._shipper = shipper(settings)
        self._snapshots = Snapshots(transport, settings.snapshots)
        self._bind(transport)

    def _bind(self, transport: AsyncTransport) -> None:
        changed = self._snapshots.expire
        self._transport = transport
        self.meter = Meter(transport, self._shipper)
        self.customers = Customers(transport, changed=changed)
        self.items = Items(transport)
        self.metrics = Metrics(transport)
        self.prices = Prices(transport)
        self.plans = Plans(transport, changed=changed)
        self.features = Features(transport)
        self.subscriptions = Subscriptions(transport, changed=changed)
        self.invoices = Invoices(transport, now=utc_now)
        self.entitlements = Entitlements(self._snapshots, now=utc_now)
        self.events = Events(transport, Backfills(transport, self._settings.limits, now=utc_now))
        self.reconciliation = Reconciliations(transport)
        self.api_keys = ApiKeys(transport)
        self.backups = Backups(transport)
