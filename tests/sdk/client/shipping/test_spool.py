"""Events on disk: written once, loaded once, deleted when settled."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orbdo_sdk.client._shipping.queued import Queued
from orbdo_sdk.client._shipping.spool import Spool, Stored
from orbdo_sdk.errors import SpoolError

MakeSpool = Callable[..., Spool]


@pytest.fixture
def make_spool(tmp_path: Path) -> Iterator[MakeSpool]:
    """A maker of spools in the test's folder, closed after the test."""
    made: list[Spool] = []

    def make(name: str = "own", bytes_max: int = 1_000_000) -> Spool:
        made.append(Spool(lambda: tmp_path / "folder" / name, bytes_max, lambda at: 5_000.0 + at))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


def events(keys: str) -> list[Queued]:
    """An event for each letter."""
    return [Queued(key, b'{"k":"' + key.encode() + b'"}', 7.0) for key in keys]


def keys(stored: list[Stored]) -> str:
    """The keys as one text."""
    return "".join(row.key for row in stored)


def test_nothing_is_made_before_something_is_written(make_spool: MakeSpool, tmp_path: Path) -> None:
    """A spool that is not needed leaves no trace."""
    spool = make_spool()
    assert spool.load(10) == []
    spool.settle(events("a"))
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_events_are_loaded_as_they_were_written(make_spool: MakeSpool) -> None:
    """Key, bytes and the time of acceptance survive, the latter as wall-clock time; each is loaded once."""
    spool = make_spool()
    assert spool.append(events("ab"), held=False) == 2
    assert (spool.count, spool.waiting, spool.written) == (2, 2, 2)
    assert spool.load(0) == []
    assert spool.load(1) == [Stored(1, "a", b'{"k":"a"}', 5_007.0)]
    assert keys(spool.load(10)) == "b"
    assert spool.load(10) == []
    assert (spool.count, spool.waiting) == (2, 0)


def test_large_events_are_loaded_in_parts(make_spool: MakeSpool) -> None:
    """A load ends with the event that brings it to four mebibytes."""
    spool = make_spool(bytes_max=100_000_000)
    mebibyte = 1024 * 1024
    spool.append([Queued(key, b"x" * mebibyte, 0.0) for key in "abcde"], held=False)
    assert keys(spool.load(10)) == "abcd"
    assert keys(spool.load(10)) == "e"


def test_events_in_memory_are_not_loaded(make_spool: MakeSpool) -> None:
    """Rows whose events are in memory as well do not come back."""
    spool = make_spool()
    spool.append(events("ab"), held=True)
    spool.append(events("cd"), held=False)
    assert spool.waiting == 2
    assert keys(spool.load(10)) == "cd"


def test_an_event_is_written_once(make_spool: MakeSpool) -> None:
    """An event that has a row gets no second one, and one that has its final answer gets none."""
    spool = make_spool()
    first, second = events("ab")
    spool.append([first], held=True)
    spool.settle([second])
    assert spool.append([first, second], held=True) == 0
    assert spool.count == 1


def test_released_events_are_loaded_again(make_spool: MakeSpool) -> None:
    """What left memory is found on disk, also when later rows have been loaded before."""
    spool = make_spool()
    early = events("ab")
    spool.append(early, held=True)
    spool.append(events("c"), held=False)
    assert keys(spool.load(10)) == "c"
    spool.release([early[1], *events("x")])
    assert keys(spool.load(10)) == "b"


def test_waiting_rows_are_found_from_the_start_too(make_spool: MakeSpool) -> None:
    """However the reading went before, a waiting row is found."""
    spool = make_spool()
    spool.append(events("a"), held=False)
    spool.load(10)
    spool.adopt([Stored(1, "b", b"{}", 1.0)])
    assert keys(spool.load(10)) == "b"
    spool.release([Queued("a", b"{}", 0.0, row=1)])
    spool._cursor = 99  # as after many loads
    assert keys(spool.load(10)) == "a"


def test_settled_events_are_deleted(make_spool: MakeSpool) -> None:
    """A final answer frees the row and its bytes."""
    spool = make_spool()
    written = events("abc")
    spool.append(written, held=True)
    spool.settle(written[:2])
    assert spool.count == 1
    spool.release(written)
    assert keys(spool.load(10)) == "c"
    spool.settle([written[2]])
    assert (spool.count, spool.bytes) == (0, 0)


def test_the_size_is_bounded(make_spool: MakeSpool) -> None:
    """Three events of 74 bytes (payload, key and 64 for the row) fit in 222, not in 221."""
    assert make_spool("exact", bytes_max=222).append(events("abc"), held=False) == 3
    small = make_spool("small", bytes_max=221)
    assert small.append(events("abc"), held=False) == 2
    assert small.room_bytes == 73
    assert small.append(events("d"), held=False) == 0


def test_large_writes_are_cut_into_transactions(make_spool: MakeSpool) -> None:
    """More events than a transaction holds are all written, each with a row of its own."""
    spool = make_spool()
    many = [Queued(str(number), b"{}", 0.0) for number in range(2_500)]
    assert spool.append(many, held=False) == 2_500
    assert [event.row for event in many] == list(range(1, 2_501))


def test_an_empty_file_is_deleted_and_one_with_events_stays(make_spool: MakeSpool, tmp_path: Path) -> None:
    """What has been delivered leaves nothing behind; what has not can be found by the next process."""
    empty, full = make_spool("empty"), make_spool("full")
    delivered = events("a")
    empty.append(delivered, held=True)
    empty.settle(delivered)
    full.append(events("a"), held=True)
    empty.close()
    full.close()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["full"]
    with sqlite3.connect(tmp_path / "folder" / "full") as connection:
        assert connection.execute("SELECT key FROM event").fetchall() == [("a",)]
    connection.close()


def test_a_closed_spool_does_nothing(make_spool: MakeSpool) -> None:
    """A late answer finds a closed spool and that is no error; writing or preparing anew is refused."""
    spool = make_spool()
    written = events("a")
    spool.append(written, held=True)
    spool.close()
    assert spool.append(events("b"), held=True) == 0
    assert spool.load(10) == []
    spool.settle(written)
    with pytest.raises(SpoolError, match="closed"):
        spool.prepare()


def test_a_prepared_spool_has_its_file(make_spool: MakeSpool, tmp_path: Path) -> None:
    """The folder and the file exist before the first write, for the owner alone."""
    make_spool().prepare()
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "folder" / "own").stat().st_mode & 0o777 == 0o600


def test_a_failing_disk_is_an_error_of_ours(make_spool: MakeSpool, tmp_path: Path) -> None:
    """A folder that cannot be made raises SpoolError with the cause."""
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(SpoolError) as caught:
        make_spool().append(events("a"), held=True)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_write_that_fails_leaves_nothing_behind(make_spool: MakeSpool) -> None:
    """A transaction is all or nothing: an event without a storable key takes the others of its batch with it."""
    spool = make_spool()
    good, bad = events("ab")
    bad.key = ("b",)  # type: ignore[assignment] # stands for a value the disk refuses
    with pytest.raises(SpoolError):
        spool.append([good, bad], held=True)
    assert (good.row, spool.count) == (0, 0)
    assert spool.append([good], held=True) == 1


def test_a_forked_child_leaves_the_file_alone(make_spool: MakeSpool, tmp_path: Path) -> None:
    """The child's spool is dead and the parent's file stays locked."""
    spool, unused = make_spool(), make_spool("unused")
    spool.append(events("a"), held=True)
    spool.forget()
    unused.forget()
    assert spool.append(events("b"), held=True) == 0
    other = sqlite3.connect(tmp_path / "folder" / "own", timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("SELECT count(*) FROM event")
    other.close()
