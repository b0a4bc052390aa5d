"""Prices over HTTP, and what a quantity would cost at one."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import model_validator

from orbdo_sdk.wire import Amount, Page, PriceCalculation, plain
from orbdo_sdk.wire import Price as WirePrice
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery
from orbdo_server.api.fields import Cadence, Currency, Exact, ExternalId, Id, Metadata, Name
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.api.render.prices import render_price, render_tier_charge
from orbdo_server.core.money import round_amount
from orbdo_server.core.plans import Price
from orbdo_server.core.prices import MODEL_TYPES, charge
from orbdo_server.engine import prices as engine
from orbdo_server.engine.prices import NewPrice
from orbdo_server.storage import items, prices

CONFIGS = tuple(f"{model_type}_config" for model_type in MODEL_TYPES)


class PriceFields(Body):
    """A price to make, in Orb's form: ``model_type`` and the one object named after it."""

    name: Name
    item_id: Id
    cadence: Cadence
    model_type: str
    billable_metric_id: Id | None = None
    fixed_price_quantity: Exact | None = None
    external_price_id: ExternalId | None = None
    billed_in_advance: bool | None = None
    metadata: Metadata | None = None
    unit_config: dict[str, Any] | None = None
    tiered_config: dict[str, Any] | None = None
    bulk_config: dict[str, Any] | None = None
    package_config: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_exactly_its_config(self) -> Self:
        given = [name for name in CONFIGS if getattr(self, name) is not None]
        if self.model_type in MODEL_TYPES and given != [f"{self.model_type}_config"]:
            found = ", ".join(given) or "none"
            message = f"model_type {self.model_type!r} takes {self.model_type}_config and no other; found {found}"
            raise ValueError(message)
        return self

    @property
    def config(self) -> Mapping[str, object]:
        """The object named after the model, empty for a model that is not known."""
        return getattr(self, f"{self.model_type}_config", None) or {}


class NewPlanPriceBody(PriceFields):
    """A price of a plan is in the plan's currency where it names none."""

    currency: Currency | None = None


class NewPriceBody(PriceFields):
    """A price that stands on its own names its currency."""

    currency: Currency


class PriceChange(Body):
    """What to change of a price: its metadata and nothing else."""

    metadata: Metadata | None = None


class Quantity(Body):
    """How much to calculate."""

    quantity: Exact


def to_new_price(body: PriceFields, *, currency: str) -> NewPrice:
    """The request as the engine takes it."""
    return NewPrice(
        name=body.name,
        item_id=body.item_id,
        currency=currency,
        cadence=body.cadence,
        model_type=body.model_type,
        config=body.config,
        metric_id=body.billable_metric_id,
        fixed_price_quantity=body.fixed_price_quantity,
        external_price_id=body.external_price_id,
        billed_in_advance=body.billed_in_advance or False,
        metadata=body.metadata or {},
    )


def create(call: Call[NewPriceBody, NoQuery]) -> WirePrice:
    """A new price."""
    return answer_price(
        call, engine.create_price(call.transaction, to_new_price(call.body, currency=call.body.currency))
    )


def list_prices(call: Call[NoBody, ListQuery]) -> Page[WirePrice]:
    """Prices, newest first."""
    connection = call.transaction.connection
    return answer_page(
        call,
        "prices",
        lambda after, limit: prices.page(connection, tenant=call.tenant, after=after, limit=limit),
        lambda price: answer_price(call, price),
    )


def fetch(call: Call[NoBody, NoQuery]) -> WirePrice:
    """One price."""
    return answer_price(call, engine.require_price(call.transaction, call.path["price_id"]))


def fetch_by_external_id(call: Call[NoBody, NoQuery]) -> WirePrice:
    """The price with this id in the caller's own system."""
    price = engine.require_price_by_external_id(call.transaction, call.path["external_price_id"])
    return answer_price(call, price)


def update(call: Call[PriceChange, NoQuery]) -> WirePrice:
    """The price with other metadata."""
    price = engine.require_price(call.transaction, call.path["price_id"])
    return answer_price(call, engine.update_price(call.transaction, price, metadata=call.body.metadata))


def update_by_external_id(call: Call[PriceChange, NoQuery]) -> WirePrice:
    """The price with this id in the caller's own system, with other metadata."""
    price = engine.require_price_by_external_id(call.transaction, call.path["external_price_id"])
    return answer_price(call, engine.update_price(call.transaction, price, metadata=call.body.metadata))


def calculate(call: Call[Quantity, NoQuery]) -> PriceCalculation:
    """What a quantity costs: exact, rounded, and tier by tier. Nothing is stored."""
    price = engine.require_price(call.transaction, call.path["price_id"])
    charged = charge(price.config, call.body.quantity)
    return PriceCalculation(
        price_id=price.id,
        quantity=call.body.quantity,
        amount=Amount(plain(charged.amount)),
        rounded_amount=round_amount(charged.amount, price.currency),
        currency=price.currency,
        breakdown=[render_tier_charge(tier) for tier in charged.tiers],
    )


def answer_price(call: Call[Any, Any], price: Price) -> WirePrice:
    """A price with its item."""
    return answer_prices(call, [price])[0]


def answer_prices(call: Call[Any, Any], many: Sequence[Price]) -> list[WirePrice]:
    """The same for many, in their order, with one query for all of their items."""
    item_ids = {price.item_id for price in many}
    known = items.get_many(call.transaction.connection, tenant=call.tenant, item_ids=item_ids)
    return [render_price(price, item_name=known[price.item_id].name) for price in many]


READ, WRITE = "catalog:read", "catalog:write"
BY_EXTERNAL_ID = "/prices/external_price_id/{external_price_id}"
ENDPOINTS = (
    Endpoint("POST", "/prices", create, WRITE, "Make a price.", WirePrice, body=NewPriceBody, tag="prices"),
    Endpoint("GET", "/prices", list_prices, READ, "List prices.", Page[WirePrice], query=ListQuery, tag="prices"),
    Endpoint("GET", BY_EXTERNAL_ID, fetch_by_external_id, READ, "Fetch a price by your id.", WirePrice, tag="prices"),
    Endpoint(
        "PUT",
        BY_EXTERNAL_ID,
        update_by_external_id,
        WRITE,
        "Change a price's metadata by your id.",
        WirePrice,
        body=PriceChange,
        tag="prices",
    ),
    Endpoint("GET", "/prices/{price_id}", fetch, READ, "Fetch a price.", WirePrice, tag="prices"),
    Endpoint(
        "PUT",
        "/prices/{price_id}",
        update,
        WRITE,
        "Change a price's metadata.",
        WirePrice,
        body=PriceChange,
        tag="prices",
    ),
    Endpoint(
        "POST",
        "/prices/{price_id}/calculate",
        calculate,
        READ,
        "Calculate what a quantity costs.",
        PriceCalculation,
        body=Quantity,
        tag="prices",
    ),
)
