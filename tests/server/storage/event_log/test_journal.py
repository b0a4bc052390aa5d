"""The journal: records that chain to each other, in segments that are used again, and a head that says how far."""

import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from struct import pack

import pytest

from orbdo_server.storage.event_log import LogDamagedError
from orbdo_server.storage.event_log.journal import (
    GENESIS,
    SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
    SPARES_MAX,
    START,
    Journal,
    Mark,
    Segment,
    first_offset,
    frames,
    segment_paths,
    segments_in,
)

KIB = 1_024
FIRST = "00000000000000000000.segment"
HEADER_BYTES = 64
FRAME_BYTES = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the journal of a test lies."""
    (tmp_path / "journal").mkdir()
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    """A journal without records, of small segments."""
    journal = begun(folder)
    yield journal
    journal.close()


def begun(folder: Path, *, segment_bytes_max: int = KIB) -> Journal:
    """A journal that begins."""
    journal = Journal(folder, segment_bytes_max=segment_bytes_max)
    journal.resume([], START, first_offset())
    return journal


def went_on(folder: Path, *, segment_bytes_max: int = KIB) -> Journal:
    """A journal that goes on where the files end."""
    journal = Journal(folder, segment_bytes_max=segment_bytes_max)
    segments, end, offset = read(folder)
    journal.resume(segments, end, offset)
    return journal


def read(folder: Path) -> tuple[list[Segment], Mark, int]:
    """The segments, the mark after the last record of the chain, and where that ends."""
    segments = segments_in(folder)
    end, offset = START, first_offset()
    for segment in segments:
        assert segment.after == end
        offset = first_offset()
        for frame in frames(segment):
            end, offset = Mark(end.records + 1, end.position + 1, frame.digest), frame.end
    return segments, end, offset


def add(journal: Journal, *payloads: bytes) -> None:
    """Append records, each of which takes one position."""
    for payload in payloads:
        journal.append(payload, position=journal.end.position + 1)


def payloads(folder: Path) -> list[bytes]:
    """What all segments hold, in order."""
    return [frame.payload for segment in segments_in(folder) for frame in frames(segment)]


def names(folder: Path) -> list[str]:
    """The files beside the head."""
    return sorted(path.name for path in folder.iterdir() if path.name != "head")


def fail(*_: object) -> None:
    """A call of the system that does not succeed."""
    raise OSError(5, "Input/output error")


def test_the_bounds() -> None:
    """A small log has one MiB of journal, and no segment is larger than 64; two wait to be used again."""
    assert (SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX, SPARES_MAX) == (1 << 20, 64 << 20, 2)


def test_nothing_is_written_before_the_first_record(folder: Path, journal: Journal) -> None:
    """A new journal has its head and no segment."""
    assert names(folder) == []
    assert (journal.end, journal.held_bytes) == (Mark(0, 0, bytes(32)), 0)
    assert journal.head.read() == Mark(0, 0, GENESIS)


def test_a_record_is_a_frame_after_the_header(folder: Path, journal: Journal) -> None:
    """Length and digest, both as this page says them, then the record; zeros follow to the end of the file."""
    add(journal, b"one")
    content = (folder / FIRST).read_bytes()
    assert len(content) == KIB
    assert content[:HEADER_BYTES] == pack("<16sQQ32s", b"orbdo journal 1\n", 0, 0, bytes(32))
    frame = pack("<Q32s", 3, sha256(bytes(32) + b"one").digest()) + b"one"
    assert content[HEADER_BYTES : HEADER_BYTES + 43] == frame
    assert content[HEADER_BYTES + 43 :] == bytes(KIB - HEADER_BYTES - 43)


def test_each_record_is_chained_to_the_one_before(folder: Path, journal: Journal) -> None:
    """The mark counts records and positions, and its digest is of all that came."""
    journal.append(b"one", position=10)
    journal.append(b"two", position=10)
    digest = sha256(sha256(bytes(32) + b"one").digest() + b"two").digest()
    assert journal.end == Mark(2, 10, digest)
    assert journal.head.read() == Mark(2, 10, digest)
    assert payloads(folder) == [b"one", b"two"]


def test_a_segment_takes_as_much_as_it_has_room_for(folder: Path, journal: Journal) -> None:
    """A record that fills it to the last byte is in it, and the next begins another, named by the records before."""
    add(journal, b"x" * (KIB - HEADER_BYTES - FRAME_BYTES))
    assert names(folder) == [FIRST]
    add(journal, b"y")
    assert names(folder) == [FIRST, "00000000000000000001.segment"]
    assert payloads(folder) == [b"x" * 920, b"y"]
    assert journal.held_bytes == 2 * KIB


def test_one_byte_more_begins_another_segment(folder: Path, journal: Journal) -> None:
    """It would not fit, and a record is never in two segments."""
    add(journal, b"x", b"y" * (KIB - HEADER_BYTES - 2 * FRAME_BYTES))
    assert names(folder) == [FIRST, "00000000000000000001.segment"]


def test_a_record_that_is_larger_than_a_segment_gets_one_of_its_size(folder: Path, journal: Journal) -> None:
    """Nothing is refused for its size; the bound is for those who call."""
    add(journal, b"x" * 10_000, b"y")
    assert (folder / FIRST).stat().st_size == 10_000 + HEADER_BYTES + FRAME_BYTES
    assert payloads(folder) == [b"x" * 10_000, b"y"]


def test_a_segment_that_is_too_small_for_its_first_record_is_replaced(folder: Path) -> None:
    """It has no record, so that its successor has the same name; nothing is left behind."""
    journal = begun(folder)
    add(journal, b"x" * 900)
    _, end, _ = read(folder)
    journal.close()
    (folder / "00000000000000000001.segment").write_bytes(
        pack("<16sQQ32s", b"orbdo journal 1\n", *end) + bytes(KIB - HEADER_BYTES)
    )
    other = went_on(folder)
    add(other, b"y" * 5_000, b"z")
    assert names(folder) == [FIRST, "00000000000000000001.segment", "00000000000000000002.segment"]
    assert payloads(folder) == [b"x" * 900, b"y" * 5_000, b"z"]
    other.close()


def test_segments_double(folder: Path) -> None:
    """From one MiB on, up to the bound."""
    journal = begun(folder, segment_bytes_max=3 << 20)
    add(journal, b"x" * 800_000, b"x" * 800_000, b"x" * 1_500_000, b"x" * 2_000_000)
    sizes = [path.stat().st_size for path in segment_paths(folder)]
    assert sizes == [1 << 20, 2 << 20, 3 << 20, 3 << 20]
    journal.close()


def test_forgotten_segments_are_used_again(folder: Path, journal: Journal) -> None:
    """Two at most; what a segment held in an earlier life is not read as records, though it is still there."""
    add(journal, *[letter * 900 for letter in (b"A", b"B", b"C", b"D", b"E")])
    journal.forget(journal.end)
    assert names(folder) == [
        "00000000000000000000.spare",
        "00000000000000000001.spare",
        "00000000000000000004.segment",
    ]
    add(journal, b"new" * 300, b"small")
    assert names(folder) == [f"0000000000000000000{number}.segment" for number in (4, 5, 6)]
    assert b"A" * 800 in (folder / "00000000000000000006.segment").read_bytes()
    assert payloads(folder) == [b"E" * 900, b"new" * 300, b"small"]


def test_only_what_lies_before_a_mark_is_forgotten(folder: Path, journal: Journal) -> None:
    """A segment with a record after it stays, and so does the last one whatever is in it."""
    add(journal, b"A" * 900, b"B" * 900)
    middle = journal.end
    add(journal, b"C" * 400, b"D" * 400, b"E" * 900)
    journal.forget(START)
    assert len(segment_paths(folder)) == 4
    journal.forget(middle)
    assert payloads(folder) == [b"C" * 400, b"D" * 400, b"E" * 900]
    journal.forget(Mark(99, 99, GENESIS))
    assert payloads(folder) == [b"E" * 900]


def test_everything_is_forgotten_at_once(folder: Path, journal: Journal) -> None:
    """For a log that is closed: no segment and no spare is left, and the head says how far it was."""
    add(journal, b"A" * 900, b"B" * 900)
    journal.forget(journal.end)
    journal.forget_all()
    assert names(folder) == []
    assert journal.head.read() == journal.end
    add(journal, b"C")
    assert names(folder) == ["00000000000000000002.segment"]


def test_a_spare_is_prepared_once_segments_are_large(folder: Path) -> None:
    """Not before, and only one; it is taken for the next segment."""
    journal = begun(folder, segment_bytes_max=2 << 20)
    journal.prepare()
    add(journal, b"A")
    journal.prepare()
    assert names(folder) == [FIRST]
    add(journal, b"B" * (1 << 20))
    for _ in range(2):
        journal.prepare()
        assert names(folder) == [FIRST, "00000000000000000001.segment", "spare.spare"]
    inode = (folder / "spare.spare").stat().st_ino
    add(journal, b"C" * (3 << 19))
    assert names(folder) == [FIRST, "00000000000000000001.segment", "00000000000000000002.segment"]
    assert (folder / "00000000000000000002.segment").stat().st_ino == inode
    journal.close()


def test_a_spare_that_cannot_be_prepared_leaves_nothing(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk it would take the room of what is needed; the next segment is made when its time comes."""
    add(journal, b"A")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        journal.prepare()
    assert names(folder) == [FIRST]
    add(journal, b"B" * 900)
    assert payloads(folder) == [b"A", b"B" * 900]


def test_a_spare_is_prepared_while_the_last_one_is_being_taken(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one is another file: nothing is written over the segment that is about to take records."""
    add(journal, b"A")
    journal.prepare()
    sync = os.fsync

    def and_prepare(file: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        sync(file)
        journal.prepare()

    monkeypatch.setattr(os, "fsync", and_prepare)
    add(journal, b"B" * 900, b"C" * 900)
    assert payloads(folder) == [b"A", b"B" * 900, b"C" * 900]
    assert [path for path in names(folder) if path.endswith(".spare")] == []


def test_spares_of_an_earlier_process_are_used(folder: Path) -> None:
    """Those that are whole and of the right size; others are removed, and so is what was never finished."""
    for name, size in {
        "0.spare": KIB,
        "1.spare": KIB - 1,
        "2.spare": KIB,
        "3.spare": KIB,
        "segment.unfinished": 9,
    }.items():
        (folder / name).write_bytes(b"?" * size)
    journal = begun(folder)
    assert names(folder) == ["0.spare", "2.spare"]
    add(journal, b"A" * 900, b"B" * 900, b"C" * 900)
    assert names(folder) == [f"0000000000000000000{number}.segment" for number in (0, 1, 2)]
    assert payloads(folder) == [b"A" * 900, b"B" * 900, b"C" * 900]
    journal.close()


@pytest.mark.parametrize("call", ["pwritev", "fdatasync"])
def test_what_was_not_written_is_not_there(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The error comes out, no record is added, and the next one is written in the same place."""
    add(journal, b"one")
    before = journal.end
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="Input/output error"):
            add(journal, b"a record that is longer than the next")
    assert (journal.end, journal.head.read()) == (before, before)
    add(journal, b"two")
    assert payloads(folder) == [b"one", b"two"]
    assert read(folder)[1] == journal.end == journal.head.read()


def test_a_record_that_was_written_and_not_acknowledged_is_taken_back(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its sync fails, or the head cannot be written, nothing that looks like a record is left at the end."""
    add(journal, b"one")
    for patched in ("fdatasync", "head"):
        with monkeypatch.context() as patch:
            if patched == "head":
                patch.setattr(journal.head, "write", fail)
            else:
                patch.setattr(os, "fdatasync", fail)
            with pytest.raises(OSError, match="Input/output error"):
                add(journal, b"not acknowledged")
        assert payloads(folder) == [b"one"]


def failing_at(number: int, real: Callable[[int], None]) -> Callable[[int], None]:
    """A call that fails the so-manieth time."""
    calls = iter(range(1, 1_000))

    def call(file: int) -> None:
        if next(calls) == number:
            fail()
        real(file)

    return call


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_segment_that_could_not_be_begun_is_begun_again(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever sync fails, of its zeros, its header, the folder or the head: records of any size follow."""
    add(journal, b"A" * 700)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing_at(number, os.fsync))
        with pytest.raises(OSError, match="Input/output error"):
            add(journal, b"B" * 900)
    assert journal.end.records == 1
    add(journal, b"c", b"D" * 900, b"e")
    assert payloads(folder) == [b"A" * 700, b"c", b"D" * 900, b"e"]
    assert read(folder)[1] == journal.end
    assert [name for name in names(folder) if not name.endswith(".segment")] == []


def test_writes_that_take_less_are_gone_on_with(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may write a few bytes at once."""

    def a_few(file: int, parts: Sequence[bytes], offset: int) -> int:
        return os.pwrite(file, b"".join(parts)[:7], offset)

    monkeypatch.setattr(os, "pwritev", a_few)
    add(journal, b"one", b"", b"two")
    assert payloads(folder)[0] == b"one"
    assert journal.head.read() == journal.end


def test_it_goes_on_after_a_cut_at_any_byte(folder: Path, tmp_path: Path) -> None:
    """What is whole is kept, the next record follows it, and nothing of the record that was cut comes back."""
    journal = begun(folder)
    add(journal, b"one", b"two", b"three")
    journal.close()
    content = (folder / FIRST).read_bytes()
    ends = [64, 107, 150, 195]
    for cut in range(64, 196):
        other = tmp_path / f"cut{cut}"
        other.mkdir()
        (other / FIRST).write_bytes(content[:cut] + b"\xff" * 5 + bytes(KIB - cut - 5))
        whole = [b"one", b"two", b"three"][: sum(end <= cut for end in ends) - 1]
        assert payloads(other) == whole
        again = went_on(other)
        add(again, b"four")
        again.close()
        assert payloads(other) == [*whole, b"four"]


@pytest.mark.parametrize("place", [64, 71, 72, 103, 104, 106])
def test_a_changed_byte_ends_the_chain(folder: Path, journal: Journal, place: int) -> None:
    """In the length, in the digest or in the record: neither it nor what follows is read."""
    add(journal, b"one", b"two")
    content = bytearray((folder / FIRST).read_bytes())
    content[place] ^= 1
    (folder / FIRST).write_bytes(content)
    assert payloads(folder) == []


def test_a_segment_that_does_not_begin_as_one_is_damaged(folder: Path, journal: Journal) -> None:
    """Its name says that it is one."""
    add(journal, b"one")
    (folder / FIRST).write_bytes(b"x" + (folder / FIRST).read_bytes()[1:])
    with pytest.raises(LogDamagedError) as caught:
        segments_in(folder)
    assert caught.value.detail == (
        "The segment 00000000000000000000.segment of the journal is damaged: it does not begin as one."
    )
    (folder / FIRST).write_bytes(b"orbdo journal 1\n")
    with pytest.raises(LogDamagedError):
        segments_in(folder)
