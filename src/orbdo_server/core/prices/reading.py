"""Reading the configuration of a price from the wire, naming the field that is wrong.

Numbers are exact: int, Decimal, or a decimal number in a string. A float is a TypeError, since what the caller wrote is
already lost in it. What a model does not know is refused, never ignored: an option that is dropped is a wrong invoice.
"""

import re
from collections.abc import Mapping, Set
from decimal import Decimal

from orbdo_server.core.errors import InvalidPriceError, shown
from orbdo_server.core.money import EXACT

NUMBER_INTEGER_DIGITS_MAX = 20
NUMBER_DECIMALS_MAX = 20
NUMBER_TEXT_MAX = 64
TIERS_MAX = 100

_ONE = Decimal(1)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_EXPECTED_NUMBER = (
    f"a number of at least 0 with at most {NUMBER_INTEGER_DIGITS_MAX} digits before the point "
    f"and {NUMBER_DECIMALS_MAX} after it"
)


def read_number(fields: Mapping[str, object], key: str, *, path: str) -> Decimal:
    """The required number under ``key``, not negative, written without an exponent or a negative zero."""
    field = f"{path}.{key}"
    if fields.get(key) is None:
        raise InvalidPriceError("is required", field=field, expected=_EXPECTED_NUMBER)
    return _number(fields[key], field=field)


def read_optional_number(fields: Mapping[str, object], key: str, *, path: str) -> Decimal | None:
    """The number under ``key``; ``None`` when it is null or absent."""
    return None if fields.get(key) is None else _number(fields[key], field=f"{path}.{key}")


def read_tiers(config: Mapping[str, object], *, path: str, known: Set[str]) -> list[tuple[str, Mapping[str, object]]]:
    """Each tier with its own path, such as ``tiered_config.tiers[0]``; at least one, at most ``TIERS_MAX``."""
    field = f"{path}.tiers"
    tiers = config.get("tiers")
    if not isinstance(tiers, list | tuple) or not 1 <= len(tiers) <= TIERS_MAX:
        raise InvalidPriceError("is not a list of tiers", field=field, expected=f"1 to {TIERS_MAX} tiers")
    read = []
    for index, tier in enumerate(tiers):
        tier_path = f"{field}[{index}]"
        if not isinstance(tier, Mapping):
            raise InvalidPriceError("is not a tier", field=tier_path, expected="an object")
        refuse_unknown(tier, known, path=tier_path)
        read.append((tier_path, tier))
    return read


def endless_tier_error(field: str) -> InvalidPriceError:
    """The error for a tier without end that others follow."""
    return InvalidPriceError("is required in every tier but the last", field=field, expected=_EXPECTED_NUMBER)


def refuse_unknown(
    fields: Mapping[str, object], known: Set[str], *, path: str, off_only: Set[str] = frozenset()
) -> None:
    """Refuse a field the model does not have; those in ``off_only`` may be there, but only as null or false."""
    for key, value in fields.items():
        if key in off_only and (value is None or value is False):
            continue
        if key not in known:
            expected = f"only {', '.join(sorted(known))}"
            raise InvalidPriceError(f"has a field that is not supported: {shown(key)}", field=path, expected=expected)


def _number(value: object, *, field: str) -> Decimal:
    if isinstance(value, float):
        raise TypeError(f"{field} is a float; a number of a price is an int, a Decimal or a decimal string")
    number = _decimal(value)
    if number is None or not _within_bounds(number):
        raise InvalidPriceError("is not a number that a price can have", field=field, expected=_EXPECTED_NUMBER)
    # 1E+3 is kept as 1000, and adding nothing turns a negative zero into zero.
    return EXACT.plus(number.quantize(_ONE, context=EXACT) if _has_exponent(number) else number)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and len(value) <= NUMBER_TEXT_MAX and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def _has_exponent(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent > 0


def _within_bounds(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number < 0:
        return False
    return exponent >= -NUMBER_DECIMALS_MAX and number.adjusted() < NUMBER_INTEGER_DIGITS_MAX
