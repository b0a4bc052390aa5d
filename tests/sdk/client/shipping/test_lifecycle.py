"""Exit, SIGTERM and fork as they reach those who hold events; nobody dies here, see test_crash for that."""

import multiprocessing.util
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from orbdo_sdk.client._shipping import _sqlite, lifecycle
from orbdo_sdk.client._shipping.lifecycle import Termination


class Holder:
    """Somebody with events, who notes what reaches him."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.fails = False

    def persist(self, *, dying: bool) -> None:
        """SIGTERM."""
        self._hear("dying" if dying else "persist")

    def leave(self) -> None:
        """Exit."""
        self._hear("leave")

    def forked(self) -> None:
        """Fork."""
        self._hear("forked")

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        if self.fails:
            raise RuntimeError("cannot be saved")


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """Start from the default action on SIGTERM and leave what was there."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def holder() -> Iterator[Holder]:
    """Somebody who is watched during the test."""
    holder = Holder()
    lifecycle.watch(holder)
    yield holder
    lifecycle.unwatch(holder)


def handler_before(number: int, frame: FrameType | None) -> None:
    """A handler of the application that is only there to be kept."""


def test_sigterm_persists_and_then_calls_the_handler_that_was_there() -> None:
    """The application's own handler still has the last word, and comes after the events are safe."""
    holder = Holder()
    signal.signal(signal.SIGTERM, lambda number, frame: holder.heard.append("application"))
    lifecycle.watch(holder)
    signal.raise_signal(signal.SIGTERM)
    lifecycle.unwatch(holder)
    assert holder.heard == ["persist", "application"]


def test_sigterm_without_a_handler_persists_and_then_kills() -> None:
    """Everybody persists, knowing that this is the end, and the signal is raised again with its default action."""
    holder = Holder()
    lifecycle.watch(holder)
    killed = threading.Event()
    Termination(None, kill=killed.set)(signal.SIGTERM, None)
    assert killed.wait(10.0)
    assert holder.heard == ["dying"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    lifecycle.unwatch(holder)


def test_one_who_cannot_persist_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged, the next one persists, and the process dies all the same."""
    broken, sound = Holder(), Holder()
    broken.fails = True
    lifecycle.watch(broken)
    lifecycle.watch(sound)
    killed = threading.Event()
    Termination(None, kill=killed.set)(signal.SIGTERM, None)
    assert killed.wait(10.0)
    assert sound.heard == ["dying"]
    assert "events could not be saved on SIGTERM" in caplog.text
    lifecycle.leave_all()
    assert sound.heard == ["dying", "leave"]
    assert "events could not be saved at exit" in caplog.text
    lifecycle.unwatch(broken)
    lifecycle.unwatch(sound)


def test_the_handler_comes_once_and_goes_with_the_last_one(holder: Holder) -> None:
    """A second holder installs no second handler, and the handler before is back when both are gone."""
    installed = signal.getsignal(signal.SIGTERM)
    second = Holder()
    lifecycle.watch(second)
    assert signal.getsignal(signal.SIGTERM) is installed
    lifecycle.unwatch(second)
    assert signal.getsignal(signal.SIGTERM) is installed
    lifecycle.unwatch(holder)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_the_application_comes_back() -> None:
    """What was installed before us is restored."""
    signal.signal(signal.SIGTERM, handler_before)
    holder = Holder()
    lifecycle.watch(holder)
    assert isinstance(signal.getsignal(signal.SIGTERM), Termination)
    lifecycle.unwatch(holder)
    assert signal.getsignal(signal.SIGTERM) is handler_before


def test_a_handler_installed_after_ours_stays(holder: Holder) -> None:
    """The last one to go does not take away what the application has put in our place."""
    signal.signal(signal.SIGTERM, handler_before)
    lifecycle.unwatch(holder)
    assert signal.getsignal(signal.SIGTERM) is handler_before


def test_a_process_that_ignores_the_signal_goes_on_ignoring_it() -> None:
    """We do not make a signal deadly that was not."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    holder = Holder()
    lifecycle.watch(holder)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    lifecycle.unwatch(holder)


def test_another_thread_installs_nothing() -> None:
    """Python lets only the main thread install handlers; elsewhere exit and fork still reach the holder."""
    holder = Holder()

    def watch_and_leave() -> None:
        lifecycle.watch(holder)
        lifecycle.leave_all()
        lifecycle.unwatch(holder)

    thread = threading.Thread(target=watch_and_leave)
    thread.start()
    thread.join()
    assert holder.heard == ["leave"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_child_of_multiprocessing_leaves_through_its_finalizers(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a child ends without exit handlers: only there a finalizer is registered, which tells the holder."""
    run_finalizers = vars(multiprocessing.util)["_run_finalizers"]
    lifecycle.watch_child_exit()
    run_finalizers(lifecycle.FINALIZER_PRIORITY)
    assert holder.heard == []
    monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.current_process)
    lifecycle.watch_child_exit()
    run_finalizers(lifecycle.FINALIZER_PRIORITY)
    assert holder.heard == ["leave"]


def test_who_is_gone_is_not_asked() -> None:
    """Holders are known by weak reference; a forgotten one costs nothing."""
    holder = Holder()
    heard = holder.heard
    lifecycle.watch(holder)
    del holder
    lifecycle.leave_all()
    assert heard == []


def test_a_fork_waits_for_the_disk_and_tells_the_child(holder: Holder) -> None:
    """SQLite is nobody's while the process forks; only the child starts anew."""
    lifecycle.before_fork()
    taken: list[bool] = []
    other = threading.Thread(target=lambda: taken.append(_sqlite.LOCK.acquire(blocking=False)))
    other.start()
    other.join()
    assert taken == [False]
    lifecycle.after_fork_in_parent()
    assert holder.heard == []
    lifecycle.before_fork()
    lifecycle.after_fork_in_child()
    assert holder.heard == ["forked"]
    assert _sqlite.LOCK.acquire(blocking=False)
    _sqlite.LOCK.release()


def test_a_fork_does_not_wait_for_ever(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that stays inside SQLite holds up the fork for a bounded time, and the child gets a lock of its own."""
    monkeypatch.setattr(lifecycle, "FORK_WAIT_SECONDS_MAX", 0.01)
    inside, done = threading.Event(), threading.Event()

    def stay(lock: "threading._RLock") -> None:
        with lock:
            inside.set()
            done.wait(10.0)

    held = _sqlite.LOCK
    thread = threading.Thread(target=stay, args=(held,))
    thread.start()
    assert inside.wait(10.0)
    lifecycle.before_fork()
    lifecycle.after_fork_in_parent()
    lifecycle.after_fork_in_child()
    assert _sqlite.LOCK is not held
    assert _sqlite.LOCK.acquire(blocking=False)
    _sqlite.LOCK.release()
    done.set()
    thread.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Python 3.12 and later say so
def test_a_real_fork_goes_through(holder: Holder) -> None:
    """The hooks are registered: the parent is not told, and its lock is free again."""
    child = os.fork()
    if child == 0:
        os._exit(0 if holder.heard == ["forked"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert holder.heard == []
