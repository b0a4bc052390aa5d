"""Exact arithmetic, minor units, rounding, division and splitting."""

import decimal
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.errors import UnknownCurrencyError
from orbdo_server.core.money import (
    DIVISION_PLACES_MAX,
    EXACT,
    divide,
    from_minor,
    minor_digits,
    round_amount,
    split_amount,
    to_minor,
)

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF"])
AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=8)


@pytest.mark.parametrize(
    ("currency", "digits"),
    [
        ("USD", 2),
        ("EUR", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("CLP", 0),
        ("ISK", 0),
        ("UGX", 0),
        ("VND", 0),
        ("XOF", 0),
        ("HUF", 2),
        ("MGA", 2),
        ("MRU", 2),
        ("IQD", 3),
        ("KWD", 3),
        ("TND", 3),
        ("CLF", 4),
        ("UYW", 4),
        ("XCG", 2),
    ],
)
def test_minor_digits_are_those_of_iso_4217(currency: str, digits: int) -> None:
    """Each currency has the digits of its minor unit in ISO 4217, whatever is customary in shops."""
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "XAU", "XXX", "DEM", "🪙"])
def test_unknown_currency_is_refused(currency: str) -> None:
    """What is no active currency with a minor unit has no digits to round to."""
    with pytest.raises(UnknownCurrencyError) as caught:
        minor_digits(currency)
    assert caught.value.currency == currency


@pytest.mark.parametrize(
    ("exact", "currency", "rounded"),
    [
        ("10.275", "USD", "10.28"),
        ("-10.275", "USD", "-10.28"),
        ("10.2749999999", "USD", "10.27"),
        ("0.005", "USD", "0.01"),
        ("-0.005", "USD", "-0.01"),
        ("0.0049999999999999999999", "USD", "0.00"),
        ("1000.5", "KRW", "1001"),
        ("322.58", "JPY", "323"),
        ("0.5", "JPY", "1"),
        ("3.685", "EUR", "3.69"),
        ("1.0005", "KWD", "1.001"),
        ("1.00005", "CLF", "1.0001"),
        ("7", "USD", "7.00"),
        ("1E+3", "USD", "1000.00"),
        ("9070187000000000000000000000000000000.005", "USD", "9070187000000000000000000000000000000.01"),
    ],
)
def test_rounding_is_half_away_from_zero_in_the_currency(exact: str, currency: str, rounded: str) -> None:
    """An amount is rounded once, half away from zero, to the digits of its currency, and is written with them."""
    assert str(round_amount(Decimal(exact), currency)) == rounded


@pytest.mark.parametrize("exact", ["-0.004", "-0", "0"])
def test_rounding_gives_no_negative_zero(exact: str) -> None:
    """A correction that rounds to nothing is nothing, not minus nothing."""
    assert str(round_amount(Decimal(exact), "USD")) == "0.00"


def test_rounding_ignores_the_caller_s_precision() -> None:
    """An ambient context with few digits does not reach into the rounding."""
    with localcontext(prec=3):
        assert str(round_amount(Decimal("123456.785"), "USD")) == "123456.79"


@pytest.mark.parametrize("exact", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_not_rounded(exact: str) -> None:
    """Not-a-number and infinity are never an amount."""
    with pytest.raises(ValueError, match="is not a finite number"):
        round_amount(Decimal(exact), "USD")


FLOAT_CALLS: list[Callable[[Any], object]] = [
    lambda value: round_amount(value, "USD"),
    lambda value: to_minor(value, "USD"),
    lambda value: from_minor(value, "USD"),
    lambda value: split_amount(value, [Decimal(1)], "USD"),
    lambda value: split_amount(Decimal(1), [Decimal(1), value], "USD"),
    lambda value: divide(value, Decimal(1), places=2),
    lambda value: divide(Decimal(1), value, places=2),
]


@pytest.mark.parametrize("call", FLOAT_CALLS)
def test_floats_are_a_type_error(call: Callable[[Any], object]) -> None:
    """No function of money takes a float, not even one that is exact."""
    with pytest.raises(TypeError, match="not float"):
        call(0.5)


def test_exact_arithmetic_refuses_to_lose_a_digit() -> None:
    """A product that fits is exact; a quotient that does not end raises instead of being cut."""
    quantity = Decimal("99999999999999999999999999.999999999999")
    rate = Decimal(12345678901234567890123456789012345678)
    with localcontext(EXACT):
        assert quantity * rate / rate == quantity
        with pytest.raises(decimal.Inexact):
            _ = Decimal(1) / Decimal(3)
        with pytest.raises(decimal.DivisionByZero):
            _ = Decimal(1) / Decimal(0)
        half: Any = 0.5
        with pytest.raises(TypeError):
            Decimal(half)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.34", "USD", 1234), ("-12.34", "USD", -1234), ("12", "JPY", 12), ("1.234", "KWD", 1234), ("5", "USD", 500)],
)
def test_minor_units_count_the_smallest_unit(amount: str, currency: str, minor: int) -> None:
    """A rounded amount and its count of minor units turn into each other."""
    assert to_minor(Decimal(amount), currency) == minor
    assert from_minor(minor, currency) == Decimal(amount)


def test_minor_units_of_an_unrounded_amount_are_refused() -> None:
    """A fraction of a cent is never dropped on the way to minor units."""
    with pytest.raises(ValueError, match=r"12\.345 is not a whole number of minor units of USD"):
        to_minor(Decimal("12.345"), "USD")


@pytest.mark.parametrize(
    ("total", "weights", "currency", "shares"),
    [
        ("10.00", ["1", "1", "1"], "USD", ["3.34", "3.33", "3.33"]),
        ("0.05", ["3", "7"], "USD", ["0.02", "0.03"]),
        ("100", ["1", "1", "1"], "JPY", ["34", "33", "33"]),
        ("-10.00", ["1", "1", "1"], "USD", ["-3.34", "-3.33", "-3.33"]),
        ("10.00", ["0", "1", "0"], "USD", ["0.00", "10.00", "0.00"]),
        ("0.00", ["1", "2"], "USD", ["0.00", "0.00"]),
        ("0.01", ["1", "2"], "USD", ["0.00", "0.01"]),
        ("1.000", ["0.5", "0.25", "0.25"], "KWD", ["0.500", "0.250", "0.250"]),
        ("35.00", ["10", "20", "30", "40"], "EUR", ["3.50", "7.00", "10.50", "14.00"]),
    ],
)
def test_split_gives_the_rest_to_the_largest_remainders(
    total: str, weights: list[str], currency: str, shares: list[str]
) -> None:
    """Shares are whole minor units by weight; those left over go to the largest remainders, the earlier first."""
    split = split_amount(Decimal(total), [Decimal(weight) for weight in weights], currency)
    assert [str(share) for share in split] == shares


@pytest.mark.parametrize("weights", [[], ["0"], ["0", "0"], ["1", "-1"], ["-1"]])
def test_split_needs_weights(weights: list[str]) -> None:
    """Without a weight above zero, or with one below, there is nothing to share by."""
    with pytest.raises(ValueError, match="weights must not be negative"):
        split_amount(Decimal("1.00"), [Decimal(weight) for weight in weights], "USD")


def test_split_needs_a_rounded_total() -> None:
    """What is not whole minor units cannot be shared out in them."""
    with pytest.raises(ValueError, match="is not a whole number of minor units"):
        split_amount(Decimal("0.001"), [Decimal(1)], "USD")


@given(
    minor=st.integers(-(10**15), 10**15),
    weights=st.lists(st.decimals(min_value=0, max_value=10**9, places=6), min_size=1, max_size=30),
    currency=CURRENCIES,
)
def test_split_adds_up_and_is_never_a_unit_off(minor: int, weights: list[Decimal], currency: str) -> None:
    """Shares add up to the total exactly, and none is a whole minor unit away from its proportion."""
    total = from_minor(minor, currency)
    if not any(weights):
        weights = [*weights, Decimal(1)]
    shares = split_amount(total, weights, currency)
    assert sum(shares) == total
    whole = sum(Fraction(weight) for weight in weights)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(to_minor(share, currency) - minor * Fraction(weight) / whole) < 1


@given(exact=AMOUNTS, currency=CURRENCIES)
def test_rounding_moves_at_most_half_a_unit_and_only_once(exact: Decimal, currency: str) -> None:
    """A rounded amount is at most half a minor unit away, mirrored around zero, and rounding again changes nothing."""
    rounded = round_amount(exact, currency)
    assert abs(rounded - exact) * 2 <= from_minor(1, currency)
    assert round_amount(-exact, currency) == -rounded
    assert round_amount(rounded, currency) == rounded


@pytest.mark.parametrize(
    ("numerator", "denominator", "places", "quotient"),
    [
        ("1", "3", 4, "0.3333"),
        ("2", "3", 4, "0.6667"),
        ("-2", "3", 4, "-0.6667"),
        ("2", "-3", 4, "-0.6667"),
        ("-2", "-3", 4, "0.6667"),
        ("1", "8", 2, "0.13"),
        ("-1", "8", 2, "-0.13"),
        ("1", "8", 3, "0.125"),
        ("1", "2", 0, "1"),
        ("0", "7", 2, "0.00"),
        ("0.001", "0.003", 20, "0.33333333333333333333"),
        ("1E+3", "7", 1, "142.9"),
        ("0.49999999999999999999999999999999999999", "1", 0, "0"),
    ],
)
def test_division_is_rounded_from_the_exact_quotient(
    numerator: str, denominator: str, places: int, quotient: str
) -> None:
    """A quotient has the places that were asked for and is rounded once, half away from zero."""
    assert str(divide(Decimal(numerator), Decimal(denominator), places=places)) == quotient


def test_division_by_zero_is_refused() -> None:
    """There is no quotient for a denominator of zero, not even of zero."""
    with pytest.raises(ZeroDivisionError):
        divide(Decimal(0), Decimal(0), places=2)


def test_division_has_a_bounded_scale() -> None:
    """The most places are given, one more is refused."""
    third = divide(Decimal(1), Decimal(3), places=DIVISION_PLACES_MAX)
    assert str(third) == "0." + "3" * 60
    with pytest.raises(AssertionError):
        divide(Decimal(1), Decimal(3), places=DIVISION_PLACES_MAX + 1)


def test_absurd_exponents_are_refused_not_computed() -> None:
    """A number of a million digits written in ten characters raises instead of filling the memory."""
    with pytest.raises(decimal.Overflow):
        divide(Decimal("1E+999999"), Decimal(3), places=2)
    with pytest.raises(decimal.InvalidOperation):
        round_amount(Decimal("1E+999999"), "USD")
    with pytest.raises((decimal.Overflow, decimal.InvalidOperation)):
        to_minor(Decimal("1E+999999"), "USD")
