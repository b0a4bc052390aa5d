"""What a customer may do, as one snapshot that a client can decide from without asking again."""

from datetime import datetime
from decimal import Decimal

from orbdo_sdk.wire._envelope import Wire
from orbdo_sdk.wire.catalog import FeatureType


class Entitlement(Wire, frozen=True, kw_only=True):
    """One feature for one customer.

    ``enabled`` says whether the customer has it at all. A limit also carries ``limit`` (None is unlimited), the
    ``used`` quantity and the period ``[period_start, period_end)`` it counts in; a config carries ``value``.
    """

    key: str
    type: FeatureType
    enabled: bool
    limit: Decimal | None = None
    used: Decimal = Decimal(0)
    value: str | None = None
    metric_id: str | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None


class EntitlementSnapshot(Wire, frozen=True, kw_only=True):
    """All entitlements of a customer at one moment. A feature that is not listed is not granted."""

    external_customer_id: str | None
    customer_id: str
    version: str
    as_of: int
    generated_at: datetime
    entitlements: dict[str, Entitlement]
