"""What the demo sells: tokens at a graduated price, on a plan with two features."""

from datetime import datetime
from decimal import Decimal

import msgspec

from orbdo_sdk import Orb, PriceTier
from orbdo_server.commands.demonstration.trace import EVENT_TYPE

ACCESS = "api_access"
TOKENS = "tokens"
METRIC_SQL = f"SELECT sum(context_tokens + generated_tokens) FROM events WHERE event_name = '{EVENT_TYPE}'"  # noqa: S608 - a constant
# In cents a token: $2.00, $1.50 and $1.00 a million.
TIERS: tuple[PriceTier, ...] = (
    {"last_unit": 1_000_000, "unit_amount": Decimal("0.0002")},
    {"last_unit": 5_000_000, "unit_amount": Decimal("0.00015")},
    {"last_unit": None, "unit_amount": Decimal("0.0001")},
)


class Catalog(msgspec.Struct, frozen=True):
    """The ids of what is for sale."""

    metric_id: str
    plan_id: str


async def create_catalog(orb: Orb, *, tokens_included: int) -> Catalog:
    """The metric, the price, the features and the plan; the limit on tokens is ``tokens_included`` a month."""
    metric = await orb.metrics.create(name="Language model tokens", sql=METRIC_SQL)
    price = await orb.prices.create(
        product_id=metric.item.id,
        type="metered",
        billing_scheme="graduated",
        currency="USD",
        tiers=TIERS,
        meter_id=metric.id,
        name="Context and generated tokens",
    )
    await orb.features.create(key=ACCESS, type="boolean")
    await orb.features.create(key=TOKENS, type="limit")
    plan = await orb.plans.create(
        name="Usage",
        currency="USD",
        prices=[price.id],
        features=[{"key": ACCESS}, {"key": TOKENS, "limit": tokens_included, "metric_id": metric.id}],
    )
    return Catalog(metric.id, plan.id)


async def subscribe(orb: Orb, catalog: Catalog, customer: str, *, since: datetime | None) -> str:
    """A new customer on the plan, since an instant or from now on; the subscription's id."""
    await orb.customers.create(
        customer_id=customer,
        name=customer.replace("-", " ").title(),
        email=f"billing@{customer}.example",
    )
    subscription = await orb.subscriptions.create(customer_id=customer, plan_id=catalog.plan_id, start_date=since)
    return subscription.id
