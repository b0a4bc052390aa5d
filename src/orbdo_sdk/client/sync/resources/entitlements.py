# Made from src/orbdo_sdk/client/resources/entitlements.py by scripts/unasync.py: change that file and run it.
"""Entitlements: what a customer may do at this moment, decided in this process from a snapshot of the server's.

A snapshot is fetched when a customer is first asked about and refreshed beside later questions, so an answer may be as
old as the ``SnapshotPolicy`` says. What this client changes on the server is seen by its next question. Usage is
counted by the server: events that this client has just sent show after the next refresh.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from orbdo_sdk.client._usage_check import UsageCheck
from orbdo_sdk.client.sync._snapshots import Snapshots
from orbdo_sdk.entitlement import Decision, Reason, Source, decide, decide_granted, undecided
from orbdo_sdk.errors import NotFoundError
from orbdo_sdk.wire import EntitlementSnapshot


class Entitlements:
    """The questions an app asks before it does work. None of them goes to the server while a snapshot is at hand.

    All raise an OrbError when nothing is known of a customer and the server cannot be asked; with a snapshot at hand
    they go on with the last good one.
    """

    def __init__(self, snapshots: Snapshots, *, now: Callable[[], datetime]) -> None:
        self._snapshots = snapshots
        self._now = now

    def has_feature(self, customer_id: str, key: str) -> bool:
        """Whether the customer has the feature at all; False for a feature or a customer that is not known.

        A limit that is used up is still had: ask ``check_usage`` or ``decide`` whether there is room.
        """
        snapshot = self._known(customer_id)
        return snapshot is not None and decide_granted(snapshot, key).allowed

    def get_limit(self, customer_id: str, key: str) -> Decimal | None:
        """The limit of the feature; None is no limit, 0 is a feature or a customer that is not known."""
        return (self.check_usage(customer_id, key)).limit

    def check_usage(self, customer_id: str, key: str) -> UsageCheck:
        """How much of the feature's limit is used in the current period, as of the snapshot at hand.

        A feature or a customer that is not known has a limit of 0; a feature without limit is never exceeded.
        """
        return UsageCheck.of(self.decide(customer_id, key, wanted=0))

    def decide(self, customer_id: str, key: str, wanted: int | Decimal = 1) -> Decision:
        """Whether ``wanted`` more units fit into the limit, or whether the customer has the feature, and why.

        A customer that is not known is denied with the reason ``unknown_customer``. The decision's ``source`` is
        ``stale`` when it rests on a last good snapshot that is older than it should be. Raises TypeError for a float.
        """
        snapshot = self._known(customer_id)
        if snapshot is None:
            return undecided(key, reason=Reason.UNKNOWN_CUSTOMER, allowed=False)
        source = Source.STALE if self.is_stale(customer_id) else Source.SNAPSHOT
        return decide(snapshot, key, wanted, self._now(), source=source)

    def snapshot(self, customer_id: str) -> EntitlementSnapshot:
        """All entitlements of the customer, from the snapshot at hand, or from the server when there is none.

        Raises NotFoundError for a customer that is not known.
        """
        return self._snapshots.get(customer_id)

    def fetch(self, customer_id: str) -> EntitlementSnapshot:
        """All entitlements of the customer as the server has them now, kept for the questions that follow.

        The last good snapshot is the answer when the server cannot be asked, or was found failing a moment ago.
        Raises NotFoundError for a customer that is not known.
        """
        return self._snapshots.fetch(customer_id)

    def peek(self, customer_id: str) -> EntitlementSnapshot | None:
        """The snapshot at hand, without waiting for anything; None when there is none young enough to decide by.

        One that is due for a refresh is refreshed beside this call.
        """
        return self._snapshots.peek(customer_id)

    def is_stale(self, customer_id: str) -> bool:
        """Whether the snapshot at hand is older than it should be, and used for want of a better one."""
        return self._snapshots.is_stale(customer_id)

    def _known(self, customer_id: str) -> EntitlementSnapshot | None:
        try:
            return self._snapshots.get(customer_id)
        except NotFoundError:
            return None
