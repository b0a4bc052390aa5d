"""A process that tracks events and comes to its end; run by test_crash as ``victim.py URL FOLDER MODE COUNT END``."""

import multiprocessing
import os
import signal
import sys
import time
from types import FrameType

from orbdo_sdk.client._shipping import Shipper

LIFE_SECONDS_MAX = 15.0
NAP_SECONDS = 0.05


def track(shipper: Shipper, prefix: str, count: int) -> None:
    """Track that many events."""
    for number in range(count):
        shipper.track("call", external_customer_id="acme", idempotency_key=f"{prefix}{number}")


def quit_politely(number: int, frame: FrameType | None) -> None:
    """The application's own handler of SIGTERM."""
    sys.exit(7)


def fork_and_track(shipper: Shipper, count: int) -> None:
    """Fork a child that tracks events of its own, which it either delivers or leaves behind at once."""
    for leave_at_once in (False, True):
        child = os.fork()
        if child == 0:
            track(shipper, "at once " if leave_at_once else "child ", count)
            if leave_at_once:
                os._exit(0)
            sys.exit(0)
        os.waitpid(child, 0)


def work(shipper: Shipper, count: int) -> None:
    """What a child of multiprocessing does."""
    track(shipper, "worker ", count)


def main(url: str, folder: str, mode: str, count: int, end: str) -> None:
    """Track and come to the end that is asked for."""
    # Whatever runs the tests may have a handler of its own, and what is shown here is what happens without one.
    signal.signal(signal.SIGTERM, quit_politely if end == "polite" else signal.SIG_DFL)
    shipper = Shipper(url, "key", spool_path=folder, spool_mode=mode)  # type: ignore[arg-type] # as the caller says
    track(shipper, "parent ", count)
    print("ready", flush=True)
    if end == "exit":
        return
    if end == "exception":
        raise LookupError("nobody caught this")
    if end == "fork":
        fork_and_track(shipper, count)
        return
    if end == "worker":
        worker = multiprocessing.get_context("fork").Process(target=work, args=(shipper, count))
        worker.start()
        worker.join()
        return
    # In naps: a signal that comes just before a sleep begins is handled when it ends.
    dies_at = time.monotonic() + LIFE_SECONDS_MAX
    while time.monotonic() < dies_at:
        time.sleep(NAP_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
