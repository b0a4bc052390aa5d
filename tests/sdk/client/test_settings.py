"""Where a client's settings come from, and what is made of them."""

from pathlib import Path

import httpx
import pytest

from orbdo_sdk import BufferLimits, ConfigurationError, RetryPolicy, SnapshotPolicy, Timeout
from orbdo_sdk.client._settings import (
    ClientSettings,
    api_key_or_default,
    async_hang_up,
    base_url_or_default,
    sync_hang_up,
    utc_now,
)
from tests.support.door import Door


def settings(
    *,
    base_url: str = "http://127.0.0.1:8400",
    api_key: str = "secret-key",
    account: str | None = None,
    agent: str | None = None,
    http_transport: httpx.BaseTransport | None = None,
    async_http_transport: httpx.AsyncBaseTransport | None = None,
) -> ClientSettings:
    """The settings of a client that was told this much."""
    return ClientSettings(
        base_url=base_url,
        api_key=api_key,
        timeout=Timeout(),
        retry=RetryPolicy(),
        limits=BufferLimits(),
        snapshots=SnapshotPolicy(),
        spool_path=Path("spool"),
        spool_mode="memory",
        account=account,
        on_drop=None,
        agent=agent,
        http_transport=http_transport,
        async_http_transport=async_http_transport,
    )


def test_the_address_is_given_or_in_the_environment_or_local() -> None:
    """What is given wins; an empty variable counts as none."""
    environ = {"ORBDO_BASE_URL": "https://billing.test"}
    assert base_url_or_default("https://given.test", environ) == "https://given.test"
    assert base_url_or_default(None, environ) == "https://billing.test"
    assert base_url_or_default(None, {"ORBDO_BASE_URL": ""}) == "http://127.0.0.1:8400"


def test_the_key_is_given_or_in_the_environment() -> None:
    """What is given wins, and without any the error says how to give one."""
    assert api_key_or_default("given", {"ORBDO_API_KEY": "found"}) == "given"
    assert api_key_or_default(None, {"ORBDO_API_KEY": "found"}) == "found"
    for environ in ({}, {"ORBDO_API_KEY": ""}):
        with pytest.raises(ConfigurationError, match="or set ORBDO_API_KEY"):
            api_key_or_default(None, environ)


def test_settings_that_can_never_work_are_refused() -> None:
    """A bad address and an empty key are found before anything is sent."""
    with pytest.raises(ConfigurationError, match="base_url"):
        settings(base_url="ftp://billing.test")
    with pytest.raises(ConfigurationError, match="api_key"):
        settings(api_key="")


def test_the_key_is_never_printed() -> None:
    """Neither it nor the transports are in the text of the settings."""
    assert "secret-key" not in repr(settings())
    assert "transport" not in repr(settings())


def test_an_agent_is_a_header_and_has_one_sender() -> None:
    """Everything else stays as it was."""
    of_account = settings(account="main")
    of_agent = of_account.for_agent("robot")
    assert dict(of_account.headers) == {}
    assert dict(of_agent.headers) == {"Orbdo-Agent": "robot"}
    assert (of_account.limits.requests_in_flight_max, of_agent.limits.requests_in_flight_max) == (4, 1)
    assert of_agent.base_url == of_account.base_url


def test_what_waits_on_disk_for_an_agent_is_the_agents() -> None:
    """An account's name is told apart from its agents'; without a name the shipper goes by key and headers."""
    names = {settings(account="main", agent=agent).spool_account for agent in (None, "a", "b")}
    assert names == {"main", "main\0a", "main\0b"}
    assert settings(agent="a").spool_account is None


def test_the_present_is_in_utc() -> None:
    """The one clock of the client is aware."""
    assert utc_now().utcoffset() is not None


@pytest.mark.anyio
async def test_doors_that_were_handed_in_are_closed() -> None:
    """An async client closes both it was given, a sync client its one, and none is no trouble."""
    first, second, third = Door(), Door(), Door()
    await async_hang_up(settings(http_transport=first, async_http_transport=second))
    sync_hang_up(settings(http_transport=third))
    assert (first.closed, second.closed, third.closed) == (1, 1, 1)
    await async_hang_up(settings())
    sync_hang_up(settings())
