"""A process that writes the log is killed with SIGKILL, again and again: everything it answered is there, once.

The child sends batches through the whole way in, several at a time, and says on its output which were answered.
Whatever was not answered is sent again to the next child, as a client would, and so is some that was. Segments of the
journal begin, chunks are written and checkpoints are made all the time, so that kills hit those too.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from time import sleep

import pytest

from orbdo_server.engine.ingest import Ingest
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import RECEIVED, TENANT, event, keys, the_clock, units

ROUNDS = int(os.environ.get("ORBDO_CRASH_ROUNDS", "10"))
SEEDS = (9, 10, 11, 12, 13)
BATCH_EVENTS = 20
IN_FLIGHT = 8
CHUNK_ROWS = 500
SEGMENT_BYTES_MAX = 50_000
CHECKPOINT_WAL_BYTES = 100_000
CHECKPOINT_JOURNAL_BYTES = 200_000
AGAIN_MAX = 5
READ_ROWS_MAX = 10_000_000


@pytest.mark.crash
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_answered_survives_a_kill_and_is_counted_once(tmp_path: Path, seed: int) -> None:
    """Ten times with all seeds, or as often as ORBDO_CRASH_ROUNDS says; in the end a retry brings in the rest."""
    path = tmp_path / "events.duckdb"
    chance = random.Random(seed)
    answered: set[int] = set()
    begun = 0
    for _ in range(ROUNDS // len(SEEDS)):
        again = set(range(begun)) - answered | set(chance.sample(sorted(answered), min(AGAIN_MAX, len(answered))))
        answered |= killed(path, again, goes_on_at=begun, after_seconds=chance.uniform(0.0, 0.3))
        there = stored(path)
        assert [key for number in answered for key in batch_keys(number) if there[key] != 1] == []
        assert set(there.values()) <= {1}
        # Beyond what was answered no more were on their way than fly at once.
        begun = max(begun, max(answered) + 1 + IN_FLIGHT)
    answered |= finished(path, set(range(begun)) - answered)
    assert answered == set(range(begun))
    assert stored(path) == Counter(key for number in range(begun) for key in batch_keys(number))


def killed(path: Path, unanswered: set[int], *, goes_on_at: int, after_seconds: float) -> set[int]:
    """Which batches a child answered that would never end; it is killed some time after its first answer."""
    with child(path, unanswered, goes_on_at=goes_on_at) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        sleep(after_seconds)
        process.kill()
        lines = [first, *process.stdout.readlines()]
    assert process.returncode == -signal.SIGKILL
    # The last line may be cut off by the kill; what is not a whole line was not answered.
    return {int(line) for line in lines if line.endswith("\n")}


def finished(path: Path, unanswered: set[int]) -> set[int]:
    """Which batches a child answered that only had these to send."""
    with child(path, unanswered, goes_on_at=None) as process:
        assert process.stdout is not None
        lines = process.stdout.readlines()
    assert process.returncode == 0
    return {int(line) for line in lines}


def child(path: Path, unanswered: set[int], *, goes_on_at: int | None) -> "subprocess.Popen[str]":
    """A process that sends batches, first those that were not answered, then new ones without end if told."""
    again = ",".join(map(str, sorted(unanswered)))
    command = [sys.executable, "-m", "tests.crash.test_kill_nine", str(path), again, str(goes_on_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def stored(path: Path) -> Counter[str]:
    """How often each key is in effect; each counts one unit."""
    log = DuckDBEventLog(path, threads=1, clock=the_clock, read_rows_max=READ_ROWS_MAX)
    there = Counter(keys(log))
    assert units(log) == log.position() == there.total()
    log.close()
    return there


def batch_keys(number: int) -> list[str]:
    """The keys of a batch."""
    return [f"{number}-{place}" for place in range(BATCH_EVENTS)]


async def send_all(ingest: Ingest, numbers: Iterable[int]) -> None:
    """Send the batches, several at a time, and say which were answered."""
    waiting = iter(numbers)

    async def send() -> None:
        for number in waiting:
            await ingest.submit(TENANT, [event(key) for key in batch_keys(number)], received_at=RECEIVED)
            print(number, flush=True)

    await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))


def write(path: Path, numbers: Iterable[int]) -> None:
    """What the child does."""
    log = DuckDBEventLog(
        path,
        threads=1,
        chunk_rows=CHUNK_ROWS,
        segment_bytes_max=SEGMENT_BYTES_MAX,
        checkpoint_wal_bytes=CHECKPOINT_WAL_BYTES,
        checkpoint_journal_bytes=CHECKPOINT_JOURNAL_BYTES,
        clock=the_clock,
    )
    ingest = Ingest(log)
    asyncio.run(send_all(ingest, numbers))
    ingest.close()
    log.close()


def numbers_to_send(again: str, goes_on_at: str) -> Iterator[int]:
    """The batches that ``child`` asks for."""
    yield from (int(number) for number in again.split(",") if number)
    if goes_on_at != "None":
        yield from count(int(goes_on_at))


if __name__ == "__main__":
    write(Path(sys.argv[1]), numbers_to_send(*sys.argv[2:]))
