"""A real server in a thread of the test, and a client that sends exactly the bytes it is told, when it is told."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

WAIT_SECONDS_MAX = 10.0
READ_BYTES = 1 << 16


@contextlib.contextmanager
def listening(server: uvicorn.Server) -> Iterator[int]:
    """The port of a server that runs in a thread until the block ends; its settings name port 0."""
    thread = threading.Thread(target=server.run, name="server under test")
    thread.start()
    try:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not server.started:
            assert thread.is_alive(), "the server ended before it began"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS_MAX)
        assert not thread.is_alive(), "the server did not stop"


@dataclass(frozen=True)
class Answer:
    """One answer as it came in."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Wire:
    """One connection; what was received and not yet asked for is kept."""

    def __init__(self, port: int, *, receive_buffer_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.settimeout(WAIT_SECONDS_MAX)
        self._received = b""
        try:
            self._socket.connect(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._socket.close()

    def send(self, data: bytes) -> "Wire":
        """Send all of it."""
        self._socket.sendall(data)
        return self

    def dribble(self, data: bytes, *, size: int = 1, pause_seconds: float = 0.02) -> None:
        """Send it piece by piece, until the other side has closed."""
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(data), size):
                self._socket.sendall(data[start : start + size])
                time.sleep(pause_seconds)

    def flood(self, piece: bytes, *, bytes_max: int) -> int:
        """Send the piece again and again; how many bytes went before the other side closed."""
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < bytes_max:
                self._socket.sendall(piece)
                sent += len(piece)
        return sent

    def answer(self) -> Answer:
        """The next answer, whole."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, rest = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        self._received = rest
        while len(self._received) < length:
            self._receive()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(int(first.split(" ")[1]), headers, body)

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none when the other side has closed."""
        return self._socket.recv(size)

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        pieces = [self._received]
        with contextlib.suppress(ConnectionError):
            while piece := self._socket.recv(READ_BYTES):
                pieces.append(piece)
        return b"".join(pieces)

    def _receive(self) -> None:
        piece = self._socket.recv(READ_BYTES)
        assert piece, f"closed before the answer was whole: {self._received[:500]!r}"
        self._received += piece
