"""Which of several grants a customer has, and when two snapshots are the same."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orbdo_server.core.entitlements import Grant, Standing, most_generous, version_of
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import Feature, FeatureType, PlanFeature

MADE = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
APRIL = Period(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))


def feature(key: str = "calls", kind: FeatureType = FeatureType.LIMIT) -> Feature:
    """A feature with its key as its id."""
    return Feature(id=f"feat_{key}", tenant="acme", key=key, name=key, type=kind, created_at=MADE)


def limit(quantity: str | None, *, enabled: bool = True, metric_id: str | None = "met_calls") -> Grant:
    """A limit on calls, None without end."""
    amount = None if quantity is None else Decimal(quantity)
    granted = PlanFeature(feature=feature(), enabled=enabled, limit=amount, metric_id=metric_id)
    return Grant(granted=granted, period=MARCH)


def switch(key: str = "sso", *, enabled: bool = True) -> Grant:
    """A feature that is on or off."""
    return Grant(granted=PlanFeature(feature=feature(key, FeatureType.BOOLEAN), enabled=enabled))


def config(value: str) -> Grant:
    """A feature with a value."""
    return Grant(granted=PlanFeature(feature=feature("region", FeatureType.CONFIG), value=value))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (limit("10"), limit("9")),
        (limit("0.5"), limit("0.25")),
        (limit(None), limit("1000000")),
        (limit("1"), limit(None, enabled=False)),
        (limit("1"), limit("2", enabled=False)),
        (switch(), switch(enabled=False)),
    ],
)
def test_the_most_generous_grant_counts(better: Grant, worse: Grant) -> None:
    """Granted beats withheld, no limit beats any, more beats less: in whichever order the plans come."""
    key = better.granted.feature.key
    assert most_generous([better, worse]) == {key: better}
    assert most_generous([worse, better]) == {key: better}


def test_limits_of_two_plans_do_not_add_up() -> None:
    """Two plans of 10 calls each are 10 calls, not 20, and the first grant stays."""
    first, second = limit("10"), limit("10")
    assert most_generous([first, second])["calls"] is first


def test_of_two_values_the_first_stays() -> None:
    """No value is better than another, so that an older subscription keeps its own."""
    assert most_generous([config("eu"), config("us")])["region"] == config("eu")


def test_features_are_sorted_by_key() -> None:
    """A snapshot lists features in one order, however the plans list them."""
    grants = [switch("b"), config("eu"), switch("a"), limit("1")]
    assert list(most_generous(grants)) == ["a", "b", "calls", "region"]


def test_nothing_granted_is_nothing() -> None:
    """A customer without a plan has no feature."""
    assert most_generous([]) == {}


def test_a_version_is_a_short_text_that_lasts() -> None:
    """The same entitlements have the same version for ever, for caches outlive servers: a hash of canonical JSON."""
    standings = [Standing(grant=limit("10"), used=Decimal(3)), Standing(grant=switch())]
    canonical = (
        '[["calls","limit",true,"10","3",null,"met_calls",["2026-03-01T00:00:00+00:00","2026-04-01T00:00:00+00:00"]],'
        '["sso","boolean",true,null,"0",null,null,null]]'
    )
    assert version_of(standings) == hashlib.sha256(canonical.encode()).hexdigest()[:16] == "c00e1daf73f33a6c"
    assert version_of([]) == "4f53cda18c2baa0c"


def test_the_way_a_number_is_written_is_no_difference() -> None:
    """10, 10.0 and 1E+1 are one limit."""
    versions = {
        version_of([Standing(grant=limit(text), used=Decimal(used))])
        for text, used in [("10", "0"), ("10.0", "0.00"), ("1E+1", "0E+5")]
    }
    assert len(versions) == 1


@pytest.mark.parametrize(
    "other",
    [
        Standing(grant=limit("11")),
        Standing(grant=limit(None)),
        Standing(grant=limit("10", enabled=False)),
        Standing(grant=limit("10", metric_id="met_other")),
        Standing(grant=limit("10"), used=Decimal("0.001")),
        Standing(grant=Grant(granted=limit("10").granted, period=APRIL)),
        Standing(grant=Grant(granted=limit("10").granted)),
        Standing(grant=config("eu")),
        Standing(grant=switch("calls")),
    ],
)
def test_every_difference_shows_in_the_version(other: Standing) -> None:
    """Whatever a client would see change changes the version."""
    assert version_of([other]) != version_of([Standing(grant=limit("10"))])


def test_two_values_have_two_versions() -> None:
    """The value of a config feature is part of the version."""
    assert version_of([Standing(grant=config("eu"))]) != version_of([Standing(grant=config("us"))])
