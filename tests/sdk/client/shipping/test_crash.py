"""What survives the end of a real process: every event is delivered, by it or by the next one, and counts once."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orbdo_sdk.client._shipping import Shipper
from tests.sdk.client.shipping.ingest_server import WAIT_SECONDS, IngestServer, Reply

pytestmark = pytest.mark.crash

VICTIM = Path(__file__).with_name("victim.py")
COUNT = 1_000


@contextmanager
def victim(server: IngestServer, folder: Path, mode: str, end: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has tracked its events and is about to come to its end."""
    arguments = [server.url, str(folder), mode, str(COUNT), end]
    process = subprocess.Popen(
        [sys.executable, str(VICTIM), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)


def keys(prefix: str) -> set[str]:
    """The keys of the events that were tracked under this prefix."""
    return {f"{prefix} {number}" for number in range(COUNT)}


def deliver_what_is_left(server: IngestServer, make_shipper: Callable[..., Shipper], expected: set[str]) -> Shipper:
    """The next process of the account comes along, and everything arrives."""
    server.decide = None
    heir = make_shipper()
    server.wait_for(lambda seen: expected <= seen.stored.keys())
    assert heir.flush(WAIT_SECONDS)
    assert set(server.stored) == expected
    return heir


@pytest.mark.parametrize("mode", ["on_pressure", "always"])
def test_sigterm_loses_nothing(
    server: IngestServer, make_shipper: Callable[..., Shipper], tmp_path: Path, mode: str
) -> None:
    """A process ended by its default handler dies of the signal, and what it held is on disk."""
    server.decide = lambda seen: Reply(status=503, store=False)
    with victim(server, tmp_path, mode, "wait") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == -signal.SIGTERM
    heir = deliver_what_is_left(server, make_shipper, keys("parent"))
    assert heir.statistics.adopted == COUNT


def test_sigterm_with_a_handler_of_the_application_loses_nothing(
    server: IngestServer, make_shipper: Callable[..., Shipper], tmp_path: Path
) -> None:
    """The application's handler decides how the process ends, and everything is safe when it does."""
    server.decide = lambda seen: Reply(status=503, store=False)
    with victim(server, tmp_path, "on_pressure", "polite") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 7
    deliver_what_is_left(server, make_shipper, keys("parent"))


def test_sigkill_loses_nothing_that_was_written_first(
    server: IngestServer, make_shipper: Callable[..., Shipper], tmp_path: Path
) -> None:
    """In the mode always an accepted event survives a process that is killed without a word."""
    server.decide = lambda seen: Reply(status=503, store=False)
    with victim(server, tmp_path, "always", "wait") as process:
        process.kill()
        process.wait(WAIT_SECONDS)
    heir = deliver_what_is_left(server, make_shipper, keys("parent"))
    assert heir.statistics.adopted == COUNT


@pytest.mark.parametrize(("end", "status"), [("exit", 0), ("exception", 1)])
def test_an_exit_without_close_delivers(server: IngestServer, tmp_path: Path, end: str, status: int) -> None:
    """A script that forgets to close, or dies of an exception, still delivers to a healthy server."""
    with victim(server, tmp_path, "on_pressure", end) as process:
        assert process.wait(WAIT_SECONDS) == status
    assert server.stored == dict.fromkeys(keys("parent"), 1)
    assert list(tmp_path.glob("*.spool")) == []


def test_an_exit_without_close_in_an_outage_loses_nothing(
    server: IngestServer, make_shipper: Callable[..., Shipper], tmp_path: Path
) -> None:
    """What a healthy server would have got waits on disk."""
    server.decide = lambda seen: Reply(status=503, store=False)
    with victim(server, tmp_path, "on_pressure", "exit") as process:
        assert process.wait(WAIT_SECONDS) == 0
    deliver_what_is_left(server, make_shipper, keys("parent"))


def test_a_fork_loses_nothing(server: IngestServer, make_shipper: Callable[..., Shipper], tmp_path: Path) -> None:
    """Parent and children deliver their own events; a child that leaves at once leaves them on disk."""
    with victim(server, tmp_path, "always", "fork") as process:
        assert process.wait(WAIT_SECONDS) == 0
    deliver_what_is_left(server, make_shipper, keys("parent") | keys("child") | keys("at once"))


def test_a_worker_of_multiprocessing_loses_nothing(
    server: IngestServer, make_shipper: Callable[..., Shipper], tmp_path: Path
) -> None:
    """Such a child ends without running exit handlers, and delivers all the same."""
    with victim(server, tmp_path, "on_pressure", "worker") as process:
        assert process.wait(WAIT_SECONDS) == 0
    deliver_what_is_left(server, make_shipper, keys("parent") | keys("worker"))
