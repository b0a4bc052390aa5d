"""Going on after a crash or an error: whatever was acknowledged is there once, at its position, and nothing else."""

import random
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import duckdb
import pytest

from orbdo_server.storage.event_log import LogUnavailableError, Repeated
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.log_file import LogFile
from tests.support.damaged_logs import Contents, contents, opened
from tests.support.killed_logs import killed_copy
from tests.support.logged_events import (
    RECEIVED,
    TENANT,
    amend,
    answer,
    close,
    create,
    deprecate,
    event,
    keys,
    send,
    the_clock,
    undo,
    units,
)

NAME = "events.duckdb"


def tiny(folder: Path, *, chunk_rows: int = 7) -> DuckDBEventLog:
    """A log that cuts chunks inside records and checkpoints all the time."""
    return DuckDBEventLog(
        folder / NAME,
        threads=1,
        chunk_rows=chunk_rows,
        segment_bytes_max=4_096,
        checkpoint_wal_bytes=20_000,
        checkpoint_journal_bytes=20_000,
        clock=the_clock,
    )


def act(log: DuckDBEventLog, step: int) -> None:
    """Something that changes the log: mostly events, some again, and now and then an action."""
    fresh = [event(f"{step}-{place}", step) for place in range(step % 12)]
    again = [event(f"{step - 1}-{place}", step - 1) for place in range((step - 1) % 12)]
    match step % 6:
        case 0:
            create(log, f"bf_{step}")
            send(log, event(f"b{step}", 5), backfill_id=f"bf_{step}")
        case 1 if step > 1:
            close(log, f"bf_{step - 1}")
        case 2:
            position = send(log, event(f"a{step}", 1)).position
            amend(log, position, event(f"a{step}", 2))
        case 3:
            deprecate(log, send(log, event(f"d{step}", 1)).position, f"d{step}")
            send(log, event(f"d{step}", 1))
        case 4:
            position = send(log, event(f"u{step}", 1)).position
            amend(log, position, event(f"u{step}", 9))
            undo(log, position, f"u{step}")
        case _:
            send(log, *fresh, *again)


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_of_the_files_at_any_moment_has_everything(tmp_path: Path, seed: int) -> None:
    """As if the process had been killed there: positions and all answers are the same, and the log goes on."""
    chance = random.Random(seed)
    log = tiny(tmp_path / "log", chunk_rows=chance.choice([1, 7, 50]))
    copies: list[tuple[Path, Contents]] = []
    for step in range(60):
        act(log, step)
        if chance.random() < 0.1:
            copy = tmp_path / f"copy{step}"
            killed_copy(log, tmp_path / "log", copy)
            copies.append((copy, contents(log)))
    log.close()
    for copy, there in copies:
        again = tiny(copy)
        assert contents(again) == there
        assert send(again, event("new")) == answer(there.position + 1, ["new"])
        again.close()
        again = tiny(copy)
        assert again.position() == there.position + 1
        again.close()


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have one method of the tables' file fail the next time, as it does on a sick disk."""
    real: Callable[..., object] = getattr(LogFile, name)

    def fail(*_: object, **__: object) -> None:
        monkeypatch.setattr(LogFile, name, real)
        raise duckdb.FatalException("the database has been invalidated")

    monkeypatch.setattr(LogFile, name, fail)


@pytest.mark.parametrize("name", ["apply", "mark_applied", "checkpoint", "entries_at"])
def test_it_goes_on_after_an_error_of_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The file is opened anew from the journal; some are refused for a second, and then everything is there."""
    log = tiny(tmp_path, chunk_rows=1_000)
    send(log, *[event(f"k{number}") for number in range(100)])
    assert units(log) == 100
    fail_once(monkeypatch, name)
    once_it_works(lambda: send(log, *[event(f"k{number}") for number in range(90, 110)]))
    once_it_works(lambda: units(log))
    assert sorted(keys(log)) == sorted(f"k{number}" for number in range(110))
    assert log.position() == 110
    assert send(log, event("k5"), event("k109"), event("new")) == answer(111, ["new"], duplicates=["k5", "k109"])
    log.close()
    log = tiny(tmp_path)
    assert (log.position(), units(log)) == (111, 111)
    log.close()


def once_it_works(act: Callable[[], object]) -> None:
    """Try it until it is not refused any more, for five seconds at most."""
    until = monotonic() + 5
    while True:
        try:
            act()
        except LogUnavailableError:
            assert monotonic() < until
            sleep(0.02)
        else:
            return


def stale(log: DuckDBEventLog) -> None:
    """As if a checkpoint had failed: the file is doubted and, opened anew, behind the journal."""
    log._tables.doubtful = True


def test_a_reading_after_the_file_was_opened_anew_waits_for_what_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file goes back to its last checkpoint, and the reading sees none of that."""
    log = DuckDBEventLog(tmp_path / NAME, threads=1)
    send(log, *[event(f"k{number}") for number in range(50)])
    assert units(log) == 50
    # What DuckDB does when it closes a database that a failed checkpoint made invalid.
    monkeypatch.setattr(LogFile, "close", without_checkpoint(tmp_path / NAME))
    stale(log)
    assert units(log) == 50
    monkeypatch.undo()
    assert send(log, event("k5"), event("new")) == answer(51, ["new"], duplicates=["k5"])
    log.close()


def without_checkpoint(path: Path) -> Callable[[LogFile], None]:
    """A close that leaves the file as of its last checkpoint."""
    real = LogFile.close

    def close(file: LogFile) -> None:
        before = path.read_bytes()
        real(file)
        path.write_bytes(before)

    return close


@pytest.mark.parametrize("then", ["goes on", "is opened again"])
def test_a_write_that_failed_is_not_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """Its record was whole when the head failed, and could not be taken back: its positions are given once."""
    log = tiny(tmp_path)
    send(log, event("a", 1))
    with monkeypatch.context() as patch:
        patch.setattr(log._journal, "_take_back", lambda: None)
        patch.setattr(log._journal.head, "write", fails)
        with pytest.raises(LogUnavailableError):
            send(log, event("ghost", 100))
    stale(log)
    assert (log.position(), units(log)) == (1, 1)
    # The next record is too large for this segment, so that nothing is written over the ghost.
    large = [event(f"k{number}", "x" * 200) for number in range(20)]
    assert send(log, *large).position == 21
    assert keys(log) == ["a", *(f"k{number}" for number in range(20))]
    if then == "is opened again":
        other = tiny(killed_copy(log, tmp_path, tmp_path.with_name(f"{tmp_path.name}-copy")))
        assert (other.position(), keys(other)) == (21, keys(log))
        other.close()
    log.close()
    log = tiny(tmp_path)
    assert keys(log)[:2] == ["a", "k0"]
    log.close()


def fails(*_: object) -> None:
    """A disk that takes nothing."""
    raise OSError(28, "No space left on device")


def test_a_close_that_could_not_checkpoint_keeps_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start has everything from there."""
    log = DuckDBEventLog(tmp_path / NAME, threads=1)
    send(log, event("a"), event("b"))
    fail_once(monkeypatch, "checkpoint")
    log.close()
    assert not (tmp_path / f"{NAME}.journal" / "closed").exists()
    assert list((tmp_path / f"{NAME}.journal").glob("*.segment"))
    log = DuckDBEventLog(tmp_path / NAME, threads=1)
    assert keys(log) == ["a", "b"]
    log.close()


def test_a_close_that_could_not_apply_keeps_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is acknowledged is not lost because the tables could not take it."""
    log = DuckDBEventLog(tmp_path / NAME, threads=1)
    send(log, event("a"), event("b"))
    fail_once(monkeypatch, "apply")
    log.close()
    log = DuckDBEventLog(tmp_path / NAME, threads=1)
    assert keys(log) == ["a", "b"]
    log.close()


def test_repeats_survive_a_crash_once(tmp_path: Path) -> None:
    """A record of repeats takes no position, and is neither lost nor told twice."""
    log = tiny(tmp_path / "log")
    send(log, event("a"))
    send(log, event("a"))
    told = [Repeated(idempotency_key="a", received_at=RECEIVED, conflict=False)]
    assert log.repeats(TENANT, "a") == told
    killed_copy(log, tmp_path / "log", tmp_path / "copy")
    send(log, event("a", 2))
    killed_copy(log, tmp_path / "log", tmp_path / "later")
    log.close()
    copy = opened(tmp_path / "copy")
    assert copy.repeats(TENANT, "a") == told
    copy.close()
    later = opened(tmp_path / "later")
    assert later.repeats(TENANT, "a") == [*told, Repeated(idempotency_key="a", received_at=RECEIVED, conflict=True)]
    later.close()
