"""Bodies that come compressed, inflated while they come in and bounded on both sides.

Nothing of a body is inflated past a bound: not a few kilobytes that stand for gigabytes, not a frame that states its
size, not a thousand members in a row. A body that ends too early, or goes on after its end, is refused as a whole.
"""

import io
import zlib
from collections.abc import Callable
from typing import IO, Protocol, cast

import msgspec
import zstandard
from starlette.requests import Request

from orbdo_server.core.errors import shown
from orbdo_server.errors import InvalidRequestError, TooLargeError, UnsupportedMediaError

IDENTITY = "identity"
ENCODINGS = ("gzip", "zstd")
# RFC 9110 has them mean the same.
ALIASES = {"x-gzip": "gzip"}
# No body of events with a key of their own comes near it; zeros do, at 1,000 with gzip and 30,000 with zstd.
INFLATION_RATIO_MAX = 500
# A small body may be as regular as it likes.
INFLATION_FREE_BYTES_MAX = 1 << 20
# Each costs as much as some kilobytes of body.
GZIP_MEMBERS_MAX = 1_024
# What RFC 8878 asks every decoder to take; the levels 1 to 19 of zstd stay within it.
ZSTD_WINDOW_BYTES_MAX = 8 << 20
PIECE_BYTES_MAX = 128 << 10
GZIP_WBITS = 16 + zlib.MAX_WBITS
# A frame of our own that follows the last of a body: a decoder that is still inside a frame does not see it.
ZSTD_END_CONTENT = b"the end of the body"
ZSTD_END_CUT = 8
ZSTD_END = zstandard.ZstdCompressor(write_checksum=True).compress(ZSTD_END_CONTENT)


class BodyBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How large a body may be as it is sent when it is compressed, and once it is inflated."""

    inflated_bytes_max: int
    compressed_bytes_max: int

    def require_inflated(self, size: int) -> None:
        """Raise ``TooLargeError`` when a body is larger than it may be once it is inflated."""
        if size > self.inflated_bytes_max:
            message = f"The body may have at most {self.inflated_bytes_max} bytes (ingest_body_bytes_max)."
            raise TooLargeError(message)

    def require_compressed(self, size: int) -> None:
        """Raise ``TooLargeError`` when a compressed body is larger than it may be as it is sent."""
        if size > self.compressed_bytes_max:
            bound = f"{self.compressed_bytes_max} bytes (ingest_compressed_bytes_max)"
            message = f"A compressed body may have at most {bound}."
            raise TooLargeError(message)


class Inflation:
    """One body on its way from what was sent to what was meant. ``feed`` may run in a thread, one call at a time.

    ``hold`` is told of every piece that is going to be kept, and may raise instead.
    """

    def __init__(self, encoding: str, *, bounds: BodyBounds, hold: Callable[[int], None]) -> None:
        self._encoding = encoding
        self._bounds = bounds
        self._output = _Output(encoding, bounds=bounds, hold=hold)
        self._decoder: _Decoder = DECODERS[encoding](self._output)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes that were sent.

        Raises ``TooLargeError`` as soon as a bound is passed and ``InvalidRequestError`` for bytes that are none of the
        encoding.
        """
        self._output.sent_bytes += len(chunk)
        if self._encoding != IDENTITY:
            self._bounds.require_compressed(self._output.sent_bytes)
        self._decoder.feed(chunk)

    def finish(self) -> bytes:
        """The whole body; raises ``InvalidRequestError`` when it was cut."""
        if not self._decoder.is_at_end():
            raise _invalid(f"ends before its {self._encoding} does")
        return self._output.content()


class _Output:
    """What was inflated so far, counted while it is written."""

    def __init__(self, encoding: str, *, bounds: BodyBounds, hold: Callable[[int], None]) -> None:
        self._is_compressed = encoding != IDENTITY
        self._bounds = bounds
        self._hold = hold
        self._content = io.BytesIO()
        self._size = 0
        self.sent_bytes = 0

    def write(self, piece: bytes) -> int:
        """Keep a piece; raises ``TooLargeError`` for the first one past a bound."""
        self._size += len(piece)
        self._bounds.require_inflated(self._size)
        free_bytes = max(INFLATION_FREE_BYTES_MAX, INFLATION_RATIO_MAX * self.sent_bytes)
        if self._is_compressed and self._size > free_bytes:
            message = f"The body inflates to more than {INFLATION_RATIO_MAX} times its size (inflation_ratio_max)."
            raise TooLargeError(message)
        self._hold(len(piece))
        return self._content.write(piece)

    def content(self) -> bytes:
        return self._content.getvalue()


class _Decoder(Protocol):
    def feed(self, chunk: bytes) -> None: ...

    def is_at_end(self) -> bool: ...


class _Plain:
    """A body that is sent as it is."""

    def __init__(self, output: _Output) -> None:
        self._output = output

    def feed(self, chunk: bytes) -> None:
        self._output.write(chunk)

    def is_at_end(self) -> bool:
        return True


class _Gzip:
    """One or more gzip members, one after the other."""

    def __init__(self, output: _Output) -> None:
        self._output = output
        self._member = zlib.decompressobj(wbits=GZIP_WBITS)
        self._members = 1

    def feed(self, chunk: bytes) -> None:
        rest = chunk
        while rest:
            if self._member.eof:
                self._begin_member()
            rest = self._inflate(rest)

    def is_at_end(self) -> bool:
        return self._member.eof

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > GZIP_MEMBERS_MAX:
            message = f"The body may have at most {GZIP_MEMBERS_MAX} gzip members (gzip_members_max)."
            raise TooLargeError(message)
        self._member = zlib.decompressobj(wbits=GZIP_WBITS)

    def _inflate(self, chunk: bytes) -> bytes:
        """Write what the present member makes of the chunk, piece by piece; what follows the member is left."""
        rest = chunk
        while True:
            try:
                piece = self._member.decompress(rest, PIECE_BYTES_MAX)
            except zlib.error as error:
                raise _invalid("is not valid gzip") from error
            self._output.write(piece)
            rest = self._member.unconsumed_tail
            # A full piece may leave more to come of bytes that were taken in already.
            if self._member.eof or (not rest and len(piece) < PIECE_BYTES_MAX):
                return self._member.unused_data


class _Zstd:
    """One or more zstd frames, one after the other; skippable ones are skipped."""

    def __init__(self, output: _Output) -> None:
        self._output = output
        self._outlet = _ZstdOutlet(output)
        # Its one-shot call takes no bound when the frame states its size, and its decompressobj none at all. The writer
        # hands on a piece at a time, and stops when that raises.
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
        sink = cast("IO[bytes]", self._outlet)  # of which it calls nothing but ``write``
        self._writer = decompressor.stream_writer(sink, write_size=PIECE_BYTES_MAX, closefd=False)

    def feed(self, chunk: bytes) -> None:
        try:
            self._writer.write(chunk)
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                message = f"The zstd window may have at most {ZSTD_WINDOW_BYTES_MAX} bytes (zstd_window_bytes_max)."
                raise TooLargeError(message) from error
            raise _invalid("is not valid zstd") from error

    def is_at_end(self) -> bool:
        self._outlet.target = after = io.BytesIO()
        try:
            # In two parts: a whole frame in one buffer is decoded even where the header of another was cut.
            self._writer.write(ZSTD_END[:ZSTD_END_CUT])
            self._writer.write(ZSTD_END[ZSTD_END_CUT:])
        except zstandard.ZstdError:
            return False
        return self._output.sent_bytes > 0 and after.getvalue() == ZSTD_END_CONTENT


class _ZstdOutlet:
    """Where the decoder writes: the output, and after the end of the body somewhere else."""

    def __init__(self, output: _Output) -> None:
        self.target: _Output | io.BytesIO = output

    def write(self, piece: bytes) -> int:
        return self.target.write(piece)


DECODERS: dict[str, type[_Plain] | type[_Gzip] | type[_Zstd]] = {IDENTITY: _Plain, "gzip": _Gzip, "zstd": _Zstd}


def encoding_of(request: Request, *, supported: tuple[str, ...]) -> str:
    """How the body is encoded: ``identity`` or one of the supported; raises ``UnsupportedMediaError`` for others.

    A body that is compressed twice is among the others.
    """
    given = ",".join(request.headers.getlist("content-encoding")).strip().lower()
    encoding = ALIASES.get(given, given) or IDENTITY
    if encoding != IDENTITY and encoding not in supported:
        message = f"The Content-Encoding {shown(given)} is not supported; a body is sent as it is"
        message += f", or as {' or '.join(supported)}." if supported else "."
        raise UnsupportedMediaError(message, accept_encoding=", ".join(supported) or IDENTITY)
    return encoding


def _invalid(problem: str) -> InvalidRequestError:
    return InvalidRequestError.of("body", problem)
