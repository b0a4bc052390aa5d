"""Compressed bodies piece by piece: what comes out, what is refused, and how little memory that takes."""

import gzip
import random
import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from orbdo_server.api.compressed_body import (
    ENCODINGS,
    GZIP_MEMBERS_MAX,
    INFLATION_FREE_BYTES_MAX,
    BodyBounds,
    Inflation,
    encoding_of,
)
from orbdo_server.errors import InvalidRequestError, ServerError, TooLargeError, UnsupportedMediaError

NOISE = random.Random(3)
KIB, MIB = 1 << 10, 1 << 20
BOUNDS = BodyBounds(inflated_bytes_max=4 * MIB, compressed_bytes_max=2 * MIB)
ZSTD = zstandard.ZstdCompressor(write_checksum=True)


def compress(encoding: str, content: bytes) -> bytes:
    """The content as one gzip member or one zstd frame."""
    return gzip.compress(content, mtime=0) if encoding == "gzip" else ZSTD.compress(content)


def inflate(encoding: str, *chunks: bytes, bounds: BodyBounds = BOUNDS) -> bytes:
    """The whole body that comes in these chunks."""
    held: list[int] = []
    inflation = Inflation(encoding, bounds=bounds, hold=held.append)
    for chunk in chunks:
        inflation.feed(chunk)
    content = inflation.finish()
    assert sum(held) == len(content)
    return content


def skippable(size: int) -> bytes:
    """A zstd frame of so many bytes that holds nothing."""
    return b"\x50\x2a\x4d\x18" + (size - 8).to_bytes(4, "little") + bytes(size - 8)


def gzip_bomb() -> bytes:
    """200 MiB of zeros as one gzip member, up to its checksum."""
    compressor = zlib.compressobj(wbits=31)
    first, again = (compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * 199


def zstd_bomb(*, states_size: bool) -> bytes:
    """200 MiB of zeros as one zstd frame, which says so in its header or does not."""
    compressor = zstandard.ZstdCompressor().compressobj(size=200 * MIB if states_size else -1)
    return b"".join([compressor.compress(bytes(MIB)) for _ in range(200)]) + compressor.flush()


@given(data=st.data(), encoding=st.sampled_from(ENCODINGS))
def test_a_body_comes_out_as_it_was(data: st.DataObject, encoding: str) -> None:
    """However many members or frames it has, and wherever it is cut on its way."""
    parts = data.draw(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
    sent = b"".join(compress(encoding, part) for part in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    chunks = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert inflate(encoding, *chunks) == b"".join(parts)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [128 * KIB - 1, 128 * KIB, 128 * KIB + 1, MIB])
def test_nothing_is_left_in_a_decoder(encoding: str, size: int) -> None:
    """A regular body of about a piece, or of several, comes out whole although it was sent in one small chunk."""
    assert inflate(encoding, compress(encoding, b"x" * size)) == b"x" * size


def test_a_plain_body_is_taken_as_it_is() -> None:
    """Without an encoding nothing is looked at but the size."""
    assert inflate("identity", b"ab", b"", b"c") == b"abc"
    assert inflate("identity") == b""


def test_skippable_frames_are_skipped() -> None:
    """They may stand before, between and after the others."""
    sent = skippable(20) + ZSTD.compress(b"a") + skippable(8) + ZSTD.compress(b"") + ZSTD.compress(b"b") + skippable(9)
    assert inflate("zstd", sent) == b"ab"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_cut_is_noticed(encoding: str) -> None:
    """A body without its last bytes is refused, wherever it ends: in its first member or frame, or in its second."""
    sent = compress(encoding, NOISE.randbytes(40))
    cut = [sent[:length] for length in range(len(sent))] + [sent + sent[:length] for length in range(1, len(sent))]
    for body in cut:
        with pytest.raises(InvalidRequestError, match=f"body: ends before its {encoding} does"):
            inflate(encoding, body)


def test_a_large_cut_frame_is_noticed() -> None:
    """A frame of several blocks that is cut between them, or within one, has an end that is missing."""
    sent = ZSTD.compress(NOISE.randbytes(300 * KIB))
    for length in (100 * KIB, 128 * KIB + 12, 200 * KIB, len(sent) - 4):
        with pytest.raises(InvalidRequestError, match="body: ends before its zstd does"):
            inflate("zstd", sent[:length])


@pytest.mark.parametrize("garbage", [b"\n", bytes(4), b'{"events": []}', bytes(100)])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_follows_the_end_is_refused(encoding: str, garbage: bytes) -> None:
    """Nothing may stand behind the last member or frame, in the same chunk or in one of its own."""
    sent = compress(encoding, b"{}")
    for chunks in ([sent + garbage], [sent, garbage]):
        with pytest.raises(InvalidRequestError, match=rf"body: (is not valid|ends before its) {encoding}"):
            inflate(encoding, *chunks)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("gzip", b'{"events": []}'),
        ("gzip", ZSTD.compress(b"{}")),
        ("gzip", zlib.compress(b"{}")),
        ("zstd", b'{"events": []}'),
        ("zstd", gzip.compress(b"{}")),
    ],
)
def test_another_encoding_than_stated_is_refused(encoding: str, sent: bytes) -> None:
    """Plain bytes, and those of another encoding, are not valid."""
    with pytest.raises(InvalidRequestError, match=f"body: is not valid {encoding}"):
        inflate(encoding, sent)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_flipped_bit_is_noticed(encoding: str) -> None:
    """The checksum at the end is compared."""
    sent = bytearray(compress(encoding, bytes(range(200))))
    sent[100] ^= 1
    with pytest.raises(InvalidRequestError):
        inflate(encoding, bytes(sent))


@pytest.mark.parametrize("encoding", [*ENCODINGS, "identity"])
def test_the_inflated_size_is_bound(encoding: str) -> None:
    """A body of exactly the bound comes out; one more byte is refused, in the words that name the bound."""
    bounds = BodyBounds(inflated_bytes_max=1_000, compressed_bytes_max=2_000)
    content = NOISE.randbytes(1_001)
    sent = {
        size: content[:size] if encoding == "identity" else compress(encoding, content[:size])
        for size in (1_000, 1_001)
    }
    assert inflate(encoding, sent[1_000], bounds=bounds) == content[:1_000]
    with pytest.raises(TooLargeError, match=r"at most 1000 bytes \(ingest_body_bytes_max\)"):
        inflate(encoding, sent[1_001], bounds=bounds)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_compressed_size_is_bound(encoding: str) -> None:
    """A compressed body of exactly the bound comes out; one more byte is refused before it is looked at."""
    sent = compress(encoding, NOISE.randbytes(500))
    bounds = BodyBounds(inflated_bytes_max=MIB, compressed_bytes_max=len(sent))
    assert len(inflate(encoding, sent, bounds=bounds)) == 500
    with pytest.raises(TooLargeError, match=rf"at most {len(sent)} bytes \(ingest_compressed_bytes_max\)"):
        inflate(encoding, sent, b"!", bounds=bounds)


def test_the_ratio_is_bound() -> None:
    """2,500,000 bytes may come of 5,000 bytes and not of 4,999: five hundred to one."""
    content = bytes(2_500_000)
    frame = ZSTD.compress(content)
    assert inflate("zstd", skippable(5_000 - len(frame)) + frame) == content
    with pytest.raises(TooLargeError, match=r"more than 500 times its size \(inflation_ratio_max\)"):
        inflate("zstd", skippable(4_999 - len(frame)) + frame)


def test_a_small_body_may_be_regular() -> None:
    """The ratio does not count up to a mebibyte, and counts for the next byte."""
    assert INFLATION_FREE_BYTES_MAX == 1_048_576
    assert len(inflate("zstd", ZSTD.compress(bytes(1_048_576)))) == 1_048_576
    with pytest.raises(TooLargeError, match="inflation_ratio_max"):
        inflate("zstd", ZSTD.compress(bytes(1_048_577)))


def test_the_members_are_bound() -> None:
    """A body of 1,024 gzip members is read to its end; one of 1,025 is refused."""
    assert GZIP_MEMBERS_MAX == 1_024
    assert inflate("gzip", gzip.compress(b"x") * 1_024) == b"x" * 1_024
    with pytest.raises(TooLargeError, match=r"at most 1024 gzip members \(gzip_members_max\)"):
        inflate("gzip", gzip.compress(b"x") * 1_025)


def test_the_window_is_bound() -> None:
    """A frame that wants 8 MiB of memory is read; one that wants twice that is refused by its header."""

    def frame(window_log: int) -> bytes:
        parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return compressor.compress(b"x") + compressor.flush()

    assert inflate("zstd", frame(23)) == b"x"
    with pytest.raises(TooLargeError, match=r"at most 8388608 bytes \(zstd_window_bytes_max\)"):
        inflate("zstd", frame(24))


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [("gzip", gzip_bomb()), ("zstd", zstd_bomb(states_size=True)), ("zstd", zstd_bomb(states_size=False))],
    ids=["gzip", "zstd that states its size", "zstd"],
)
def test_a_bomb_takes_no_memory(encoding: str, bomb: bytes) -> None:
    """200 MiB in some kilobytes are refused within the bound of 4 MiB, although they come in one chunk."""
    assert len(bomb) < 250 * KIB
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            inflate(encoding, bomb)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 6 * MIB


def test_what_may_not_be_held_stops_the_body() -> None:
    """Whoever counts what is held may end the inflation at any piece."""

    def hold(size: int) -> None:
        raise MemoryError(size)

    for encoding in ENCODINGS:
        with pytest.raises(MemoryError, match="2"):
            Inflation(encoding, bounds=BOUNDS, hold=hold).feed(compress(encoding, b"{}"))


def request(*encodings: str) -> Request:
    """A request with these lines of Content-Encoding."""
    headers = [(b"content-encoding", encoding.encode()) for encoding in encodings]
    return Request({"type": "http", "method": "POST", "headers": headers})


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        ((), "identity"),
        (("",), "identity"),
        (("identity",), "identity"),
        (("gzip",), "gzip"),
        ((" GZip ",), "gzip"),
        (("x-gzip",), "gzip"),
        (("zstd",), "zstd"),
    ],
)
def test_an_encoding_is_read(lines: tuple[str, ...], encoding: str) -> None:
    """In any case, under its old name too, and none at all is none."""
    assert encoding_of(request(*lines), supported=ENCODINGS) == encoding


@pytest.mark.parametrize(
    "lines",
    [("br",), ("deflate",), ("gzip, gzip",), ("gzip", "gzip"), ("identity", "zstd"), ("gzip,",), ("a" * 4_000,)],
)
def test_other_encodings_are_refused(lines: tuple[str, ...]) -> None:
    """One that is unknown, and any two, on one line or on two; the answer says which are supported."""
    with pytest.raises(
        UnsupportedMediaError, match=r"not supported; a body is sent as it is, or as gzip or zstd"
    ) as told:
        encoding_of(request(*lines), supported=ENCODINGS)
    assert told.value.accept_encoding == "gzip, zstd"
    assert len(str(told.value)) < 150


def test_where_none_is_supported_each_is_refused() -> None:
    """The same question about a body that may not be compressed."""
    with pytest.raises(ServerError, match="'gzip' is not supported; a body is sent as it is") as told:
        encoding_of(request("gzip"), supported=())
    assert isinstance(told.value, UnsupportedMediaError)
    assert told.value.accept_encoding == "identity"
