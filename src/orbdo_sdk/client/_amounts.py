"""Amounts as users write them, in minor units, and as they travel, in major units; quantities as numbers.

``10`` is $0.10 and ``Decimal("0.15")`` is $0.0015: shifting the point never rounds. A float is refused, since it has
already lost what it was written as. Nothing here knows prices.
"""

from decimal import Decimal

from orbdo_sdk.wire import Amount, Number

Exact = int | Decimal

# ISO 4217 counts two digits after the point for every other currency.
MINOR_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
MINOR_DIGITS_DEFAULT = 2

# Far beyond any price, and short enough that no number here becomes a page of zeros.
PLACES_MAX = 40


def major(amount_minor: Exact, *, currency: str, name: str = "unit_amount") -> Amount:
    """The amount in major units, exactly: 10 in USD is 0.10, 10 in JPY is 10, 10 in KWD is 0.010.

    Raises TypeError for anything but an int or a Decimal, ValueError when it is not finite or has more than
    ``PLACES_MAX`` places on either side of the point. ``name`` is what the error calls it.
    """
    sign, digits, exponent = exact(amount_minor, name=name).as_tuple()
    assert isinstance(exponent, int)
    return Amount((sign, digits, exponent - minor_digits(currency)))


def minor_digits(currency: str) -> int:
    """How many digits a currency has after the point: 2 for USD, 0 for JPY, 3 for KWD; 2 for an unknown code."""
    return MINOR_DIGITS.get(currency.upper(), MINOR_DIGITS_DEFAULT)


def number(quantity: Exact, *, name: str = "quantity") -> Number:
    """The quantity, to be written as a JSON number; raises as ``major`` does."""
    return Number.of(exact(quantity, name=name))


def exact(value: Exact, *, name: str) -> Decimal:
    """The value as a finite Decimal of a sane length; raises TypeError for a float, ValueError for the rest."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        message = f"{name} must be an int or a Decimal, not {type(value).__name__}"
        raise TypeError(message)
    decimal = Decimal(value)
    if not decimal.is_finite():
        message = f"{name} must be finite, not {decimal}"
        raise ValueError(message)
    exponent = decimal.as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent > PLACES_MAX or decimal.adjusted() >= PLACES_MAX:
        message = f"{name} has more than {PLACES_MAX} places before or after the point"
        raise ValueError(message)
    return decimal
