"""What a quantity costs: the amount and, for prices with tiers, the rows it is made of.

Amounts are exact and unrounded. What all price models share is here: which quantities are priced at all, that nothing
costs nothing, and that a correction costs the negative of what it corrects.
"""

from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import wraps
from typing import TypeVar

import msgspec

from orbdo_server.core.errors import InvalidQuantityError
from orbdo_server.core.money import EXACT

# Twice what a DECIMAL(38, 12) column holds, and still far inside the width of EXACT.
QUANTITY_INTEGER_DIGITS_MAX = 38
QUANTITY_DECIMALS_MAX = 38

_EXPECTED = f"at most {QUANTITY_INTEGER_DIGITS_MAX} digits before the point and {QUANTITY_DECIMALS_MAX} after it"
_ONE = Decimal(1)
_Config = TypeVar("_Config")


class TierCharge(msgspec.Struct, frozen=True):
    """One tier's part of a charge: ``quantity`` units at ``unit_amount`` each, plus ``flat_amount``.

    The tier reaches from ``first_unit`` (exclusive) to ``last_unit`` (inclusive, ``None`` when it has no end). In a
    correction the quantity, the flat amount and the amount are negative.
    """

    first_unit: Decimal
    last_unit: Decimal | None
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


class Charge(msgspec.Struct, frozen=True):
    """The exact amount in major units; ``tiers`` add up to it, and are empty for a price that has none."""

    amount: Decimal
    tiers: tuple[TierCharge, ...] = ()


NOTHING = Charge(amount=Decimal(0))


def tier_charge(
    first_unit: Decimal, last_unit: Decimal | None, quantity: Decimal, unit_amount: Decimal, flat_amount: Decimal
) -> TierCharge:
    """The row of a tier in which ``quantity`` units are priced; fields and order are those of ``TierCharge``."""
    amount = quantity * unit_amount + flat_amount
    return TierCharge(first_unit, last_unit, quantity, unit_amount, flat_amount, amount)


def sum_of_tiers(tiers: tuple[TierCharge, ...]) -> Charge:
    """The charge that these tiers make up."""
    return Charge(amount=sum((tier.amount for tier in tiers), start=Decimal(0)), tiers=tiers)


def for_any_quantity(price: Callable[[_Config, Decimal], Charge]) -> Callable[[_Config, Decimal], Charge]:
    """Make the price of a positive quantity the price of every quantity, computed exactly.

    Zero costs zero, flat amounts included. A negative quantity is a correction: it costs the negative of its absolute
    value. TypeError for anything but a Decimal; ``InvalidQuantityError`` for one that is not finite or has more digits
    than are priced.
    """

    @wraps(price)
    def charge(config: _Config, quantity: Decimal) -> Charge:
        size = _size(quantity)
        if not size:
            return NOTHING
        with localcontext(EXACT):
            charged = price(config, size)
            return _negated(charged) if quantity.is_signed() else charged

    return charge


def _size(quantity: Decimal) -> Decimal:
    if not isinstance(quantity, Decimal):
        raise TypeError(f"a quantity is a Decimal, not {type(quantity).__name__}")
    exponent = quantity.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -QUANTITY_DECIMALS_MAX
        or quantity.adjusted() >= QUANTITY_INTEGER_DIGITS_MAX
    ):
        raise InvalidQuantityError(
            "the quantity is not a finite number of a size that can be priced exactly",
            field="quantity",
            expected=_EXPECTED,
        )
    size = quantity.copy_abs()
    # 1E+3 is kept as 1000: it is compared and shown as a count of units.
    return size if exponent <= 0 else size.quantize(_ONE, context=EXACT)


def _negated(charge: Charge) -> Charge:
    tiers = tuple(
        TierCharge(
            first_unit=tier.first_unit,
            last_unit=tier.last_unit,
            quantity=-tier.quantity,
            unit_amount=tier.unit_amount,
            flat_amount=-tier.flat_amount,
            amount=-tier.amount,
        )
        for tier in charge.tiers
    )
    return Charge(amount=-charge.amount, tiers=tiers)
