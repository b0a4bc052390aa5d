"""Invoices as the client asks for them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from orbdo_sdk import UnexpectedAnswerError
from orbdo_sdk.client._settings import utc_now
from tests.support.answers import AT, CUSTOMER_ID, INVOICE, UPCOMING, page
from tests.support.door import Asked, Door, async_orb

pytestmark = pytest.mark.anyio


async def test_a_preview_is_the_upcoming_invoice(door: Door) -> None:
    """It is asked for by subscription and has no invoice date yet."""
    door.tell(UPCOMING)
    async with async_orb(door) as orb:
        preview = await orb.invoices.preview("sub_1")
    assert (preview.total, preview.target_date) == (Decimal("9.07"), datetime(2026, 2, 1, tzinfo=UTC))
    assert door.asked == [Asked("GET", "/v1/invoices/upcoming", query=(("subscription_id", "sub_1"),))]


async def test_a_draft_is_made_for_a_subscription(door: Door) -> None:
    """The customer is named by either id, and may be left out."""
    door.tell(INVOICE)
    door.tell(INVOICE)
    async with async_orb(door) as orb:
        draft = await orb.invoices.create(customer_id="acme", subscription_id="sub_1")
        await orb.invoices.create(subscription_id="sub_1", memo="Thank you", metadata={"team": "core"})
    assert (draft.id, draft.status) == ("inv_1", "draft")
    assert door.asked == [
        Asked("POST", "/v1/invoices", body={"subscription_id": "sub_1", "external_customer_id": "acme"}),
        Asked(
            "POST",
            "/v1/invoices",
            body={"subscription_id": "sub_1", "memo": "Thank you", "metadata": {"team": "core"}},
        ),
    ]


async def test_an_invoice_goes_from_draft_to_paid_or_void(door: Door) -> None:
    """Finalizing issues it; voiding and paying have addresses of their own."""
    for status in ("draft", "issued", "paid", "void"):
        door.tell({**INVOICE, "status": status})
    async with async_orb(door) as orb:
        assert (await orb.invoices.get("inv_1")).status == "draft"
        assert (await orb.invoices.finalize("inv_1")).status == "issued"
        paid = await orb.invoices.pay("inv_1", received_date=date(2026, 2, 3), external_id="wire-7", notes="by wire")
        assert paid.status == "paid"
        assert (await orb.invoices.void("inv_1")).status == "void"
    assert door.asked == [
        Asked("GET", "/v1/invoices/inv_1"),
        Asked("POST", "/v1/invoices/inv_1/issue", body={}),
        Asked(
            "POST",
            "/v1/invoices/inv_1/mark_paid",
            body={"payment_received_date": "2026-02-03", "external_id": "wire-7", "notes": "by wire"},
        ),
        Asked("POST", "/v1/invoices/inv_1/void", body={}),
    ]


async def test_a_payment_is_received_today_unless_told_otherwise(door: Door) -> None:
    """The day is that of the machine's clock in UTC."""
    door.tell({**INVOICE, "status": "paid"})
    before = utc_now().date()
    async with async_orb(door) as orb:
        await orb.invoices.pay("inv_1")
    received = date.fromisoformat(door.asked[0].body["payment_received_date"])
    assert before <= received <= utc_now().date()


async def test_invoices_are_listed_by_whose_they_are_and_how_they_stand(door: Door) -> None:
    """One status or several, under the array name that the wire has for them."""
    door.tell(page(INVOICE, next_cursor="c2"))
    door.tell(page())
    door.tell(page())
    door.tell(page())
    async with async_orb(door) as orb:
        listed = orb.invoices.list(customer_id=CUSTOMER_ID, subscription_id="sub_1", status=["draft", "void"])
        assert [invoice.id async for invoice in listed] == ["inv_1"]
        assert [invoice async for invoice in orb.invoices.list(customer_id="acme", status="paid", limit=1)] == []
        assert [invoice async for invoice in orb.invoices.list()] == []
    both = (("customer_id", CUSTOMER_ID), ("subscription_id", "sub_1"), ("status[]", "draft"), ("status[]", "void"))
    assert [asked.query for asked in door.asked] == [
        both,
        (*both, ("cursor", "c2")),
        (("external_customer_id", "acme"), ("status[]", "paid"), ("limit", "1")),
        (),
    ]


async def test_the_pdf_has_a_link(door: Door) -> None:
    """The link is a plain string, good without a key."""
    door.tell({"url": "https://orb.test/documents/inv_1?signature=s", "expires_at": "2026-02-01T00:10:00Z"})
    async with async_orb(door) as orb:
        assert await orb.invoices.get_pdf_url("inv_1") == "https://orb.test/documents/inv_1?signature=s"
    assert door.asked == [Asked("GET", "/v1/invoices/inv_1/pdf")]


async def test_the_pdf_is_fetched_over_the_clients_own_connection(door: Door) -> None:
    """Whatever the server thinks its own address is."""
    door.tell({"url": "http://behind.proxy/billing/documents/a%20b.pdf?expires=7&signature=s", "expires_at": AT})
    door.tell("the bytes")
    async with async_orb(door) as orb:
        assert await orb.invoices.get_pdf("inv_1") == b'"the bytes"'
    assert door.asked == [
        Asked("GET", "/v1/invoices/inv_1/pdf"),
        Asked("GET", "/documents/a%20b.pdf", query=(("expires", "7"), ("signature", "s"))),
    ]


async def test_a_pdf_that_is_kept_elsewhere_is_not_fetched(door: Door) -> None:
    """The key would go to somebody it is none of the business of."""
    door.tell({"url": "https://bucket.test/a.pdf?signature=s", "expires_at": AT})
    async with async_orb(door) as orb:
        with pytest.raises(UnexpectedAnswerError, match=r"kept at bucket\.test"):
            await orb.invoices.get_pdf("inv_1")
    assert len(door.asked) == 1
