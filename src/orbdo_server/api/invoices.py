"""Invoices over HTTP: the upcoming one, drafts, and the steps to issued, paid and void."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field

from orbdo_sdk.wire import Invoice as WireInvoice
from orbdo_sdk.wire import Page, UpcomingInvoice
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery, Query, UtcDatetime
from orbdo_server.api.fields import ExternalId, Id, Metadata
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.api.render.invoices import render_invoice, render_upcoming
from orbdo_server.core.invoice_states import InvoiceStatus, Payment
from orbdo_server.engine import invoicing, issuing
from orbdo_server.engine.customers import require_customer_by_either, require_customer_by_external_id
from orbdo_server.engine.invoicing import InvoiceView, require_invoice, view_invoice
from orbdo_server.errors import InvalidRequestError
from orbdo_server.storage import invoices

MEMO_LENGTH_MAX = 2_000
NOTES_LENGTH_MAX = 2_000
STATUSES_MAX = 10
# As in Orb: drafts and void invoices are listed only when they are asked for.
LISTED = (InvoiceStatus.ISSUED, InvoiceStatus.PAID)

Status = Literal["draft", "issued", "paid", "synced", "void"]


class Shown(Query):
    """Which lines to show: all of them, unless those without quantity are to be hidden."""

    include_zero_quantity_line_items: bool | None = None


class UpcomingQuery(Shown):
    """Whose upcoming invoice to compute."""

    subscription_id: Id


class InvoiceListQuery(ListQuery):
    """Which invoices to list."""

    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None
    subscription_id: Id | None = None
    status: Status | None = None
    statuses: Annotated[list[Status] | None, Field(alias="status[]", max_length=STATUSES_MAX)] = None
    include_zero_quantity_line_items: bool | None = None


class NewInvoice(Body):
    """A draft to make for the earliest period of a subscription that is not invoiced."""

    subscription_id: Id
    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None
    memo: Annotated[str, Field(max_length=MEMO_LENGTH_MAX)] | None = None
    metadata: Metadata | None = None


class Issue(Body):
    """How to issue; it is always done when the answer comes."""

    synchronous: bool | None = None


class PaymentReceived(Body):
    """A payment that was received outside: when, and what it is called there."""

    payment_received_date: UtcDatetime
    external_id: ExternalId | None = None
    notes: Annotated[str, Field(max_length=NOTES_LENGTH_MAX)] | None = None


def fetch_upcoming(call: Call[NoBody, UpcomingQuery]) -> UpcomingInvoice:
    """The invoice of the earliest period that is not invoiced, as it stands now; nothing is written."""
    view = invoicing.preview_invoice(call.transaction, call.stores.log, subscription_id=call.query.subscription_id)
    return render_upcoming(
        view,
        grace=call.stores.settings.grace,
        with_unused=call.query.include_zero_quantity_line_items is not False,
    )


def create(call: Call[NewInvoice, NoQuery]) -> WireInvoice:
    """The draft of that period; asking again gives the same one, computed anew."""
    view = invoicing.create_draft(
        call.transaction,
        call.stores.log,
        subscription_id=call.body.subscription_id,
        customer_id=_customer_of(call),
        memo=call.body.memo,
        metadata=call.body.metadata,
    )
    return answer_invoice(call, view)


def list_invoices(call: Call[NoBody, InvoiceListQuery]) -> Page[WireInvoice]:
    """Invoices, newest first; issued and paid ones unless others are asked for."""
    query, connection = call.query, call.transaction.connection
    customer_id, statuses = _listed_customer(call), _listed_statuses(query)
    with_unused = query.include_zero_quantity_line_items is not False
    return answer_page(
        call,
        "invoices",
        lambda after, limit: invoices.page(
            connection,
            tenant=call.tenant,
            statuses=statuses,
            customer_id=customer_id,
            subscription_id=query.subscription_id,
            after=after,
            limit=limit,
        ),
        lambda invoice: answer_invoice(
            call, view_invoice(call.transaction, call.stores.log, invoice), with_unused=with_unused
        ),
    )


def fetch(call: Call[NoBody, Shown]) -> WireInvoice:
    """One invoice: a draft as of now, any other as it was issued."""
    view = _view(call)
    return answer_invoice(call, view, with_unused=call.query.include_zero_quantity_line_items is not False)


def issue(call: Call[Issue, NoQuery]) -> WireInvoice:
    """The draft, numbered and sealed."""
    return answer_invoice(
        call, issuing.issue_invoice(call.transaction, call.stores.log, invoice_id=call.path["invoice_id"])
    )


def mark_paid(call: Call[PaymentReceived, NoQuery]) -> WireInvoice:
    """The issued invoice, paid."""
    payment = Payment(
        received_at=call.body.payment_received_date, external_id=call.body.external_id, notes=call.body.notes
    )
    return answer_invoice(
        call, issuing.mark_paid(call.transaction, invoice_id=call.path["invoice_id"], payment=payment)
    )


def void(call: Call[NoBody, NoQuery]) -> WireInvoice:
    """The issued invoice, void."""
    return answer_invoice(call, issuing.void_invoice(call.transaction, invoice_id=call.path["invoice_id"]))


def answer_invoice(call: Call[Any, Any], view: InvoiceView, *, with_unused: bool = True) -> WireInvoice:
    """An invoice as it is answered everywhere."""
    return render_invoice(view, grace=call.stores.settings.grace, with_unused=with_unused)


def _view(call: Call[Any, Any]) -> InvoiceView:
    invoice = require_invoice(call.transaction, call.path["invoice_id"])
    return view_invoice(call.transaction, call.stores.log, invoice)


def _customer_of(call: Call[NewInvoice, NoQuery]) -> str | None:
    body = call.body
    if body.customer_id is None and body.external_customer_id is None:
        return None
    customer = require_customer_by_either(
        call.transaction, customer_id=body.customer_id, external_customer_id=body.external_customer_id
    )
    return customer.id


def _listed_customer(call: Call[NoBody, InvoiceListQuery]) -> str | None:
    query = call.query
    if query.external_customer_id is None:
        return query.customer_id
    if query.customer_id is not None:
        raise InvalidRequestError.of("customer_id", "give one of customer_id and external_customer_id")
    return require_customer_by_external_id(call.transaction, query.external_customer_id).id


def _listed_statuses(query: InvoiceListQuery) -> Collection[InvoiceStatus]:
    asked = [*(query.statuses or ()), *([query.status] if query.status else ())]
    if not asked:
        return LISTED
    # Nothing is handed to another biller, hence no invoice is ever "synced".
    return [InvoiceStatus(status) for status in asked if status != "synced"]


READ, WRITE = "invoices:read", "invoices:write"
ONE = "/invoices/{invoice_id}"
ENDPOINTS = (
    Endpoint(
        "GET",
        "/invoices/upcoming",
        fetch_upcoming,
        READ,
        "Compute a subscription's upcoming invoice.",
        UpcomingInvoice,
        query=UpcomingQuery,
        tag="invoices",
    ),
    Endpoint("POST", "/invoices", create, WRITE, "Make a draft.", WireInvoice, body=NewInvoice, tag="invoices"),
    Endpoint(
        "GET",
        "/invoices",
        list_invoices,
        READ,
        "List invoices.",
        Page[WireInvoice],
        query=InvoiceListQuery,
        tag="invoices",
    ),
    Endpoint("GET", ONE, fetch, READ, "Fetch an invoice.", WireInvoice, query=Shown, tag="invoices"),
    Endpoint("POST", f"{ONE}/issue", issue, WRITE, "Issue a draft.", WireInvoice, body=Issue, tag="invoices"),
    Endpoint(
        "POST",
        f"{ONE}/mark_paid",
        mark_paid,
        WRITE,
        "Mark an issued invoice as paid.",
        WireInvoice,
        body=PaymentReceived,
        tag="invoices",
    ),
    Endpoint("POST", f"{ONE}/void", void, WRITE, "Void an issued invoice.", WireInvoice, tag="invoices"),
)
