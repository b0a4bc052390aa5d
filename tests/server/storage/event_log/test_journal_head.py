"""The head of a journal: two slots, of which the later one that is whole counts."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from orbdo_server.storage.event_log import LogDamagedError
from orbdo_server.storage.event_log.journal import Head, Mark


def mark(number: int) -> Mark:
    """Some mark."""
    return Mark(number, 10 * number, bytes([number]) * 32)


def test_a_new_head_has_no_mark(tmp_path: Path) -> None:
    """None was ever written."""
    head = Head(tmp_path / "head")
    assert head.read() is None
    head.close()


def test_the_later_slot_counts(tmp_path: Path) -> None:
    """It is read by whoever opens it next, who goes on with the other slot."""
    path = tmp_path / "head"
    for number in range(1, 6):
        head = Head(path)
        head.write(mark(number))
        assert head.read() == mark(number)
        head.close()
    assert path.stat().st_size == 600


@pytest.mark.parametrize("writes", [2, 3])
def test_a_slot_that_was_torn_falls_back_to_the_other(tmp_path: Path, writes: int) -> None:
    """The mark before is read, and the next one is written over the torn one."""
    path = tmp_path / "head"
    head = Head(path)
    for number in range(1, writes + 1):
        head.write(mark(number))
    head.close()
    with path.open("r+b") as file:
        file.seek(writes % 2 * 512 + 30)
        file.write(b"torn")
    head = Head(path)
    assert head.read() == mark(writes - 1)
    head.write(mark(9))
    assert head.read() == mark(9)
    head.close()


def test_a_head_without_a_whole_slot_is_damaged(tmp_path: Path) -> None:
    """Nobody can tell what was acknowledged; whoever accepts a loss is told that there is no mark."""
    path = tmp_path / "head"
    path.write_bytes(b"?" * 600)
    head = Head(path)
    with pytest.raises(LogDamagedError) as caught:
        head.read()
    assert caught.value.detail == (
        "The file 'head' of the journal is damaged, so that nobody can tell whether the log is whole."
    )
    assert head.read(accept_loss=True) is None
    head.close()


def test_a_head_that_could_not_be_written_keeps_the_last_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it fails, the slot of the mark before is left alone."""
    head = Head(tmp_path / "head")
    head.write(mark(1))

    def torn(file: int, parts: Sequence[bytes], offset: int) -> int:
        os.pwrite(file, b"torn", offset)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", torn)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                head.write(mark(2))
    assert head.read() == mark(1)
    head.write(mark(3))
    assert head.read() == mark(3)
    head.close()
