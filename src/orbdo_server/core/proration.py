"""The part of a full period that something lasted, and the part of an amount that goes with it.

A share counts elapsed seconds over the seconds of the *full* period, never the remaining one, so that it does not
depend on when the question is asked. Nothing is rounded to a currency here.
"""

from decimal import Decimal, localcontext

import msgspec

from orbdo_server.core.money import EXACT, divide
from orbdo_server.core.periods import Period

# As many as the decimals of a rate, so that a part that can be written with them comes out exact.
PRORATION_PLACES = 20

_ZERO = Decimal(0)


class Share(msgspec.Struct, frozen=True):
    """The seconds from ``start`` to ``end`` of a full period that has ``whole`` of them; exact to the microsecond."""

    start: Decimal
    end: Decimal
    whole: Decimal

    def __post_init__(self) -> None:
        """Refuse a part that is empty or reaches out of its period."""
        assert self.start >= _ZERO, "a part starts inside the full period"
        assert self.start < self.end, "a part is not empty"
        assert self.end <= self.whole, "a part ends inside the full period"

    @property
    def numerator(self) -> Decimal:
        """The seconds of the part."""
        return EXACT.subtract(self.end, self.start)

    @property
    def denominator(self) -> Decimal:
        """The seconds of the full period."""
        return self.whole

    @property
    def is_whole(self) -> bool:
        """Whether the part is the full period."""
        return self.numerator == self.whole


def share_of(part: Period, whole: Period) -> Share:
    """Where ``part`` lies in the full period ``whole``, in elapsed seconds; it has to lie inside."""
    seconds = whole.seconds
    after = Period(part.end, whole.end).seconds if part.end < whole.end else _ZERO
    end = EXACT.subtract(seconds, after)
    return Share(start=EXACT.subtract(end, part.seconds), end=end, whole=seconds)


def prorate(amount: Decimal, share: Share) -> Decimal:
    """The share's part of an amount for the full period, to ``PRORATION_PLACES`` digits after the point.

    It is what has accrued by the end of the part less what had accrued by its start. Parts of any size that fill the
    period therefore add up to ``amount`` exactly, whoever computes them and in whatever order; and a part that can be
    written with that many digits is exact.
    """
    return EXACT.subtract(_accrued(amount, share.end, share.whole), _accrued(amount, share.start, share.whole))


def _accrued(amount: Decimal, seconds: Decimal, whole: Decimal) -> Decimal:
    if seconds == whole:
        return amount
    with localcontext(EXACT):
        return divide(amount * seconds, whole, places=PRORATION_PLACES)
