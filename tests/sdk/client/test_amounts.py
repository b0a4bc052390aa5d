"""Minor units become major ones without a digit lost or made up."""

from decimal import Decimal, localcontext
from typing import Any

import pytest

from orbdo_sdk.client._amounts import PLACES_MAX, exact, major, minor_digits, number
from orbdo_sdk.wire import encode


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (10, "USD", b'"0.10"'),
        (Decimal("0.15"), "USD", b'"0.0015"'),
        (Decimal("0.00002"), "USD", b'"0.0000002"'),
        (4_900, "usd", b'"49.00"'),
        (0, "USD", b'"0.00"'),
        (-250, "USD", b'"-2.50"'),
        (10, "JPY", b'"10"'),
        (Decimal("0.5"), "JPY", b'"0.5"'),
        (10, "KWD", b'"0.010"'),
        (10, "CLF", b'"0.0010"'),
        (10, "XYZ", b'"0.10"'),
        (Decimal("1E+3"), "USD", b'"10"'),
        (123456789012345678901234567890123456789, "USD", b'"1234567890123456789012345678901234567.89"'),
    ],
)
def test_an_amount_is_shifted_by_the_digits_of_its_currency(
    amount: int | Decimal, currency: str, written: bytes
) -> None:
    """Ten is ten cents, ten yen, or ten fils; the digits are those of ISO 4217, two where it is silent."""
    assert encode(major(amount, currency=currency)) == written


def test_the_context_of_the_application_does_not_round_an_amount() -> None:
    """An application may compute with three digits; its prices keep theirs."""
    with localcontext(prec=3):
        assert major(123456789, currency="USD") == Decimal("1234567.89")


@pytest.mark.parametrize(
    ("currency", "digits"), [("USD", 2), ("EUR", 2), ("JPY", 0), ("krw", 0), ("BHD", 3), ("TND", 3), ("UYW", 4)]
)
def test_currencies_have_their_digits(currency: str, digits: int) -> None:
    """The case of the code does not matter."""
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("value", [0.1, "10", True, None])
def test_anything_but_an_int_or_a_decimal_is_refused(value: Any) -> None:
    """A float has lost what it was written as, a text could be of either unit, and a boolean is a slip."""
    with pytest.raises(TypeError, match="unit_amount must be an int or a Decimal, not "):
        major(value, currency="USD")


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
def test_an_amount_is_finite(value: Decimal) -> None:
    """Neither of them is a price."""
    with pytest.raises(ValueError, match="flat_amount must be finite"):
        major(value, currency="USD", name="flat_amount")


def test_an_amount_has_a_sane_length() -> None:
    """Forty places on either side of the point are taken, one more is not."""
    assert PLACES_MAX == 40
    assert exact(Decimal(10) ** 39, name="amount") == Decimal(10) ** 39
    assert exact(Decimal("1E-40"), name="amount") == Decimal("1E-40")
    for value in (10**40, Decimal("1E+40"), Decimal("1E-41"), Decimal("1E+999999")):
        with pytest.raises(ValueError, match="amount has more than 40 places"):
            exact(value, name="amount")


def test_a_quantity_is_a_json_number() -> None:
    """It is written in full and without zeros that say nothing."""
    assert encode([number(Decimal("1E+6")), number(Decimal("2.50")), number(7)]) == b"[1000000,2.5,7]"
