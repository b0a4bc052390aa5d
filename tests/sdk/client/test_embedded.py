"""How the embedded server is found, leased and reached."""

import asyncio
import os
import subprocess
import sys
import time
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import httpx
import pytest

from orbdo_sdk import ClosedError, ConfigurationError
from orbdo_sdk.client._embedded import (
    AsyncEmbeddedTransport,
    EmbeddedServer,
    EmbeddedTransport,
    Hosts,
    absolute,
    find_server,
)
from tests.sdk.client import small_app
from tests.sdk.client.small_app import SmallApps
from tests.support.door import async_until, sync_until
from tests.support.forks import in_a_child
from tests.support.source import ROOT


def request(path: str, *, read_seconds: float | None = 5.0) -> httpx.Request:
    """A request with this much patience."""
    return httpx.Request("GET", f"http://embedded.orbdo{path}", extensions={"timeout": {"read": read_seconds}})


def entry_point(value: str, *, name: str = "server") -> EntryPoint:
    """An entry point as a distribution declares it."""
    return EntryPoint(name=name, value=value, group="orbdo.embedded")


def test_the_server_is_found_through_its_entry_point() -> None:
    """Others of the group are passed over."""
    points = [entry_point("nowhere:nothing", name="other"), entry_point("tests.sdk.client.small_app:create")]
    assert find_server(lambda: points) is small_app.create


@pytest.mark.parametrize("points", [[], [entry_point("no_such_package.app:create")]])
def test_a_server_that_is_not_installed_says_how_to_install_it(points: list[EntryPoint]) -> None:
    """Whether it is missing itself or one of its dependencies is."""
    with pytest.raises(ConfigurationError, match=r'pip install "orbdo\[server\]"'):
        find_server(lambda: points)


def test_this_distribution_declares_the_server() -> None:
    """The group is looked up in what is installed, here in this very distribution."""
    declared = entry_points(group="orbdo.embedded", name="server")
    assert [point.value for point in declared] == ["orbdo_server.app:create_embedded_app"]
    assert callable(find_server())


def test_clients_of_a_folder_share_a_server_until_the_last_is_gone(tmp_path: Path) -> None:
    """However the folder is written; a client that comes afterwards gets another."""
    apps, hosts = SmallApps(), Hosts()
    (tmp_path / "link").symlink_to(tmp_path)
    first = EmbeddedTransport(EmbeddedServer(tmp_path, apps.find, hosts=hosts))
    second = EmbeddedTransport(EmbeddedServer(tmp_path / "link", apps.find, hosts=hosts))
    for transport in (first, second, first):
        assert transport.handle_request(request("/v1/ping")).status_code == 200
    assert [app.folder for app in apps.made] == [tmp_path]
    first.close()
    first.close()
    assert apps.life == ["start"]
    assert second.handle_request(request("/v1/ping")).status_code == 200
    second.close()
    assert apps.life == ["start", "stop"]
    third = EmbeddedTransport(EmbeddedServer(tmp_path, apps.find, hosts=hosts))
    assert third.handle_request(request("/v1/ping")).status_code == 200
    third.close()
    assert apps.life == ["start", "stop", "start", "stop"]


def test_a_transport_that_was_closed_answers_nothing(tmp_path: Path) -> None:
    """Used or not."""
    apps = SmallApps()
    transport = EmbeddedTransport(EmbeddedServer(tmp_path, apps.find, hosts=Hosts()))
    transport.close()
    with pytest.raises(ClosedError):
        transport.handle_request(request("/v1/ping"))
    assert apps.made == []


def test_a_folder_keeps_its_place() -> None:
    """A relative one is taken from where the process is now, and nobody looks whether it exists."""
    assert absolute("orbdo-data") == Path(os.getcwd()) / "orbdo-data"
    assert absolute(Path("/srv/orbdo")) == Path("/srv/orbdo")


def test_a_thread_gives_up_on_an_answer_after_its_patience(tmp_path: Path) -> None:
    """The server hears of it, and httpx's timeout is raised."""
    apps = SmallApps()
    transport = EmbeddedTransport(EmbeddedServer(tmp_path, apps.find, hosts=Hosts()))
    assert transport.handle_request(request("/v1/ping", read_seconds=None)).status_code == 200
    with pytest.raises(httpx.ReadTimeout):
        transport.handle_request(request("/v1/items/slow", read_seconds=0.05))
    sync_until(lambda: "given up" in apps.life)
    transport.close()


@pytest.mark.anyio
async def test_a_loop_gives_up_on_an_answer_after_its_patience(tmp_path: Path) -> None:
    """The server hears of it, and httpx's timeout is raised; a request without a bound is answered as ever."""
    apps = SmallApps()
    transport = AsyncEmbeddedTransport(EmbeddedServer(tmp_path, apps.find, hosts=Hosts()))
    with pytest.raises(httpx.ReadTimeout):
        await transport.handle_async_request(request("/v1/items/slow", read_seconds=0.05))
    await async_until(lambda: "given up" in apps.life)
    assert (await transport.handle_async_request(request("/v1/ping", read_seconds=None))).status_code == 200
    await transport.aclose()
    await transport.aclose()
    assert apps.life[-1] == "stop"


@pytest.mark.anyio
async def test_a_loop_that_gives_up_the_first_request_does_not_give_up_the_start(tmp_path: Path) -> None:
    """The next request finds the server running."""
    apps = SmallApps()
    apps.may_create.clear()
    server = EmbeddedServer(tmp_path, apps.find, hosts=Hosts())
    transport = AsyncEmbeddedTransport(server)
    first = asyncio.create_task(transport.handle_async_request(request("/v1/ping")))
    await async_until(lambda: server.host is not None)
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    apps.may_create.set()
    assert (await transport.handle_async_request(request("/v1/ping"))).status_code == 200
    await transport.aclose()
    assert apps.life == ["start", "stop"]


@pytest.mark.anyio
async def test_a_server_that_takes_too_long_to_start_is_a_timeout(tmp_path: Path) -> None:
    """A thread and a loop both hear it as a connection that was not made in time; the start itself goes on."""
    apps, hosts = SmallApps(), Hosts()
    transports = [
        AsyncEmbeddedTransport(EmbeddedServer(tmp_path, apps.find, hosts=hosts, start_seconds_max=0.0)),
        AsyncEmbeddedTransport(EmbeddedServer(tmp_path, apps.find, hosts=hosts)),
    ]
    thread = EmbeddedTransport(EmbeddedServer(tmp_path / "other", apps.find, hosts=hosts, start_seconds_max=0.0))
    apps.may_create.clear()
    with pytest.raises(httpx.ConnectTimeout):
        await transports[0].handle_async_request(request("/v1/ping"))
    with pytest.raises(httpx.ConnectTimeout):
        await asyncio.to_thread(thread.handle_request, request("/v1/ping"))
    apps.may_create.set()
    assert (await transports[1].handle_async_request(request("/v1/ping"))).status_code == 200
    for transport in transports:
        await transport.aclose()
    await asyncio.to_thread(thread.close)


def test_hosts_are_stopped_when_the_interpreter_ends(tmp_path: Path) -> None:
    """All of this process, and none of its parent's, which a forked child knows of but cannot reach."""
    apps, hosts = SmallApps(), Hosts()
    for name in ("a", "b"):
        transport = EmbeddedTransport(EmbeddedServer(tmp_path / name, apps.find, hosts=hosts))
        assert transport.handle_request(request("/v1/ping")).status_code == 200

    def child_leaves_at_once() -> bool:
        began = time.monotonic()
        hosts.leave()
        return time.monotonic() - began < 5

    assert in_a_child(child_leaves_at_once)
    assert apps.life == ["start", "start"]
    hosts.leave()
    assert apps.life == ["start", "start", "stop", "stop"]


FORGETFUL = """
import sys
from orbdo_sdk import SyncOrb
from tests.sdk.client.small_app import SmallApps

class Told(list):
    def append(self, word):
        print(word, flush=True)
    def extend(self, words):
        for word in words:
            self.append(word)

apps = SmallApps()
apps.life = Told()
orb = SyncOrb.embedded(sys.argv[1], find_server=apps.find, spool_mode="memory")
orb.ping()
orb.meter.track("llm", "acme", idempotency_key="k1")
"""


def test_a_process_that_ends_without_closing_delivers_first(tmp_path: Path) -> None:
    """Events at hand reach the server, which is stopped after them."""
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split("\n") == ["start", "event k1", "stop", ""]
