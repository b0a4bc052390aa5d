"""Bodies of events over HTTP: compressed or not, each of them bounded, and all of them together."""

import gzip
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx
import pytest
import zstandard
from starlette.requests import Request

from orbdo_server.api.event_bodies import BodyReader, HeldBodies
from orbdo_server.app import OrbdoApp, create_app
from orbdo_server.errors import TooLargeError, TooManyRequestsError
from orbdo_server.settings import Settings
from tests.support.asgi import Message
from tests.support.knocking import ADMIN_KEY, knock

pytestmark = pytest.mark.anyio

COMPRESS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}
BODY_BYTES_MAX = 600
COMPRESSED_BYTES_MAX = 300
EVENTS_MAX = 3


@pytest.fixture(scope="module")
def small_app(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[OrbdoApp]:
    """A server that takes 3 events in a request of 600 bytes, or of 300 bytes when it is compressed."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copy(migrated, folder / "control.sqlite3")
    settings = Settings(
        data=folder,
        api_key=ADMIN_KEY,
        ingest_events_max=EVENTS_MAX,
        ingest_body_bytes_max=BODY_BYTES_MAX,
        ingest_compressed_bytes_max=COMPRESSED_BYTES_MAX,
    )
    app = create_app(settings)
    yield app
    app.close()


@pytest.fixture
async def client(small_app: OrbdoApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the admin key of that server."""
    async with knock(small_app) as client:
        yield client


def body_of(*keys: str, bytes_total: int = 0) -> bytes:
    """Events of now with these keys, padded with spaces to a size."""
    events = [
        {
            "event_name": "call",
            "idempotency_key": key,
            "timestamp": datetime.now(UTC).isoformat(),
            "external_customer_id": "ada",
            "properties": {},
        }
        for key in keys
    ]
    body = json.dumps({"events": events}, separators=(",", ":")).encode()
    return body.ljust(bytes_total)


def skippable(size: int) -> bytes:
    """A zstd frame of so many bytes that holds nothing."""
    return b"\x50\x2a\x4d\x18" + (size - 8).to_bytes(4, "little") + bytes(size - 8)


async def ingest(client: httpx.AsyncClient, body: bytes, *encodings: str) -> httpx.Response:
    """The answer to these bytes under these lines of Content-Encoding."""
    headers = [("Content-Encoding", encoding) for encoding in encodings]
    return await client.post("/ingest?debug=true", content=body, headers=headers)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "zstd"])
async def test_compressed_events_are_taken(client: httpx.AsyncClient, encoding: str) -> None:
    """They are counted as they would be if they were sent as they are."""
    keys = [f"{encoding} 1", f"{encoding} 2"]
    answer = await ingest(client, COMPRESS[encoding](body_of(*keys)), encoding)
    assert (answer.status_code, answer.json()["debug"]["ingested"]) == (200, keys)


@pytest.mark.parametrize("lines", [(), ("identity",), ("Identity",)])
async def test_events_are_taken_as_they_are(client: httpx.AsyncClient, lines: tuple[str, ...]) -> None:
    """Without an encoding, and with the one that is none."""
    key = f"plain {lines}"
    answer = await ingest(client, body_of(key), *lines)
    assert (answer.status_code, answer.json()["debug"]["ingested"]) == (200, [key])


@pytest.mark.parametrize("lines", [("br",), ("gzip, gzip",), ("gzip", "gzip"), ("gzip, zstd",)])
async def test_other_encodings_are_refused(client: httpx.AsyncClient, lines: tuple[str, ...]) -> None:
    """415 names the encodings that are taken; nothing was."""
    key = f"other {lines}"
    answer = await ingest(client, gzip.compress(gzip.compress(body_of(key))), *lines)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer.headers["Accept-Encoding"] == "gzip, zstd"
    assert (await ingest(client, body_of(key))).json()["debug"]["ingested"] == [key]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_the_control_plane_takes_no_encoding(client: httpx.AsyncClient, encoding: str) -> None:
    """415 for a compressed customer, even when a line before says that it is not."""
    customer = COMPRESS[encoding](b'{"name": "Ada", "email": "ada@example.com"}')
    for lines in ([encoding], ["identity", encoding]):
        headers = [("Content-Encoding", line) for line in lines]
        answer = await client.post("/customers", content=customer, headers=headers)
        assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")


@pytest.mark.parametrize(
    ("sent", "encoding", "detail"),
    [
        (gzip.compress(b'{"events": []}')[:-1], "gzip", "body: ends before its gzip does"),
        (gzip.compress(b'{"events": []}') + b"x", "gzip", "body: ends before its gzip does"),
        (gzip.compress(b'{"events": []}') + b"xyz", "gzip", "body: is not valid gzip"),
        (b'{"events": []}', "zstd", "body: is not valid zstd"),
        (b"", "zstd", "body: ends before its zstd does"),
    ],
)
async def test_a_broken_body_is_refused(client: httpx.AsyncClient, sent: bytes, encoding: str, detail: str) -> None:
    """400 says what is wrong with it, as problem+json."""
    answer = await ingest(client, sent, encoding)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["detail"] == detail


async def test_the_events_of_a_request_are_bound(client: httpx.AsyncClient) -> None:
    """Three are taken; of four none is, and 413 names the bound."""
    assert (await ingest(client, gzip.compress(body_of("a", "b", "c")), "gzip")).status_code == 200
    answer = await ingest(client, gzip.compress(body_of("d", "e", "f", "g")), "gzip")
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert "at most 3 are taken" in answer.json()["detail"]
    assert (await ingest(client, body_of("d"))).json()["debug"]["ingested"] == ["d"]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
async def test_the_bytes_of_a_body_are_bound(client: httpx.AsyncClient, encoding: str) -> None:
    """A body of 600 bytes is taken, whatever it was on its way; 413 for one of 601."""
    compress = COMPRESS.get(encoding, bytes)
    assert (await ingest(client, compress(body_of("a", bytes_total=600)), encoding)).status_code == 200
    answer = await ingest(client, compress(body_of("b", bytes_total=601)), encoding)
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "The body may have at most 600 bytes (ingest_body_bytes_max).",
    )


async def test_the_bytes_of_a_compressed_body_are_bound(client: httpx.AsyncClient) -> None:
    """A compressed body of 300 bytes is taken; 413 for one of 301."""
    frame = zstandard.ZstdCompressor().compress(body_of("a"))
    sent = [skippable(size - len(frame)) + frame for size in (300, 301)]
    assert [len(body) for body in sent] == [300, 301]
    assert (await ingest(client, sent[0], "zstd")).status_code == 200
    answer = await ingest(client, sent[1], "zstd")
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "A compressed body may have at most 300 bytes (ingest_compressed_bytes_max).",
    )


def reader(**bounds: int) -> BodyReader:
    """A reader of bodies with these bounds."""
    return BodyReader(Settings(**bounds), anyio.CapacityLimiter(1))  # type: ignore[arg-type]  # all of them are integers


def arriving(*chunks: bytes, **headers: str) -> Request:
    """A request whose body comes in these chunks, and fails the test when more is wanted."""
    left = [*chunks]

    async def receive() -> Message:
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": fields}, receive)


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([(b"content-length", b"0")], 0),
        ([(b"host", b"x"), (b"content-length", b"500")], 500),
        ([(b"content-length", b"501")], None),
        ([(b"content-length", b"9" * 30)], None),
        ([(b"content-length", b"-1")], None),
        ([(b"content-length", "\u0663".encode())], None),
        ([(b"transfer-encoding", b"chunked")], None),
        ([(b"content-length", b"5"), (b"content-encoding", b"identity")], None),
        ([(b"content-encoding", b"gzip"), (b"content-length", b"5")], None),
    ],
)
def test_a_small_body_is_told_by_its_headers(headers: list[tuple[bytes, bytes]], length: int | None) -> None:
    """One of 500 bytes is small where that is the bound; what is longer, encoded or does not say so is not."""
    assert reader().small_length(headers, bytes_max=500) == length
    assert reader(ingest_body_bytes_max=500).small_length(headers, bytes_max=1_000) == length


@pytest.mark.parametrize(("encoding", "bound"), [("identity", "600"), ("gzip", "300")])
async def test_a_stated_length_is_believed(encoding: str, bound: str) -> None:
    """A body that says it is too long is refused before a byte of it is read."""
    bodies = reader(ingest_body_bytes_max=600, ingest_compressed_bytes_max=300)
    for length in (str(int(bound) + 1), "9" * 30):
        request = arriving(content_length=length, content_encoding=encoding)
        with bodies.held.body() as held, pytest.raises(TooLargeError, match=f"at most {bound} bytes"):
            await bodies.read(request, held)


async def test_a_stated_length_is_not_trusted() -> None:
    """A body that is longer than it says is refused at the first byte past the bound."""
    bodies = reader(ingest_body_bytes_max=4)
    with bodies.held.body() as held, pytest.raises(TooLargeError):
        await bodies.read(arriving(b"1234", b"5", b"", content_length="4"), held)


async def test_a_large_chunk_is_inflated_in_a_thread() -> None:
    """A body of several chunks, small ones and large ones, comes out in one piece."""
    content = b"".join(index.to_bytes(4, "big") for index in range(20_000))
    sent = zstandard.ZstdCompressor().compress(content)
    assert len(sent) > 20_000
    bodies = reader()
    with bodies.held.body() as held:
        request = arriving(sent[:100], sent[100:20_000], sent[20_000:], content_encoding="zstd")
        assert await bodies.read(request, held) == content
        assert held.held_bytes == 80_000


async def test_bodies_share_one_bound() -> None:
    """Two bodies of together 10 bytes are read at one time; for the eleventh byte somebody has to come back later."""
    bodies = reader(ingest_bodies_bytes_max=10)
    with bodies.held.body() as first:
        await bodies.read(arriving(b"123456"), first)
        with bodies.held.body() as second:
            assert await bodies.read(arriving(b"1234"), second) == b"1234"
        with bodies.held.body() as third, pytest.raises(TooManyRequestsError, match="of 10 bytes") as told:
            await bodies.read(arriving(b"1234", b"5"), third)
        assert told.value.retry_after_seconds == 1
        assert bodies.held.held_bytes == 6
    assert bodies.held.held_bytes == 0


async def test_one_body_is_always_let_in() -> None:
    """A body that is larger than all may be together is read when it is alone."""
    bodies = reader(ingest_bodies_bytes_max=10)
    with bodies.held.body() as held:
        assert await bodies.read(arriving(b"1" * 8, b"2" * 8), held) == b"1" * 8 + b"2" * 8


async def test_what_failed_is_given_back() -> None:
    """A body that was refused in its middle holds nothing any more."""
    held_bodies = HeldBodies(bytes_max=10)
    with held_bodies.body() as other:
        other.take(5)
        with pytest.raises(TooManyRequestsError):
            _take_too_much(held_bodies)
        assert held_bodies.held_bytes == 5
    assert held_bodies.held_bytes == 0


def _take_too_much(bodies: HeldBodies) -> None:
    with bodies.body() as held:
        held.take(5)
        held.take(1)
