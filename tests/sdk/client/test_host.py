"""An embedded server on its own thread: started once, asked from anywhere, stopped in order."""

from concurrent.futures import Future
from pathlib import Path

import httpx
import pytest

from orbdo_sdk import ClosedError, ConfigurationError, OrbError
from orbdo_sdk.client._host import Host
from tests.sdk.client.small_app import SmallApps
from tests.support.door import sync_until
from tests.support.forks import in_a_child

FOLDER = Path("data")


def get(path: str) -> httpx.Request:
    """A request as a client sends it, with a key that the host replaces."""
    return httpx.Request("GET", f"http://embedded.orbdo{path}", headers={"Authorization": "Bearer placeholder"})


def test_a_host_starts_once_and_stops_in_order() -> None:
    """Whoever asks first starts it; stopping waits for the app's own shutdown."""
    apps = SmallApps()
    host = Host(FOLDER, apps.create)
    assert apps.made == []
    running = host.start().result(5)
    assert host.start().result(5) is running
    response = running.begin(get("/v1/ping")).result(5)
    assert (response.status_code, response.read()) == (200, b'{"response":"pong"}')
    assert host.stop().result(5) is None
    assert host.stop().done()
    assert apps.life == ["start", "stop"]
    assert [app.folder for app in apps.made] == [FOLDER]
    with pytest.raises(ClosedError):
        host.start()


def test_a_host_that_never_ran_is_stopped_at_once() -> None:
    """No app is made for it, then or later."""
    apps = SmallApps()
    host = Host(FOLDER, apps.create)
    assert host.stop().done()
    with pytest.raises(ClosedError):
        host.start()
    assert apps.made == []


def test_an_answer_keeps_its_bytes() -> None:
    """A packed stream is unpacked by who asked, once."""
    host = Host(FOLDER, SmallApps().create)
    response = host.start().result(5).begin(get("/v1/items/packed")).result(5)
    assert response.headers["content-encoding"] == "gzip"
    assert response.read() == b'{"id":"packed","name":"packed","created_at":"2026-01-01T00:00:00Z"}'
    host.stop().result(5)


def test_a_crash_in_the_app_is_an_answer() -> None:
    """The app's own handler says what it says, and the host goes on."""
    host = Host(FOLDER, SmallApps().create)
    running = host.start().result(5)
    assert running.begin(get("/v1/items/crash")).result(5).status_code == 500
    assert running.begin(get("/v1/ping")).result(5).status_code == 200
    host.stop().result(5)


def test_stopping_lets_requests_end() -> None:
    """What is under way is answered before the app is shut down."""
    apps = SmallApps()
    host = Host(FOLDER, apps.create)
    running = host.start().result(5)
    answer = running.begin(get("/v1/items/slow"))
    sync_until(lambda: "asked" in apps.life)
    stopped = host.stop()
    with pytest.raises(TimeoutError):
        stopped.result(0.05)
    running.begin(get("/v1/ping")).add_done_callback(lambda _: apps.made[0].may_answer.set())
    assert answer.result(5).status_code == 200
    stopped.result(5)
    assert apps.life == ["start", "asked", "stop"]


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [("create", "the folder is locked by another process"), ("startup", "the log is damaged")],
)
def test_a_server_that_refuses_to_start_says_why(trouble: str, problem: str) -> None:
    """The error names the folder and keeps its cause; the host is stopped by then."""
    host = Host(FOLDER, SmallApps(trouble=trouble).create)
    with pytest.raises(ConfigurationError, match=f"the embedded server of data did not start: {problem}") as caught:
        host.start().result(5)
    assert caught.value.__cause__ is not None
    assert host.stop().result(5) is None


def test_a_server_that_does_not_stop_in_order_says_why() -> None:
    """Somebody must hear that what it held may not be put away."""
    host = Host(FOLDER, SmallApps(trouble="shutdown").create)
    host.start().result(5)
    with pytest.raises(OrbError, match="the embedded server of data did not stop in order: the disk is full"):
        host.stop().result(5)


def test_a_host_waits_for_the_one_before_it() -> None:
    """Two servers never hold one folder at a time."""
    apps = SmallApps()
    before: Future[None] = Future()
    host = Host(FOLDER, apps.create, after=before)
    ready = host.start()
    with pytest.raises(TimeoutError):
        ready.result(0.05)
    assert apps.made == []
    before.set_result(None)
    ready.result(5)
    host.stop().result(5)


def test_a_host_does_not_survive_a_fork() -> None:
    """The child is told so; its parent's host goes on."""
    host = Host(FOLDER, SmallApps().create)
    running = host.start().result(5)

    def refused() -> bool:
        with pytest.raises(ConfigurationError, match="does not survive a fork"):
            host.start()
        return True

    assert in_a_child(refused)
    assert running.begin(get("/v1/ping")).result(5).status_code == 200
    host.stop().result(5)
