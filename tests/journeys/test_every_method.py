"""Every method of the client, over HTTP and in process, async and sync: one story, told four times."""

import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbdo_sdk import BadRequestError, NotFoundError, Orb, PermissionDeniedError, SyncOrb
from orbdo_server.commands.demonstration.server import RunningServer, running_server

NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.blocks("the sync client is driven from the same story as the async one"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all clients that use HTTP; each of them works for an agent of its own."""
    with running_server(tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(params=["async over http", "sync over http", "async embedded", "sync embedded"])
async def orb(request: pytest.FixtureRequest, tmp_path: Path, server: RunningServer) -> AsyncIterator[Any]:
    """The four ways to use the client."""
    address: dict[str, Any] = {"base_url": server.url, "api_key": server.api_key}
    match request.param:
        case "async over http":
            async with Orb(**address, agent="async-agent") as client:
                yield client
        case "sync over http":
            with SyncOrb(**address, agent="sync-agent") as sync_client:
                yield sync_client
        case "async embedded":
            async with Orb.embedded(tmp_path / "data") as client:
                yield client
        case _:
            with SyncOrb.embedded(tmp_path / "data") as sync_client:
                yield sync_client


async def done(value: Any) -> Any:
    """The answer of either client."""
    return await value if inspect.isawaitable(value) else value


async def listed(pages: Any) -> list[Any]:
    """All entries of a list of either client."""
    return [entry async for entry in pages] if hasattr(pages, "__aiter__") else list(pages)


async def test_from_a_metric_to_a_paid_invoice_and_an_entitlement(orb: Any) -> None:
    """Catalogue, customer, subscription, history, invoice, events of today, entitlements, another plan, the end."""
    metric, price = await a_price_of_calls(orb)
    subscription = await a_subscription(orb, metric, price)
    await history_comes_in(orb, metric)
    issued = await november_is_billed(orb, subscription)
    await events_of_today_count_once(orb)
    await a_mistake_is_corrected(orb)
    await what_became_of_events_is_looked_up(orb)
    await entitlements_follow_the_plan_and_the_usage(orb)
    await the_plan_changes_and_ends(orb, subscription, price)
    assert [invoice.id for invoice in await listed(orb.invoices.list(customer_id="acme"))] == [issued.id]
    with pytest.raises(NotFoundError):
        await done(orb.invoices.get("inv_unknown"))
    # Nothing was restored here, and it is not for agents.
    with pytest.raises((BadRequestError, PermissionDeniedError), match=r"not paused|server as a whole"):
        await done(orb.backups.release())


async def a_price_of_calls(orb: Any) -> tuple[Any, Any]:
    """A metric that counts calls, and a price of 0.15 cents for each."""
    metric = await done(orb.metrics.create(name="Calls", sql="SELECT count(*) FROM events WHERE event_name = 'call'"))
    price = await done(
        orb.prices.create(
            product_id=metric.item.id,
            type="metered",
            billing_scheme="per_unit",
            unit_amount=Decimal("0.15"),
            meter_id=metric.id,
        )
    )
    assert (await done(orb.prices.get(price.id))).unit_config.unit_amount == Decimal("0.0015")
    assert (await done(orb.prices.calculate(price.id, 1_000))).amount == Decimal("1.5")
    return metric, price


async def a_subscription(orb: Any, metric: Any, price: Any) -> Any:
    """Acme on a plan with access and three calls a month, since November 2023."""
    await done(orb.features.create(key="api_access", type="boolean"))
    await done(orb.features.create(key="api_calls", type="limit"))
    features = [{"key": "api_access"}, {"key": "api_calls", "limit": 3, "metric_id": metric.id}]
    plan = await done(orb.plans.create(name="Pro", currency="USD", prices=[price.id], features=features))
    await done(orb.customers.create(customer_id="acme", name="Acme", email="a@b.example"))
    subscription = await done(orb.subscriptions.create(customer_id="acme", plan_id=plan.id, start_date=NOVEMBER))
    assert (await done(orb.subscriptions.get(subscription.id))).status == "active"
    return subscription


async def history_comes_in(orb: Any, metric: Any) -> None:
    """Five calls of November 2023 through a backfill, counted by region."""
    backfill = await done(orb.events.backfills.create(timeframe_start=NOVEMBER, timeframe_end=DECEMBER))
    old = [
        {
            "event_type": "call",
            "customer_id": "acme",
            "idempotency_key": f"old-{day}",
            "timestamp": NOVEMBER + timedelta(days=day),
            "properties": {"region": "eu" if day % 2 else "us"},
        }
        for day in range(5)
    ]
    await done(orb.events.backfills.ingest(backfill.id, old))
    await done(orb.events.backfills.close(backfill.id))
    usage = await done(orb.meter.get_usage("acme", metric.id, start=NOVEMBER, end=DECEMBER, group_by="region"))
    assert {row.group["region"]: row.quantity for row in usage.data} == {"us": 3, "eu": 2}


async def november_is_billed(orb: Any, subscription: Any) -> Any:
    """From the preview through the draft to the paid invoice and its PDF."""
    preview = await done(orb.invoices.preview(subscription.id))
    assert (preview.line_items[0].exact_amount, preview.total) == (Decimal("0.0075"), Decimal("0.01"))
    draft = await done(orb.invoices.create(customer_id="acme", subscription_id=subscription.id))
    issued = await done(orb.invoices.finalize(draft.id))
    assert (issued.status, issued.invoice_number) == ("issued", "INV-000001")
    assert (await done(orb.invoices.pay(issued.id))).status == "paid"
    assert "/documents/" in await done(orb.invoices.get_pdf_url(issued.id))
    return issued


async def events_of_today_count_once(orb: Any) -> None:
    """One awaited, two in a batch of which one is known, one in the background."""
    receipt = await done(orb.meter.ingest(event_type="call", customer_id="acme", idempotency_key="now-1"))
    assert not receipt.duplicate
    batch = [{"event_type": "call", "customer_id": "acme", "idempotency_key": key} for key in ("now-1", "now-2")]
    assert [taken.duplicate for taken in await done(orb.meter.ingest_batch(batch))] == [True, False]
    orb.meter.track("call", "acme", idempotency_key="now-3")
    assert await done(orb.meter.flush())


async def a_mistake_is_corrected(orb: Any) -> None:
    """An event of another kind, amended to what it should be, deprecated, and brought back."""
    event = {"event_type": "upload", "customer_id": "acme", "timestamp": datetime.now(UTC)}
    await done(orb.meter.ingest(**event, idempotency_key="upload-1", properties={"bytes": 10}))
    await done(orb.events.amend("upload-1", **event, properties={"bytes": 20}))
    await done(orb.events.deprecate("upload-1"))
    assert [found.deprecated for found in await done(orb.events.search(["upload-1"]))] == [True]
    await done(orb.events.undo("upload-1"))
    (found,) = await done(orb.events.search(["upload-1"]))
    assert (found.deprecated, found.properties) == (False, {"bytes": 20})


async def what_became_of_events_is_looked_up(orb: Any) -> None:
    """By id, by the hour, from an event to its invoice, and all of five days held against that invoice."""
    assert [event.id for event in await done(orb.events.search(["now-2", "old-1", "now-1"]))] == ["now-2", "now-1"]
    hours = await done(orb.events.volume(NOVEMBER, NOVEMBER + timedelta(hours=2)))
    assert [hour.count for hour in hours] == [1, 0]
    trace = await done(orb.events.trace("old-1"))
    assert [row.state for row in trace.rows] == ["in_effect"]
    assert [(line.invoice_number, line.counted_when_issued) for line in trace.invoices] == [("INV-000001", True)]
    five_days = await done(orb.reconciliation.get(NOVEMBER, NOVEMBER + timedelta(days=5)))
    assert (sum(hour.in_effect for hour in five_days.hours), five_days.differences) == (5, [])
    assert [(invoice.invoice_number, invoice.state) for invoice in five_days.invoices] == [("INV-000001", "agrees")]


async def entitlements_follow_the_plan_and_the_usage(orb: Any) -> None:
    """Three calls of three are used up."""
    assert await done(orb.entitlements.has_feature("acme", "api_access"))
    assert not await done(orb.entitlements.has_feature("acme", "sso"))
    assert await done(orb.entitlements.get_limit("acme", "api_calls")) == 3
    check = await done(orb.entitlements.check_usage("acme", "api_calls"))
    assert (check.current, check.limit, check.remaining, check.exceeded) == (3, 3, 0, True)


async def the_plan_changes_and_ends(orb: Any, subscription: Any, price: Any) -> None:
    """To another plan at once, and to nothing at the end of the period."""
    features = [{"key": "api_access"}]
    bigger = await done(orb.plans.create(name="Max", currency="USD", prices=[price.id], features=features))
    changed = await done(orb.subscriptions.update(subscription.id, plan_id=bigger.id, prorate=True))
    assert changed.plan.id == bigger.id
    ending = await done(orb.subscriptions.cancel(subscription.id, at_period_end=True))
    assert ending.end_date == ending.current_billing_period_end_date


async def test_agents_never_see_each_other(server: RunningServer) -> None:
    """What one agent stores, another and the account itself do not find; a link of one is no link of the other."""
    async with Orb(base_url=server.url, api_key=server.api_key) as account:
        one, other = account.for_agent("agent-one"), account.for_agent("agent-two")
        await one.customers.create(customer_id="shared-name", name="One", email="a@b.example")
        for stranger in (other, account):
            with pytest.raises(NotFoundError):
                await stranger.customers.get("shared-name")
        await other.customers.create(customer_id="shared-name", name="Other", email="a@b.example")
        assert (await one.customers.get("shared-name")).name == "One"
        assert (await other.customers.get("shared-name")).name == "Other"


async def test_a_link_to_a_pdf_works_without_a_key_and_only_as_it_is(server: RunningServer) -> None:
    """The PDF comes for the signed link; with another path, time or signature there is none."""
    async with Orb(base_url=server.url, api_key=server.api_key, agent="documents") as orb:
        metric = await orb.metrics.create(name="Calls", sql="SELECT count(*) FROM events")
        price = await orb.prices.create(
            product_id=metric.item.id, type="licensed", billing_scheme="per_unit", unit_amount=500, quantity=2
        )
        plan = await orb.plans.create(name="Seats", currency="USD", prices=[price.id])
        await orb.customers.create(customer_id="acme", name="Acme", email="a@b.example")
        subscription = await orb.subscriptions.create(customer_id="acme", plan_id=plan.id, start_date=NOVEMBER)
        invoice = await orb.invoices.finalize((await orb.invoices.create(subscription_id=subscription.id)).id)
        assert invoice.total == Decimal("10.00")
        url = await orb.invoices.get_pdf_url(invoice.id)
    async with httpx.AsyncClient() as client:
        found = await client.get(url)
        assert (found.status_code, found.headers["content-type"]) == (200, "application/pdf")
        assert found.content.startswith(b"%PDF-")
        for changed in (url.replace("expires=", "expires=9"), url[:-1] + "x", url.replace("inv_", "inv_0", 1)):
            assert (await client.get(changed)).status_code == 404
