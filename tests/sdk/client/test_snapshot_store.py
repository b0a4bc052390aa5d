"""How old a snapshot may become, and what is done about it: time stands still unless a test moves it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orbdo_sdk import ApiError, ConfigurationError, EntitlementSnapshot, RateLimitedError, SnapshotPolicy, TimedOutError
from orbdo_sdk.client._snapshot_store import SnapshotStore
from tests.support.forks import in_a_child

POLICY = SnapshotPolicy(
    soft_age_seconds=30, hard_age_seconds=600, retry_initial_seconds=1, retry_seconds_max=5, customers_max=2
)
ERROR = TimedOutError("nobody answers")


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The present."""
        return self.now


def snapshot(version: str = "v1") -> EntitlementSnapshot:
    """A snapshot of nothing."""
    return EntitlementSnapshot(
        external_customer_id="acme",
        customer_id="cus_1",
        version=version,
        as_of=1,
        generated_at=datetime(2026, 1, 1, tzinfo=UTC),
        entitlements={},
    )


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> SnapshotStore:
    """A store without jitter."""
    return SnapshotStore(POLICY, clock=clock, jitter=lambda: 0.0)


def test_a_snapshot_grows_old_in_two_steps(store: SnapshotStore, clock: Clock) -> None:
    """Fresh until its soft age, used and due until its hard age, then neither."""
    held = store.keep("acme", snapshot(), etag="e", generation=0)
    states = []
    for age in (0.0, 29.9, 30.0, 599.9, 600.0):
        clock.now = 1_000.0 + age
        states.append((*store.glance("acme"), store.is_stale(held)))
    assert states == [
        (snapshot(), False, False),
        (snapshot(), False, False),
        (snapshot(), True, False),
        (snapshot(), True, False),
        (None, False, True),
    ]


def test_of_a_customer_never_asked_about_nothing_is_known(store: SnapshotStore) -> None:
    """There is no snapshot, and nothing to refresh."""
    assert store.glance("nobody") == (None, False)
    assert store.look("nobody") is None


def test_the_soft_age_is_shortened_by_jitter(clock: Clock) -> None:
    """Processes that began together drift apart by up to a fifth."""
    store = SnapshotStore(POLICY, clock=clock, jitter=lambda: 1.0)
    store.keep("acme", snapshot(), etag=None, generation=0)
    clock.now += 23.9
    assert store.glance("acme") == (snapshot(), False)
    clock.now += 0.2
    assert store.glance("acme") == (snapshot(), True)


def test_a_failure_keeps_the_last_good_snapshot(store: SnapshotStore, clock: Clock) -> None:
    """Past its hard age it is used while the server is left alone, and marked as stale."""
    store.keep("acme", snapshot(), etag="e", generation=0)
    clock.now += 600
    held = store.fail("acme", ERROR, generation=0)
    assert (held.snapshot, held.etag) == (snapshot(), "e")
    assert (store.glance("acme"), store.is_stale(held), store.pause(held)) == ((snapshot(), False), True, ERROR)
    clock.now += 1.0
    assert (store.glance("acme"), store.pause(held)) == ((None, False), None)


def test_a_failure_without_a_snapshot_is_remembered(store: SnapshotStore, clock: Clock) -> None:
    """There is nothing to use, and the server is left alone for a moment."""
    held = store.fail("nobody", ERROR, generation=0)
    assert (store.glance("nobody"), store.pause(held)) == ((None, False), ERROR)
    clock.now += 1.0
    assert store.pause(held) is None


def test_pauses_double_up_to_a_bound(store: SnapshotStore, clock: Clock) -> None:
    """One, two, four seconds, and then the longest; a success begins anew."""
    pauses = [store.fail("acme", ERROR, generation=0).retry_at - clock.now for _ in range(5)]
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    store.keep("acme", snapshot(), etag=None, generation=0)
    assert store.fail("acme", ERROR, generation=0).retry_at - clock.now == 1.0


@pytest.mark.parametrize(("asked", "pause"), [(3.0, 3.0), (0.2, 1.0), (90.0, 5.0), (None, 1.0)])
def test_the_servers_word_on_when_to_come_back_counts(
    store: SnapshotStore, clock: Clock, asked: float | None, pause: float
) -> None:
    """It lengthens a pause, up to the longest."""
    error: ApiError = RateLimitedError(status=429, retry_after_seconds=asked)
    assert store.fail("acme", error, generation=0).retry_at - clock.now == pause


def test_a_change_of_this_client_outdates_every_snapshot(store: SnapshotStore, clock: Clock) -> None:
    """A snapshot from before it is asked for again; one from after it is good."""
    before = store.keep("acme", snapshot(), etag="e", generation=0)
    failed = store.fail("nobody", ERROR, generation=0)
    store.expire()
    assert (store.glance("acme"), store.is_stale(before)) == ((None, False), True)
    assert store.pause(failed) is None
    store.keep("acme", snapshot("v2"), etag="e", generation=1)
    assert store.glance("acme") == (snapshot("v2"), False)
    store.keep("acme", snapshot("v1"), etag="e", generation=0)
    assert store.glance("acme") == (None, False)


def test_an_outdated_snapshot_serves_for_the_pause_only(store: SnapshotStore, clock: Clock) -> None:
    """In an outage after a change it is used as stale, and the server is asked again as soon as it may be."""
    store.keep("acme", snapshot(), etag="e", generation=0)
    store.expire()
    held = store.fail("acme", ERROR, generation=1)
    assert (store.glance("acme"), store.is_stale(held)) == ((snapshot(), False), True)
    clock.now += 1.0
    assert store.glance("acme") == (None, False)


def test_so_many_customers_are_held(store: SnapshotStore) -> None:
    """Two fit; with a third, the one that was not looked at for longest is forgotten."""
    for customer_id in ("a", "b"):
        store.keep(customer_id, snapshot(), etag=None, generation=0)
    assert store.look("a") is not None
    store.keep("c", snapshot(), etag=None, generation=0)
    assert [customer_id for customer_id in "abc" if store.look(customer_id) is not None] == ["a", "c"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"soft_age_seconds": 0}, "soft_age_seconds must be a positive number"),
        ({"wait_seconds": float("inf")}, "wait_seconds must be a positive number"),
        ({"customers_max": True}, "customers_max must be a positive number"),
        ({"refreshes_max": "8"}, "refreshes_max must be a positive number"),
        ({"soft_age_seconds": 60, "hard_age_seconds": 59}, "hard_age_seconds must not be below soft_age_seconds"),
        ({"retry_seconds_max": 0.5}, "retry_seconds_max must not be below retry_initial_seconds"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(options: dict[str, Any], problem: str) -> None:
    """The option at fault is named."""
    with pytest.raises(ConfigurationError, match=problem):
        SnapshotPolicy(**options)


def test_the_ages_of_a_policy_may_be_equal() -> None:
    """Then nothing is refreshed beside, and everything is waited for."""
    assert SnapshotPolicy(soft_age_seconds=60, hard_age_seconds=60).hard_age_seconds == 60


def test_a_forked_child_holds_what_its_parent_held(store: SnapshotStore) -> None:
    """It looks and keeps without its parent's lock, and the parent does not notice."""
    store.keep("acme", snapshot(), etag=None, generation=0)

    def works() -> bool:
        seen = store.glance("acme")
        store.keep("bolt", snapshot("v2"), etag=None, generation=0)
        return seen == (snapshot(), False) and store.look("bolt") is not None

    assert in_a_child(works)
    assert store.look("bolt") is None
