"""What customers may do in an in-memory Orb, and how much of it they have used.

Pure bookkeeping over an instant that the caller supplies.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from orbdo_sdk.wire import Entitlement, EntitlementSnapshot, FeatureType

EVERYONE = None

# The quantity of (metric, customer) from events in [start, end); None is without that bound.
MeteredUsage = Callable[[str, str, datetime | None, datetime | None], Decimal]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a test said about one feature."""

    type: FeatureType
    enabled: bool
    limit: Decimal | None = None
    used: Decimal = Decimal(0)
    value: str | None = None
    metric_id: str | None = None
    period: timedelta | None = None
    granted_at: datetime

    def period_at(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The period that holds the instant, counted from when the grant was made; None when there are none."""
        if self.period is None:
            return None
        start = self.granted_at + (now - self.granted_at) // self.period * self.period
        return start, start + self.period


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of a feature that was used at an instant, by one customer or by each of them."""

    feature: str
    customer_id: str | None
    quantity: Decimal
    at: datetime


class Grants:
    """The grants of all customers; one customer's own go before those of everyone."""

    def __init__(self) -> None:
        self._grants: dict[tuple[str | None, str], Grant] = {}
        self._uses: list[Use] = []
        self._version = 0

    def set(self, feature: str, customer_id: str | None, grant: Grant) -> None:
        """Let this be the grant of the feature from now on."""
        self._grants[customer_id, feature] = grant
        self._version += 1

    def use(self, use: Use) -> None:
        """Count it; raises ValueError for a feature without a limit, where nobody would notice."""
        if not any(key == use.feature and grant.type == "limit" for (_, key), grant in self._grants.items()):
            message = f"no limit was set for the feature {use.feature!r}"
            raise ValueError(message)
        self._uses.append(use)
        self._version += 1

    def snapshot(self, customer_id: str, now: datetime, metered: MeteredUsage) -> EntitlementSnapshot:
        """All entitlements of the customer at the instant."""
        grants = {feature: grant for (whose, feature), grant in self._grants.items() if whose is EVERYONE}
        grants |= {feature: grant for (whose, feature), grant in self._grants.items() if whose == customer_id}
        return EntitlementSnapshot(
            external_customer_id=customer_id,
            customer_id=customer_id,
            version=str(self._version),
            as_of=self._version,
            generated_at=now,
            entitlements={
                feature: self._entitlement(feature, customer_id, grant, now, metered)
                for feature, grant in grants.items()
            },
        )

    def _entitlement(
        self, feature: str, customer_id: str, grant: Grant, now: datetime, metered: MeteredUsage
    ) -> Entitlement:
        start, end = grant.period_at(now) or (None, None)
        used = self._used(feature, customer_id, start)
        if start is None or start == grant.granted_at:
            used += grant.used
        if grant.metric_id is not None:
            used += metered(grant.metric_id, customer_id, start, end)
        return Entitlement(
            key=feature,
            type=grant.type,
            enabled=grant.enabled,
            limit=grant.limit,
            used=used,
            value=grant.value,
            metric_id=grant.metric_id,
            period_start=start,
            period_end=end,
        )

    def _used(self, feature: str, customer_id: str, start: datetime | None) -> Decimal:
        return sum(
            (
                use.quantity
                for use in self._uses
                if use.feature == feature
                and use.customer_id in {EVERYONE, customer_id}
                and (start is None or use.at >= start)
            ),
            Decimal(0),
        )
