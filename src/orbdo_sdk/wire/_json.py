"""Encoding and decoding of JSON without a float ever touching a quantity or an amount."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Number(Decimal):
    """A Decimal that is written as a JSON number, for the fields that Orb's API types as numbers.

    A plain ``Decimal`` is written as a JSON string, as amounts are. Both are read back exactly into ``Decimal``.
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: Decimal) -> "Number":
        """The same value without exponent or trailing zeros, so that 10.000 is written as 10."""
        return cls(plain(value))


class Amount(Decimal):
    """A Decimal that is written as a JSON string in positional notation: 0.00000015, where a plain one is 1.5E-7.

    Trailing zeros stay, so that 12.30 USD is written with its two digits.
    """

    __slots__ = ()


def plain(value: Decimal) -> str:
    """The value in positional notation without trailing zeros: ``1E+2`` is ``100``, ``2.500`` is ``2.5``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _encode_decimal(value: Any) -> Any:
    if isinstance(value, Number):
        return msgspec.Raw(plain(value).encode())
    if isinstance(value, Amount):
        return format(value, "f")
    message = f"cannot be encoded as JSON: {type(value).__name__}"
    raise NotImplementedError(message)


_encoder = msgspec.json.Encoder(enc_hook=_encode_decimal)

encode: Callable[[Any], bytes] = _encoder.encode


def decode(body: bytes, kind: type[T]) -> T:
    """The JSON body as ``kind``; raises ``msgspec.DecodeError`` (or its subclass ``ValidationError``)."""
    return msgspec.json.decode(body, type=kind)
