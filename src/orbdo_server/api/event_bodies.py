"""Reading the bodies of events: each bounded by itself, and all that are being read at one time by their sum."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from orbdo_server.api.compressed_body import ENCODINGS, IDENTITY, BodyBounds, Inflation, encoding_of
from orbdo_server.errors import TooManyRequestsError
from orbdo_server.settings import Settings

# Inflating more than this takes long enough to be noticed by other requests, so that it is done in a thread.
INFLATE_ON_THE_LOOP_BYTES_MAX = 4 << 10
RETRY_AFTER_SECONDS = 1
# A number of more digits is past every bound by its first ones.
LENGTH_DIGITS_MAX = 18
CONTENT_LENGTH = b"content-length"
CONTENT_ENCODING = b"content-encoding"


class HeldBodies:
    """The bytes of all bodies that are being read at one time, in any number of threads.

    One body is always let in, however small the bound; beyond it the next is refused, to come back later.
    """

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """How many bytes are held."""
        return self._bytes

    def require_room(self, size: int) -> None:
        """Raise ``TooManyRequestsError`` when a body of this size would have to wait, and hold nothing.

        Enough for a body that is let go of before anything else runs.
        """
        if self._bytes > 0 and self._bytes + size > self._bytes_max:
            self._refuse()

    @contextmanager
    def body(self) -> Iterator["HeldBody"]:
        """The place of one more body; what it holds is given back at the end."""
        held = HeldBody(self)
        try:
            yield held
        finally:
            self.give_back(held.held_bytes)

    def take(self, size: int, *, own_bytes: int) -> None:
        """Hold this much more for a body that holds ``own_bytes``; raises ``TooManyRequestsError`` past the bound."""
        with self._lock:
            if self._bytes > own_bytes and self._bytes + size > self._bytes_max:
                self._refuse()
            self._bytes += size

    def give_back(self, size: int) -> None:
        """Hold this much less."""
        with self._lock:
            self._bytes -= size

    def _refuse(self) -> NoReturn:
        message = (
            f"Bodies of {self._bytes_max} bytes are being read already (ingest_bodies_bytes_max); "
            "nothing of this request was taken."
        )
        raise TooManyRequestsError(message, retry_after_seconds=RETRY_AFTER_SECONDS)


class HeldBody:
    """What one body holds of what all may hold."""

    def __init__(self, bodies: HeldBodies) -> None:
        self._bodies = bodies
        self.held_bytes = 0

    def take(self, size: int) -> None:
        """Hold this much more; raises ``TooManyRequestsError`` when all bodies together would hold too much."""
        self._bodies.take(size, own_bytes=self.held_bytes)
        self.held_bytes += size


class BodyReader:
    """Reads the bodies of requests, inflated when they are compressed."""

    def __init__(self, settings: Settings, limiter: CapacityLimiter) -> None:
        self._bounds = BodyBounds(
            inflated_bytes_max=settings.ingest_body_bytes_max,
            compressed_bytes_max=settings.ingest_compressed_bytes_max,
        )
        self._limiter = limiter
        self.held = HeldBodies(bytes_max=settings.ingest_bodies_bytes_max)

    def small_length(self, headers: Iterable[tuple[bytes, bytes]], *, bytes_max: int) -> int | None:
        """The length that a body states when that is at most ``bytes_max`` and it is sent as it is, else None."""
        stated: bytes | None = None
        for name, value in headers:
            if name == CONTENT_LENGTH and stated is None:
                stated = value
            elif name == CONTENT_ENCODING:
                return None
        if stated is None or not stated.isdigit() or len(stated) > LENGTH_DIGITS_MAX:
            return None
        length = int(stated)
        return length if length <= min(bytes_max, self._bounds.inflated_bytes_max) else None

    async def read(self, request: Request, held: HeldBody) -> bytes:
        """The whole body, as it was before it was compressed; ``held`` is what it counts against.

        Raises ``TooLargeError`` for a body past a bound, before any of it is read when its length is stated,
        ``TooManyRequestsError`` when too much is being read already, ``UnsupportedMediaError`` for an encoding that is
        not ours and ``InvalidRequestError`` for a body that is not what its encoding says.
        """
        encoding = encoding_of(request, supported=ENCODINGS)
        stated = request.headers.get("content-length", "")
        if stated.isdecimal():
            size = int(stated[:LENGTH_DIGITS_MAX])
            is_plain = encoding == IDENTITY
            (self._bounds.require_inflated if is_plain else self._bounds.require_compressed)(size)
        inflation = Inflation(encoding, bounds=self._bounds, hold=held.take)
        async for chunk in request.stream():
            if encoding == IDENTITY or len(chunk) <= INFLATE_ON_THE_LOOP_BYTES_MAX:
                inflation.feed(chunk)
            else:
                await to_thread.run_sync(inflation.feed, chunk, limiter=self._limiter)
        return inflation.finish()
