"""The entitlements of an in-memory Orb: the client's own questions over snapshots that a test wrote."""

from collections.abc import Callable
from datetime import datetime
from typing import cast

from orbdo_sdk.client._snapshots import Snapshots
from orbdo_sdk.client.resources.entitlements import Entitlements
from orbdo_sdk.errors import ConnectionFailedError, NotFoundError
from orbdo_sdk.testing._grants import Grants, MeteredUsage
from orbdo_sdk.wire import EntitlementSnapshot


class InMemorySnapshots:
    """Snapshots made at the moment they are asked for; in an outage, the last one made for the customer."""

    def __init__(self, grants: Grants, *, now: Callable[[], datetime], metered: MeteredUsage) -> None:
        self._grants = grants
        self._now = now
        self._metered = metered
        self._last: dict[str, EntitlementSnapshot] = {}
        self.unknown: set[str] = set()
        self.reachable = True

    def peek(self, customer_id: str) -> EntitlementSnapshot | None:
        """The snapshot of this moment; None for an unknown customer, or for one first asked about in an outage."""
        if customer_id in self.unknown:
            return None
        if self.reachable:
            self._last[customer_id] = self._grants.snapshot(customer_id, self._now(), self._metered)
        return self._last.get(customer_id)

    async def get(self, customer_id: str) -> EntitlementSnapshot:
        """The same as ``fetch``."""
        return await self.fetch(customer_id)

    async def fetch(self, customer_id: str) -> EntitlementSnapshot:
        """The snapshot; NotFoundError for an unknown customer, ConnectionFailedError in an outage without one."""
        snapshot = self.peek(customer_id)
        if snapshot is not None:
            return snapshot
        if not self.reachable:
            raise ConnectionFailedError("the in-memory Orb is unreachable")
        raise NotFoundError(status=404, title="Resource not found", detail=f"no customer {customer_id!r}")

    def is_stale(self, customer_id: str) -> bool:
        """Whether the snapshot is from before an outage that lasts."""
        return not self.reachable and customer_id in self._last


class InMemoryEntitlements(Entitlements):
    """The client's entitlements, which also tell a gate the time."""

    def __init__(self, snapshots: InMemorySnapshots, *, now: Callable[[], datetime]) -> None:
        # It has the methods that the client's questions use, and nothing of the transport behind the real one.
        super().__init__(cast("Snapshots", snapshots), now=now)
        self.now = now
