# Made from tests/sdk/client/resources/test_invoices.py by scripts/unasync.py: change that file and run it.
"""Invoices as the client asks for them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from orbdo_sdk import UnexpectedAnswerError
from orbdo_sdk.client._settings import utc_now
from tests.support.answers import AT, CUSTOMER_ID, INVOICE, UPCOMING, page
from tests.support.door import Asked, Door, sync_orb


def test_a_preview_is_the_upcoming_invoice(door: Door) -> None:
    """It is asked for by subscription and has no invoice date yet."""
    door.tell(UPCOMING)
    with sync_orb(door) as orb:
        preview = orb.invoices.preview("sub_1")
    assert (preview.total, preview.target_date) == (Decimal("9.07"), datetime(2026, 2, 1, tzinfo=UTC))
    assert door.asked == [Asked("GET", "/v1/invoices/upcoming", query=(("subscription_id", "sub_1"),))]


def test_a_draft_is_made_for_a_subscription(door: Door) -> None:
    """The customer is named by either id, and may be left out."""
    door.tell(INVOICE)
    door.tell(INVOICE)
    with sync_orb(door) as orb:
        draft = orb.invoices.create(customer_id="acme", subscription_id="sub_1")
        orb.invoices.create(subscription_id="sub_1", memo="Thank you", metadata={"team": "core"})
    assert (draft.id, draft.status) == ("inv_1", "draft")
    assert door.asked == [
        Asked("POST", "/v1/invoices", body={"subscription_id": "sub_1", "external_customer_id": "acme"}),
        Asked(
            "POST",
            "/v1/invoices",
            body={"subscription_id": "sub_1", "memo": "Thank you", "metadata": {"team": "core"}},
        ),
    ]


def test_an_invoice_goes_from_draft_to_paid_or_void(door: Door) -> None:
    """Finalizing issues it; voiding and paying have addresses of their own."""
    for status in ("draft", "issued", "paid", "void"):
        door.tell({**INVOICE, "status": status})
    with sync_orb(door) as orb:
        assert (orb.invoices.get("inv_1")).status == "draft"
        assert (orb.invoices.finalize("inv_1")).status == "issued"
        paid = orb.invoices.pay("inv_1", received_date=date(2026, 2, 3), external_id="wire-7", notes="by wire")
        assert paid.status == "paid"
        assert (orb.invoices.void("inv_1")).status == "void"
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


def test_a_payment_is_received_today_unless_told_otherwise(door: Door) -> None:
    """The day is that of the machine's clock in UTC."""
    door.tell({**INVOICE, "status": "paid"})
    before = utc_now().date()
    with sync_orb(door) as orb:
        orb.invoices.pay("inv_1")
    received = date.fromisoformat(door.asked[0].body["payment_received_date"])
    assert before <= received <= utc_now().date()


def test_invoices_are_listed_by_whose_they_are_and_how_they_stand(door: Door) -> None:
    """One status or several, under the array name that the wire has for them."""
    door.tell(page(INVOICE, next_cursor="c2"))
    door.tell(page())
    door.tell(page())
    door.tell(page())
    with sync_orb(door) as orb:
        listed = orb.invoices.list(customer_id=CUSTOMER_ID, subscription_id="sub_1", status=["draft", "void"])
        assert [invoice.id for invoice in listed] == ["inv_1"]
        assert list(orb.invoices.list(customer_id="acme", status="paid", limit=1)) == []
        assert list(orb.invoices.list()) == []
    both = (("customer_id", CUSTOMER_ID), ("subscription_id", "sub_1"), ("status[]", "draft"), ("status[]", "void"))
    assert [asked.query for asked in door.asked] == [
        both,
        (*both, ("cursor", "c2")),
        (("external_customer_id", "acme"), ("status[]", "paid"), ("limit", "1")),
        (),
    ]


def test_the_pdf_has_a_link(door: Door) -> None:
    """The link is a plain string, good without a key."""
    door.tell({"url": "https://orb.test/documents/inv_1?signature=s", "expires_at": "2026-02-01T00:10:00Z"})
    with sync_orb(door) as orb:
        assert orb.invoices.get_pdf_url("inv_1") == "https://orb.test/documents/inv_1?signature=s"
    assert door.asked == [Asked("GET", "/v1/invoices/inv_1/pdf")]


def test_the_pdf_is_fetched_over_the_clients_own_connection(door: Door) -> None:
    """Whatever the server thinks its own address is."""
    door.tell({"url": "http://behind.proxy/billing/documents/a%20b.pdf?expires=7&signature=s", "expires_at": AT})
    door.tell("the bytes")
    with sync_orb(door) as orb:
        assert orb.invoices.get_pdf("inv_1") == b'"the bytes"'
    assert door.asked == [
        Asked("GET", "/v1/invoices/inv_1/pdf"),
        Asked("GET", "/documents/a%20b.pdf", query=(("expires", "7"), ("signature", "s"))),
    ]


def test_a_pdf_that_is_kept_elsewhere_is_not_fetched(door: Door) -> None:
    """The key would go to somebody it is none of the business of."""
    door.tell({"url": "https://bucket.test/a.pdf?signature=s", "expires_at": AT})
    with sync_orb(door) as orb, pytest.raises(UnexpectedAnswerError, match=r"kept at bucket\.test"):
        orb.invoices.get_pdf("inv_1")
    assert len(door.asked) == 1
