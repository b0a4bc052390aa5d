"""The decision whether a customer may use a feature, from a snapshot and nothing else.

No clock, no I/O, no waiting: what is not in the arguments does not count. Fetching and keeping snapshots, and what to
do when there is none, belong to the caller.
"""

from datetime import datetime
from decimal import ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from typing import Final

import msgspec

from orbdo_sdk.wire import Entitlement, EntitlementSnapshot

# The application may have set a narrow decimal context of its own; a limit must not be rounded by it. Past a thousand
# digits rounding is downwards, so that what remains is never overstated.
_EXACT = Context(prec=1_000, rounding=ROUND_FLOOR)
_subtract = _EXACT.subtract

_ZERO = Decimal(0)


class Reason(StrEnum):
    """Why a decision came out as it did; the values are stable."""

    GRANTED = "granted"
    UNLIMITED = "unlimited"
    EXPIRED_PERIOD = "expired_period"
    """Allowed: the period the usage was counted in has ended, so it counts as nothing used."""
    NOT_GRANTED = "not_granted"
    LIMIT_REACHED = "limit_reached"
    UNKNOWN_CUSTOMER = "unknown_customer"
    """Denied: the server does not know the customer."""
    NO_CUSTOMER = "no_customer"
    """The request does not say whose it is, so a policy decided."""
    NO_SNAPSHOT = "no_snapshot"
    """Nothing is known of the customer yet, so a policy decided and not the customer's plan."""


class Source(StrEnum):
    """What a decision rests on: a current snapshot, one past its age, or a policy because there is none."""

    SNAPSHOT = "snapshot"
    STALE = "stale"
    DEFAULT = "default"


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Whether a customer may use a feature, and why.

    ``limit``, ``used`` and ``remaining`` are quantities of a limit, before what was wanted is added; ``remaining`` is
    never negative. All three are None for a feature without a limit, and for an unlimited one all but ``used``.
    ``reset_at`` is the end of the period the usage counts in; None when there is no period or it has already ended.
    """

    allowed: bool
    reason: Reason
    feature: str
    limit: Decimal | None = None
    used: Decimal | None = None
    remaining: Decimal | None = None
    source: Source = Source.SNAPSHOT
    version: str | None = None
    reset_at: datetime | None = None
    period_start: datetime | None = None
    value: str | None = None


# Looking up a member of an enum costs a third of a boolean decision.
_GRANTED: Final = Reason.GRANTED
_SNAPSHOT: Final = Source.SNAPSHOT


def decide(
    snapshot: EntitlementSnapshot | None,
    feature: str,
    wanted: Decimal | int = 1,
    now: datetime | None = None,
    *,
    source: Source = _SNAPSHOT,
) -> Decision:
    """Whether ``wanted`` more units of the feature fit, or whether the customer has it, when it has no limit.

    A limit allows up to and including its bound. A period that has ended at ``now`` counts as nothing used; without
    ``now`` the usage is taken as the snapshot has it. A feature that is not listed is not granted, and without a
    snapshot nothing is. ``source`` is what the decision says it rests on.

    For a limit, raises TypeError for a float or a naive ``now`` and ValueError for a negative ``wanted``.
    """
    if snapshot is not None:
        entitlement = snapshot.entitlements.get(feature)
        if entitlement is not None and entitlement.enabled and entitlement.type == "limit":
            return _decide_limit(entitlement, wanted, now, source, snapshot.version)
    return decide_granted(snapshot, feature, source=source)


def decide_granted(snapshot: EntitlementSnapshot | None, feature: str, *, source: Source = _SNAPSHOT) -> Decision:
    """Whether the customer has the feature at all; a limit that is used up is still had."""
    if snapshot is None:
        return undecided(feature, reason=Reason.NO_SNAPSHOT, allowed=False)
    entitlement = snapshot.entitlements.get(feature)
    if entitlement is None or not entitlement.enabled:
        return Decision(
            allowed=False, reason=Reason.NOT_GRANTED, feature=feature, source=source, version=snapshot.version
        )
    return Decision(
        allowed=True,
        reason=_GRANTED,
        feature=feature,
        source=source,
        version=snapshot.version,
        value=entitlement.value,
    )


def undecided(feature: str, *, reason: Reason, allowed: bool) -> Decision:
    """The decision of a policy or of the server's "no such customer", without a snapshot to look into."""
    return Decision(allowed=allowed, reason=reason, feature=feature, source=Source.DEFAULT)


def check_wanted(wanted: Decimal | int) -> None:
    """Raise TypeError for anything but an int or a Decimal, ValueError for a negative or infinite quantity."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | Decimal):
        message = f"wanted must be an int or a Decimal, not {type(wanted).__name__}"
        raise TypeError(message)
    if not Decimal(wanted).is_finite() or wanted < 0:
        message = f"wanted must be finite and not negative, got {wanted}"
        raise ValueError(message)


def _decide_limit(
    entitlement: Entitlement, wanted: Decimal | int, now: datetime | None, source: Source, version: str
) -> Decision:
    if isinstance(wanted, float) or wanted < 0:
        check_wanted(wanted)
    limit, used, reason = entitlement.limit, entitlement.used, _GRANTED
    started_at, ends_at = entitlement.period_start, entitlement.period_end
    if now is not None and ends_at is not None and ends_at <= now:
        used, started_at, ends_at, reason = _ZERO, None, None, Reason.EXPIRED_PERIOD
    remaining, allowed = None, True
    if limit is None:
        reason = Reason.UNLIMITED
    else:
        remaining = _subtract(limit, used)
        if remaining < wanted:
            reason, allowed, remaining = Reason.LIMIT_REACHED, False, max(_ZERO, remaining)
    # By position: spelling the names out would cost a tenth of the whole decision.
    key = entitlement.key
    return Decision(allowed, reason, key, limit, used, remaining, source, version, ends_at, started_at)
