"""What the files of a log that does not open have and lack. Nothing of them is changed."""

import fcntl
import tempfile
from contextlib import closing
from pathlib import Path

import duckdb
import msgspec

from orbdo_server.storage.event_log.errors import LogDamagedError
from orbdo_server.storage.event_log.journal import START, Head, Mark, folder_of
from orbdo_server.storage.event_log.log_file import Applied
from orbdo_server.storage.event_log.recovery import replay_of, require_whole
from orbdo_server.storage.event_log.schema import POSITIONS


class Examination(msgspec.Struct, frozen=True):
    """How far a log goes: its tables, and its tables with what the journal has beyond them.

    ``acknowledged`` is the last position that was, as far as the log's own files know. ``log_id`` is empty when the
    tables are too damaged to be read, or were never written.
    """

    log_id: str
    tables: int
    reaches: int
    acknowledged: int
    problems: list[str]


def is_in_use(path: Path) -> bool:
    """Whether a process has the log in this file open."""
    lock_path = folder_of(path) / "lock"
    if not lock_path.exists():
        return False
    with lock_path.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def examine(path: Path) -> Examination:
    """The log in this file, which nobody has open."""
    problems: list[str] = []
    log_id, applied = _tables(path, problems)
    head = _head(folder_of(path), problems)
    try:
        end = replay_of(folder_of(path), applied, accept_loss=False).end
    except LogDamagedError as error:
        problems.append(error.detail)
        end = applied.mark if applied.mark.position == applied.position else Mark(0, applied.position, START.digest)
    else:
        try:
            require_whole(end, head, accept_loss=False)
        except LogDamagedError as error:
            problems.append(error.detail)
    acknowledged = max(end.position, applied.position, 0 if head is None else head.position)
    return Examination(log_id, applied.position, max(end.position, applied.position), acknowledged, problems)


def _tables(path: Path, problems: list[str]) -> tuple[str, Applied]:
    """How far the tables say that they are, and the positions in them that bear it out."""
    nothing = "", Applied(0, START)
    if not path.exists():
        problems.append(f"There is no file {path.name}.")
        return nothing
    # Under another name, so that DuckDB does not find its write-ahead file: it is not trusted, and what it has is in
    # the journal. A symbolic link would be followed to the name itself, and to the file beside it.
    with tempfile.TemporaryDirectory(prefix="examination-", dir=path.parent) as folder:
        link = Path(folder) / path.name
        link.hardlink_to(path)
        try:
            with duckdb.connect(str(link), read_only=True) as connection:
                return _read_tables(connection, problems)
        except duckdb.Error as error:
            problems.append(f"The tables cannot be read: {error}")
            return nothing


def _read_tables(connection: duckdb.DuckDBPyConnection, problems: list[str]) -> tuple[str, Applied]:
    identity = connection.execute("SELECT id FROM log_identity").fetchone()
    row = connection.execute("SELECT position, records, mark_position, digest FROM applied").fetchone()
    counts = connection.execute(POSITIONS).fetchone()
    assert counts is not None, "an aggregate has a row"
    events, amendments, last_event, actions, last_action = counts
    applied = Applied(0, START) if row is None else Applied(row[0], Mark(row[1], row[2], bytes.fromhex(row[3])))
    found, last = events - amendments + actions, max(last_event, last_action)
    if (found, last) != (applied.position, applied.position):
        problems.append(
            f"The tables should hold {applied.position} positions and hold {found}, the last of them {last}."
        )
    return "" if identity is None else str(identity[0]), applied


def _head(folder: Path, problems: list[str]) -> Mark | None:
    if not (folder / "head").exists():
        return None
    with closing(Head(folder / "head")) as head:
        try:
            return head.read()
        except LogDamagedError as error:
            problems.append(error.detail)
            return None
