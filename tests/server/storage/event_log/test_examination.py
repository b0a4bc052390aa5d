"""A look at the files of a log that changes nothing: what there is, what is missing, and who has it open."""

import shutil
from pathlib import Path

import duckdb

from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.examination import examine, is_in_use
from orbdo_server.storage.event_log.journal import folder_of, segment_paths
from orbdo_server.storage.event_log.log_file import wal_of
from tests.support.logged_events import event, keys, send, the_clock


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, as it is."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def crashed_copy(log: DuckDBEventLog, path: Path, folder: Path) -> Path:
    """The files of a log as they are while it runs, which is how a crash leaves them."""
    folder.mkdir()
    copy = folder / path.name
    for source in path.parent.glob(f"{path.name}*"):
        if source.is_file():
            shutil.copy(source, folder / source.name)
    shutil.copytree(folder_of(path), folder_of(copy))
    return copy


def test_a_log_that_was_closed_is_whole(path: Path, log: DuckDBEventLog) -> None:
    """All of it is in its tables."""
    send(log, *[event(f"k{number}") for number in range(10)])
    identity = log.identity()
    log.close()
    before = contents(path.parent)
    found = examine(path)
    assert (found.log_id, found.tables, found.reaches, found.acknowledged) == (identity, 10, 10, 10)
    assert found.problems == []
    assert contents(path.parent) == before


def test_what_is_in_the_journal_alone_counts(path: Path, log: DuckDBEventLog, tmp_path: Path) -> None:
    """After a crash the tables are behind, and DuckDB's own write-ahead file is not looked at."""
    send(log, event("a"))
    send(log, event("b"))
    copy = crashed_copy(log, path, tmp_path / "crashed")
    before = contents(copy.parent)
    found = examine(copy)
    assert (found.tables, found.reaches, found.acknowledged, found.problems) == (0, 2, 2, [])
    assert contents(copy.parent) == before


def test_the_write_ahead_file_of_the_tables_is_not_believed(path: Path, log: DuckDBEventLog, tmp_path: Path) -> None:
    """What a start would not read is not counted as being there."""
    send(log, event("a"))
    assert keys(log) == ["a"]
    copy = crashed_copy(log, path, tmp_path / "crashed")
    assert wal_of(copy).stat().st_size > 0
    before = contents(copy.parent)
    found = examine(copy)
    assert (found.tables, found.reaches, found.acknowledged, found.problems) == (0, 1, 1, [])
    assert contents(copy.parent) == before


def test_a_journal_that_was_cut_is_told(path: Path, log: DuckDBEventLog, tmp_path: Path) -> None:
    """How many positions are missing, and the way on."""
    send(log, event("a"))
    send(log, event("b"), event("c"))
    copy = crashed_copy(log, path, tmp_path / "crashed")
    [segment] = segment_paths(folder_of(copy))
    content = segment.read_bytes()
    segment.write_bytes(content.replace(b'"idempotency_key":"b"', b'"idempotency_key":"x"'))
    found = examine(copy)
    assert (found.tables, found.reaches, found.acknowledged) == (0, 1, 3)
    [problem] = found.problems
    assert problem.startswith("The event log ends at position 1, and 3 was acknowledged: 2 positions")


def test_tables_that_are_gone_are_told(path: Path, log: DuckDBEventLog) -> None:
    """With what the rest says about them."""
    send(log, event("a"))
    log.close()
    path.unlink()
    found = examine(path)
    assert (found.log_id, found.tables, found.reaches, found.acknowledged) == ("", 0, 0, 1)
    assert found.problems[0] == "There is no file events.duckdb."
    assert "1 was acknowledged" in found.problems[1]


def test_tables_that_are_no_database_are_told(path: Path, log: DuckDBEventLog) -> None:
    """In DuckDB's words."""
    log.close()
    path.write_bytes(b"something else" * 1_000)
    assert examine(path).problems[0].startswith("The tables cannot be read: ")


def test_rows_that_are_missing_are_told(path: Path, log: DuckDBEventLog) -> None:
    """The tables say how many there should be."""
    send(log, event("a"), event("b"))
    log.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM stored_events WHERE seq = 2")
    assert examine(path).problems == ["The tables should hold 2 positions and hold 1, the last of them 1."]


def test_a_journal_of_another_log_is_told(path: Path, log: DuckDBEventLog, tmp_path: Path) -> None:
    """What the tables have is there all the same."""
    send(log, event("a"))
    log.close()
    other = DuckDBEventLog(tmp_path / "other.duckdb", threads=1, clock=the_clock)
    send(other, event("b"))
    send(other, event("c"))
    copy = crashed_copy(other, tmp_path / "other.duckdb", tmp_path / "crashed")
    other.close()
    shutil.rmtree(folder_of(path))
    shutil.copytree(folder_of(copy), folder_of(path))
    found = examine(path)
    assert (found.tables, found.reaches) == (1, 1)
    assert "The journal does not belong to the event log" in found.problems[0]


def test_a_damaged_head_is_told(path: Path, log: DuckDBEventLog) -> None:
    """Without it the end of the journal cannot be known."""
    send(log, event("a"))
    log.close()
    (folder_of(path) / "head").write_bytes(b"x" * 2_000)
    assert "The file 'head' of the journal is damaged" in examine(path).problems[0]


def test_a_log_in_use_is_said_to_be(path: Path, log: DuckDBEventLog) -> None:
    """As long as it is open; one that was never there is in nobody's use."""
    assert is_in_use(path)
    log.close()
    assert not is_in_use(path)
    assert not is_in_use(path.with_name("never.duckdb"))
