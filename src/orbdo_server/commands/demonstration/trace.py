"""The trace that the demo bills: a real one when there is a file, else a seeded one of the same shape."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from orbdo_server.commands.importing.mapping import BadRow, Columns, Constants, Mapping
from orbdo_server.commands.importing.rows import format_of, read_rows

CUSTOMERS = ("acorn-labs", "birch-cloud", "cedar-robotics")
EVENT_TYPE = "llm_request"
SYNTHETIC_REQUESTS = 8_819
SYNTHETIC_SEED = 2023
SYNTHETIC_START = datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)
SYNTHETIC_SECONDS_MEAN = 0.39
CONTEXT_TOKENS_MAX = 7_437
GENERATED_TOKENS_MAX = 1_899


class Request(msgspec.Struct, frozen=True):
    """One request to a language model."""

    key: str
    at: datetime
    context_tokens: int
    generated_tokens: int

    @property
    def tokens(self) -> int:
        """What is billed."""
        return self.context_tokens + self.generated_tokens


class Trace(msgspec.Struct, frozen=True):
    """Requests in the order they are billed, and where they come from."""

    source: str
    requests: tuple[Request, ...]

    def customer_of(self, index: int) -> str:
        """Request ``index`` belongs to one of three customers, in turn."""
        return CUSTOMERS[index % len(CUSTOMERS)]

    def tokens_of(self, customer: str) -> int:
        """All tokens of a customer, counted without any of the code that bills them."""
        return sum(request.tokens for request in self.requests[CUSTOMERS.index(customer) :: len(CUSTOMERS)])


class UnusableTraceError(Exception):
    """The file holds no trace that the demo can bill; the message says why."""


def load_trace(path: Path) -> Trace:
    """The trace in a file with the columns TIMESTAMP, ContextTokens and GeneratedTokens.

    Raises ``UnusableTraceError`` for the first row that has none.
    """
    mapping = Mapping(Columns(timestamp="TIMESTAMP"), Constants(customer_id="demo", event_type=EVENT_TYPE))
    requests = []
    for row in read_rows(path, format_of(path)):
        event = mapping.event(row)
        if isinstance(event, BadRow):
            message = f"{path.name} line {event.line} {event.reason}"
            raise UnusableTraceError(message)
        context, generated = (event.properties.get(name) for name in ("ContextTokens", "GeneratedTokens"))
        if not isinstance(context, int) or not isinstance(generated, int):
            message = f"{path.name} line {row.line} has no whole ContextTokens and GeneratedTokens"
            raise UnusableTraceError(message)
        assert event.idempotency_key is not None, "a row without a key gets one"
        assert event.timestamp is not None, "a row without a timestamp is a bad row"
        requests.append(Request(event.idempotency_key, event.timestamp, context, generated))
    if not requests:
        message = f"{path.name} has no rows"
        raise UnusableTraceError(message)
    return Trace(path.name, tuple(requests))


def synthetic_trace() -> Trace:
    """An hour of requests, the same ones each time: long prompts, short completions, a few of both extremes."""
    chance = random.Random(SYNTHETIC_SEED)  # noqa: S311 - a demo has to look the same each time
    requests, at = [], SYNTHETIC_START
    for index in range(SYNTHETIC_REQUESTS):
        at += timedelta(microseconds=round(chance.expovariate(1 / SYNTHETIC_SECONDS_MEAN) * 1_000_000))
        context = min(CONTEXT_TOKENS_MAX, 1 + round(chance.lognormvariate(7.2, 1.1)))
        generated = min(GENERATED_TOKENS_MAX, 1 + round(chance.lognormvariate(2.8, 0.9)))
        requests.append(Request(f"synthetic-{index}", at, context, generated))
    return Trace("a seeded synthetic trace", tuple(requests))


def expected_cost(tokens: int) -> Decimal:
    """$2.00 a million tokens up to 1M, $1.50 up to 5M, $1.00 beyond: the price as one would check it by hand."""
    first = min(tokens, 1_000_000)
    second = max(0, min(tokens, 5_000_000) - 1_000_000)
    third = max(0, tokens - 5_000_000)
    return (first * Decimal("2.00") + second * Decimal("1.50") + third * Decimal("1.00")) / 1_000_000
