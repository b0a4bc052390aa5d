"""Events by the million for a log that is filled from inside, a group at a time, with what they must add up to.

They have the shape of the requests that the load generator sends: a key as long as a UUID, one of a thousand customers,
two numbers and two words. Their times go through the days before ``now`` in the order of the log, give or take an hour,
as those of events that come in as they happen. Everything is made in bulk, at about a microsecond an event.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from orbdo_server.core.events import Event

EVENT_NAME = "llm_request"
CUSTOMERS = 1_000
DAYS = 30
# Properties are picked from so many different ones; each column is stored by itself, so that this does not show.
PROPERTIES = 1 << 16
UNEVEN = timedelta(hours=1)
KEY_CHARACTERS = 36
# Where the digits of a UUID are; the dashes are between them.
KEY_DIGITS = [place for place in range(KEY_CHARACTERS) if place not in (8, 13, 18, 23)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Counts: TypeAlias = NDArray[np.int64]


class Group(msgspec.Struct, frozen=True):
    """Events to be stored together, and by customer the tokens that they generated."""

    events: list[Event]
    tokens: Counts


def customer_name(number: int) -> str:
    """The name of a customer of the fill, which is none of the load generator's."""
    return f"filled-{number:03}"


def groups(count: int, *, group_events: int, seed: int, now: datetime) -> Iterator[Group]:
    """``count`` events in groups of ``group_events``, the last one smaller; each ``seed`` gives other keys."""
    chance = np.random.default_rng(seed)
    properties, tokens = _properties(chance)
    names = [customer_name(number) for number in range(CUSTOMERS)]
    first, span = now - timedelta(days=DAYS), timedelta(days=DAYS) - UNEVEN
    for start in range(0, count, group_events):
        some = min(group_events, count - start)
        customers = chance.integers(CUSTOMERS, size=some)
        picked = chance.integers(PROPERTIES, size=some)
        instants = _instants(chance, some, since=first + span * (start / count))
        events = [
            Event(
                event_name=EVENT_NAME,
                idempotency_key=key,
                timestamp=at,
                properties=properties[which],
                external_customer_id=names[customer],
            )
            for key, at, which, customer in zip(
                _keys(chance, some), instants, picked.tolist(), customers.tolist(), strict=True
            )
        ]
        sums = np.bincount(customers, weights=tokens[picked], minlength=CUSTOMERS)
        yield Group(events, sums.astype(np.int64))


def _properties(chance: np.random.Generator) -> tuple[list[msgspec.Raw], Counts]:
    """Texts to pick from, and the generated tokens that each of them says."""
    context, generated = chance.integers(1_000, 4_000, PROPERTIES), chance.integers(100, 1_000, PROPERTIES)
    models, regions = chance.integers(2, size=PROPERTIES), chance.integers(2, size=PROPERTIES)
    texts = [
        b'{"context_tokens":%d,"generated_tokens":%d,"model":"%b","region":"%b"}'
        % (tokens_in, tokens_out, (b"large", b"small")[model], (b"eu-west-1", b"us-east-1")[region])
        for tokens_in, tokens_out, model, region in zip(
            context.tolist(), generated.tolist(), models.tolist(), regions.tolist(), strict=True
        )
    ]
    return [msgspec.Raw(text) for text in texts], generated


def _instants(chance: np.random.Generator, count: int, *, since: datetime) -> Iterator[datetime]:
    microseconds = chance.integers(UNEVEN // _MICROSECOND, size=count).astype("timedelta64[us]")
    return map(since.__add__, microseconds.tolist())


def _keys(chance: np.random.Generator, count: int) -> list[str]:
    digits = np.frombuffer(chance.bytes(count * len(KEY_DIGITS) // 2).hex().encode(), dtype=np.uint8)
    keys = np.full((count, KEY_CHARACTERS), ord("-"), dtype=np.uint8)
    keys[:, KEY_DIGITS] = digits.reshape(count, len(KEY_DIGITS))
    text = keys.tobytes().decode()
    return [text[start : start + KEY_CHARACTERS] for start in range(0, len(text), KEY_CHARACTERS)]
