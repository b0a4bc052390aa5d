"""DECIMAL(38,12) arithmetic in the SQL of DuckDB, which by itself rounds where it should not and stops too early.

DuckDB divides decimals as doubles, gives a product of two DECIMAL(38,12) a scale of 24 and with it room for 10^14 only,
and casts a double to a decimal through its binary value (1234567890.12345 becomes 1234567890.1234499584). Here the
result of an operation is the exact one, rounded half away from zero at 12 decimals, up to 26 digits before the point.

Every function takes SQL that may stand anywhere (a name, a literal, a call) and returns such SQL. Operands are
repeated, so they should be names of columns.
"""

from typing import Final

NUMBER_TYPE: Final = "DECIMAL(38,12)"
SHORT_TYPE: Final = "DECIMAL(18,6)"
"""Numbers that fit in it are 64-bit integers to DuckDB: products of two of them need no rounding and are faster."""

_SCALE: Final = "1000000000000"
_STEP: Final = "1000000"
_DIVISOR_MAX: Final = "10000000000000000000"
"""A divisor stays below 10^19, so that a remainder, times 10^12 to be unscaled and 10^6 a step, fits in a HUGEINT."""


def number_of(variant: str) -> str:
    """The number that a VARIANT holds, else NULL: an integer, a double by its shortest text, a text that is a number.

    Booleans, arrays and objects are no numbers; decimals past the 12th are rounded half away from zero.
    """
    short = short_number_of(variant)
    text = f"try_cast(try_cast({variant} AS VARCHAR) AS {NUMBER_TYPE})"
    is_null = f"variant_typeof({variant}) = 'VARIANT_NULL'"
    return (
        f"(CASE WHEN {short} IS NOT NULL THEN CAST({short} AS {NUMBER_TYPE}) WHEN {is_null} THEN NULL ELSE {text} END)"
    )


def short_number_of(variant: str) -> str:
    """The number as DECIMAL(18,6) if it fits exactly, else NULL, which says nothing about whether it is a number.

    Casts to the very type that the column is stored in are the ones DuckDB reads straight from storage. A double below
    10^9 that is the nearest to some multiple of 10^-6 has that multiple as its shortest text: decimals of up to 15
    digits never share a double.
    """
    double = f"try_cast({variant} AS DOUBLE)"
    is_exact = f"abs({double}) < 1e9 AND round({double} * 1e6) / 1e6 = {double}"
    return (
        f"(CASE variant_typeof({variant})"
        f" WHEN 'UINT64' THEN try_cast(try_cast({variant} AS UBIGINT) AS {SHORT_TYPE})"
        f" WHEN 'INT64' THEN try_cast(try_cast({variant} AS BIGINT) AS {SHORT_TYPE})"
        f" WHEN 'DOUBLE' THEN CASE WHEN {is_exact} THEN CAST({double} AS {SHORT_TYPE}) END END)"
    )


def product(left: str, right: str) -> str:
    """The rounded product; an error beyond 26 digits. Only the product of the two fractions can need rounding."""
    fractions = f"CAST(({left} % 1) * ({right} % 1) AS {NUMBER_TYPE})"
    return f"(trunc({left}) * {right} + ({left} % 1) * trunc({right}) + {fractions})"


def short_product(left: str, right: str, otherwise: str) -> str:
    """The exact product of two ``DECIMAL(18,6)``; ``otherwise`` when either is NULL.

    Without the cast DuckDB would keep the product to 18 digits.
    """
    return f"coalesce(CAST({left} AS DECIMAL(38,6)) * {right}, {otherwise})"


def unscaled(number: str) -> str:
    """The number times 10^12, as a HUGEINT."""
    return f"(CAST(trunc({number}) AS HUGEINT) * {_SCALE} + CAST(({number} % 1) * {_SCALE} AS HUGEINT))"


def divisor(number: str, otherwise: str) -> str:
    """The unscaled number to divide by: NULL for 0, ``otherwise`` for 10^19 and beyond."""
    return f"(CASE WHEN abs({number}) >= {_DIVISOR_MAX} THEN {otherwise} ELSE nullif({unscaled(number)}, 0) END)"


def remainder(over: str, under: str) -> str:
    """What the long division of two unscaled numbers leaves, brought down by six digits."""
    return f"(({over} % {under}) * {_STEP})"


def quotient(over: str, under: str, first: str, second: str) -> str:
    """The rounded quotient of two unscaled numbers, six decimals a step; an error beyond 26 digits.

    ``first`` is the remainder of ``over`` and ``second`` that of ``first``, both by ``under``.
    """
    digits = f"({over} // {under}) * {_SCALE} + ({first} // {under}) * {_STEP} + {second} // {under}"
    is_half = f"abs({second} % {under}) * 2 >= abs({under})"
    rounding = f"CASE WHEN {is_half} THEN sign({over}) * sign({under}) ELSE 0 END"
    return f"(CAST({digits} + {rounding} AS DECIMAL(38,0)) * 0.000000000001)"
