"""The ends of a process: exit, SIGTERM and fork, brought to everything that holds undelivered events.

It knows its survivors by weak reference only. It does not replace what the application does on SIGTERM: a handler that
was there is called afterwards, and where there was none the process still dies of the signal.
"""

import atexit
import logging
import multiprocessing.util
import os
import signal
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Protocol

from orbdo_sdk.client._shipping import _sqlite

logger = logging.getLogger("orbdo")

# How long a handler that comes after ours is kept waiting for the disk.
PERSIST_SECONDS_MAX = 2.0
FORK_WAIT_SECONDS_MAX = 5.0
# Before multiprocessing's own, which end its queues and pools at priorities up to 100.
FINALIZER_PRIORITY = 1_000


class Survivor(Protocol):
    """Something whose events must outlive the process."""

    def persist(self, *, dying: bool) -> None:
        """The process may end any moment (``dying``: at once): put on disk what is only in memory, and go on."""

    def leave(self) -> None:
        """The process exits: deliver what can be delivered quickly and put the rest on disk."""

    def forked(self) -> None:
        """This is a child: what is held belongs to the parent; start empty, with own threads and files."""


class Termination:
    """The SIGTERM handler. ``kill`` ends the process once everything is on disk, when no other handler does."""

    def __init__(self, previous: Callable[[int, FrameType | None], object] | None, *, kill: Callable[[], None]) -> None:
        self.previous = previous
        self._kill = kill

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Persist in another thread: the interrupted one may be holding a lock that is needed for it."""
        if self.previous is None:
            # From here on the signal kills, as it would have without us; a second one does not wait for the disk.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            threading.Thread(target=self._persist_and_die, name="orbdo-last-will", daemon=True).start()
        else:
            worker = threading.Thread(target=_persist_all, kwargs={"dying": False}, name="orbdo-last-will", daemon=True)
            worker.start()
            worker.join(PERSIST_SECONDS_MAX)
            self.previous(number, frame)

    def _persist_and_die(self) -> None:
        try:
            _persist_all(dying=True)
        finally:
            self._kill()


_survivors: dict[int, weakref.ref[Survivor]] = {}
_fork_locked = False


def watch(survivor: Survivor) -> None:
    """See to it that ``survivor`` hears of the end of the process.

    The signal handler is installed from the main thread only, as Python demands, and not over one written in C or one
    that ignores the signal.
    """
    _survivors[id(survivor)] = weakref.ref(survivor)
    # Registered anew so that it runs before whatever the application registered until now, which may be our server.
    atexit.unregister(leave_all)
    atexit.register(leave_all)
    if threading.current_thread() is threading.main_thread():
        _install()


def watch_child_exit() -> None:
    """See to it that a child of multiprocessing leaves properly: it ends without running what atexit knows.

    To be called in the process that begins to hold events; anywhere else it does nothing.
    """
    if multiprocessing.parent_process() is not None:
        multiprocessing.util.Finalize(None, leave_all, exitpriority=FINALIZER_PRIORITY)


def unwatch(survivor: Survivor) -> None:
    """``survivor`` has nothing to lose any more; the last one to go takes the signal handler with it."""
    _survivors.pop(id(survivor), None)
    if not _living() and threading.current_thread() is threading.main_thread():
        _uninstall()


def leave_all() -> None:
    """The process exits."""
    for survivor in _living():
        try:
            survivor.leave()
        except Exception:
            logger.exception("events could not be saved at exit")


def _persist_all(*, dying: bool) -> None:
    for survivor in _living():
        try:
            survivor.persist(dying=dying)
        except Exception:
            logger.exception("events could not be saved on SIGTERM")


def _living() -> list[Survivor]:
    return [survivor for reference in list(_survivors.values()) if (survivor := reference()) is not None]


def _install() -> None:
    current = signal.getsignal(signal.SIGTERM)
    if isinstance(current, Termination) or current is signal.SIG_IGN or current is None:
        return
    previous = current if callable(current) and not isinstance(current, signal.Handlers) else None
    signal.signal(signal.SIGTERM, Termination(previous, kill=partial(signal.raise_signal, signal.SIGTERM)))


def _uninstall() -> None:
    current = signal.getsignal(signal.SIGTERM)
    if isinstance(current, Termination):
        signal.signal(signal.SIGTERM, current.previous or signal.SIG_DFL)


def before_fork() -> None:
    """Keep every thread out of SQLite while the process forks; give up on a thread that will not leave."""
    global _fork_locked  # noqa: PLW0603 - a process forks once at a time
    _fork_locked = _sqlite.LOCK.acquire(timeout=FORK_WAIT_SECONDS_MAX)


def after_fork_in_parent() -> None:
    """Let the threads go on."""
    if _fork_locked:
        _sqlite.LOCK.release()


def after_fork_in_child() -> None:
    """Only the forking thread lives on: give every survivor a fresh start."""
    # Whoever else may have held the lock does not exist here, and nobody would ever release it.
    _sqlite.LOCK = threading.RLock()
    for survivor in _living():
        survivor.forked()


if hasattr(os, "register_at_fork"):  # pragma: no branch - only Windows cannot fork
    os.register_at_fork(before=before_fork, after_in_parent=after_fork_in_parent, after_in_child=after_fork_in_child)
