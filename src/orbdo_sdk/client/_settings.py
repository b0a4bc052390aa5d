"""The settings of a client, all in one value, and the one place where this package reads the environment."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import httpx
import msgspec

from orbdo_sdk.client._agents import AGENT_HEADER, Agent
from orbdo_sdk.client._bridge import async_call
from orbdo_sdk.client._options import BufferLimits, RetryPolicy, SpoolMode, Timeout, check_api_key, normalise_base_url
from orbdo_sdk.client._shipping import Drop, Shipper
from orbdo_sdk.client._snapshot_store import SnapshotPolicy
from orbdo_sdk.client._transport import AsyncTransport, SyncTransport
from orbdo_sdk.errors import ConfigurationError

BASE_URL_VARIABLE = "ORBDO_BASE_URL"
API_KEY_VARIABLE = "ORBDO_API_KEY"
BASE_URL_DEFAULT = "http://127.0.0.1:8400"

# An agent's meter is one of many: it gets one sender where a client of its own has several.
AGENT_REQUESTS_IN_FLIGHT_MAX = 1


class OrbOptions(TypedDict, total=False):
    """The options of a client, by keyword; what each means, ``Orb`` says."""

    timeout: Timeout
    retry: RetryPolicy
    limits: BufferLimits
    snapshots: SnapshotPolicy
    spool_path: str | Path | None
    spool_mode: SpoolMode
    on_drop: Callable[[Drop], None] | None
    agent: Agent | None


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Everything a client was told when it was made. The API key is never printed."""

    base_url: str
    api_key: str = field(repr=False)
    timeout: Timeout
    retry: RetryPolicy
    limits: BufferLimits
    snapshots: SnapshotPolicy
    spool_path: str | Path | None
    spool_mode: SpoolMode
    account: str | None
    on_drop: Callable[[Drop], None] | None
    agent: str | None
    http_transport: httpx.BaseTransport | None = field(repr=False)
    async_http_transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse an address or a key that can never work, before anything is sent."""
        normalise_base_url(self.base_url)
        check_api_key(self.api_key)

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries beside the credentials."""
        return {} if self.agent is None else {AGENT_HEADER: self.agent}

    def for_agent(self, agent: str) -> "ClientSettings":
        """The same for one agent."""
        limits = msgspec.structs.replace(self.limits, requests_in_flight_max=AGENT_REQUESTS_IN_FLIGHT_MAX)
        return replace(self, agent=agent, limits=limits)

    @property
    def spool_account(self) -> str | None:
        """Whose events wait on disk: an agent's are not its account's, and must never be delivered as such."""
        return self.account if self.account is None or self.agent is None else f"{self.account}\0{self.agent}"


def base_url_or_default(base_url: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """The address given, else that of the environment, else the one ``orbdo serve`` listens on."""
    return base_url if base_url is not None else environ.get(BASE_URL_VARIABLE) or BASE_URL_DEFAULT


def api_key_or_default(api_key: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """The key given, else that of the environment; raises ConfigurationError when there is neither."""
    found = api_key if api_key is not None else environ.get(API_KEY_VARIABLE)
    if not found:
        raise ConfigurationError(f"no API key: pass api_key=... or set {API_KEY_VARIABLE}")
    return found


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def async_transport(settings: ClientSettings) -> AsyncTransport:
    """The transport of an async client."""
    return AsyncTransport(
        base_url=settings.base_url,
        api_key=settings.api_key,
        timeout=settings.timeout,
        retry=settings.retry,
        headers=settings.headers,
        http_transport=settings.async_http_transport,
    )


def sync_transport(settings: ClientSettings) -> SyncTransport:
    """The transport of a sync client."""
    return SyncTransport(
        base_url=settings.base_url,
        api_key=settings.api_key,
        timeout=settings.timeout,
        retry=settings.retry,
        headers=settings.headers,
        http_transport=settings.http_transport,
    )


def shipper(settings: ClientSettings) -> Shipper:
    """The shipper of either; it sends from threads of its own."""
    return Shipper(
        settings.base_url,
        settings.api_key,
        limits=settings.limits,
        retry=settings.retry,
        timeout=settings.timeout,
        headers=settings.headers,
        spool_path=settings.spool_path,
        spool_mode=settings.spool_mode,
        account=settings.spool_account,
        on_drop=settings.on_drop,
        transport=settings.http_transport,
    )


async def async_hang_up(settings: ClientSettings) -> None:
    """Close the doors that were handed in, which nobody else closes for certain."""
    if settings.http_transport is not None:
        await async_call(settings.http_transport.close)
    if settings.async_http_transport is not None:
        await settings.async_http_transport.aclose()


def sync_hang_up(settings: ClientSettings) -> None:
    """Close the door that was handed in, which nobody else closes for certain."""
    if settings.http_transport is not None:
        settings.http_transport.close()
