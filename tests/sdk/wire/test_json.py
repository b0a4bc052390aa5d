"""Decimals on the wire: strings or numbers, never an exponent, never a float."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from orbdo_sdk.wire import Amount, Number, decode, encode, plain


class Both(msgspec.Struct):
    """A body with an amount and a quantity."""

    amount: Decimal
    quantity: Decimal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(Amount("12.30"), b'"12.30"', id="an amount keeps its digits"),
        pytest.param(Amount("1.5E-7"), b'"0.00000015"', id="a small amount has no exponent"),
        pytest.param(Amount("1E+3"), b'"1000"', id="nor has a large one"),
        pytest.param(Number("10.000"), b"10", id="a number has no trailing zeros"),
        pytest.param(Number.of(Decimal("1E+3")), b"1000", id="a number has no exponent"),
        pytest.param(Number("0.5"), b"0.5", id="a fraction"),
        pytest.param(Decimal("12.30"), b'"12.30"', id="a plain decimal is a string"),
        pytest.param([Number(1), Amount(2)], b'[1,"2"]', id="in a list"),
    ],
)
def test_decimals_are_written_in_positional_notation(value: object, expected: bytes) -> None:
    """Amounts are strings and numbers are numbers, written out in full."""
    assert encode(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1E+2", "100"), ("2.500", "2.5"), ("-0.00", "0"), ("0", "0"), ("100", "100"), ("-1.10", "-1.1"), ("0E-9", "0")],
)
def test_plain_is_the_shortest_positional_form(value: str, expected: str) -> None:
    """Trailing zeros behind the point go, those before it stay, and zero has no sign."""
    assert plain(Decimal(value)) == expected


def test_both_forms_are_read_back_exactly() -> None:
    """A decimal is read from a string and from a number without losing a digit."""
    body = b'{"amount":"0.10000000000000000001","quantity":12345678901234567890.5}'
    assert decode(body, Both) == Both(Decimal("0.10000000000000000001"), Decimal("12345678901234567890.5"))


def test_what_json_does_not_have_is_a_mistake() -> None:
    """A type that the wire does not have is a programmer's mistake and is not guessed at."""
    with pytest.raises(NotImplementedError, match="cannot be encoded as JSON: range"):
        encode({"at": range(3)})


def test_a_date_is_written_as_iso_8601() -> None:
    """Dates and instants are written by msgspec, in ISO 8601."""
    assert encode(date(2026, 3, 1)) == b'"2026-03-01"'
