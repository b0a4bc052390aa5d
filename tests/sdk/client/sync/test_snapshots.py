# Made from tests/sdk/client/test_snapshots.py by scripts/unasync.py: change that file and run it.
"""Snapshots as they are fetched, refreshed and kept; how old they may become is tested beside ``_snapshot_store``."""

import pytest

from orbdo_sdk import ClosedError, NotFoundError, ServerError, SnapshotPolicy, UnexpectedAnswerError
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client.sync._snapshots import Snapshots
from tests.support.answers import NOT_FOUND, SNAPSHOT
from tests.support.door import API_KEY, BASE_URL, Asked, Door, sync_until

POLICY = SnapshotPolicy(
    soft_age_seconds=30, hard_age_seconds=600, wait_seconds=0.05, retry_initial_seconds=1, retry_seconds_max=5
)
ACME = Asked("GET", "/v1/entitlements/acme")


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The present."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def snapshots(door: Door, clock: Clock) -> Snapshots:
    """Snapshots from the door, by the clock, without jitter."""
    transport = SyncTransport(BASE_URL, API_KEY, http_transport=door)
    return Snapshots(transport, POLICY, clock=clock, jitter=lambda: 0.0)


def test_a_snapshot_is_fetched_once(snapshots: Snapshots, door: Door) -> None:
    """Nobody looks at one that is not there; once fetched it is at hand for everybody."""
    door.tell(SNAPSHOT)
    assert snapshots.peek("acme") is None
    assert (snapshots.get("acme")).version == "v1"
    assert snapshots.peek("acme") is snapshots.get("acme")
    assert snapshots.is_stale("acme") is False
    assert door.asked == [ACME]


def test_a_snapshot_past_its_soft_age_is_refreshed_beside(snapshots: Snapshots, door: Door, clock: Clock) -> None:
    """Who looks at it gets the old one at once; the next ones get the new one."""
    door.tell(SNAPSHOT)
    door.tell({**SNAPSHOT, "version": "v2"})
    snapshots.get("acme")
    clock.now += 30
    door.hold()
    looks = [snapshots.peek("acme") for _ in range(3)]
    assert [look.version for look in looks if look is not None] == ["v1", "v1", "v1"]
    sync_until(lambda: len(door.asked) == 2)
    door.release()
    sync_until(lambda: (now := snapshots.peek("acme")) is not None and now.version == "v2")
    assert door.asked == [ACME, ACME]


def test_a_refresh_asks_only_for_what_changed(snapshots: Snapshots, door: Door, clock: Clock) -> None:
    """The tag of the last answer is sent, and "not modified" makes the snapshot young again."""
    door.tell(SNAPSHOT, headers={"ETag": '"v1"'})
    door.tell(status=304)
    door.tell({**SNAPSHOT, "version": "v2"})
    first = snapshots.fetch("acme")
    clock.now += 600
    assert snapshots.fetch("acme") is first
    assert snapshots.peek("acme") is first
    assert (snapshots.fetch("acme")).version == "v2"
    tags = [asked.headers.get("if-none-match") for asked in door.asked]
    assert tags == [None, '"v1"', '"v1"']


def test_not_modified_without_a_snapshot_is_no_answer(snapshots: Snapshots, door: Door) -> None:
    """A cache on the way that confuses its customers is an error, not a snapshot."""
    door.tell(status=304)
    with pytest.raises(UnexpectedAnswerError):
        snapshots.fetch("acme")


def test_a_snapshot_past_its_hard_age_is_waited_for(snapshots: Snapshots, door: Door, clock: Clock) -> None:
    """Nobody decides by it without having asked the server."""
    door.tell(SNAPSHOT)
    door.tell({**SNAPSHOT, "version": "v2"})
    snapshots.get("acme")
    clock.now += 600
    assert snapshots.peek("acme") is None
    assert (snapshots.get("acme")).version == "v2"


@pytest.mark.parametrize("what", ["failing", "nonsense", "unknown"])
def test_the_last_good_snapshot_survives_every_error(snapshots: Snapshots, door: Door, clock: Clock, what: str) -> None:
    """A server that fails, answers nonsense or forgot the customer changes nothing, and is left alone for a while."""
    door.tell(SNAPSHOT)
    snapshots.get("acme")
    clock.now += 600
    if what == "failing":
        door.tell(status=503, headers={"X-Should-Retry": "false"})
    elif what == "nonsense":
        door.tell({"entitlements": "all of them"})
    else:
        door.tell(NOT_FOUND, status=404)
    assert (snapshots.get("acme")).version == "v1"
    asked = len(door.asked)
    looked = snapshots.peek("acme")
    assert looked is not None
    assert looked.version == "v1"
    assert snapshots.is_stale("acme") is True
    assert (snapshots.fetch("acme")).version == "v1"
    assert len(door.asked) == asked
    clock.now += 1
    door.tell({**SNAPSHOT, "version": "v2"})
    assert (snapshots.get("acme")).version == "v2"
    assert snapshots.is_stale("acme") is False


def test_a_refresh_that_fails_beside_is_heard_of_by_nobody(snapshots: Snapshots, door: Door, clock: Clock) -> None:
    """The snapshot stays in use, and the server is asked again after a pause."""
    door.tell(SNAPSHOT)
    snapshots.get("acme")
    clock.now += 30
    door.tell(NOT_FOUND, status=404)
    assert snapshots.peek("acme") is not None
    sync_until(lambda: len(door.asked) == 2)
    assert snapshots.peek("acme") is not None
    clock.now += 1
    door.tell({**SNAPSHOT, "version": "v2"})
    assert snapshots.peek("acme") is not None
    sync_until(lambda: (now := snapshots.peek("acme")) is not None and now.version == "v2")


def test_nobody_waits_long_when_there_is_something_to_go_by(snapshots: Snapshots, door: Door, clock: Clock) -> None:
    """A server that does not answer in time is left alone, and its answer is used when it comes after all."""
    door.tell(SNAPSHOT)
    door.tell({**SNAPSHOT, "version": "v2"})
    snapshots.get("acme")
    clock.now += 600
    door.hold()
    assert (snapshots.get("acme")).version == "v1"
    assert snapshots.peek("acme") is not None
    assert (snapshots.get("acme")).version == "v1"
    door.release()
    sync_until(lambda: (now := snapshots.peek("acme")) is not None and now.version == "v2")
    assert door.asked == [ACME, ACME]


def test_without_a_snapshot_the_error_is_raised_and_remembered(snapshots: Snapshots, door: Door, clock: Clock) -> None:
    """Whoever asks right after hears the same without asking the server; later it is asked again."""
    door.tell(NOT_FOUND, status=404)
    for _ in range(3):
        with pytest.raises(NotFoundError, match="no such customer"):
            snapshots.get("nobody")
    assert len(door.asked) == 1
    clock.now += 1
    door.tell(SNAPSHOT)
    assert (snapshots.get("nobody")).version == "v1"


def test_a_failing_server_is_tried_twice(snapshots: Snapshots, door: Door) -> None:
    """A hiccup costs nothing, an outage no more than two attempts."""
    door.tell(status=503)
    door.tell(SNAPSHOT)
    assert (snapshots.get("acme")).version == "v1"
    door.tell(status=503)
    door.tell(status=503)
    with pytest.raises(ServerError):
        snapshots.get("bolt")


def test_what_this_client_changes_is_asked_for_again(snapshots: Snapshots, door: Door) -> None:
    """Known and unknown customers alike."""
    door.tell(SNAPSHOT)
    door.tell(NOT_FOUND, status=404)
    snapshots.get("acme")
    with pytest.raises(NotFoundError):
        snapshots.get("nobody")
    snapshots.expire()
    assert snapshots.peek("acme") is None
    door.tell({**SNAPSHOT, "version": "v2"})
    door.tell({**SNAPSHOT, "version": "v3"})
    assert (snapshots.get("acme")).version == "v2"
    assert (snapshots.get("nobody")).version == "v3"


def test_after_closing_nothing_is_fetched(snapshots: Snapshots, door: Door) -> None:
    """What is at hand can still be looked at."""
    door.tell(SNAPSHOT)
    snapshots.get("acme")
    snapshots.close()
    assert snapshots.peek("acme") is not None
    assert snapshots.is_stale("nobody") is False
    with pytest.raises(ClosedError):
        snapshots.fetch("bolt")
