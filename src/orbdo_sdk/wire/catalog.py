"""Items, metrics, prices and plans on the wire, in Orb's shapes, and features, which Orb does not have.

Amounts are decimal strings in major units. Numbers that Orb types as JSON numbers (tier bounds, quantities) are
``Decimal`` here and written as JSON numbers by the server.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from orbdo_sdk.wire._envelope import Wire


class Item(Wire, frozen=True, kw_only=True):
    """What is sold; the name under which lines of an invoice are grouped."""

    id: str
    name: str
    created_at: datetime
    metadata: dict[str, str] = {}
    external_connections: list[dict[str, Any]] = []
    archived_at: datetime | None = None


class ItemSlim(Wire, frozen=True, kw_only=True):
    """An item as a price refers to it."""

    id: str
    name: str


class BillableMetric(Wire, frozen=True, kw_only=True):
    """A question asked of the events: SQL that yields one quantity."""

    id: str
    name: str
    description: str | None
    item: Item
    sql: str
    status: Literal["active", "draft", "archived"]
    metadata: dict[str, str] = {}
    created_at: datetime | None = None
    parameter_definitions: list[dict[str, Any]] | None = None


class BillableMetricTiny(Wire, frozen=True, kw_only=True):
    """A metric as a price refers to it."""

    id: str


class BillingCycleConfiguration(Wire, frozen=True, kw_only=True):
    """The length of a billing cycle: ``duration`` days or months."""

    duration: int
    duration_unit: Literal["day", "month"]


class UnitConfig(Wire, frozen=True, kw_only=True):
    """Every unit costs ``unit_amount``."""

    unit_amount: Decimal
    prorated: bool = False


class Tier(Wire, frozen=True, kw_only=True):
    """The units above ``first_unit`` up to and including ``last_unit``; the last tier has no end."""

    first_unit: Decimal
    unit_amount: Decimal
    last_unit: Decimal | None = None
    flat_amount: Decimal = Decimal(0)


class TieredConfig(Wire, frozen=True, kw_only=True):
    """Graduated: each unit costs the rate of the tier it falls in."""

    tiers: list[Tier]
    prorated: bool = False


class BulkTier(Wire, frozen=True, kw_only=True):
    """The rate for a total of at most ``maximum_units``; the last tier has no maximum."""

    unit_amount: Decimal
    maximum_units: Decimal | None = None
    flat_amount: Decimal = Decimal(0)


class BulkConfig(Wire, frozen=True, kw_only=True):
    """Volume: all units cost the rate of the tier the total falls in."""

    tiers: list[BulkTier]


class PackageConfig(Wire, frozen=True, kw_only=True):
    """Every begun package of ``package_size`` units costs ``package_amount``."""

    package_amount: Decimal
    package_size: Decimal


Cadence = Literal["one_time", "monthly", "quarterly", "semi_annual", "annual", "custom"]


class _Price(Wire, frozen=True, kw_only=True, tag_field="model_type"):
    """What all prices have in common, whatever their model."""

    id: str
    name: str
    item: ItemSlim
    currency: str
    cadence: Cadence
    price_type: Literal["usage_price", "fixed_price", "composite_price"]
    billing_mode: Literal["in_advance", "in_arrear"]
    billing_cycle_configuration: BillingCycleConfiguration
    created_at: datetime
    billable_metric: BillableMetricTiny | None = None
    external_price_id: str | None = None
    fixed_price_quantity: Decimal | None = None
    metadata: dict[str, str] = {}
    composite_price_filters: list[dict[str, Any]] | None = None
    conversion_rate: Decimal | None = None
    conversion_rate_config: dict[str, Any] | None = None
    credit_allocation: dict[str, Any] | None = None
    discount: dict[str, Any] | None = None
    invoice_grouping_key: str | None = None
    invoicing_cycle_configuration: BillingCycleConfiguration | None = None
    maximum: dict[str, Any] | None = None
    maximum_amount: str | None = None
    minimum: dict[str, Any] | None = None
    minimum_amount: str | None = None
    plan_phase_order: int | None = None
    replaces_price_id: str | None = None
    dimensional_price_configuration: dict[str, Any] | None = None


class UnitPrice(_Price, frozen=True, kw_only=True, tag="unit"):
    """A price per unit."""

    unit_config: UnitConfig


class TieredPrice(_Price, frozen=True, kw_only=True, tag="tiered"):
    """A graduated price."""

    tiered_config: TieredConfig


class BulkPrice(_Price, frozen=True, kw_only=True, tag="bulk"):
    """A volume price."""

    bulk_config: BulkConfig


class PackagePrice(_Price, frozen=True, kw_only=True, tag="package"):
    """A price per package of units."""

    package_config: PackageConfig


Price = UnitPrice | TieredPrice | BulkPrice | PackagePrice


class BasePlan(Wire, frozen=True, kw_only=True):
    """The plan another plan was made from; never set."""

    id: str | None = None
    external_plan_id: str | None = None
    name: str | None = None


class Product(Wire, frozen=True, kw_only=True):
    """Orb's older name for what a plan belongs to; carries the plan's own id and name."""

    id: str
    name: str
    created_at: datetime


class TrialConfig(Wire, frozen=True, kw_only=True):
    """The length of a trial; None is no trial."""

    trial_period: int | None = None
    trial_period_unit: Literal["days"] = "days"


class PlanFeature(Wire, frozen=True, kw_only=True):
    """What a plan grants of a feature: a switch, a limit or a configured value."""

    feature_id: str
    key: str
    type: "FeatureType"
    enabled: bool = True
    limit: Decimal | None = None
    value: str | None = None
    metric_id: str | None = None


class Plan(Wire, frozen=True, kw_only=True):
    """A named set of prices and features that a customer subscribes to."""

    id: str
    name: str
    description: str
    currency: str
    invoicing_currency: str
    external_plan_id: str | None
    status: Literal["active", "archived", "draft"]
    version: int
    created_at: datetime
    prices: list[Price]
    product: Product
    features: list[PlanFeature] = []
    metadata: dict[str, str] = {}
    net_terms: int | None = None
    default_invoice_memo: str | None = None
    adjustments: list[dict[str, Any]] = []
    base_plan: BasePlan | None = None
    base_plan_id: str | None = None
    discount: dict[str, Any] | None = None
    maximum: dict[str, Any] | None = None
    maximum_amount: str | None = None
    minimum: dict[str, Any] | None = None
    minimum_amount: str | None = None
    plan_phases: list[dict[str, Any]] | None = None
    trial_config: TrialConfig = TrialConfig()


FeatureType = Literal["boolean", "limit", "config"]


class Feature(Wire, frozen=True, kw_only=True):
    """Something an app can ask about before it does work for a customer."""

    id: str
    key: str
    name: str
    type: FeatureType
    created_at: datetime
    metadata: dict[str, str] = {}


class TierCharge(Wire, frozen=True, kw_only=True):
    """The part of an amount that falls into one tier."""

    first_unit: Decimal
    last_unit: Decimal | None
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


class PriceCalculation(Wire, frozen=True, kw_only=True):
    """What a quantity costs at a price: exact, rounded to the currency, and tier by tier."""

    price_id: str
    quantity: Decimal
    amount: Decimal
    rounded_amount: Decimal
    currency: str
    breakdown: list[TierCharge]
