"""What is for sale: items, metrics, prices, features, and the plans that gather them. Values only."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from orbdo_server.core.periods import Cadence
from orbdo_server.core.prices import PriceConfig

PlanStatus = Literal["active", "draft"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What is sold; lines of an invoice are grouped by it."""

    id: str
    tenant: str
    name: str
    created_at: datetime
    metadata: dict[str, str] = {}
    archived_at: datetime | None = None


class MetricDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A stored metric. Its SQL never changes; another question is another metric."""

    id: str
    tenant: str
    name: str
    description: str | None
    item_id: str
    sql: str
    created_at: datetime
    metadata: dict[str, str] = {}
    archived_at: datetime | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a quantity costs. A usage price measures ``metric_id``; a fixed price has ``fixed_price_quantity``.

    Exactly one of the two is set. A price never changes once it is made.
    """

    id: str
    tenant: str
    name: str
    item_id: str
    currency: str
    cadence: Cadence
    config: PriceConfig
    created_at: datetime
    metric_id: str | None = None
    fixed_price_quantity: Decimal | None = None
    external_price_id: str | None = None
    metadata: dict[str, str] = {}

    @property
    def is_usage(self) -> bool:
        """Whether the quantity comes from events."""
        return self.metric_id is not None


class FeatureType(StrEnum):
    """What a feature answers: yes or no, how much, or which value."""

    BOOLEAN = "boolean"
    LIMIT = "limit"
    CONFIG = "config"


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """Something an app can ask about; ``key`` is unique to the tenant."""

    id: str
    tenant: str
    key: str
    name: str
    type: FeatureType
    created_at: datetime
    metadata: dict[str, str] = {}


class PlanFeature(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan grants of a feature. ``limit`` None on a limit is unlimited; ``metric_id`` counts against it."""

    feature: Feature
    enabled: bool = True
    limit: Decimal | None = None
    value: str | None = None
    metric_id: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of prices and features, all in one currency. Nobody can subscribe to a draft."""

    id: str
    tenant: str
    name: str
    currency: str
    created_at: datetime
    description: str = ""
    external_plan_id: str | None = None
    version: int = 1
    status: PlanStatus = "active"
    net_terms: int | None = None
    default_invoice_memo: str | None = None
    metadata: dict[str, str] = {}
    prices: tuple[Price, ...] = ()
    features: tuple[PlanFeature, ...] = ()
