"""Damaged files: each is either harmless or noticed at start. A log never opens with fewer events, or others.

Sixty random damages are tried, or twice as many as ORBDO_CRASH_ROUNDS says: bytes changed and files cut, in a log that
was closed and in one that was killed.
"""

import os
import random
import shutil
import struct
from pathlib import Path

import duckdb
import msgspec
import pytest

from orbdo_server.storage.event_log import LogDamagedError, LogUnavailableError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.log_file import LogFile
from tests.support.damaged_logs import NAME, Contents, contents, damage, files_of, make_closed, make_killed, opened
from tests.support.killed_logs import killed_copy
from tests.support.logged_events import answer, event, keys, send, units

DAMAGES = 2 * int(os.environ.get("ORBDO_CRASH_ROUNDS", "30"))
DAMAGES_A_TEST = 20


class Sample(msgspec.Struct, frozen=True):
    """The files of a log and what is in it."""

    folder: Path
    there: Contents

    def copy(self, folder: Path) -> Path:
        """The same files in another folder."""
        return Path(shutil.copytree(self.folder, folder))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A log that was closed in order."""
    folder = tmp_path_factory.mktemp("closed")
    return Sample(folder, make_closed(folder))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A log whose process was killed."""
    folder = tmp_path_factory.mktemp("killed")
    return Sample(folder, make_killed(folder, work=tmp_path_factory.mktemp("open")))


def what_became_of(folder: Path, there: Contents) -> str:
    """Whether the damage was ``noticed`` or is ``harmless``; otherwise what is different."""
    try:
        log = opened(folder)
    except LogUnavailableError:
        return "noticed"
    found = contents(log)
    log.close()
    return "harmless" if found == there else f"position {found.position} of {there.position}: {found.in_effect}"


def test_logs_that_are_not_damaged_have_everything(closed: Sample, killed: Sample, tmp_path: Path) -> None:
    """The one that was killed has its events in the tables, in DuckDB's write-ahead file and in the journal."""
    names = {path.name for path in files_of(closed.folder)}
    assert names == {NAME, "closed", "head", "lock"}
    names = {path.name for path in files_of(killed.folder)}
    assert {NAME, f"{NAME}.wal", "head", "lock"} < names
    assert "closed" not in names
    for sample in (closed, killed):
        assert what_became_of(sample.copy(tmp_path / sample.folder.name), sample.there) == "harmless"
    assert (closed.there.position, killed.there.position) == (3_054, 3_524)


@pytest.mark.crash
@pytest.mark.parametrize("first", range(0, DAMAGES, DAMAGES_A_TEST))
def test_random_damage_is_harmless_or_noticed(closed: Sample, killed: Sample, tmp_path: Path, first: int) -> None:
    """A byte changed or a file cut, anywhere."""
    outcomes: dict[str, str] = {}
    for seed in range(first, first + DAMAGES_A_TEST):
        chance = random.Random(seed)
        sample = chance.choice([closed, killed])
        folder = sample.copy(tmp_path / str(seed))
        done = damage(folder, chance)
        outcomes[f"{seed}: {done}"] = what_became_of(folder, sample.there)
    assert {done: found for done, found in outcomes.items() if found not in {"harmless", "noticed"}} == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [(NAME, "noticed"), ("head", "noticed"), ("closed", "harmless"), ("lock", "harmless")],
)
def test_a_file_of_a_closed_log_that_is_missing(closed: Sample, tmp_path: Path, name: str, expected: str) -> None:
    """The tables and the head are needed; without the note that it was closed, the tables are read in full."""
    folder = closed.copy(tmp_path / "log")
    next(path for path in files_of(folder) if path.name == name).unlink()
    assert what_became_of(folder, closed.there) == expected


def test_each_file_of_a_killed_log_that_is_missing(killed: Sample, tmp_path: Path) -> None:
    """The tables, the head and each segment are needed; DuckDB's write-ahead file is not, nor are spares."""
    for number, path in enumerate(files_of(killed.folder)):
        folder = killed.copy(tmp_path / str(number))
        (folder / path.relative_to(killed.folder)).unlink()
        needed = path.name in {NAME, "head"} or path.suffix == ".segment"
        assert (path.name, what_became_of(folder, killed.there)) == (path.name, "noticed" if needed else "harmless")


def test_a_log_without_its_journal_is_refused(closed: Sample, killed: Sample, tmp_path: Path) -> None:
    """Nobody can tell whether the tables are all there is."""
    for sample in (closed, killed):
        folder = sample.copy(tmp_path / sample.folder.name)
        shutil.rmtree(folder / f"{NAME}.journal")
        with pytest.raises(LogDamagedError, match="has no file 'head', so that its end cannot be told"):
            opened(folder)


def test_what_is_missing_is_said(closed: Sample, tmp_path: Path) -> None:
    """How many positions, from which on, and how to go on."""
    folder = closed.copy(tmp_path / "log")
    (folder / NAME).unlink()
    with pytest.raises(LogDamagedError) as caught:
        opened(folder)
    assert caught.value.detail == (
        "The event log ends at position 0, and 3054 was acknowledged: 3054 positions, those from 1 on, are damaged or "
        "missing. Restore a backup with 'orbdo restore', or accept what is left with 'orbdo recover --accept-loss'; "
        "both say how much that is. Clients that still have their events may send them again under the same keys."
    )


def grown(folder: Path, older: Path) -> Contents:
    """A log that was closed, copied, opened again, and closed with more in it."""
    log = opened(folder)
    send(log, *[event(f"old{number}") for number in range(600)])
    log.close()
    shutil.copytree(folder, older)
    log = opened(folder)
    send(log, *[event(f"new{number}") for number in range(600)])
    there = contents(log)
    log.close()
    return there


def test_files_of_an_older_copy_are_noticed(tmp_path: Path) -> None:
    """Older tables beside a newer journal, and the other way round unless all that it had is in the tables."""
    folder, older = tmp_path / "log", tmp_path / "older"
    there = grown(folder, older)
    mixed = Path(shutil.copytree(folder, tmp_path / "tables"))
    shutil.copy(older / NAME, mixed / NAME)
    with pytest.raises(LogDamagedError, match="ends at position 600, and 1200 was acknowledged: 600 positions"):
        opened(mixed)
    mixed = Path(shutil.copytree(folder, tmp_path / "journal"))
    shutil.rmtree(mixed / f"{NAME}.journal")
    shutil.copytree(older / f"{NAME}.journal", mixed / f"{NAME}.journal")
    assert what_became_of(mixed, there) == "harmless"


def test_an_older_copy_beside_the_journal_of_a_killed_log_is_noticed(killed: Sample, tmp_path: Path) -> None:
    """Its journal begins where the newer tables were on disk, and what lies between them is missing."""
    older = tmp_path / "older"
    log = opened(older)
    send(log, event("k0", 0))
    log.close()
    folder = killed.copy(tmp_path / "log")
    shutil.copy(older / NAME, folder / NAME)
    with pytest.raises(LogDamagedError, match=r"^The event log ends at position 1, and its journal begins after posit"):
        opened(folder)


def test_files_of_another_log_are_noticed(tmp_path: Path) -> None:
    """As many records at the same positions, and other events: the digests differ, in the head and in the journal."""
    for name in ("one", "other"):
        log = opened(tmp_path / name)
        send(log, event(name))
        killed_copy(log, tmp_path / name, tmp_path / f"{name}-killed")
        log.close()
    shutil.copytree(tmp_path / "one", tmp_path / "mixed")
    shutil.copy(tmp_path / "other" / f"{NAME}.journal" / "head", tmp_path / "mixed" / f"{NAME}.journal" / "head")
    with pytest.raises(LogDamagedError, match="does not belong to its file 'head': their digests differ"):
        opened(tmp_path / "mixed")
    shutil.copytree(tmp_path / "one-killed", tmp_path / "mixed-killed")
    shutil.copy(tmp_path / "other" / NAME, tmp_path / "mixed-killed" / NAME)
    with pytest.raises(LogDamagedError, match="The journal does not belong to the event log: at record 1"):
        opened(tmp_path / "mixed-killed")


def damaged_end(killed: Sample, folder: Path) -> Path:
    """A copy whose last record has a changed byte."""
    killed.copy(folder)
    last = max(path for path in files_of(folder) if path.suffix == ".segment")
    content = last.read_bytes()
    place = content.rindex(b"last19")
    last.write_bytes(content[:place] + b"L" + content[place + 1 :])
    return folder


def test_what_is_left_can_be_accepted(killed: Sample, tmp_path: Path) -> None:
    """The log opens with all records before the damage, takes the lost events again, and is whole from then on."""
    folder = damaged_end(killed, tmp_path / "log")
    with pytest.raises(LogDamagedError, match="20 positions, those from 3505 on, are damaged or missing"):
        opened(folder)
    log = DuckDBEventLog(folder / NAME, threads=1, accept_loss=True)
    assert log.position() == 3_504
    lost = [event(f"last{number}", 0) for number in range(20)]
    assert send(log, *lost) == answer(3_524, [one.idempotency_key for one in lost])
    log.close()
    assert what_became_of(folder, killed.there) == "harmless"


def test_a_journal_that_does_not_belong_can_be_left_out(tmp_path: Path) -> None:
    """The tables are kept, and a new journal begins after them."""
    for name in ("one", "other"):
        log = opened(tmp_path / name)
        send(log, event(name))
        killed_copy(log, tmp_path / name, tmp_path / f"{name}-killed")
        log.close()
    folder = tmp_path / "one-killed"
    shutil.copy(tmp_path / "other" / NAME, folder / NAME)
    log = DuckDBEventLog(folder / NAME, threads=1, accept_loss=True)
    assert keys(log) == ["other"]
    assert send(log, event("new")) == answer(2, ["new"])
    log.close()
    log = opened(folder)
    assert (keys(log), units(log)) == (["other", "new"], 2)
    log.close()


@pytest.mark.parametrize("left", [b"", b"?" * 600])
def test_a_log_whose_head_is_lost_can_be_accepted(closed: Sample, tmp_path: Path, left: bytes) -> None:
    """It opens with what the tables and the journal have."""
    folder = closed.copy(tmp_path / "log")
    (folder / f"{NAME}.journal" / "head").write_bytes(left)
    with pytest.raises(LogDamagedError):
        opened(folder)
    DuckDBEventLog(folder / NAME, threads=1, accept_loss=True).close()
    assert what_became_of(folder, closed.there) == "harmless"


def test_a_refused_log_is_left_as_it_was(killed: Sample, tmp_path: Path) -> None:
    """Its write-ahead file and all segments are still there for whoever looks into it."""
    folder = damaged_end(killed, tmp_path / "log")
    for _ in range(2):
        with pytest.raises(LogDamagedError):
            opened(folder)
    assert [path.name for path in files_of(folder)] == [path.name for path in files_of(killed.folder)]
    assert {path.name: path.read_bytes() for path in files_of(folder) if path.suffix == ".spare"} == {
        path.name: path.read_bytes() for path in files_of(killed.folder) if path.suffix == ".spare"
    }


def test_tables_that_were_not_closed_are_read_in_full(
    killed: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that differs from its checksum is noticed at start, not by the first reading that needs it."""

    def damaged(_: LogFile) -> None:
        raise duckdb.IOException("Corrupt database file: computed checksum does not match")

    monkeypatch.setattr(LogFile, "read_everything", damaged)
    with pytest.raises(LogDamagedError, match="The tables of the event log are damaged: Corrupt database file"):
        opened(killed.copy(tmp_path / "log"))


def test_a_segment_that_was_forgotten_and_is_back_does_no_harm(killed: Sample, tmp_path: Path) -> None:
    """A machine that lost its power may have undone the removal of a file."""
    folder = killed.copy(tmp_path / "log")
    (folder / f"{NAME}.journal" / "00000000000000000000.segment").write_bytes(
        struct.pack("<16sQQ32s", b"orbdo journal 1\n", 0, 0, bytes(32)) + bytes(1_000)
    )
    assert what_became_of(folder, killed.there) == "harmless"
