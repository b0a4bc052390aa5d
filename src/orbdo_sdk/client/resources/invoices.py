"""Invoices: what a customer owes for a period, as a live preview and as a document that no longer changes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl, urlsplit

from orbdo_sdk.client._pages import AsyncPages
from orbdo_sdk.client._requests import QueryValue, Request
from orbdo_sdk.client._transport import AsyncTransport
from orbdo_sdk.client._vocabulary import customer_fields, given, path
from orbdo_sdk.client.resources._resource import Resource
from orbdo_sdk.errors import UnexpectedAnswerError
from orbdo_sdk.wire import DocumentUrl, Invoice, InvoiceStatus, Page, UpcomingInvoice

DOCUMENTS = "/documents/"


class Invoices(Resource):
    """The invoices of the account: draft, then issued, then paid; an issued one can be voided.

    Amounts are ``Decimal`` in major units of the invoice's currency.
    """

    def __init__(self, transport: AsyncTransport, *, now: Callable[[], datetime]) -> None:
        super().__init__(transport)
        self._now = now

    async def preview(self, subscription_id: str) -> UpcomingInvoice:
        """The invoice of the current period as it stands at this moment; nothing is stored.

        Raises NotFoundError when there is no such subscription, or no period to come.
        """
        return await self._get(UpcomingInvoice, path("invoices", "upcoming"), {"subscription_id": subscription_id})

    async def create(
        self,
        *,
        subscription_id: str,
        customer_id: str | None = None,
        memo: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Invoice:
        """A draft of the subscription's earliest period that has no invoice yet.

        ``customer_id`` is checked against the subscription when given. Raises BadRequestError when every period that
        has begun is invoiced, NotFoundError when there is no such subscription.
        """
        body = given(subscription_id=subscription_id, memo=memo, metadata=metadata, **customer_fields(customer_id))
        return await self._post(Invoice, path("invoices"), body)

    async def get(self, invoice_id: str) -> Invoice:
        """The invoice; raises NotFoundError when there is none."""
        return await self._get(Invoice, path("invoices", invoice_id))

    def list(
        self,
        *,
        customer_id: str | None = None,
        subscription_id: str | None = None,
        status: InvoiceStatus | Sequence[InvoiceStatus] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AsyncPages[Invoice]:
        """The invoices of the account, a customer or a subscription, newest first, ``limit`` (1 to 100) a page.

        Drafts and void ones are listed only when ``status`` asks for them.
        """
        query: dict[str, QueryValue] = {**customer_fields(customer_id), **given(subscription_id=subscription_id)}
        if status is not None:
            query["status[]"] = [status] if isinstance(status, str) else [*status]
        return self._list(Page[Invoice], path("invoices"), limit=limit, cursor=cursor, query=query)

    async def finalize(self, invoice_id: str) -> Invoice:
        """The draft, issued: from now on nothing in it changes. Raises BadRequestError when it is no draft."""
        return await self._post(Invoice, path("invoices", invoice_id, "issue"))

    async def pay(
        self,
        invoice_id: str,
        *,
        received_date: date | None = None,
        external_id: str | None = None,
        notes: str | None = None,
    ) -> Invoice:
        """The issued invoice, marked as paid on a day (today in UTC); no money moves.

        ``external_id`` is the payment's name elsewhere. Raises BadRequestError when the invoice is not issued.
        """
        day = self._now().astimezone(UTC).date() if received_date is None else received_date
        body = given(payment_received_date=day.isoformat(), external_id=external_id, notes=notes)
        return await self._post(Invoice, path("invoices", invoice_id, "mark_paid"), body)

    async def void(self, invoice_id: str) -> Invoice:
        """The issued invoice, no longer owed; it is kept. Raises BadRequestError when it is not issued."""
        return await self._post(Invoice, path("invoices", invoice_id, "void"))

    async def get_pdf_url(self, invoice_id: str) -> str:
        """A link to the invoice as PDF that works without a key for a limited time; the PDF is made when missing."""
        return (await self._get(DocumentUrl, path("invoices", invoice_id, "pdf"))).url

    async def get_pdf(self, invoice_id: str) -> bytes:
        """The invoice as PDF, fetched over this client's connections: an embedded server has no other address.

        Raises UnexpectedAnswerError when the server keeps its documents elsewhere; the link of ``get_pdf_url`` works.
        """
        link = urlsplit(await self.get_pdf_url(invoice_id))
        _, found, document = link.path.partition(DOCUMENTS)
        if not found:
            raise UnexpectedAnswerError(f"the PDF is kept at {link.hostname}, fetch its link", status=200)
        request = Request(method="GET", path=DOCUMENTS + document, query=dict(parse_qsl(link.query)))
        return (await self._transport.send(request)).body
