"""Customers over HTTP."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from orbdo_sdk.wire import Customer as WireCustomer
from orbdo_sdk.wire import Page
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery
from orbdo_server.api.fields import Currency, ExternalId, Metadata, Name, without_control_characters
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.api.render.customers import render_customer
from orbdo_server.core.customers import Customer
from orbdo_server.engine import customers as engine
from orbdo_server.storage import customers

EMAILS_MAX = 20
EMAIL_LENGTH_MAX = 320
ADDRESS_LINE_LENGTH_MAX = 255

Email = Annotated[
    str,
    Field(max_length=EMAIL_LENGTH_MAX, pattern=r"^[^@\s]+@[^@\s]+$"),
    AfterValidator(without_control_characters),
]
AddressLine = Annotated[str, Field(max_length=ADDRESS_LINE_LENGTH_MAX)]
DETAILS = ("additional_emails", "billing_address", "shipping_address", "tax_id")


class AddressBody(Body):
    """A postal address; the country is an ISO 3166 code."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    city: AddressLine | None = None
    line1: AddressLine | None = None
    line2: AddressLine | None = None
    postal_code: AddressLine | None = None
    state: AddressLine | None = None


class TaxId(Body):
    """A tax number and what kind of number it is, such as ``eu_vat``."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    type: Annotated[str, Field(max_length=64)]
    value: Annotated[str, Field(max_length=64)]


class CustomerFields(Body):
    """What both a new customer and a change may carry."""

    external_customer_id: ExternalId | None = None
    currency: Currency | None = None
    auto_issuance: bool | None = None
    additional_emails: Annotated[list[Email], Field(max_length=EMAILS_MAX)] | None = None
    billing_address: AddressBody | None = None
    shipping_address: AddressBody | None = None
    tax_id: TaxId | None = None
    metadata: Metadata | None = None

    def details(self) -> dict[str, Any]:
        """Those of the fields that no rule looks at, as far as they were given."""
        given = self.model_dump(mode="json", include=set(DETAILS), exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None}


class NewCustomer(CustomerFields):
    """A customer to add."""

    name: Name
    email: Email
    timezone: Annotated[str, Field(max_length=64)] | None = None


class CustomerChange(CustomerFields):
    """What to change of a customer; a field that is not given stays as it is."""

    name: Name | None = None
    email: Email | None = None


def create(call: Call[NewCustomer, NoQuery]) -> WireCustomer:
    """A new customer."""
    body = call.body
    customer = engine.create_customer(
        call.transaction,
        name=body.name,
        email=body.email,
        external_customer_id=body.external_customer_id,
        currency=body.currency,
        timezone=body.timezone or "UTC",
        auto_issuance=body.auto_issuance,
        metadata=body.metadata or {},
        details=body.details(),
    )
    return render_customer(customer)


def list_customers(call: Call[NoBody, ListQuery]) -> Page[WireCustomer]:
    """Customers, newest first."""
    connection = call.transaction.connection
    return answer_page(
        call,
        "customers",
        lambda after, limit: customers.page(connection, tenant=call.tenant, after=after, limit=limit),
        render_customer,
    )


def fetch(call: Call[NoBody, NoQuery]) -> WireCustomer:
    """One customer."""
    return render_customer(engine.require_customer(call.transaction, call.path["customer_id"]))


def fetch_by_external_id(call: Call[NoBody, NoQuery]) -> WireCustomer:
    """The customer with this id in the caller's own system."""
    customer = engine.require_customer_by_external_id(call.transaction, call.path["external_customer_id"])
    return render_customer(customer)


def update(call: Call[CustomerChange, NoQuery]) -> WireCustomer:
    """The customer, changed."""
    return _update(call, engine.require_customer(call.transaction, call.path["customer_id"]))


def update_by_external_id(call: Call[CustomerChange, NoQuery]) -> WireCustomer:
    """The customer with this id in the caller's own system, changed."""
    return _update(call, engine.require_customer_by_external_id(call.transaction, call.path["external_customer_id"]))


def _update(call: Call[CustomerChange, NoQuery], customer: Customer) -> WireCustomer:
    plain = {"name", "email", "external_customer_id", "currency", "auto_issuance", "metadata"}
    given = call.body.model_dump(include=plain, exclude_unset=True)
    changes = {name: value for name, value in given.items() if value is not None}
    changes["details"] = {**customer.details, **call.body.details()}
    return render_customer(engine.update_customer(call.transaction, customer, changes))


READ, WRITE = "customers:read", "customers:write"
ONE, BY_EXTERNAL_ID = "/customers/{customer_id}", "/customers/external_customer_id/{external_customer_id}"
ENDPOINTS = (
    Endpoint("POST", "/customers", create, WRITE, "Add a customer.", WireCustomer, body=NewCustomer, tag="customers"),
    Endpoint(
        "GET",
        "/customers",
        list_customers,
        READ,
        "List customers.",
        Page[WireCustomer],
        query=ListQuery,
        tag="customers",
    ),
    Endpoint(
        "GET", BY_EXTERNAL_ID, fetch_by_external_id, READ, "Fetch a customer by your id.", WireCustomer, tag="customers"
    ),
    Endpoint(
        "PUT",
        BY_EXTERNAL_ID,
        update_by_external_id,
        WRITE,
        "Change a customer by your id.",
        WireCustomer,
        body=CustomerChange,
        tag="customers",
    ),
    Endpoint("GET", ONE, fetch, READ, "Fetch a customer.", WireCustomer, tag="customers"),
    Endpoint("PUT", ONE, update, WRITE, "Change a customer.", WireCustomer, body=CustomerChange, tag="customers"),
)
