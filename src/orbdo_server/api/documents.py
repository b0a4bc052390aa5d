"""Invoices as PDF behind signed links: whoever has the link may read until it expires, without a key.

Links are authenticated and bound to their document and time, as requirement D8 of the project's security notes asks.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote, unquote, urlencode

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orbdo_sdk.wire import DocumentUrl
from orbdo_server.api.endpoints import Call, Endpoint, NoBody, NoQuery
from orbdo_server.api.invoices import answer_invoice
from orbdo_server.engine.invoice_document import invoice_pdf
from orbdo_server.engine.invoicing import require_invoice, view_invoice
from orbdo_server.engine.stores import Stores
from orbdo_server.errors import NotFoundError
from orbdo_server.identifiers import utc_now

EXPIRES_CHARACTERS_MAX = 12


def link_invoice(call: Call[NoBody, NoQuery]) -> DocumentUrl:
    """A link to the invoice as a PDF, which is rendered when it is asked for the first time."""
    view = view_invoice(call.transaction, call.stores.log, require_invoice(call.transaction, call.path["invoice_id"]))
    path = invoice_pdf(
        call.stores.documents,
        tenant=call.tenant,
        invoice=answer_invoice(call, view),
        buyer=view.buyer,
        timezone=view.content.inputs.terms.timeline.timezone,
        seller=call.stores.settings.seller_name,
    )
    return signed_url(
        secret=call.stores.signing_secret,
        base_url=call.base_url,
        path=path,
        now=call.now,
        lifetime=timedelta(seconds=call.stores.settings.document_link_seconds),
    )


def signed_url(*, secret: bytes, base_url: str, path: str, now: datetime, lifetime: timedelta) -> DocumentUrl:
    """A link to the document at ``path`` that works until ``now + lifetime``."""
    expires_at = now + lifetime
    expires = str(int(expires_at.timestamp()))
    query = urlencode({"expires": expires, "signature": _sign(secret, path, expires)})
    return DocumentUrl(url=f"{base_url}/documents/{quote(path)}?{query}", expires_at=expires_at.replace(microsecond=0))


def is_valid(*, secret: bytes, path: str, expires: str, signature: str, now: datetime) -> bool:
    """Whether a link was signed by this server for this path and has not expired."""
    if not (expires.isascii() and expires.isdigit() and len(expires) <= EXPIRES_CHARACTERS_MAX):
        return False
    genuine = hmac.compare_digest(_sign(secret, path, expires).encode(), signature.encode())
    return genuine and now.timestamp() < int(expires)


def route(stores: Stores, limiter: CapacityLimiter) -> Route:
    """The route that answers signed links; a changed or expired one is answered as if there were no document."""

    async def answer(request: Request) -> Response:
        path = unquote(request.path_params["path"])
        query = request.query_params
        expires, signature = query.get("expires", ""), query.get("signature", "")
        nowhere = NotFoundError("There is no such document.")
        if not is_valid(secret=stores.signing_secret, path=path, expires=expires, signature=signature, now=utc_now()):
            raise nowhere
        content = await to_thread.run_sync(stores.documents.get, path, limiter=limiter)
        if content is None:
            raise nowhere
        headers = {"Content-Disposition": f'inline; filename="{path.rpartition("/")[2]}"'}
        return Response(content, status_code=HTTPStatus.OK, headers=headers, media_type="application/pdf")

    return Route("/documents/{path:path}", answer)


def _sign(secret: bytes, path: str, expires: str) -> str:
    return hmac.new(secret, b"\0".join((b"document", path.encode(), expires.encode())), hashlib.sha256).hexdigest()


ENDPOINTS = (
    Endpoint(
        "GET",
        "/invoices/{invoice_id}/pdf",
        link_invoice,
        "invoices:read",
        "Make a link to an invoice as a PDF.",
        DocumentUrl,
        tag="invoices",
    ),
)
