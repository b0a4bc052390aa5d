"""The file of a log: who may open it, what it is locked against, older formats, and when the tables are written."""

import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from time import monotonic, sleep

import duckdb
import msgspec
import pytest

from orbdo_server.storage.event_log import BackfillClosed, EventLog, LogUnavailableError, Scope
from orbdo_server.storage.event_log.applier import APPLY_AFTER_SECONDS
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.log_file import SLICE_ROWS, LogFile
from orbdo_server.storage.event_log.options import (
    CHECKPOINT_JOURNAL_BYTES,
    CHECKPOINT_WAL_BYTES,
    CHUNK_BYTES,
    CHUNK_ROWS,
    TAIL_CHUNKS_MAX,
    LogOptions,
)
from tests.support.first_format import write_first_format
from tests.support.killed_logs import killed_copy
from tests.support.logged_events import (
    RECEIVED,
    TENANT,
    amend,
    answer,
    batch,
    create,
    event,
    keys,
    send,
    the_clock,
    units,
)

HOLD_DATABASE = "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
HOLD_LOG = """
import sys
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
held = DuckDBEventLog(sys.argv[1], threads=1)
print('open', flush=True)
sys.stdin.read()
held.close()
"""


def wal(path: Path) -> Path:
    """Where DuckDB writes ahead."""
    return path.with_name("events.duckdb.wal")


def test_the_log_is_an_event_log(log: DuckDBEventLog) -> None:
    """It has every method of the protocol."""
    as_protocol: EventLog = log
    assert isinstance(as_protocol, EventLog)


def test_the_bounds() -> None:
    """A chunk is a row group and waits for two seconds at most; four of them may wait; checkpoints come with these."""
    assert (CHUNK_ROWS, CHUNK_BYTES, APPLY_AFTER_SECONDS, TAIL_CHUNKS_MAX) == (122_880, 134_217_728, 2.0, 4)
    assert (CHECKPOINT_WAL_BYTES, CHECKPOINT_JOURNAL_BYTES) == (33_554_432, 167_772_160)


def test_a_folder_is_made_for_the_file(tmp_path: Path) -> None:
    """A log can be the first thing in a data folder."""
    log = DuckDBEventLog(tmp_path / "data" / "log" / "events.duckdb", threads=1)
    assert send(log, event("a")) == answer(1, ["a"])
    log.close()
    assert (tmp_path / "data" / "log" / "events.duckdb").is_file()


def test_a_file_is_opened_once_in_a_process(log: DuckDBEventLog, path: Path) -> None:
    """Two logs over one file would give out the same positions; a closed one makes room."""
    with pytest.raises(LogUnavailableError) as caught:
        DuckDBEventLog(path.parent / "." / "events.duckdb")
    assert caught.value.detail == (
        "The event log in events.duckdb.journal is in use by another process, or twice by this one."
    )
    send(log, event("a"))
    log.close()
    again = DuckDBEventLog(path, threads=1)
    assert units(again) == 1
    again.close()


@pytest.mark.parametrize(
    ("hold", "said"),
    [
        (HOLD_DATABASE, r"The event log events\.duckdb cannot be opened: .*lock"),
        (HOLD_LOG, r"The event log in events\.duckdb\.journal is in use by another process"),
    ],
    ids=["database", "log"],
)
def test_a_file_is_opened_by_one_process(path: Path, hold: str, said: str) -> None:
    """A log that another process holds cannot be opened, and can when that has gone."""
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(LogUnavailableError, match=said):
            DuckDBEventLog(path)
        holder.communicate("")
    DuckDBEventLog(path, threads=1).close()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """It is left as it is."""
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be opened"):
        DuckDBEventLog(path)
    assert path.read_bytes() == b"not a database" * 1_000


@pytest.mark.parametrize("place", ["events.duckdb.journal", "events.duckdb.journal/head"])
def test_a_place_that_is_taken_is_refused(path: Path, place: str) -> None:
    """By a file where a folder belongs, or the other way round."""
    if place.endswith("head"):
        (path.parent / place).mkdir(parents=True)
    else:
        (path.parent / place).touch()
    with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb.* cannot be opened: "):
        DuckDBEventLog(path, threads=1)


def test_a_log_of_another_version_is_refused(path: Path, log: DuckDBEventLog) -> None:
    """Nothing is guessed about a format that this version does not know."""
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE log_format SET version = 3")
    with pytest.raises(LogUnavailableError) as caught:
        DuckDBEventLog(path)
    assert caught.value.detail == "The event log has format 3, and this version reads format 2."


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    """A file in which our tables mean something else cannot be used."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE stored_events (name VARCHAR)")
    with pytest.raises(LogUnavailableError, match="The event log cannot be used"):
        DuckDBEventLog(path)


def test_tables_of_another_shape_are_refused(path: Path, log: DuckDBEventLog) -> None:
    """What this version did not write stops it at the door, and the log can be opened once that is gone."""
    create(log, "bf_1")
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE actions RENAME action TO deed")
    with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be read"):
        DuckDBEventLog(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE actions RENAME deed TO action")
    again = DuckDBEventLog(path, threads=1)
    assert [one.id for one in again.backfills(TENANT, as_of=1)] == ["bf_1"]
    again.close()


def test_an_action_that_cannot_be_read_is_refused(path: Path, log: DuckDBEventLog) -> None:
    """A step of a backfill that means nothing to this version is not passed over."""
    create(log, "bf_1")
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute('UPDATE actions SET action = \'{"type": "surprise"}\'')
    for _ in range(2):
        with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be read"):
            DuckDBEventLog(path)


def test_rows_that_are_missing_are_noticed(path: Path, log: DuckDBEventLog) -> None:
    """The file says how far it is, and the rows must bear that out."""
    send(log, event("a"), event("b"), event("c"))
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM stored_events WHERE seq = 2")
    with pytest.raises(LogUnavailableError) as caught:
        DuckDBEventLog(path)
    assert caught.value.detail == (
        "The event log events.duckdb should hold 3 positions and holds 2, the last of them 3: 1 are missing or too "
        "many."
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SELECT * FROM read_csv('events.csv')",
        "COPY stored_events TO 'events.csv'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
    ],
)
def test_the_connection_is_locked_down(path: Path, statement: str) -> None:
    """No statement reaches files, the network or the settings."""
    file = LogFile(path, LogOptions(memory_limit="256MB", threads=1))
    with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
        file.connection.execute(statement)
    file.close()


def test_a_closed_log_says_so(path: Path) -> None:
    """Writing and reading are refused; closing again does nothing."""
    log = DuckDBEventLog(path, threads=1)
    send(log, event("a"))
    log.close()
    log.close()
    for act in (
        lambda: send(log, event("b")),
        lambda: units(log),
        lambda: log.record(TENANT, BackfillClosed(backfill_id="bf_1", at=RECEIVED)),
        lambda: log.repeats(TENANT, "a"),
    ):
        with pytest.raises(LogUnavailableError) as caught:
            act()
        assert caught.value.detail == "The event log is closed."


def test_closing_writes_everything_into_the_file(path: Path) -> None:
    """A closed log is one file, beside a folder that says how far it is and that the file was whole."""
    log = DuckDBEventLog(path, threads=1)
    send(log, *[event(f"k{number}") for number in range(10)])
    log.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*), max(seq) FROM stored_events").fetchone() == (10, 10)
    assert not wal(path).exists()
    assert sorted(one.name for one in path.with_name("events.duckdb.journal").iterdir()) == ["closed", "head", "lock"]


def test_a_log_whose_closing_cannot_be_put_down_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets go of its files; the next start has everything."""
    log = DuckDBEventLog(path, threads=1)
    send(log, event("a"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orbdo_server.storage.event_log.duckdb.write_closed", full)
    log.close()
    assert not (path.with_name("events.duckdb.journal") / "closed").exists()
    log = DuckDBEventLog(path, threads=1)
    assert keys(log) == ["a"]
    log.close()


def test_a_small_log_is_written_into_the_file_after_a_while(path: Path) -> None:
    """Without any reading, so that a crash leaves little to do."""
    log = DuckDBEventLog(path, threads=1)
    send(log, event("a"))
    until = monotonic() + 10
    while not wal(path).exists():
        assert monotonic() < until
        sleep(0.05)
    log.close()


def test_a_full_chunk_is_written_once(path: Path) -> None:
    """However many requests it came in, it is one row group, which goes straight into the database."""
    with closing(DuckDBEventLog(path, threads=2)) as log:
        for chunk in range(2):
            keys = (f"{chunk}-{number}" for number in range(CHUNK_ROWS))
            log.append(
                [batch(*(event(key) for key in islice(keys, SLICE_ROWS))) for _ in range(0, CHUNK_ROWS, SLICE_ROWS)]
            )
        log.read("SELECT count(*) FROM events", scope=Scope(tenant=TENANT, as_of=2 * CHUNK_ROWS))
        assert wal(path).stat().st_size < CHUNK_ROWS
    with duckdb.connect(str(path), read_only=True) as connection:
        groups = connection.execute(
            "SELECT DISTINCT row_group_id FROM pragma_storage_info('stored_events') ORDER BY ALL"
        ).fetchall()
    assert groups == [(0,), (1,)]


def test_checkpoints_come_by_the_size_of_the_write_ahead_file(path: Path) -> None:
    """Not before: writing a checkpoint costs more than it saves while the file is small."""
    log = DuckDBEventLog(path, threads=1, checkpoint_wal_bytes=200_000)
    send(log, event("a"))
    assert units(log) == 1
    assert 0 < wal(path).stat().st_size < 200_000
    send(log, *[event(f"k{number}") for number in range(3_000)])
    assert units(log) == 3_001
    until = monotonic() + 10
    while wal(path).exists() and wal(path).stat().st_size > 1_000:
        assert monotonic() < until
        sleep(0.02)
    assert send(log, event("b")) == answer(3_002, ["b"])
    log.close()


def test_checkpoints_come_by_the_size_of_the_journal(path: Path) -> None:
    """Its segments are let go of then, all but the last."""
    log = DuckDBEventLog(path, threads=1, segment_bytes_max=10_000, checkpoint_journal_bytes=40_000)
    folder = path.with_name("events.duckdb.journal")
    for number in range(30):
        send(log, event(f"k{number}", "x" * 3_000))
        assert len(list(folder.glob("*.segment"))) <= 20
    assert len(keys(log)) == 30
    until = monotonic() + 10
    while len(list(folder.glob("*.segment"))) > 4:
        assert monotonic() < until
        sleep(0.02)
    log.close()


def test_a_log_that_was_not_closed_is_whole(path: Path, tmp_path: Path) -> None:
    """A copy of the files as they lie on disk while the log is open has everything that was answered."""
    log = DuckDBEventLog(path, threads=1)
    send(log, event("a", 1), event("b", 2))
    create(log, "bf_1")
    copy = killed_copy(log, path.parent, tmp_path.with_name(f"{tmp_path.name}-copy"))
    (copy / "events.duckdb.wal").unlink(missing_ok=True)
    other = DuckDBEventLog(copy / "events.duckdb", threads=1)
    assert (other.position(), keys(other)) == (3, ["a", "b"])
    assert [one.id for one in other.backfills(TENANT, as_of=3)] == ["bf_1"]
    other.close()
    log.close()


def test_an_instant_without_a_zone_is_a_mistake_and_the_log_goes_on(log: DuckDBEventLog) -> None:
    """It raises before anything is written."""
    with pytest.raises(TypeError):
        send(log, event("a", at=RECEIVED.replace(tzinfo=None)))
    assert send(log, event("a")) == answer(1, ["a"])
    assert log.read("SELECT count(*) FROM events", scope=Scope(tenant=TENANT, as_of=1)).rows == [(1,)]


@pytest.mark.parametrize("stopped", ["closed", "killed"])
def test_a_log_of_the_first_format_goes_on(path: Path, stopped: str) -> None:
    """It has its events and backfills, takes new ones, and knows its keys; also when its last events lie in the WAL."""
    write_first_format(path, killed=stopped == "killed")
    assert wal(path).exists() == (stopped == "killed")
    log = DuckDBEventLog(path, threads=1, clock=the_clock)
    assert (log.position(), keys(log)) == (5, ["a", "b", "c"])
    assert [(one.id, one.status, one.events_ingested) for one in log.backfills(TENANT, as_of=5)] == [
        ("bf_1", "reflected", 1)
    ]
    assert send(log, event("a", 1), event("b", 3), event("d", 4)) == answer(6, ["d"], duplicates=["a"], conflicts=["b"])
    assert amend(log, 1, event("a", 10)) == 7
    assert units(log) == 10 + 2 + 3 + 4
    log.close()
    log = DuckDBEventLog(path, threads=1, clock=the_clock)
    assert (log.position(), units(log)) == (7, 19)
    log.close()


def test_an_upgrade_that_was_cut_off_is_done_again(path: Path, tmp_path: Path) -> None:
    """Killed as soon as it was open: nothing is lost, and it is no damage."""
    write_first_format(path, killed=True)
    log = DuckDBEventLog(path, threads=1, clock=the_clock)
    copy = killed_copy(log, path.parent, tmp_path.with_name(f"{tmp_path.name}-copy"))
    log.close()
    for _ in range(2):
        log = DuckDBEventLog(copy / "events.duckdb", threads=1, clock=the_clock)
        assert (log.position(), keys(log)) == (5, ["a", "b", "c"])
        log.close()


def test_a_record_that_means_nothing_to_this_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the journal: it was acknowledged, so that it cannot be passed over."""
    log = DuckDBEventLog(path, threads=1)
    send(log, event("a"))
    copy = killed_copy(log, path.parent, path.parent.with_name(f"{path.parent.name}-copy"))
    log.close()
    decoder = msgspec.json.Decoder(int)
    monkeypatch.setattr("orbdo_server.storage.event_log.recovery.decode", decoder.decode)
    with pytest.raises(LogUnavailableError, match="A record of the journal cannot be read by this version"):
        DuckDBEventLog(copy / "events.duckdb", threads=1)
