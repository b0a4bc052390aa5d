"""Orb's official client, validating strictly, against our server over a socket."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orb
import pytest

from orbdo_server.commands.demonstration.server import RunningServer, running_server

START = datetime(2023, 11, 1, tzinfo=UTC)
END = datetime(2023, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`orbdo serve` in a process of its own."""
    with running_server(tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[orb.Orb]:
    """The official client, which raises for every answer that is not as its types say."""
    with orb.Orb(
        api_key=server.api_key, base_url=f"{server.url}/v1", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture(scope="module")
def metric(client: orb.Orb) -> Any:
    """A metric that adds up tokens."""
    item = client.items.create(name="Tokens")
    return client.metrics.create(
        name="Tokens",
        description="All tokens",
        item_id=item.id,
        sql="SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'",
    )


@pytest.fixture(scope="module")
def plan(client: orb.Orb, metric: Any) -> Any:
    """A plan with a usage price of each model and a fixed fee."""
    common = {"cadence": "monthly", "item_id": metric.item.id, "billable_metric_id": metric.id}
    prices: list[Any] = [
        {"price": {**common, "name": "Unit", "model_type": "unit", "unit_config": {"unit_amount": "0.01"}}},
        {"price": {**common, "name": "Tiered", "model_type": "tiered", "tiered_config": {"tiers": tiers()}}},
        {"price": {**common, "name": "Bulk", "model_type": "bulk", "bulk_config": {"tiers": bulk_tiers()}}},
        {
            "price": {
                **common,
                "name": "Package",
                "model_type": "package",
                "package_config": {"package_amount": "5.00", "package_size": 100},
            }
        },
        {
            "price": {
                "name": "Seats",
                "cadence": "monthly",
                "item_id": metric.item.id,
                "model_type": "unit",
                "unit_config": {"unit_amount": "10.00"},
                "fixed_price_quantity": 2,
            }
        },
    ]
    return client.plans.create(currency="USD", name="Everything", prices=prices, external_plan_id="everything")


def tiers() -> Any:
    """Two graduated tiers."""
    return [
        {"first_unit": 0, "last_unit": 100, "unit_amount": "0.02"},
        {"first_unit": 100, "last_unit": None, "unit_amount": "0.01"},
    ]


def bulk_tiers() -> Any:
    """Two volume tiers."""
    return [{"maximum_units": 100, "unit_amount": "0.02"}, {"maximum_units": None, "unit_amount": "0.01"}]


def test_ping(client: orb.Orb) -> None:
    """The key opens the server."""
    assert client.top_level.ping().response == "pong"


def test_customers_are_created_changed_listed_and_fetched_by_both_ids(client: orb.Orb) -> None:
    """An external id with a slash in it stays one id."""
    created = client.customers.create(
        email="billing@acme.example",
        name="Acme",
        external_customer_id="acme/eu 1",
        timezone="Europe/Berlin",
        billing_address={"country": "DE", "city": "Berlin", "line1": "Hauptstr. 1", "postal_code": "10115"},
        metadata={"segment": "startup"},
    )
    assert (created.timezone, created.metadata, created.balance) == ("Europe/Berlin", {"segment": "startup"}, "0.00")
    changed = client.customers.update(created.id, name="Acme GmbH")
    assert (changed.name, changed.email) == ("Acme GmbH", "billing@acme.example")
    assert client.customers.fetch(created.id) == changed
    assert client.customers.fetch_by_external_id("acme/eu 1") == changed
    assert created.id in [customer.id for customer in client.customers.list(limit=1)]


def test_items_and_metrics_are_listed_page_by_page(client: orb.Orb, metric: Any) -> None:
    """Auto-pagination ends, and sees everything once."""
    names = {client.items.create(name=f"Item {number}").name for number in range(5)}
    listed = [item.name for item in client.items.list(limit=2)]
    assert names <= set(listed)
    assert len(listed) == len({item.id for item in client.items.list(limit=3)})
    assert client.metrics.fetch(metric.id).sql.startswith("SELECT sum(tokens)")
    assert metric.id in [known.id for known in client.metrics.list()]


def test_a_price_comes_back_as_the_class_of_its_model(client: orb.Orb, metric: Any) -> None:
    """The client falls back to UnitPrice when a single field does not fit; here none does."""
    price = client.prices.create(
        name="Tiered",
        cadence="monthly",
        currency="USD",
        item_id=metric.item.id,
        billable_metric_id=metric.id,
        model_type="tiered",
        tiered_config={"tiers": tiers()},
    )
    assert type(price).__name__ == "TieredPrice"
    assert type(client.prices.fetch(price.id)).__name__ == "TieredPrice"
    assert price.id in [known.id for known in client.prices.list()]


def test_a_plan_keeps_its_prices_in_order(client: orb.Orb, plan: Any) -> None:
    """Five prices of four models, fetched by either id."""
    assert [price.name for price in plan.prices] == ["Unit", "Tiered", "Bulk", "Package", "Seats"]
    assert [type(price).__name__ for price in plan.prices] == [
        "UnitPrice",
        "TieredPrice",
        "BulkPrice",
        "PackagePrice",
        "UnitPrice",
    ]
    assert client.plans.fetch(plan.id).id == client.plans.external_plan_id.fetch("everything").id == plan.id
    assert plan.id in [known.id for known in client.plans.list()]


def test_from_events_to_a_paid_and_a_void_invoice(client: orb.Orb, plan: Any) -> None:
    """150 tokens at each price, billed for November 2023, issued, paid; December's is issued and voided."""
    customer = client.customers.create(
        email="a@b.example", name="Usage", external_customer_id="usage", timezone="UTC", currency="USD"
    )
    subscription = client.subscriptions.create(customer_id=customer.id, plan_id=plan.id, start_date=START)
    assert (subscription.status, len(subscription.price_intervals)) == ("active", 5)
    backfill = client.events.backfills.create(timeframe_start=START, timeframe_end=END)
    assert backfill.status == "pending"
    events: list[Any] = [
        {
            "event_name": "llm_request",
            "idempotency_key": f"november-{number}",
            "timestamp": START + timedelta(days=number),
            "external_customer_id": "usage",
            "properties": {"tokens": 50},
        }
        for number in range(3)
    ]
    assert client.events.ingest(events=events, backfill_id=backfill.id).validation_failed == []
    assert client.events.backfills.close(backfill.id).status == "reflected"
    assert client.events.backfills.fetch(backfill.id).events_ingested == 3

    upcoming = client.invoices.fetch_upcoming(subscription_id=subscription.id)
    amounts = {line.name: line.amount for line in upcoming.line_items}
    assert amounts == {"Unit": "1.50", "Tiered": "2.50", "Bulk": "1.50", "Package": "10.00", "Seats": "20.00"}
    assert (upcoming.subtotal, upcoming.total) == ("35.50", "35.50")

    draft = create_draft(client, subscription.id)
    issued = client.invoices.issue(draft["id"])
    assert (issued.status, issued.total, issued.invoice_number) == ("issued", "35.50", "INV-000001")
    paid = client.invoices.mark_paid(issued.id, payment_received_date=datetime(2023, 12, 5).date())  # noqa: DTZ001 - the client takes a date
    assert paid.status == "paid"
    december = client.invoices.issue(create_draft(client, subscription.id)["id"])
    assert client.invoices.void(december.id).status == "void"
    assert client.invoices.fetch(paid.id).line_items[1].sub_line_items[0].type == "tier"
    assert paid.id in [known.id for known in client.invoices.list(subscription_id=subscription.id)]


def test_a_plan_change_and_a_cancellation_come_back_as_timelines(client: orb.Orb, plan: Any, metric: Any) -> None:
    """The changed subscription shows both plans' prices; the cancelled one its end."""
    other = client.plans.create(
        currency="USD",
        name="Other",
        prices=[
            {
                "price": {
                    "name": "Other",
                    "cadence": "monthly",
                    "item_id": metric.item.id,
                    "billable_metric_id": metric.id,
                    "model_type": "unit",
                    "unit_config": {"unit_amount": "0.03"},
                }
            }
        ],
    )
    customer = client.customers.create(email="a@b.example", name="Mover", currency="USD")
    subscription = client.subscriptions.create(customer_id=customer.id, plan_id=plan.id)
    moved = client.subscriptions.schedule_plan_change(subscription.id, change_option="immediate", plan_id=other.id)
    assert moved.plan is not None
    assert (moved.plan.id, len(moved.price_intervals)) == (other.id, 6)
    cancelled = client.subscriptions.cancel(subscription.id, cancel_option="end_of_subscription_term")
    assert cancelled.end_date == subscription.current_billing_period_end_date
    assert client.subscriptions.fetch(subscription.id) == client.subscriptions.fetch(cancelled.id)
    assert [known.id for known in client.subscriptions.list(customer_id=[customer.id])] == [subscription.id]


def test_errors_are_raised_as_the_classes_of_the_client(client: orb.Orb) -> None:
    """The type of a problem picks the class."""
    with pytest.raises(orb.NotFoundError) as unknown:
        client.customers.fetch("cus_unknown")
    assert type(unknown.value).__name__ == "ResourceNotFound"
    with pytest.raises(orb.BadRequestError) as invalid:
        client.customers.create(email="not an address", name="x")
    assert type(invalid.value).__name__ == "RequestValidationError"
    old: list[Any] = [
        {
            "event_name": "e",
            "idempotency_key": "k",
            "timestamp": datetime(2020, 1, 1, tzinfo=UTC),
            "external_customer_id": "usage",
            "properties": {},
        }
    ]
    with pytest.raises(orb.BadRequestError):
        client.events.ingest(events=old)


def create_draft(client: orb.Orb, subscription_id: str) -> dict[str, Any]:
    """A draft for a subscription's next period: Orb makes those by itself, hence its client has no call for it."""
    draft: dict[str, Any] = client.post("/invoices", body={"subscription_id": subscription_id}, cast_to=dict[str, Any])
    return draft
