"""How much of a limit is used, read off a decision."""

from decimal import Decimal

import pytest

from orbdo_sdk import Decision, Reason, UsageCheck


@pytest.mark.parametrize(
    ("decision", "check"),
    [
        (
            Decision(
                allowed=True,
                reason=Reason.GRANTED,
                feature="calls",
                limit=Decimal(10),
                used=Decimal("9.5"),
                remaining=Decimal("0.5"),
            ),
            UsageCheck(current=Decimal("9.5"), limit=Decimal(10), remaining=Decimal("0.5"), exceeded=False),
        ),
        (
            Decision(
                allowed=False,
                reason=Reason.LIMIT_REACHED,
                feature="calls",
                limit=Decimal(10),
                used=Decimal(12),
                remaining=Decimal(0),
            ),
            UsageCheck(current=Decimal(12), limit=Decimal(10), remaining=Decimal(0), exceeded=True),
        ),
        (
            Decision(allowed=True, reason=Reason.UNLIMITED, feature="calls", used=Decimal(12)),
            UsageCheck(current=Decimal(12), limit=None, remaining=None, exceeded=False),
        ),
        (
            Decision(allowed=True, reason=Reason.GRANTED, feature="sso"),
            UsageCheck(current=Decimal(0), limit=None, remaining=None, exceeded=False),
        ),
        (
            Decision(allowed=False, reason=Reason.NOT_GRANTED, feature="sso"),
            UsageCheck(current=Decimal(0), limit=Decimal(0), remaining=Decimal(0), exceeded=True),
        ),
    ],
    ids=["some left", "used up", "unlimited", "no limit", "not granted"],
)
def test_usage_is_read_off_a_decision(decision: Decision, check: UsageCheck) -> None:
    """Nothing left is exceeded, no limit never is, and what is not granted has a limit of nothing."""
    assert UsageCheck.of(decision) == check


def test_nothing_left_is_a_plain_zero() -> None:
    """A difference that was rounded downwards may come as a negative zero, which nobody wants to read."""
    decision = Decision(
        allowed=True,
        reason=Reason.GRANTED,
        feature="calls",
        limit=Decimal(10),
        used=Decimal(10),
        remaining=Decimal("-0"),
    )
    assert str(UsageCheck.of(decision).remaining) == "0"
