"""A disk that takes no more: nothing is acknowledged that is not kept, and the log goes on once there is room again.

A log whose file lost what was acknowledged meanwhile does not go on.

A child process runs each case under a limit on the size of its files, which the kernel enforces as it does a full disk.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on the size of files to set")

SCRIPT = """
import os, resource, shutil, signal, sys, time
from orbdo_server.storage.event_log import LogUnavailableError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import batch, create, event, keys, send, the_clock, units

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def limit(bytes_max):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))

def refused(act):
    try:
        act()
    except LogUnavailableError:
        return True
    return False

def once_it_works(act):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            return act()
        except LogUnavailableError:
            time.sleep(0.05)
    raise AssertionError("it was refused for five seconds")

def many(first):
    return [event(f"k{number}", "x" * 500) for number in range(first, first + 200)]

def opened(**options):
    return DuckDBEventLog(sys.argv[1], threads=1, clock=the_clock, **options)

path = sys.argv[1]
"""

JOURNAL = """
log = opened()
send(log, *many(0))
limit(200_000)
assert refused(lambda: log.append([batch(*many(200)), batch(*many(400))]))
assert refused(lambda: log.append([batch(*many(200))]))
assert log.position() == 200, log.position()
assert len(keys(log)) == 200
limit(resource.RLIM_INFINITY)
assert len(send(log, *many(100)).duplicates) == 100
assert log.position() == 300
log.close()
log = opened()
assert sorted(keys(log)) == sorted(f"k{number}" for number in range(300))
log.close()
"""

NEW_SEGMENT = """
log = opened(segment_bytes_max=150_000)
send(log, *many(0))
limit(100_000)
assert refused(lambda: send(log, *many(200)))
assert refused(lambda: create(log, "bf_1"))
limit(resource.RLIM_INFINITY)
assert create(log, "bf_1") == 201
send(log, *many(100))
log.close()
log = opened()
assert (log.position(), len(set(keys(log)))) == (301, 300)
log.close()
"""

CHECKPOINTS = """
log = opened(checkpoint_wal_bytes=1)
send(log, *many(0))
assert len(keys(log)) == 200
limit(300_000)
send(log, *many(200))
time.sleep(0.1)
refused(lambda: keys(log))
assert refused(lambda: send(log, *many(400)))
limit(resource.RLIM_INFINITY)
assert len(once_it_works(lambda: keys(log))) == 400
assert len(once_it_works(lambda: send(log, *many(300))).duplicates) == 100
assert log.position() == 500
log.close()
log = opened()
assert len(set(keys(log))) == len(keys(log)) == 500
log.close()
"""

CLOSING = """
log = opened()
send(log, *many(0))
limit(60_000)
log.close()
limit(resource.RLIM_INFINITY)
log = opened()
assert len(keys(log)) == 200
log.close()
"""

DOUBTED = """
def doubted(**options):
    log = opened(checkpoint_wal_bytes=1, **options)
    send(log, event("old"))
    assert keys(log) == ["old"]
    log.close()
    shutil.copy(path, path + ".old")
    log = opened(checkpoint_wal_bytes=1, **options)
    for first in range(0, 1_000, 200):
        send(log, *many(first))
    assert len(keys(log)) == 1_001
    time.sleep(0.2)
    # As after any error of the tables, so that the next one to come opens them anew.
    log._tables.doubtful = True
    return log
"""

GONE = """
log = doubted()
os.rename(path, path + ".away")
os.mkdir(path)
assert refused(lambda: keys(log))
assert refused(lambda: send(log, event("new")))
os.rmdir(path)
os.rename(path + ".away", path)
assert len(once_it_works(lambda: keys(log))) == 1_001
assert send(log, event("new"), event("k0", "x" * 500)).duplicates == ["k0"]
log.close()
"""

OLDER = """
log = doubted(segment_bytes_max=200_000)
os.replace(path + ".old", path)
for _ in range(2):
    assert refused(lambda: keys(log, as_of=1))
    assert refused(lambda: send(log, event("new")))
log.close()
assert refused(opened)
"""

OLDER_WITH_ITS_JOURNAL = """
log = doubted()
os.replace(path + ".old", path)
assert len(once_it_works(lambda: keys(log))) == 1_001
assert send(log, event("new"), event("k0", "x" * 500)).duplicates == ["k0"]
log.close()
"""


@pytest.mark.parametrize(
    "case",
    [JOURNAL, NEW_SEGMENT, CHECKPOINTS, CLOSING, DOUBTED + GONE, DOUBTED + OLDER, DOUBTED + OLDER_WITH_ITS_JOURNAL],
    ids=["journal", "new-segment", "checkpoints", "closing", "gone", "older", "older-with-its-journal"],
)
def test_a_full_disk_loses_nothing_that_was_answered(case: str, tmp_path: Path) -> None:
    """What was refused is not there, what was answered is there once, and writing goes on when there is room."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + case, str(tmp_path / "events.duckdb")],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
