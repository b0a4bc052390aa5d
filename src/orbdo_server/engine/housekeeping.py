"""What is due by the clock and asked for by nobody, and the thread that sees to it."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from orbdo_server.engine.backfills import close_due
from orbdo_server.engine.log_watch import note
from orbdo_server.engine.stores import Stores
from orbdo_server.errors import UnavailableError

EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


def run_due(stores: Stores, now: datetime) -> None:
    """Do everything that is due at ``now``: close the backfills whose time has come, note how far the log is.

    Safe to run at any time and any number of times. Raises ``UnavailableError``; the next run does what is left.
    """
    close_due(stores.log, now=now)
    note(stores)


class Housekeeper:
    """Runs what is due, every second, until it is closed."""

    def __init__(self, stores: Stores, *, clock: Callable[[], datetime], every_seconds: float = EVERY_SECONDS) -> None:
        self._stores = stores
        self._clock = clock
        self._every_seconds = every_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orbdo-housekeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; what it is doing is finished first. Closing twice is closing once."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._every_seconds):
            try:
                run_due(self._stores, self._clock())
            except UnavailableError as error:
                _log.warning("what is due could not be done and is tried again: %s", error)
            except Exception:
                _log.exception("what is due could not be done and is tried again")
