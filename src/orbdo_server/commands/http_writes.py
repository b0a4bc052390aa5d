"""Answers that leave in one piece.

uvicorn writes the head of an answer and then its body. Each write is a system call and a packet, and wakes the client;
for a small answer that is a good part of all the work.
"""

import asyncio

JOINED_BYTES_MAX = 64 << 10
_HEAD_BEGINS = b"HTTP/1.1 "
_HEAD_ENDS = b"\r\n\r\n"
_STATES_LENGTH = b"\r\ncontent-length: "


class JoinedWrites:
    """Stands before a transport: a head that states a length waits for the body that follows it.

    A head without a length, as of an endless answer, never waits. Whatever waits leaves with the next write, before the
    connection is closed, and when ``flush`` is called, which an answer without a body needs. Everything but ``write``,
    ``close`` and ``abort`` is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send the bytes, or keep them as the head of what comes next."""
        head = self._head
        if head:
            self._head = b""
            if len(data) <= JOINED_BYTES_MAX:
                self._transport.write(head + data)
                return
            self._transport.write(head)
        elif data.startswith(_HEAD_BEGINS) and data.endswith(_HEAD_ENDS) and _STATES_LENGTH in data:
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send what waits."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        """Send what waits and close once all is sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what waits is dropped."""
        self._head = b""
        self._transport.abort()
