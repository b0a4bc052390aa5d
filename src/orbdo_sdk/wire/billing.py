"""Subscriptions, usage and invoices on the wire, in Orb's shapes where Orb has them.

Every line carries its rounded ``amount`` and its ``exact_amount`` as two decimal strings, so that no reader has to
guess which of them it holds.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from orbdo_sdk.wire._envelope import Wire
from orbdo_sdk.wire.catalog import Plan, Price, TierCharge
from orbdo_sdk.wire.customers import Address, Customer, CustomerMinified


class BillingCycleAnchor(Wire, frozen=True, kw_only=True):
    """The day of the month a billing cycle begins on; 31 is the last day of shorter months."""

    day: int
    month: int | None = None
    year: int | None = None


class QuantityTransition(Wire, frozen=True, kw_only=True):
    """A fixed fee's quantity from an instant on."""

    effective_date: datetime
    price_id: str
    quantity: Decimal


class PriceInterval(Wire, frozen=True, kw_only=True):
    """When a price applies to a subscription: ``[start_date, end_date)``."""

    id: str
    price: Price
    start_date: datetime
    end_date: datetime | None
    billing_cycle_day: int
    can_defer_billing: bool = False
    current_billing_period_start_date: datetime | None = None
    current_billing_period_end_date: datetime | None = None
    filter: str | None = None
    fixed_fee_quantity_transitions: list[QuantityTransition] | None = None
    usage_customer_ids: list[str] | None = None


class FixedFeeQuantity(Wire, frozen=True, kw_only=True):
    """The quantity of a fixed fee over ``[start_date, end_date)``."""

    price_id: str
    quantity: Decimal
    start_date: datetime
    end_date: datetime | None


class TrialInfo(Wire, frozen=True, kw_only=True):
    """When the trial ends; None is no trial."""

    end_date: datetime | None = None


SubscriptionStatus = Literal["active", "ended", "upcoming"]


class Subscription(Wire, frozen=True, kw_only=True):
    """A customer on a plan: a timeline of price intervals."""

    id: str
    customer: Customer
    plan: Plan | None
    status: SubscriptionStatus
    start_date: datetime
    end_date: datetime | None
    created_at: datetime
    billing_cycle_day: int
    billing_cycle_anchor_configuration: BillingCycleAnchor
    current_billing_period_start_date: datetime | None
    current_billing_period_end_date: datetime | None
    price_intervals: list[PriceInterval]
    fixed_fee_quantity_schedule: list[FixedFeeQuantity] = []
    metadata: dict[str, str] = {}
    name: str = ""
    net_terms: int = 0
    active_plan_phase_order: int | None = None
    adjustment_intervals: list[dict[str, Any]] = []
    auto_collection: bool | None = None
    auto_issuance: bool | None = None
    default_invoice_memo: str | None = None
    discount_intervals: list[dict[str, Any]] = []
    invoicing_threshold: str | None = None
    maximum_intervals: list[dict[str, Any]] = []
    minimum_intervals: list[dict[str, Any]] = []
    pending_subscription_change: dict[str, Any] | None = None
    redeemed_coupon: dict[str, Any] | None = None
    trial_info: TrialInfo = TrialInfo()


class UsageRow(Wire, frozen=True, kw_only=True):
    """The quantity of a metric for one customer, period and group."""

    external_customer_id: str | None
    metric_id: str
    start: datetime
    end: datetime
    quantity: Decimal
    group: dict[str, str | None] | None = None
    events_counted: int = 0
    events_skipped: int = 0


class Usage(Wire, frozen=True, kw_only=True):
    """Usage rows and the position in the log they were read at."""

    data: list[UsageRow]
    as_of: int


class TierConfig(Wire, frozen=True, kw_only=True):
    """The bounds and rate of a tier as a line shows them."""

    first_unit: Decimal
    last_unit: Decimal | None
    unit_amount: Decimal


class SubLineItem(Wire, frozen=True, kw_only=True):
    """The part of a line that falls into one tier."""

    type: Literal["tier"]
    name: str
    quantity: Decimal
    amount: Decimal
    tier_config: TierConfig
    grouping: dict[str, str | None] | None = None


class Proration(Wire, frozen=True, kw_only=True):
    """Which part of a full period an amount is for, in elapsed seconds."""

    numerator: Decimal
    denominator: Decimal


class LineItem(Wire, frozen=True, kw_only=True):
    """A row of an invoice. ``amount`` is rounded to the currency once, ``exact_amount`` is what was rounded."""

    id: str
    name: str
    price: Price
    quantity: Decimal
    start_date: datetime
    end_date: datetime
    amount: Decimal
    exact_amount: Decimal
    subtotal: Decimal
    adjusted_subtotal: Decimal
    credits_applied: Decimal
    partially_invoiced_amount: Decimal
    breakdown: list[TierCharge] = []
    proration: Proration | None = None
    events_counted: int = 0
    events_skipped: int = 0
    sub_line_items: list[SubLineItem] = []
    adjustments: list[dict[str, Any]] = []
    tax_amounts: list[dict[str, Any]] = []
    filter: str | None = None
    grouping: str | None = None
    usage_customer_ids: list[str] | None = None


class AutoCollection(Wire, frozen=True, kw_only=True):
    """Whether and when payment is collected without being asked; never, for now."""

    enabled: bool | None = False
    next_attempt_at: datetime | None = None
    num_attempts: int | None = None
    previously_attempted_at: datetime | None = None


class SubscriptionMinified(Wire, frozen=True, kw_only=True):
    """A subscription as an invoice refers to it."""

    id: str


InvoiceStatus = Literal["draft", "issued", "paid", "synced", "void"]


class _InvoiceBody(Wire, frozen=True, kw_only=True):
    """What a stored invoice and an upcoming one have in common."""

    id: str
    status: InvoiceStatus
    currency: str
    customer: CustomerMinified
    subscription: SubscriptionMinified | None
    line_items: list[LineItem]
    subtotal: Decimal
    total: Decimal
    amount_due: Decimal
    created_at: datetime
    invoice_number: str
    period_start: datetime
    period_end: datetime
    as_of: int
    input_hash: str
    auto_collection: AutoCollection = AutoCollection()
    billing_address: Address | None = None
    shipping_address: Address | None = None
    credit_notes: list[dict[str, Any]] = []
    customer_balance_transactions: list[dict[str, Any]] = []
    customer_tax_id: dict[str, Any] | None = None
    discount: dict[str, Any] | None = None
    discounts: list[dict[str, Any]] = []
    due_date: datetime | None = None
    eligible_to_issue_at: datetime | None = None
    hidden_line_item_count: int = 0
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None
    invoice_source: Literal["subscription", "partial", "one_off"] = "subscription"
    issue_failed_at: datetime | None = None
    issued_at: datetime | None = None
    maximum: dict[str, Any] | None = None
    maximum_amount: str | None = None
    memo: str | None = None
    metadata: dict[str, str] = {}
    minimum: dict[str, Any] | None = None
    minimum_amount: str | None = None
    paid_at: datetime | None = None
    payment_attempts: list[dict[str, Any]] = []
    payment_failed_at: datetime | None = None
    payment_received_at: datetime | None = None
    payment_started_at: datetime | None = None
    scheduled_issue_at: datetime | None = None
    sync_failed_at: datetime | None = None
    voided_at: datetime | None = None
    will_auto_issue: bool = False


class Invoice(_InvoiceBody, frozen=True, kw_only=True):
    """What a customer owes for a period. Once issued, nothing in it changes."""

    invoice_date: datetime


class UpcomingInvoice(_InvoiceBody, frozen=True, kw_only=True):
    """The invoice as it stands at this moment, not stored anywhere."""

    target_date: datetime


class DocumentUrl(Wire, frozen=True, kw_only=True):
    """A link to a document that works without a key until ``expires_at``."""

    url: str
    expires_at: datetime


class Backfill(Wire, frozen=True, kw_only=True):
    """A set of older events that becomes visible at once when it is closed, and can be undone."""

    id: str
    status: Literal["pending", "reflected", "pending_revert", "reverted"]
    timeframe_start: datetime
    timeframe_end: datetime
    replace_existing_events: bool
    events_ingested: int
    created_at: datetime
    close_time: datetime | None
    customer_id: str | None
    reverted_at: datetime | None
    deprecation_filter: str | None = None


class Ping(Wire, frozen=True, kw_only=True):
    """The answer to a ping."""

    response: str


class ApiKey(Wire, frozen=True, kw_only=True):
    """A key as it is listed; the secret itself is shown once, when it is made."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    secret: str | None = None
