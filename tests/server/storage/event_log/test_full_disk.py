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
import os, resource, shutil, signal, sys
from orbdo_server.storage.event_log import LogUnavailableError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import batch, create, event, keys, send, units

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def limit(bytes_max):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))

def refused(act):
    try:
        act()
    except LogUnavailableError:
        return True
    return False

def many(first):
    return [event(f"k{number}", "x" * 500) for number in range(first, first + 200)]

path = sys.argv[1]
"""

COMMITS = """
log = DuckDBEventLog(path, threads=1)
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
log = DuckDBEventLog(path, threads=1)
assert sorted(keys(log)) == sorted(f"k{number}" for number in range(300))
log.close()
"""

CHECKPOINTS = """
log = DuckDBEventLog(path, threads=1, checkpoint_wal_bytes=1)
for first in range(0, 4_000, 200):
    send(log, *many(first))
limit(300_000)
log.maintain()
assert len(keys(log)) == 4_000
limit(resource.RLIM_INFINITY)
assert len(keys(log)) == 4_000
assert len(send(log, *many(3_900)).duplicates) == 100
assert log.position() == 4_100
log.maintain()
log.close()
log = DuckDBEventLog(path, threads=1)
assert len(set(keys(log))) == len(keys(log)) == 4_100
log.close()
"""

CUT_OFF = """
log = DuckDBEventLog(path, threads=1, checkpoint_wal_bytes=1)
for first in range(0, 4_000, 200):
    send(log, *many(first))
limit(300_000)
log.maintain()
assert refused(lambda: send(log, *many(4_000)))
assert refused(lambda: create(log, "bf_1"))
log.maintain()
limit(resource.RLIM_INFINITY)
assert create(log, "bf_1") == 4_001
assert len(keys(log)) == 4_000
log.close()
"""

GONE = """
log = DuckDBEventLog(path, threads=1, checkpoint_wal_bytes=1)
for first in range(0, 4_000, 200):
    send(log, *many(first))
limit(300_000)
log.maintain()
limit(resource.RLIM_INFINITY)
os.rename(path, path + ".away")
os.mkdir(path)
assert refused(lambda: keys(log))
assert refused(lambda: send(log, event("new")))
os.rmdir(path)
os.rename(path + ".away", path)
assert len(keys(log)) == 4_000
assert send(log, event("new"), event("k0", "x" * 500)).duplicates == ["k0"]
log.close()
"""

CUT_SHORT = """
log = DuckDBEventLog(path, threads=1, checkpoint_wal_bytes=1)
send(log, event("old"))
log.maintain()
shutil.copy(path, path + ".old")
for first in range(0, 4_000, 200):
    send(log, *many(first))
limit(300_000)
log.maintain()
limit(resource.RLIM_INFINITY)
os.replace(path + ".old", path)
os.remove(path + ".wal")
for _ in range(2):
    assert refused(lambda: keys(log, as_of=1))
    assert refused(lambda: send(log, event("new")))
log.close()
"""


@pytest.mark.parametrize(
    "case",
    [COMMITS, CHECKPOINTS, CUT_OFF, GONE, CUT_SHORT],
    ids=["commits", "checkpoints", "cut-off", "gone", "cut-short"],
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
