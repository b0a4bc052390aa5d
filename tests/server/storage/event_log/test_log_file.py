"""The file of a log: who may open it, what it is locked against, and when its write-ahead file is moved into it."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec
import pytest

from orbdo_server.storage.event_log import BackfillClosed, EventLog, LogUnavailableError, Scope
from orbdo_server.storage.event_log.duckdb import CHECKPOINT_WAL_BYTES, DuckDBEventLog
from orbdo_server.storage.event_log.log_file import LogFile
from tests.support.logged_events import TENANT, answer, create, event, keys, send, units

HOLD = "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def wal(path: Path) -> Path:
    """Where DuckDB writes ahead."""
    return path.with_name("events.duckdb.wal")


def test_the_log_is_an_event_log(log: DuckDBEventLog) -> None:
    """It has every method of the protocol."""
    as_protocol: EventLog = log
    assert isinstance(as_protocol, EventLog)


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
    assert caught.value.detail == "The event log events.duckdb is already open in this process."
    send(log, event("a"))
    log.close()
    again = DuckDBEventLog(path, threads=1)
    assert units(again) == 1
    again.close()


def test_a_file_is_opened_by_one_process(path: Path) -> None:
    """A log that another process holds cannot be opened, and can when that has gone."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be opened: .*lock"):
            DuckDBEventLog(path)
        holder.communicate("")
    DuckDBEventLog(path, threads=1).close()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """It is left as it is."""
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be opened"):
        DuckDBEventLog(path)
    assert path.read_bytes() == b"not a database" * 1_000


def test_a_log_of_another_version_is_refused(path: Path, log: DuckDBEventLog) -> None:
    """Nothing is guessed about a format that this version does not know."""
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE log_format SET version = 2")
    with pytest.raises(LogUnavailableError) as caught:
        DuckDBEventLog(path)
    assert caught.value.detail == "The event log has format 2, and this version reads format 1."


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    """A file in which our tables mean something else cannot be used."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE stored_events (name VARCHAR)")
    with pytest.raises(LogUnavailableError, match="The event log cannot be used"):
        DuckDBEventLog(path)


def test_a_record_that_cannot_be_read_is_refused(path: Path, log: DuckDBEventLog) -> None:
    """Rows that this version did not write stop it at the door, and the file can be opened once they are gone."""
    create(log, "bf_1")
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE backfill_actions RENAME action TO deed")
    with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be read"):
        DuckDBEventLog(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE backfill_actions RENAME deed TO action")
    again = DuckDBEventLog(path, threads=1)
    assert [one.id for one in again.backfills(TENANT, as_of=1)] == ["bf_1"]
    again.close()


def test_an_action_that_cannot_be_read_is_refused(path: Path, log: DuckDBEventLog) -> None:
    """A step of a backfill that means nothing to this version is not passed over."""
    create(log, "bf_1")
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute('UPDATE backfill_actions SET action = \'{"type": "surprise"}\'')
    for _ in range(2):
        with pytest.raises(LogUnavailableError, match=r"The event log events\.duckdb cannot be read"):
            DuckDBEventLog(path)


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
    file = LogFile(path, memory_limit="256MB", threads=1, key_hash="1::UBIGINT")
    with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
        file.connection.execute(statement)
    file.close()


def test_a_closed_log_says_so(path: Path) -> None:
    """Writing and reading are refused; closing again does nothing."""
    log = DuckDBEventLog(path, threads=1)
    send(log, event("a"))
    log.close()
    log.close()
    log.maintain()
    for act in (
        lambda: send(log, event("b")),
        lambda: units(log),
        lambda: log.record_backfill(TENANT, BackfillClosed(backfill_id="bf_1", at=datetime(2026, 3, 1, tzinfo=UTC))),
    ):
        with pytest.raises(LogUnavailableError) as caught:
            act()
        assert caught.value.detail == "The event log is closed."


def test_the_write_ahead_file_is_moved_into_the_database_when_it_is_large(path: Path) -> None:
    """Not before: what is on disk is on disk, and moving it holds up those who write."""
    log = DuckDBEventLog(path, threads=1, checkpoint_wal_bytes=200_000)
    log.maintain()
    send(log, event("a"))
    log.maintain()
    assert 0 < wal(path).stat().st_size < 200_000
    send(log, *[event(f"k{number}") for number in range(2_000)])
    assert wal(path).stat().st_size >= 200_000
    log.maintain()
    assert not wal(path).exists()
    log.maintain()
    assert units(log) == 2_001
    assert send(log, event("k5"), event("b")) == answer(2_002, ["b"], duplicates=["k5"])
    log.close()


def test_the_default_is_about_a_row_group() -> None:
    """A checkpoint of 32 MiB holds up commits by about an eighth of a second."""
    assert CHECKPOINT_WAL_BYTES == 33_554_432


def test_a_log_that_was_not_closed_is_whole(path: Path, tmp_path: Path) -> None:
    """A copy of the files as they lie on disk while the log is open has everything that was answered."""
    log = DuckDBEventLog(path, threads=1)
    send(log, event("a", 1), event("b", 2))
    create(log, "bf_1")
    copy = tmp_path / "copy" / "events.duckdb"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    wal(copy).write_bytes(wal(path).read_bytes())
    other = DuckDBEventLog(copy, threads=1)
    assert (other.position(), keys(other)) == (3, ["a", "b"])
    assert [one.id for one in other.backfills(TENANT, as_of=3)] == ["bf_1"]
    other.close()
    log.close()


def test_properties_that_are_no_json_are_refused_and_the_log_goes_on(log: DuckDBEventLog) -> None:
    """Nothing of the group is kept; this is for events that nobody validated."""
    send(log, event("a"))
    broken = msgspec.structs.replace(event("b"), properties=msgspec.Raw(b"{"))
    with pytest.raises(LogUnavailableError):
        send(log, event("c"), broken)
    assert log.position() == 1
    assert send(log, event("c")) == answer(2, ["c"])
    assert units(log) == 2


def test_an_instant_without_a_zone_is_a_mistake_and_the_log_goes_on(log: DuckDBEventLog) -> None:
    """It raises as it is; the next append looks at the file first."""
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - that is the mistake
    with pytest.raises(TypeError):
        send(log, event("a", at=naive))
    assert send(log, event("a")) == answer(1, ["a"])
    scope = Scope(tenant=TENANT, as_of=1)
    assert log.read("SELECT count(*) FROM events", scope=scope).rows == [(1,)]
