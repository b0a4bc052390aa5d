"""Answers in one piece: which writes wait for the next, and what lets them go."""

import asyncio
from typing import cast

import pytest

from orbdo_server.commands.http_writes import JOINED_BYTES_MAX, JoinedWrites

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
ENDLESS_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Pipe(asyncio.Transport):
    """A transport that notes what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note it."""
        self.told.append(bytes(data))

    def close(self) -> None:
        """Note it."""
        self.told.append("close")

    def abort(self) -> None:
        """Note it."""
        self.told.append("abort")


@pytest.fixture
def pipe() -> Pipe:
    """What is written to in the end."""
    return Pipe()


@pytest.fixture
def writes(pipe: Pipe) -> JoinedWrites:
    """What stands before it."""
    return JoinedWrites(cast("asyncio.Transport", pipe))


def test_a_head_leaves_with_its_body(pipe: Pipe, writes: JoinedWrites) -> None:
    """Two writes of ours are one of the transport's; what follows goes as it comes."""
    writes.write(HEAD)
    assert pipe.told == []
    writes.write(b"ab")
    writes.write(b"cd")
    assert pipe.told == [HEAD + b"ab", b"cd"]


def test_a_large_body_is_not_copied(pipe: Pipe, writes: JoinedWrites) -> None:
    """A body of 65,536 bytes is joined to its head, one more byte goes behind it."""
    assert JOINED_BYTES_MAX == 65_536
    for size in (65_536, 65_537):
        writes.write(HEAD)
        writes.write(bytes(size))
    assert pipe.told == [HEAD + bytes(65_536), HEAD, bytes(65_537)]


@pytest.mark.parametrize("data", [ENDLESS_HEAD, CONTINUE, b"ab", HEAD + b"ab", b"\r\ncontent-length: 2\r\n\r\n"])
def test_whatever_may_be_the_last_for_now_does_not_wait(pipe: Pipe, writes: JoinedWrites, data: bytes) -> None:
    """A head without a length, a word to go on, and anything that is no head."""
    writes.write(data)
    assert pipe.told == [data]


def test_an_answer_without_a_body_is_let_go(pipe: Pipe, writes: JoinedWrites) -> None:
    """Once; there is nothing left to let go then."""
    writes.write(HEAD)
    writes.flush()
    writes.flush()
    assert pipe.told == [HEAD]


def test_closing_sends_what_waits(pipe: Pipe, writes: JoinedWrites) -> None:
    """Before the connection is closed."""
    writes.write(HEAD)
    writes.close()
    assert pipe.told == [HEAD, "close"]


def test_cutting_drops_what_waits(pipe: Pipe, writes: JoinedWrites) -> None:
    """Nobody is there to read it."""
    writes.write(HEAD)
    writes.abort()
    writes.flush()
    assert pipe.told == ["abort"]
