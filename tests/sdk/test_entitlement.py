"""The pure decision, at its bounds."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_sdk.entitlement import Decision, Reason, Source, check_wanted, decide, decide_granted, undecided
from orbdo_sdk.wire import Entitlement, EntitlementSnapshot

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
PERIOD_START = datetime(2026, 3, 1, tzinfo=UTC)
PERIOD_END = datetime(2026, 4, 1, tzinfo=UTC)


def snapshot(*entitlements: Entitlement) -> EntitlementSnapshot:
    """A snapshot of version v7 with these entitlements."""
    return EntitlementSnapshot(
        external_customer_id="acme",
        customer_id="cus_1",
        version="v7",
        as_of=12,
        generated_at=NOW,
        entitlements={entitlement.key: entitlement for entitlement in entitlements},
    )


def calls(used: Decimal | int, limit: Decimal | int | None = 5, *, enabled: bool = True) -> Entitlement:
    """A limit on ``calls`` over March 2026."""
    return Entitlement(
        key="calls",
        type="limit",
        enabled=enabled,
        limit=None if limit is None else Decimal(limit),
        used=Decimal(used),
        period_start=PERIOD_START,
        period_end=PERIOD_END,
    )


SSO = Entitlement(key="sso", type="boolean", enabled=True)
REGION = Entitlement(key="region", type="config", enabled=True, value="eu")


def test_a_boolean_feature_that_is_enabled_is_granted() -> None:
    """An enabled feature is allowed, and the decision names the snapshot it rests on."""
    assert decide(snapshot(SSO), "sso", 1, NOW) == Decision(
        allowed=True, reason=Reason.GRANTED, feature="sso", source=Source.SNAPSHOT, version="v7"
    )


def test_a_config_feature_brings_its_value() -> None:
    """A configured value is part of the decision."""
    decision = decide(snapshot(REGION), "region", 1, NOW)
    assert decision.allowed
    assert decision.value == "eu"


def test_a_feature_that_is_not_listed_is_not_granted() -> None:
    """What the snapshot does not list is denied."""
    assert decide(snapshot(SSO), "audit_log", 1, NOW) == Decision(
        allowed=False, reason=Reason.NOT_GRANTED, feature="audit_log", source=Source.SNAPSHOT, version="v7"
    )


@pytest.mark.parametrize(
    "entitlement", [Entitlement(key="calls", type="boolean", enabled=False), calls(0, enabled=False)]
)
def test_a_feature_that_is_switched_off_is_not_granted(entitlement: Entitlement) -> None:
    """A disabled entitlement is denied, whatever its limit says."""
    decision = decide(snapshot(entitlement), "calls", 1, NOW)
    assert not decision.allowed
    assert decision.reason is Reason.NOT_GRANTED


def test_without_a_snapshot_nothing_is_granted() -> None:
    """No snapshot is a denial that says so, and has no version."""
    assert decide(None, "sso", 1, NOW) == Decision(
        allowed=False, reason=Reason.NO_SNAPSHOT, feature="sso", source=Source.DEFAULT, version=None
    )


def test_a_limit_says_what_is_left_before_the_request() -> None:
    """A decision on a limit carries limit, used, remaining and the bounds of the period."""
    assert decide(snapshot(calls(3)), "calls", 1, NOW) == Decision(
        allowed=True,
        reason=Reason.GRANTED,
        feature="calls",
        limit=Decimal(5),
        used=Decimal(3),
        remaining=Decimal(2),
        source=Source.SNAPSHOT,
        version="v7",
        reset_at=PERIOD_END,
        period_start=PERIOD_START,
    )


@pytest.mark.parametrize(
    ("used", "wanted", "allowed"),
    [
        (4, 1, True),
        (5, 1, False),
        (3, 2, True),
        (3, 3, False),
        (5, 0, True),
        (6, 0, False),
        (Decimal("4.5"), Decimal("0.5"), True),
        (Decimal("4.5"), Decimal("0.50001"), False),
    ],
)
def test_the_bound_itself_is_allowed_and_one_past_it_is_not(
    used: Decimal | int, wanted: Decimal | int, allowed: bool
) -> None:
    """Used and wanted together may reach the limit and not pass it."""
    decision = decide(snapshot(calls(used)), "calls", wanted, NOW)
    assert decision.allowed is allowed
    assert decision.reason is (Reason.GRANTED if allowed else Reason.LIMIT_REACHED)


def test_a_limit_of_zero_allows_nothing() -> None:
    """A limit of 0 is a bound like any other."""
    decision = decide(snapshot(calls(0, limit=0)), "calls", 1, NOW)
    assert decision.reason is Reason.LIMIT_REACHED
    assert decision.remaining == Decimal(0)


def test_what_remains_is_never_negative() -> None:
    """A limit that was overrun has nothing left, and not less."""
    decision = decide(snapshot(calls(9)), "calls", 1, NOW)
    assert decision.used == Decimal(9)
    assert decision.remaining == Decimal(0)


def test_no_limit_is_unlimited() -> None:
    """A limit without a bound allows anything and still says what is used."""
    decision = decide(snapshot(calls(1_000_000, limit=None)), "calls", 1_000_000, NOW)
    assert decision.allowed
    assert decision.reason is Reason.UNLIMITED
    assert decision.used == Decimal(1_000_000)
    assert decision.limit is None
    assert decision.remaining is None


@pytest.mark.parametrize(
    ("now", "reason", "used", "reset_at"),
    [
        (PERIOD_END - timedelta(microseconds=1), Reason.LIMIT_REACHED, Decimal(5), PERIOD_END),
        (PERIOD_END, Reason.EXPIRED_PERIOD, Decimal(0), None),
        (PERIOD_END + timedelta(days=400), Reason.EXPIRED_PERIOD, Decimal(0), None),
    ],
)
def test_a_period_that_has_ended_counts_as_nothing_used(
    now: datetime, reason: Reason, used: Decimal, reset_at: datetime | None
) -> None:
    """Periods are half-open: at its end the new one has begun, with an unknown end and nothing used."""
    decision = decide(snapshot(calls(5)), "calls", 1, now)
    assert (decision.reason, decision.used, decision.reset_at) == (reason, used, reset_at)


def test_a_new_period_has_the_same_bound() -> None:
    """More than the whole limit is denied in a fresh period too."""
    decision = decide(snapshot(calls(5)), "calls", 6, PERIOD_END)
    assert decision.reason is Reason.LIMIT_REACHED
    assert decision.remaining == Decimal(5)


def test_an_unlimited_feature_stays_unlimited_after_its_period() -> None:
    """The end of a period changes the usage, not the reason, of an unlimited feature."""
    decision = decide(snapshot(calls(7, limit=None)), "calls", 1, PERIOD_END)
    assert (decision.reason, decision.used) == (Reason.UNLIMITED, Decimal(0))


def test_without_an_instant_the_usage_is_taken_as_it_is() -> None:
    """No ``now`` means that nobody looks at the period."""
    assert decide(snapshot(calls(5)), "calls").reason is Reason.LIMIT_REACHED


def test_a_limit_without_a_period_never_resets() -> None:
    """A limit that no period bounds has no instant of reset."""
    lifetime = Entitlement(key="calls", type="limit", enabled=True, limit=Decimal(5), used=Decimal(5))
    decision = decide(snapshot(lifetime), "calls", 1, NOW)
    assert decision.reason is Reason.LIMIT_REACHED
    assert decision.reset_at is None


def test_the_source_is_what_the_caller_says() -> None:
    """A caller that knows its snapshot to be stale says so in the decision."""
    assert decide(snapshot(calls(1)), "calls", 1, NOW, source=Source.STALE).source is Source.STALE
    assert decide(snapshot(SSO), "sso", 1, NOW, source=Source.STALE).source is Source.STALE


def test_a_float_is_refused() -> None:
    """A quantity that has lost digits already is a programmer's mistake."""
    with pytest.raises(TypeError, match="wanted must be an int or a Decimal, not float"):
        decide(snapshot(calls(1)), "calls", 0.5, NOW)  # type: ignore[arg-type]  # what is being tested


def test_a_negative_quantity_is_refused() -> None:
    """Wanting less than nothing would make room in a full limit."""
    with pytest.raises(ValueError, match="wanted must be finite and not negative, got -1"):
        decide(snapshot(calls(5)), "calls", -1, NOW)


@pytest.mark.parametrize("wanted", [Decimal("NaN"), Decimal("Infinity"), Decimal("-0.1"), -1])
def test_what_cannot_be_wanted_is_refused(wanted: Decimal | int) -> None:
    """Options are checked before any request: no infinity, no NaN, nothing negative."""
    with pytest.raises(ValueError, match="must be finite and not negative"):
        check_wanted(wanted)


@pytest.mark.parametrize("wanted", [True, 1.0, "1", None])
def test_only_exact_numbers_can_be_wanted(wanted: object) -> None:
    """A bool, a float, text and nothing are no quantities."""
    with pytest.raises(TypeError, match="wanted must be an int or a Decimal"):
        check_wanted(wanted)  # type: ignore[arg-type]  # what is being tested


@pytest.mark.parametrize("wanted", [0, 1, Decimal(0), Decimal("2.5")])
def test_exact_numbers_from_zero_up_can_be_wanted(wanted: Decimal | int) -> None:
    """Zero is the bound and is allowed."""
    check_wanted(wanted)


def test_a_used_up_limit_is_still_had() -> None:
    """Having a feature is a different question from having room in it."""
    decision = decide_granted(snapshot(calls(9)), "calls")
    assert (decision.allowed, decision.reason, decision.used) == (True, Reason.GRANTED, None)


def test_having_a_feature_needs_a_snapshot_that_lists_it() -> None:
    """Nothing known and not listed are different reasons for the same answer."""
    assert decide_granted(None, "sso").reason is Reason.NO_SNAPSHOT
    assert decide_granted(snapshot(), "sso").reason is Reason.NOT_GRANTED
    assert decide_granted(snapshot(SSO), "sso", source=Source.STALE).source is Source.STALE


def test_a_policy_decides_without_a_snapshot() -> None:
    """The decision of a policy has no version and says that it is a default."""
    assert undecided("sso", reason=Reason.NO_SNAPSHOT, allowed=True) == Decision(
        allowed=True, reason=Reason.NO_SNAPSHOT, feature="sso", source=Source.DEFAULT
    )


def test_the_decimal_context_of_the_application_changes_nothing() -> None:
    """An application that computes with three digits still gets exact limits."""
    with localcontext(prec=3):
        one_past = decide(snapshot(calls(1_234_567, limit=1_234_567)), "calls", 1, NOW)
        at_bound = decide(snapshot(calls(1_234_566, limit=1_234_567)), "calls", 1, NOW)
    assert not one_past.allowed
    assert at_bound.allowed
    assert at_bound.remaining == Decimal(1)


quantities = st.decimals(min_value=0, max_value=10**30, places=12)


@given(limit=quantities, used=quantities, wanted=quantities)
def test_a_decision_follows_from_exact_sums(limit: Decimal, used: Decimal, wanted: Decimal) -> None:
    """For any quantities: allowed if and only if used plus wanted is at most the limit, computed as fractions."""
    decision = decide(snapshot(calls(used, limit=limit)), "calls", wanted, NOW)
    assert decision.allowed is (Fraction(used) + Fraction(wanted) <= Fraction(limit))
    assert decision.remaining is not None
    assert Fraction(decision.remaining) == max(0, Fraction(limit) - Fraction(used))
