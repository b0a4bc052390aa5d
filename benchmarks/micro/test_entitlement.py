"""How long one entitlement decision takes from a snapshot of 20 features: what every request of an app pays."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from orbdo_sdk.entitlement import Decision, decide
from orbdo_sdk.wire import Entitlement, EntitlementSnapshot

NOW = datetime(2026, 1, 15, tzinfo=UTC)
FEATURES = 20


@pytest.fixture
def snapshot() -> EntitlementSnapshot:
    """A customer with as many features as a large plan has, the last one with a limit."""
    switches = {
        f"feature_{number}": Entitlement(key="", type="boolean", enabled=True) for number in range(FEATURES - 1)
    }
    limit = Entitlement(
        key="api_calls",
        type="limit",
        enabled=True,
        limit=Decimal(1_000),
        used=Decimal(999),
        period_start=NOW - timedelta(days=14),
        period_end=NOW + timedelta(days=17),
    )
    return EntitlementSnapshot(
        external_customer_id="acme",
        customer_id="cus_1",
        version="1",
        as_of=1,
        generated_at=NOW,
        entitlements={**switches, "api_calls": limit},
    )


def test_decide_a_switch(benchmark: BenchmarkFixture, snapshot: EntitlementSnapshot) -> None:
    """A feature that is simply on is allowed."""
    decision: Decision = benchmark(decide, snapshot, "feature_7", 1, NOW)
    assert decision.allowed


def test_decide_a_limit(benchmark: BenchmarkFixture, snapshot: EntitlementSnapshot) -> None:
    """The last unit of a limit is allowed."""
    decision: Decision = benchmark(decide, snapshot, "api_calls", 1, NOW)
    assert decision.allowed
    assert decision.remaining == Decimal(1)


def test_decide_a_limit_that_is_used_up(benchmark: BenchmarkFixture, snapshot: EntitlementSnapshot) -> None:
    """Two units where one is left are denied."""
    decision: Decision = benchmark(decide, snapshot, "api_calls", 2, NOW)
    assert not decision.allowed
