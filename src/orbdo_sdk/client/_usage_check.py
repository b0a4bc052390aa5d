"""How much of a limit is used, read off a decision. Pure."""

from decimal import Decimal

import msgspec

from orbdo_sdk.entitlement import Decision

_ZERO = Decimal(0)


class UsageCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a limit is used. ``limit`` and ``remaining`` are None when there is no limit.

    ``exceeded`` is True once nothing remains, so that one more would be too much; ``remaining`` is never negative.
    """

    current: Decimal
    limit: Decimal | None
    remaining: Decimal | None
    exceeded: bool

    @classmethod
    def of(cls, decision: Decision) -> "UsageCheck":
        """The usage behind a decision about nothing more; what is not granted has a limit of 0."""
        if not decision.allowed and decision.limit is None:
            return cls(current=_ZERO, limit=_ZERO, remaining=_ZERO, exceeded=True)
        # A difference that was rounded downwards may be a negative zero.
        remaining = None if decision.remaining is None else max(_ZERO, decision.remaining)
        return cls(
            current=_ZERO if decision.used is None else decision.used,
            limit=decision.limit,
            remaining=remaining,
            exceeded=remaining is not None and remaining <= 0,
        )
