"""From a price and a quantity to an exact amount, for a full period or for a part of one.

Usage and one-time prices are not prorated: what was used is used, and a one-time fee is for nothing that lasts. The
caller says so by giving no share. Rounding to the currency is left to the invoice, after all that changes a line.
"""

from decimal import Decimal, localcontext

import msgspec

from orbdo_server.core.money import EXACT
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import TierCharge, charge
from orbdo_server.core.proration import Share, prorate


class Rating(msgspec.Struct, frozen=True):
    """The exact amount in major units; ``tiers`` add up to it, and are empty for a price that has none."""

    exact_amount: Decimal
    tiers: tuple[TierCharge, ...] = ()


def is_prorated(price: Price) -> bool:
    """Whether the price is for a length of time: a fixed fee that recurs."""
    return not price.is_usage and price.cadence != "one_time"


def rate(price: Price, quantity: Decimal, *, share: Share | None = None) -> Rating:
    """What ``quantity`` costs at the price over the share of its full period; without a share, over all of it.

    Tiers are chosen by the full quantity, and then each tier's amount is prorated: half a month of ten seats is half
    the price of ten seats, not the price of five. Raises ``InvalidQuantityError`` for a quantity that cannot be priced.
    """
    charged = charge(price.config, quantity)
    if share is None:
        return Rating(exact_amount=charged.amount, tiers=charged.tiers)
    tiers = _prorate_tiers(charged.tiers, share)
    rating = Rating(exact_amount=prorate(charged.amount, share), tiers=tiers)
    with localcontext(EXACT):
        tiered_amount = sum((tier.amount for tier in tiers), start=Decimal(0))
    assert not tiers or tiered_amount == rating.exact_amount, "tiers add up to the amount"
    return rating


def _prorate_tiers(tiers: tuple[TierCharge, ...], share: Share) -> tuple[TierCharge, ...]:
    # By the running sum, so that the parts of the tiers add up to the part of the whole.
    prorated: list[TierCharge] = []
    running = before = Decimal(0)
    for tier in tiers:
        running = EXACT.add(running, tier.amount)
        upto = prorate(running, share)
        prorated.append(msgspec.structs.replace(tier, amount=EXACT.subtract(upto, before)))
        before = upto
    return tuple(prorated)
