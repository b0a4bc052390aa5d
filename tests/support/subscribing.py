"""A shop whose prices and plans Ada subscribes to, for tests of subscriptions."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from orbdo_server.core.customers import Customer
from orbdo_server.core.invoice_states import Invoice, InvoiceStatus
from orbdo_server.core.periods import Cadence, Period
from orbdo_server.core.plans import Plan
from orbdo_server.core.subscriptions import Subscription
from orbdo_server.engine import customers, items, plans, prices
from orbdo_server.engine import subscriptions as engine
from orbdo_server.engine.plans import NewPlan
from orbdo_server.engine.prices import NewPrice
from orbdo_server.engine.subscriptions import NewPriceTerm, NewSubscription
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import InvalidRequestError
from orbdo_server.storage import invoices
from tests.server.conftest import NOW, TENANT

START = datetime(2026, 1, 10, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
YEAR_END = datetime(2026, 12, 31, tzinfo=UTC)


class Shop:
    """What is for sale to Ada."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.item_id = items.create_item(transaction, name="Everything", metadata={}).id
        self.metric_id = items.create_metric(
            transaction, name="Calls", sql="SELECT count(*) FROM events", item_id=None, description=None, metadata={}
        ).id
        self.ada = self.customer("ada")

    def customer(self, external_id: str, *, timezone: str = "UTC", currency: str | None = None) -> Customer:
        """Somebody who buys."""
        return customers.create_customer(
            self.transaction,
            name=external_id,
            email="a@example.com",
            external_customer_id=external_id,
            currency=currency,
            timezone=timezone,
            auto_issuance=None,
            metadata={},
            details={},
        )

    def usage(self, *, currency: str = "USD", cadence: Cadence = "monthly") -> str:
        """The id of a price of calls."""
        return self._price(currency, cadence, metric_id=self.metric_id)

    def fee(self, *, currency: str = "USD", cadence: Cadence = "monthly", quantity: str = "1") -> str:
        """The id of a fixed fee."""
        return self._price(currency, cadence, fixed_price_quantity=Decimal(quantity))

    def plan(self, *price_ids: str, currency: str = "USD", **more: Any) -> Plan:
        """A plan of these prices."""
        return plans.create_plan(
            self.transaction, NewPlan(name="Pro", currency=currency, prices=list(price_ids), **more)
        )

    def subscribe(self, plan: Plan | None = None, *terms: NewPriceTerm, **more: Any) -> Subscription:
        """Ada's subscription from 10 January 2026 on, unless told."""
        fields: dict[str, Any] = {"customer": self.ada, "plan": plan, "prices": terms, "start": START, **more}
        return engine.create_subscription(self.transaction, NewSubscription(**fields))

    def invoice_march(self, subscription: Subscription) -> None:
        """An issued invoice for March."""
        invoice = Invoice(
            id="inv_1",
            tenant=TENANT,
            customer_id=subscription.customer_id,
            subscription_id=subscription.id,
            period=Period(MARCH, APRIL),
            currency="USD",
            created_at=NOW,
        )
        invoices.insert(self.transaction.connection, invoice)
        issued = msgspec.structs.replace(invoice, status=InvoiceStatus.ISSUED, issued_at=NOW, number="INV-1")
        assert invoices.replace(self.transaction.connection, issued, expected=InvoiceStatus.DRAFT)

    def _price(self, currency: str, cadence: Cadence, **kind: Any) -> str:
        new = NewPrice(
            name="A price",
            item_id=self.item_id,
            currency=currency,
            cadence=cadence,
            model_type="unit",
            config={"unit_amount": "1"},
            **kind,
        )
        return prices.create_price(self.transaction, new).id


def intervals(subscription: Subscription) -> list[tuple[str, datetime, datetime | None]]:
    """Which price applies from when to when."""
    return [(interval.price_id, interval.start, interval.end) for interval in subscription.price_intervals]


def field_of(caught: pytest.ExceptionInfo[InvalidRequestError]) -> str:
    """The one field an error is about."""
    [problem] = caught.value.problems
    return problem.field
