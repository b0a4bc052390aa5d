"""Checking and encoding of one event at the moment it is tracked."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
import pytest

from orbdo_sdk.client._shipping.encoding import encode_event
from orbdo_sdk.errors import InvalidEventError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Region(StrEnum):
    """A str subclass, as applications use them."""

    EUROPE = "eu"


class Odd(str):
    """A str subclass that no encoder knows."""

    __slots__ = ()


def encoded(**changes: Any) -> tuple[str, bytes]:
    """A valid event with some arguments changed."""
    arguments: dict[str, Any] = {
        "event_type": "llm_request",
        "external_customer_id": "acme",
        "customer_id": None,
        "properties": {"tokens": 7},
        "timestamp": None,
        "idempotency_key": "k1",
        "now": lambda: NOON,
        "event_bytes_max": 1_000,
    }
    return encode_event(**(arguments | changes))


def test_an_event_is_its_wire_form() -> None:
    """The bytes are the event as the server reads it, in UTC, without the fields that were not given."""
    assert encoded() == (
        "k1",
        b'{"event_name":"llm_request","idempotency_key":"k1","timestamp":"2026-03-01T12:00:00Z",'
        b'"properties":{"tokens":7},"external_customer_id":"acme"}',
    )


def test_the_internal_customer_id_is_carried() -> None:
    """An event may name the customer by the server's id."""
    _, payload = encoded(external_customer_id=None, customer_id="cus_1", properties=None)
    assert msgspec.json.decode(payload) == {
        "event_name": "llm_request",
        "idempotency_key": "k1",
        "timestamp": "2026-03-01T12:00:00Z",
        "properties": {},
        "customer_id": "cus_1",
    }


def test_a_key_is_minted_when_none_is_given() -> None:
    """Two events without a key get two different ones, in the order of time."""
    first, second = encoded(idempotency_key=None)[0], encoded(idempotency_key=None)[0]
    assert first < second
    assert len(first) == 36


def test_an_instant_in_another_zone_is_sent_in_utc() -> None:
    """The zone is only spelling; what counts is the instant."""
    timestamp = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert b'"2026-03-01T12:00:00Z"' in encoded(timestamp=timestamp)[1]


def test_plain_values_are_taken() -> None:
    """Text, numbers, truth and exact decimals may be properties; a decimal travels as text."""
    properties = {
        "s": "x",
        "i": -(2**63),
        "j": 2**64 - 1,
        "f": 1.5,
        "b": True,
        "z": None,
        "d": Decimal("0.10"),
        "e": Region.EUROPE,
        "o": Odd("y"),
    }
    _, payload = encoded(properties=properties)
    assert msgspec.json.decode(payload)["properties"] == {
        "s": "x",
        "i": -(2**63),
        "j": 2**64 - 1,
        "f": 1.5,
        "b": True,
        "z": None,
        "d": "0.10",
        "e": "eu",
        "o": "y",
    }


def test_later_changes_do_not_matter() -> None:
    """The event is encoded at once, so that changing the mapping afterwards changes nothing."""
    properties: dict[str, object] = {"tokens": 1}
    _, payload = encoded(properties=properties)
    properties["tokens"] = 2
    assert b'"tokens":1' in payload


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_type": ""}, "event_type"),
        ({"event_type": 3}, "event_type"),
        ({"external_customer_id": ""}, "external_customer_id"),
        ({"external_customer_id": None}, "customer_id"),
        ({"customer_id": "cus_1"}, "customer_id"),
        ({"external_customer_id": None, "customer_id": 5}, "customer_id"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"timestamp": datetime(2026, 3, 1)}, "timestamp"),  # noqa: DTZ001 - naive on purpose
        ({"timestamp": "2026-03-01"}, "timestamp"),
        ({"properties": [("a", 1)]}, "properties"),
        ({"properties": {"": 1}}, "properties"),
        ({"properties": {"n" * 256: 1}}, "properties"),
        ({"properties": {str(number): 1 for number in range(101)}}, "properties"),
        ({"properties": {"a": "x" * 1_025}}, "properties.a"),
        ({"properties": {"a": "x\0"}}, "event"),
        ({"properties": {"x\0": 1}}, "event"),
        ({"event_type": "x\0"}, "event"),
        ({"event_type": "e" * 256}, "event_type"),
        ({"external_customer_id": "c" * 256}, "external_customer_id"),
        ({"properties": {1: 1}}, "properties"),
        ({"properties": {"a": {"b": 1}}}, "properties.a"),
        ({"properties": {"a": [1]}}, "properties.a"),
        ({"properties": {"a": float("nan")}}, "properties.a"),
        ({"properties": {"a": float("inf")}}, "properties.a"),
        ({"properties": {"a": Decimal("NaN")}}, "properties.a"),
        ({"properties": {"a": 2**64}}, "properties.a"),
        ({"properties": {"a": -(2**63) - 1}}, "properties.a"),
        ({"properties": {"a": "\ud800"}}, "event"),
    ],
)
def test_what_the_server_could_only_refuse_is_refused_at_once(changes: dict[str, Any], field: str) -> None:
    """A wrong argument raises an error that names it, while the caller is still there to hear it."""
    with pytest.raises(InvalidEventError) as caught:
        encoded(**changes)
    assert caught.value.field == field


def test_the_longest_texts_are_taken() -> None:
    """The bounds of 255 and 1,024 characters and of 100 properties are themselves allowed."""
    long = "x" * 255
    key, payload = encoded(
        event_type=long,
        external_customer_id=long,
        idempotency_key=long,
        properties={long: "x" * 1_024},
        event_bytes_max=10_000,
    )
    assert key == long
    assert msgspec.json.decode(payload)["properties"] == {long: "x" * 1_024}
    assert encoded(properties={str(number): 1 for number in range(100)}, event_bytes_max=10_000)[0] == "k1"


def test_text_that_only_looks_like_nul_is_taken() -> None:
    """A backslash, a u and four zeros are six characters of text."""
    _, payload = encoded(properties={"a": "\\u0000"})
    assert msgspec.json.decode(payload)["properties"] == {"a": "\\u0000"}


def test_the_size_of_an_event_is_bounded() -> None:
    """An event of exactly the bound is taken, one byte more is not."""
    size = len(encoded()[1])
    assert len(encoded(event_bytes_max=size)[1]) == size
    with pytest.raises(InvalidEventError, match="at most"):
        encoded(event_bytes_max=size - 1)
