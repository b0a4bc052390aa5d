"""Values of the core that the tests of invoices start from, each with only what a test cares about spelled out."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from orbdo_server.core.customers import Customer
from orbdo_server.core.invoice_periods import Timeline, timeline_of
from orbdo_server.core.periods import Cadence, Period
from orbdo_server.core.plans import Item, MetricDefinition, Price
from orbdo_server.core.prices import PriceConfig, Tier, TieredConfig, UnitConfig
from orbdo_server.core.subscriptions import PriceInterval, Subscription

TENANT = "acme"
MADE = datetime(2023, 10, 1, tzinfo=UTC)
TRACE_TIERS = TieredConfig(
    tiers=(
        Tier(Decimal(0), Decimal(1_000_000), Decimal("0.000002")),
        Tier(Decimal(1_000_000), Decimal(5_000_000), Decimal("0.0000015")),
        Tier(Decimal(5_000_000), None, Decimal("0.000001")),
    )
)
ITEM = Item(id="item_tokens", tenant=TENANT, name="Tokens", created_at=MADE)
METRIC = MetricDefinition(
    id="met_tokens",
    tenant=TENANT,
    name="Tokens",
    description=None,
    item_id=ITEM.id,
    sql="SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'",
    created_at=MADE,
)
CUSTOMER = Customer(
    id="cus_ada",
    tenant=TENANT,
    external_customer_id="ada",
    name="Ada",
    email="ada@example.com",
    currency="USD",
    timezone="UTC",
    created_at=MADE,
)


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    """An instant on the hour, in UTC."""
    return datetime(year, month, day, hour, tzinfo=UTC)


NOVEMBER = utc(2023, 11, 1)


def usage_price(
    price_id: str = "price_tokens",
    *,
    config: PriceConfig = TRACE_TIERS,
    cadence: Cadence = "monthly",
    currency: str = "USD",
    metric_id: str = METRIC.id,
) -> Price:
    """A price of a metric, graduated as in the trace unless told."""
    return Price(
        id=price_id,
        tenant=TENANT,
        name="Tokens",
        item_id=ITEM.id,
        currency=currency,
        cadence=cadence,
        config=config,
        created_at=MADE,
        metric_id=metric_id,
    )


def fixed_price(
    price_id: str = "price_seats",
    *,
    amount: str = "10.00",
    quantity: str = "1",
    cadence: Cadence = "monthly",
    currency: str = "USD",
    config: PriceConfig | None = None,
) -> Price:
    """A fixed fee of ``amount`` for each of ``quantity``."""
    return Price(
        id=price_id,
        tenant=TENANT,
        name="Seats",
        item_id=ITEM.id,
        currency=currency,
        cadence=cadence,
        config=config or UnitConfig(unit_amount=Decimal(amount)),
        created_at=MADE,
        fixed_price_quantity=Decimal(quantity),
    )


def interval(
    price_id: str = "price_tokens",
    start: datetime = NOVEMBER,
    end: datetime | None = None,
    *,
    quantity: str | None = None,
    interval_id: str | None = None,
) -> PriceInterval:
    """A price in force, from November 2023 on unless told."""
    return PriceInterval(
        id=interval_id or f"plint_{price_id}",
        price_id=price_id,
        start=start,
        end=end,
        quantity=None if quantity is None else Decimal(quantity),
    )


def subscription(
    *intervals: PriceInterval,
    start: datetime = NOVEMBER,
    end: datetime | None = None,
    anchor: date = date(2023, 11, 1),
    timezone: str = "UTC",
) -> Subscription:
    """Ada's subscription, with one interval of the trace's price unless others are given."""
    return Subscription(
        id="sub_ada",
        tenant=TENANT,
        customer_id=CUSTOMER.id,
        timezone=timezone,
        anchor=anchor,
        start=start,
        end=end,
        created_at=MADE,
        net_terms=30,
        price_intervals=intervals or (interval(),),
    )


def timeline(
    *intervals: PriceInterval,
    start: datetime = NOVEMBER,
    end: datetime | None = None,
    anchor: date = date(2023, 11, 1),
    timezone: str = "UTC",
) -> Timeline:
    """The timeline of such a subscription."""
    return timeline_of(subscription(*intervals, start=start, end=end, anchor=anchor, timezone=timezone))


def by_id(*prices: Price) -> dict[str, Price]:
    """The prices, by id."""
    return {price.id: price for price in prices}


def month(year: int, number: int) -> Period:
    """A calendar month in UTC."""
    return Period(utc(year, number, 1), utc(year + number // 12, number % 12 + 1, 1))


def renamed(price: Price, name: str) -> Price:
    """The same price under another name."""
    return msgspec.structs.replace(price, name=name)
