"""Requests for ``POST /v1/ingest`` as bytes, made a block at a time by writing random digits into a finished text.

Every event has a key of its own, shaped like a UUID, and an instant of its own; the other fields repeat from block to
block. Nothing is parsed or encoded here: a load generator that did that would measure itself.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

# Made at once while the answers wait: a few thousand take some milliseconds.
BLOCK_EVENTS = 1_000
CUSTOMERS = 100
SPREAD_HOURS = 2
KEY = b"00000000-0000-4000-8000-000000000000"
# Where the digits of the key are, and those of the instant below the hour: minutes, seconds and microseconds.
KEY_DIGITS = [place for place, character in enumerate(KEY) if character not in b"-48"]
CLOCK_TENS, CLOCK_DIGITS = (0, 3), (1, 4, 6, 7, 8, 9, 10, 11)
HEXADECIMAL = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)

Text = NDArray[np.uint8]


def requests(*, api_key: str, batch_events: int, now: datetime, seed: int) -> Iterator[memoryview]:
    """Requests of ``batch_events`` events of the hours before ``now``, without end; other seeds give other keys."""
    chance = np.random.default_rng(seed)
    count = max(1, BLOCK_EVENTS // batch_events)
    events = _events(chance, count * batch_events, now)
    opening, closing = b'{"events":[', b"]}"
    # Events are separated by a comma, which the last of a request does not have.
    body_bytes = len(opening) + batch_events * events.shape[1] - 1 + len(closing)
    head = _head(api_key, body_bytes) + opening
    places = slice(len(head), len(head) + batch_events * events.shape[1] - 1)
    block = np.empty((count, len(head) + body_bytes - len(opening)), dtype=np.uint8)
    block[:, : places.start] = _text(head)
    block[:, places.stop :] = _text(closing)
    while True:
        _renew(chance, events)
        block[:, places] = events.reshape(count, -1)[:, :-1]
        # A copy: the requests of the block before may still be on their way.
        sent, request_bytes = memoryview(block.tobytes()), block.shape[1]
        yield from (sent[start : start + request_bytes] for start in range(0, len(sent), request_bytes))


def _head(api_key: str, body_bytes: int) -> bytes:
    lines = (
        "POST /v1/ingest HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {api_key}",
        "Content-Type: application/json",
        f"Content-Length: {body_bytes}",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _events(chance: np.random.Generator, count: int, now: datetime) -> Text:
    """One event a row, all of one width, each with a comma behind it; keys and clocks are still to be written."""
    hours = [(now - timedelta(hours=1 + ago)).strftime("%Y-%m-%dT%H") for ago in range(SPREAD_HOURS)]
    rows = b"".join(
        b'{"event_name":"llm_request","idempotency_key":"%b","timestamp":"%b:00:00.000000Z",'
        b'"external_customer_id":"customer-%02d","properties":{"context_tokens":%d,"generated_tokens":%d,'
        b'"model":"%b","region":"%b"}},'
        % (
            KEY,
            hours[chance.integers(SPREAD_HOURS)].encode(),
            chance.integers(CUSTOMERS),
            chance.integers(1_000, 4_000),
            chance.integers(100, 1_000),
            (b"large", b"small")[chance.integers(2)],
            (b"eu-west-1", b"us-east-1")[chance.integers(2)],
        )
        for _ in range(count)
    )
    return _text(rows).reshape(count, -1).copy()


def _renew(chance: np.random.Generator, events: Text) -> None:
    """Write new keys and new clocks over the old."""
    row = events[0].tobytes()
    key, clock = (row.index(name) + len(name) for name in (b'"idempotency_key":"', b'"timestamp":"'))
    _write(events, chance.integers(16, size=(len(events), len(KEY_DIGITS))), first=key, places=KEY_DIGITS)
    for places, below in ((CLOCK_TENS, 6), (CLOCK_DIGITS, 10)):
        digits = chance.integers(below, size=(len(events), len(places)))
        _write(events, digits, first=clock + len("YYYY-MM-DDTHH:"), places=places)


def _write(events: Text, digits: NDArray[np.int64], *, first: int, places: Sequence[int]) -> None:
    events[:, [first + place for place in places]] = HEXADECIMAL[digits]


def _text(content: bytes) -> Text:
    return np.frombuffer(content, dtype=np.uint8)
