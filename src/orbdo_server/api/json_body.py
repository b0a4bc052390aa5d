"""Reading a JSON body without losing a digit or trusting its shape: every bound has a name, every refusal a pointer.

Requirement D12 of the project's security notes: depth, values, string length, digits and exponent are capped; NaN,
Infinity, duplicate keys, lone surrogates and NUL are refused. What the values mean is for the models of the endpoints.
"""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from orbdo_server.core.errors import shown
from orbdo_server.errors import InvalidRequestError

DEPTH_MAX = 32
VALUES_MAX = 100_000
STRING_CHARACTERS_MAX = 50_000
NUMBER_CHARACTERS_MAX = 64
EXPONENT_MAX = 64


def parse_json(body: bytes) -> Any:
    """The value of a JSON text, numbers as int or Decimal.

    Raises ``InvalidRequestError`` that says what is not allowed and, where it has a place, where it stands.
    """
    try:
        value = json.loads(
            body.decode(),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise _refused("must be UTF-8") from error
    except json.JSONDecodeError as error:
        message = f"is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}"
        raise _refused(message) from error
    except RecursionError as error:
        raise _refused(f"is nested deeper than {DEPTH_MAX} levels") from error
    _check_values(value)
    return value


def _refused(message: str, *, field: str = "body") -> InvalidRequestError:
    # The empty text is a key too, and no name for a field.
    return InvalidRequestError.of(field or "body", message)


def _check_values(root: Any) -> None:
    waiting, seen = [("body", root, 1)], 0
    while waiting:
        pointer, value, depth = waiting.pop()
        seen += 1
        if seen > VALUES_MAX:
            raise _refused(f"has more than {VALUES_MAX} values")
        if depth > DEPTH_MAX and isinstance(value, dict | list):
            raise _refused(f"is nested deeper than {DEPTH_MAX} levels")
        if isinstance(value, str):
            _check_text(value, field=pointer)
        waiting.extend(_inner(pointer, value, depth + 1))


def _inner(pointer: str, value: Any, depth: int) -> Iterator[tuple[str, Any, int]]:
    """The values inside a value, each with its pointer: ``prices[0].name``."""
    if isinstance(value, dict):
        start = "" if pointer == "body" else f"{pointer}."
        for key, entry in value.items():
            _check_text(key, field=pointer)
            yield f"{start}{key}", entry, depth
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield f"{pointer}[{index}]", entry, depth


def _check_text(text: str, *, field: str) -> None:
    if len(text) > STRING_CHARACTERS_MAX:
        raise _refused(f"is a text of more than {STRING_CHARACTERS_MAX} characters", field=field)
    if "\x00" in text:
        raise _refused("contains a NUL character", field=field)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _refused("contains half of a surrogate pair", field=field) from error


def _decimal(text: str) -> Decimal:
    _check_digits(text)
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise _refused("contains a number that cannot be read") from error
    if abs(value.adjusted()) > EXPONENT_MAX:
        raise _refused(f"contains a number with an exponent beyond {EXPONENT_MAX}")
    return value


def _integer(text: str) -> int:
    _check_digits(text)
    return int(text)


def _check_digits(text: str) -> None:
    if len(text) > NUMBER_CHARACTERS_MAX:
        raise _refused(f"contains a number of more than {NUMBER_CHARACTERS_MAX} characters")


def _constant(text: str) -> Any:
    raise _refused(f"contains {text}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # set.add in a condition
        raise _refused(f"contains the key {shown(twice)} twice in one object")
    return value
