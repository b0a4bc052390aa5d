"""Exact arithmetic, the minor units of currencies, the one rounding, the one division and the one split.

Refuses floats (TypeError) and currencies without a minor unit, and never rounds unless the function's name says so.
"""

from collections.abc import Sequence
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

from orbdo_server.core.errors import UnknownCurrencyError

# The widest product is a quantity of 76 digits times a rate of 40; a quarter of the width is left for sums and for what
# other parts multiply. Arithmetic that would lose a digit raises Inexact instead of answering.
EXACT_DIGITS = 256
EXACT = Context(
    prec=EXACT_DIGITS,
    Emin=-999,
    Emax=999,
    traps=[DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow],
)

# Only round_amount uses this one: the same width, but losing digits is its purpose.
_ROUNDING = Context(
    prec=EXACT_DIGITS,
    rounding=ROUND_HALF_UP,
    Emin=-999,
    Emax=999,
    traps=[DivisionByZero, FloatOperation, InvalidOperation, Overflow],
)

DIVISION_PLACES_MAX = 60

# ISO 4217 as of 2026, by digits of the minor unit. Metals, funds and test codes without a minor unit are left out: an
# amount in them cannot be rounded. ANG and BGN, withdrawn in 2025 and 2026, are needed for earlier periods.
_CODES_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
        CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
        IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
        MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
        SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW
        ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_MINOR_DIGITS = {code: digits for digits, codes in _CODES_BY_DIGITS.items() for code in codes.split()}
_QUANTUM = {digits: Decimal(1).scaleb(-digits) for digits in _CODES_BY_DIGITS}


def minor_digits(currency: str) -> int:
    """Digits after the point of an amount in ``currency``: 2 for USD, 0 for JPY, 3 for KWD, 4 for CLF.

    Codes are upper case; anything else, ``usd`` included, raises ``UnknownCurrencyError``.
    """
    digits = _MINOR_DIGITS.get(currency)
    if digits is None:
        raise UnknownCurrencyError(currency)
    return digits


def round_amount(exact: Decimal, currency: str) -> Decimal:
    """The amount in major units with exactly the currency's digits; half a minor unit goes away from zero.

    10.275 USD is 10.28 and -10.275 is -10.28. Never returns a negative zero. The only rounding of money there is.
    """
    quantum = _QUANTUM[minor_digits(currency)]
    return _ROUNDING.plus(_finite(exact).quantize(quantum, context=_ROUNDING))


def to_minor(rounded: Decimal, currency: str) -> int:
    """The rounded amount counted in minor units: 12.34 USD is 1234. ValueError when it was not rounded before."""
    minor = _finite(rounded).scaleb(minor_digits(currency), context=EXACT)
    if minor != minor.to_integral_value():
        raise ValueError(f"{rounded} is not a whole number of minor units of {currency}")
    return int(minor)


def from_minor(minor: int, currency: str) -> Decimal:
    """The amount in major units of a count of minor units: 1234 USD cents are 12.34."""
    if not isinstance(minor, int):
        raise TypeError(f"minor units are counted in int, not {type(minor).__name__}")
    return Decimal(minor).scaleb(-minor_digits(currency), context=EXACT)


def split_amount(total: Decimal, weights: Sequence[Decimal], currency: str) -> tuple[Decimal, ...]:
    """``total`` shared out in proportion to ``weights``, in whole minor units that add up to it exactly.

    Every share is cut down to a minor unit and the units left over go to the largest remainders, the earlier weight
    first when two are equal. A weight of zero gets nothing. ``total`` has to be rounded; a negative one is shared as
    its absolute value is. ValueError for no weights, a negative weight, or weights that are all zero.
    """
    if not weights or any(_finite(weight) < 0 for weight in weights) or not any(weights):
        raise ValueError("weights must not be negative and at least one must be above zero")
    total_minor = to_minor(total, currency)
    shares = _largest_remainder(abs(total_minor), weights)
    sign = -1 if total_minor < 0 else 1
    assert sum(shares) == abs(total_minor), "a split must add up to what was split"
    return tuple(from_minor(sign * share, currency) for share in shares)


def divide(numerator: Decimal, denominator: Decimal, *, places: int) -> Decimal:
    """The quotient with ``places`` digits after the point, half away from zero: the one division of the core.

    Correctly rounded from the exact quotient whatever its length. ZeroDivisionError for a denominator of zero.
    """
    assert 0 <= places <= DIVISION_PLACES_MAX, f"a division has 0 to {DIVISION_PLACES_MAX} places, not {places}"
    above, above_scale = EXACT.plus(_finite(numerator)).as_integer_ratio()
    below, below_scale = EXACT.plus(_finite(denominator)).as_integer_ratio()
    dividend = above * below_scale * 10**places
    divisor = below * above_scale
    whole, rest = divmod(abs(dividend), abs(divisor))
    if 2 * rest >= abs(divisor):
        whole += 1
    return Decimal(whole if (dividend < 0) == (divisor < 0) else -whole).scaleb(-places, context=EXACT)


def _largest_remainder(units: int, weights: Sequence[Decimal]) -> list[int]:
    with localcontext(EXACT):
        whole = sum(weights, start=Decimal(0))
        parts = [divmod(weight * units, whole) for weight in weights]
    shares = [int(share) for share, _ in parts]
    # Sorting keeps the order of equal remainders, in reverse too: the earlier weight stays first.
    by_remainder = sorted(range(len(parts)), key=lambda index: parts[index][1], reverse=True)
    for index in by_remainder[: units - sum(shares)]:
        shares[index] += 1
    return shares


def _finite(value: Decimal) -> Decimal:
    if not isinstance(value, Decimal):
        raise TypeError(f"money and quantities are Decimal, not {type(value).__name__}")
    if not value.is_finite():
        raise ValueError(f"{value} is not a finite number")
    return value
