"""What type checkers make of the client's public surface; it is checked and never run.

mypy and pyright must both accept it. A line with an ``ignore`` is one that they must refuse; mypy says so when the
ignore has nothing to do.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import assert_never, assert_type

from orbdo_sdk import (
    ApiKey,
    Backfill,
    BillableMetric,
    BulkPrice,
    Customer,
    Decision,
    EntitlementSnapshot,
    Event,
    EventFields,
    EventTrace,
    EventVolume,
    Feature,
    FoundEvent,
    Invoice,
    Item,
    Orb,
    PackagePrice,
    Page,
    Ping,
    Plan,
    PlanFeatureGrant,
    Price,
    PriceCalculation,
    PriceTier,
    Receipt,
    Reconciliation,
    RetryPolicy,
    SendsReleased,
    Statistics,
    Subscription,
    SubscriptionItem,
    SyncOrb,
    TieredPrice,
    Timeout,
    UnitPrice,
    UpcomingInvoice,
    Usage,
    UsageCheck,
)

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@dataclass
class Robot:
    """An agent whose id is text."""

    id: str


async def clients(orb: Orb, robot: Robot) -> None:
    """Clients are made from the class and from one another."""
    assert_type(Orb.embedded("data", agent=robot, timeout=Timeout(read_seconds=1)), Orb)
    assert_type(Orb.for_agent(robot), Orb)
    assert_type(orb.for_agent("robot"), Orb)
    assert_type(orb.with_options(timeout=Timeout(), retry=RetryPolicy(attempts_max=1)), Orb)
    Orb.for_agent(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a number has no id
    Orb.embedded("data", base_url="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - it has none
    async with Orb("https://billing.test", "key") as opened:
        assert_type(opened, Orb)
        assert_type(await opened.ping(), Ping)
    assert_type(await orb.close(5.0), bool)


async def metering(orb: Orb) -> None:
    """Events in, quantities out."""
    assert_type(await orb.meter.ingest("llm", "acme", "key", START, {"tokens": 7}), Receipt)
    fields: EventFields = {"event_type": "llm", "customer_id": "acme"}
    assert_type(await orb.meter.ingest_batch([Event(event_type="llm", customer_id="acme"), fields]), list[Receipt])
    assert_type(orb.meter.track(event_type="llm", customer_id="acme"), str)
    assert_type(await orb.meter.flush(1.0), bool)
    assert_type(orb.meter.statistics, Statistics)
    usage = await orb.meter.get_usage("acme", "met_1", start=START, end=END, group_by=["model"], as_of=7)
    assert_type(usage, Usage)
    assert_type(usage.data[0].quantity, Decimal)


async def lookups(orb: Orb) -> None:
    """What became of events."""
    found = await orb.events.search(("a", "b"), start=START, end=END)
    assert_type(found, list[FoundEvent])
    assert_type(await orb.events.volume(START), list[EventVolume])
    trace = await orb.events.trace("a")
    assert_type(trace, EventTrace)
    assert_type(trace.metrics[0].quantity, Decimal)
    reconciliation = await orb.reconciliation.get(START, END, limit=5)
    assert_type(reconciliation, Reconciliation)
    assert_type(reconciliation.differences[0].expected, Decimal | None)


async def catalogue(orb: Orb) -> None:
    """What is sold."""
    assert_type(await orb.customers.create(customer_id="acme", email="billing@acme.test"), Customer)
    assert_type(await orb.items.create(name="Tokens"), Item)
    assert_type(await orb.metrics.create("tokens", "SELECT count(*) FROM events"), BillableMetric)
    assert_type(await orb.features.create("sso", type="boolean"), Feature)
    tiers: list[PriceTier] = [{"up_to": 10, "unit_amount": Decimal("0.5")}, {"up_to": "inf", "flat_amount": 100}]
    price = await orb.prices.create(product_id="item_1", billing_scheme="graduated", tiers=tiers, meter_id="met_1")
    assert_type(price, Price)
    assert_type(await orb.prices.calculate(price.id, Decimal("2.5")), PriceCalculation)
    grant: PlanFeatureGrant = {"key": "api_calls", "limit": 1000}
    assert_type(await orb.plans.create(name="Pro", prices=[price, "price_2"], features=["sso", grant]), Plan)
    await orb.prices.create(
        product_id="item_1",
        unit_amount=0.1,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a float is no amount
    )
    await orb.prices.create(
        product_id="item_1",
        billing_scheme="stairs",  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - no such scheme
    )


def model_of(price: Price) -> str:
    """A price is one of a closed set of classes."""
    match price:
        case UnitPrice():
            return str(price.unit_config.unit_amount)
        case TieredPrice():
            return str(price.tiered_config.tiers)
        case BulkPrice():
            return str(price.bulk_config.tiers)
        case PackagePrice():
            return str(price.package_config.package_size)
        case _:
            assert_never(price)


async def lists(orb: Orb) -> None:
    """Lists are iterated over as items, as pages, or looked at one page at a time."""
    async for customer in orb.customers.list(limit=10, cursor="c"):
        assert_type(customer, Customer)
    async for page in orb.prices.list().pages():
        assert_type(page, Page[Price])
    assert_type(await orb.invoices.list(status="draft").page(), Page[Invoice])
    assert_type([key async for key in orb.api_keys.list()], list[ApiKey])
    assert_type(await orb.backups.release(next_invoice_number=120), SendsReleased)


async def billing(orb: Orb) -> None:
    """From a subscription to a paid invoice."""
    item: SubscriptionItem = {"price_id": "price_1", "quantity": 3, "start_date": START}
    subscription = await orb.subscriptions.create(customer_id="acme", plan_id="pro", items=[item], start_date=START)
    assert_type(subscription, Subscription)
    assert_type(await orb.subscriptions.update(subscription.id, plan_id="scale", prorate=False), Subscription)
    assert_type(await orb.subscriptions.cancel(subscription.id, at_period_end=True), Subscription)
    assert_type(await orb.invoices.preview(subscription.id), UpcomingInvoice)
    invoice = await orb.invoices.create(customer_id="acme", subscription_id=subscription.id)
    assert_type(invoice, Invoice)
    assert_type(invoice.total, Decimal)
    assert_type(await orb.invoices.finalize(invoice.id), Invoice)
    assert_type(await orb.invoices.pay(invoice.id, received_date=date(2026, 2, 3)), Invoice)
    assert_type(await orb.invoices.get_pdf_url(invoice.id), str)
    backfill = await orb.events.backfills.create(timeframe_start=START, timeframe_end=END)
    assert_type(backfill, Backfill)
    assert_type(
        await orb.events.backfills.ingest(backfill.id, [Event(event_type="llm", customer_id="a")]), list[Receipt]
    )


async def entitlements(orb: Orb) -> None:
    """What an app asks before it works."""
    assert_type(await orb.entitlements.has_feature("acme", "sso"), bool)
    assert_type(await orb.entitlements.get_limit("acme", "api_calls"), Decimal | None)
    assert_type(await orb.entitlements.check_usage("acme", "api_calls"), UsageCheck)
    assert_type(await orb.entitlements.decide("acme", "api_calls", wanted=Decimal(2)), Decision)
    assert_type(await orb.entitlements.snapshot("acme"), EntitlementSnapshot)
    assert_type(orb.entitlements.peek("acme"), EntitlementSnapshot | None)


def sync_twin(orb: SyncOrb, robot: Robot) -> None:
    """The same without waiting."""
    assert_type(SyncOrb.embedded("data"), SyncOrb)
    assert_type(SyncOrb.for_agent(robot), SyncOrb)
    assert_type(orb.for_agent("robot").with_options(timeout=Timeout()), SyncOrb)
    with SyncOrb("https://billing.test", "key") as opened:
        assert_type(opened.ping(), Ping)
    assert_type(orb.meter.ingest("llm", "acme"), Receipt)
    assert_type(orb.meter.flush(), bool)
    assert_type([price for price in orb.prices.list()], list[Price])  # noqa: C416 - as users write it
    assert_type(orb.customers.list().page(), Page[Customer])
    assert_type(orb.entitlements.has_feature("acme", "sso"), bool)
    assert_type(orb.invoices.preview("sub_1"), UpcomingInvoice)
    assert_type(orb.close(), bool)
