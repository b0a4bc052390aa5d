"""What stands on an invoice, word by word, and that its PDF is made once and always the same."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from orbdo_sdk.wire import (
    Address,
    BillingCycleConfiguration,
    CustomerMinified,
    Invoice,
    ItemSlim,
    LineItem,
    SubscriptionMinified,
    TierCharge,
    UnitConfig,
    UnitPrice,
)
from orbdo_server.core.sealing import Buyer
from orbdo_server.engine.invoice_document import describe, invoice_pdf, render_pdf
from orbdo_server.storage.documents import Documents

NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)
BUYER = Buyer(name="Ada", email="ada@example.com", details={})
NBSP = "\N{NO-BREAK SPACE}"


def tier(
    quantity: str, rate: str, amount: str, *, above: str = "0", to: str | None = None, flat: str = "0"
) -> TierCharge:
    """A tier as a line lists it."""
    return TierCharge(
        first_unit=Decimal(above),
        last_unit=None if to is None else Decimal(to),
        quantity=Decimal(quantity),
        unit_amount=Decimal(rate),
        flat_amount=Decimal(flat),
        amount=Decimal(amount),
    )


def line(name: str, quantity: str, amount: str, *tiers: TierCharge, item: str = "Tokens", number: int = 0) -> LineItem:
    """A line of November 2023."""
    price = UnitPrice(
        id=f"price_{number}",
        name=name,
        item=ItemSlim(id=f"item_{item}", name=item),
        currency="USD",
        cadence="monthly",
        price_type="usage_price",
        billing_mode="in_arrear",
        billing_cycle_configuration=BillingCycleConfiguration(duration=1, duration_unit="month"),
        created_at=NOVEMBER,
        unit_config=UnitConfig(unit_amount=Decimal(1)),
    )
    money = Decimal(amount)
    return LineItem(
        id=f"line_{number}",
        name=name,
        price=price,
        quantity=Decimal(quantity),
        start_date=NOVEMBER,
        end_date=DECEMBER,
        amount=money,
        exact_amount=money,
        subtotal=money,
        adjusted_subtotal=money,
        credits_applied=Decimal(0),
        partially_invoiced_amount=money,
        breakdown=list(tiers),
    )


def invoice(*lines: LineItem, currency: str = "USD", total: str = "0.00", **more: Any) -> Invoice:
    """An invoice of November 2023."""
    fields: dict[str, Any] = {
        "id": "inv_1",
        "status": "issued",
        "customer": CustomerMinified(id="cus_ada", external_customer_id="ada"),
        "subscription": SubscriptionMinified(id="sub_ada"),
        "created_at": DECEMBER,
        "invoice_number": "INV-000007",
        "period_start": NOVEMBER,
        "period_end": DECEMBER,
        "as_of": 8819,
        "input_hash": "0123456789abcdef" * 4,
        "issued_at": DECEMBER,
        "invoice_date": DECEMBER,
        **more,
    }
    amount = Decimal(total)
    return Invoice(
        currency=currency, line_items=list(lines), subtotal=amount, total=amount, amount_due=amount, **fields
    )


def described(shown: Invoice, *, buyer: Buyer = BUYER, timezone: str = "UTC") -> dict[str, Any]:
    """What the page says."""
    return describe(shown, buyer=buyer, timezone=timezone, seller="Example Ltd")


PLAIN_INVOICE = {
    "title": "Invoice INV-000007",
    "seller": "Example Ltd",
    "status": "issued",
    "buyer": ["Ada", "ada@example.com"],
    "facts": [
        {"name": "Number", "value": "INV-000007"},
        {"name": "Issued", "value": "1 Dec 2023"},
        {"name": "Period", "value": "1 Nov 2023 \N{EN DASH} 30 Nov 2023"},
        {"name": "Due", "value": "31 Dec 2023"},
    ],
    "groups": [
        {
            "name": "Tokens",
            "lines": [
                {
                    "name": "Tokens",
                    "period": "1 Nov 2023 \N{EN DASH} 30 Nov 2023",
                    "quantity": "1,500,000",
                    "rate": "$0.0000018",
                    "amount": "$2.75",
                    "tiers": [],
                }
            ],
        }
    ],
    "totals": [
        {"name": "Subtotal", "value": "$2.75", "strong": False},
        {"name": "Total", "value": "$2.75", "strong": False},
        {"name": "Amount due", "value": "$2.75", "strong": True},
    ],
    "memo": "Thank you",
    "footer": "Example Ltd \N{MIDDLE DOT} Invoice INV-000007",
    "explanation": (
        "Each line is rounded once, to the minor unit of USD; tiers show exact amounts. "
        "Computed from events up to position 8819 of the log, inputs 0123456789abcdef."
    ),
}


def test_an_invoice_says_what_it_is() -> None:
    """Every text of a plain invoice of one line."""
    shown = invoice(
        line("Tokens", "1500000", "2.75", tier("1500000", "0.0000018", "2.7")),
        total="2.75",
        due_date=datetime(2023, 12, 31, tzinfo=UTC),
        memo="Thank you",
    )
    assert described(shown) == PLAIN_INVOICE


def test_a_draft_is_called_one() -> None:
    """It has no number and was not issued."""
    page = described(invoice(status="draft", invoice_number="", issued_at=None))
    assert page["title"] == "Invoice Draft"
    assert page["facts"][:2] == [{"name": "Number", "value": "Draft"}, {"name": "Issued", "value": "not yet"}]


def test_a_paid_invoice_says_when() -> None:
    """The day is that of the customer's calendar."""
    shown = invoice(status="paid", paid_at=datetime(2023, 12, 9, 23, 30, tzinfo=UTC))
    assert described(shown)["facts"][-1] == {"name": "Paid", "value": "9 Dec 2023"}
    assert described(shown, timezone="Europe/Berlin")["facts"][-1] == {"name": "Paid", "value": "10 Dec 2023"}


def test_a_period_ends_with_its_last_day() -> None:
    """Half-open for machines, inclusive for people, in the customer's zone."""
    shown = invoice(
        period_start=datetime(2023, 10, 31, 23, tzinfo=UTC), period_end=datetime(2023, 11, 30, 23, tzinfo=UTC)
    )
    page = described(shown, timezone="Europe/Berlin")
    assert page["facts"][2]["value"] == "1 Nov 2023 \N{EN DASH} 30 Nov 2023"


def test_tiers_are_listed_with_exact_amounts() -> None:
    """One tier is the line's own rate; more are lines of their own, with what entering one costs."""
    tiers = (
        tier("1000000", "0.000002", "2.000000", to="1000000"),
        tier("4000000", "0.0000015", "7.000000", above="1000000", to="5000000", flat="1.00"),
        tier("70187", "0.000001", "0.070187", above="5000000"),
    )
    [group] = described(invoice(line("Tokens", "5070187", "9.07", *tiers)))["groups"]
    assert group["lines"][0]["rate"] == ""
    assert group["lines"][0]["tiers"] == [
        {"name": "above 0 to 1,000,000", "quantity": "1,000,000", "rate": "$0.000002", "amount": "$2.00"},
        {
            "name": "above 1,000,000 to 5,000,000",
            "quantity": "4,000,000",
            "rate": "$0.0000015 + $1.00",
            "amount": "$7.00",
        },
        {"name": "above 5,000,000", "quantity": "70,187", "rate": "$0.000001", "amount": "$0.070187"},
    ]


def test_lines_are_grouped_by_what_was_sold() -> None:
    """Groups and lines keep the order of the invoice."""
    lines = [line("a", "1", "1.00", item="Seats"), line("b", "1", "1.00"), line("c", "1", "1.00", item="Seats")]
    groups = described(invoice(*lines))["groups"]
    assert [(group["name"], [shown["name"] for shown in group["lines"]]) for group in groups] == [
        ("Seats", ["a", "c"]),
        ("Tokens", ["b"]),
    ]


@pytest.mark.parametrize(
    ("currency", "amount", "text"),
    [
        ("USD", "0.00", "$0.00"),
        ("USD", "-12.30", "-$12.30"),
        ("USD", "1234567.89", "$1,234,567.89"),
        ("EUR", "1E+3", "\N{EURO SIGN}1,000.00"),
        ("JPY", "1200", "\N{YEN SIGN}1,200"),
        ("KWD", "1.500", f"KWD{NBSP}1.500"),
        ("IQD", "1234.568", f"IQD{NBSP}1,234.568"),
        ("CLF", "1.2345", f"CLF{NBSP}1.2345"),
        ("CHF", "12", f"CHF{NBSP}12.00"),
        ("BRL", "12", "R$12.00"),
        ("XCG", "12", f"Cg.{NBSP}12.00"),
        ("USD", "123456789012345678901234567890123456.78", "$123,456,789,012,345,678,901,234,567,890,123,456.78"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(currency: str, amount: str, text: str) -> None:
    """Those of ISO 4217, however many digits stand before the point; letters keep a space."""
    page = described(invoice(currency=currency, total=amount))
    assert [total["value"] for total in page["totals"]] == [text] * 3


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("0", "0"),
        ("2.500", "2.5"),
        ("1E+3", "1,000"),
        ("-3", "-3"),
        ("0.00000000000000000001", "0.00000000000000000001"),
        ("12345678901234567890123456789012345678.5", "12,345,678,901,234,567,890,123,456,789,012,345,678.5"),
    ],
)
def test_quantities_are_shown_in_full(quantity: str, text: str) -> None:
    """No digit is dropped and none is added."""
    [group] = described(invoice(line("Tokens", quantity, "1.00")))["groups"]
    assert group["lines"][0]["quantity"] == text


def test_a_rate_is_shown_in_full() -> None:
    """Rounding a rate would make the line wrong for whoever multiplies."""
    [group] = described(invoice(line("Tokens", "1", "0.00", tier("1", "0.00000000000000000001", "0"))))["groups"]
    assert group["lines"][0]["rate"] == "$0.00000000000000000001"


def test_the_buyer_has_an_address() -> None:
    """Parts that are missing leave no gap."""
    buyer = Buyer(name="Ada", email="a@example.com", details={"tax_id": {"value": "DE123"}})
    full = Address(country="DE", city="Berlin", line1="Weg 1", line2="Hof", postal_code="10115", state="BE")
    assert described(invoice(billing_address=full), buyer=buyer)["buyer"] == [
        "Ada",
        "a@example.com",
        "Weg 1",
        "Hof",
        "10115 Berlin BE",
        "DE",
        "Tax id DE123",
    ]
    short = Address(country="DE", city=None, line1=None, line2=None, postal_code=None, state=None)
    assert described(invoice(billing_address=short))["buyer"] == ["Ada", "ada@example.com", "DE"]


def content(shown: Invoice) -> bytes:
    """What the page says, as the template takes it."""
    return msgspec.json.encode(described(shown))


def test_a_pdf_is_the_same_bytes_each_time() -> None:
    """Neither a clock nor a font of the machine goes into it."""
    shown = content(invoice(line("Tokens", "1", "1.00", tier("1", "1", "1"))))
    first = render_pdf(shown, created_at=DECEMBER)
    assert first.startswith(b"%PDF-")
    assert render_pdf(shown, created_at=DECEMBER) == first


def test_what_people_write_is_text_to_the_template() -> None:
    """Markup in a name is shown, not run."""
    names = ["#panic()", "*bold* $x$ [", "\\u{1F600}", '"; #read("/etc/passwd")', "\N{SNOWMAN}" * 50]
    lines = [line(name, "1", "1.00", number=number) for number, name in enumerate(names)]
    assert render_pdf(content(invoice(*lines, memo="#image(1)")), created_at=DECEMBER).startswith(b"%PDF-")


def test_a_long_invoice_is_several_pages() -> None:
    """Five hundred lines of three tiers each."""
    tiers = (tier("1", "1", "1", to="1"), tier("1", "2", "2", above="1", to="2"), tier("1", "3", "3", above="2"))
    lines = [line(f"Line {number}", "3", "6.00", *tiers, number=number) for number in range(500)]
    pdf = render_pdf(content(invoice(*lines, total="3000.00")), created_at=DECEMBER)
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 100_000


def test_a_pdf_is_rendered_once() -> None:
    """The second time it is found under its path."""
    documents = Documents("memory:///")
    shown = invoice(line("Tokens", "1", "1.00"))

    def path(changed: Invoice, *, tenant: str = "main", buyer: Buyer = BUYER) -> str:
        return invoice_pdf(documents, tenant=tenant, invoice=changed, buyer=buyer, timezone="UTC", seller="Example Ltd")

    first = path(shown)
    kept = documents.get(first)
    assert first.startswith("main/invoices/inv_1-")
    assert kept is not None
    documents.put(first, b"found")
    assert path(shown) == first
    assert documents.get(first) == b"found"


def test_another_content_has_another_path() -> None:
    """Whatever is shown is part of the path, so that no link leads to a page that is out of date."""
    documents = Documents("memory:///")
    renamed = msgspec.structs.replace(BUYER, name="Ada L.")
    changes: list[tuple[str, Invoice, Buyer]] = [
        ("main", invoice(), BUYER),
        ("main", invoice(status="paid", paid_at=DECEMBER), BUYER),
        ("main", invoice(memo="Hello"), BUYER),
        ("main", invoice(), renamed),
        ("main:agent", invoice(), BUYER),
    ]
    paths = {
        invoice_pdf(documents, tenant=tenant, invoice=shown, buyer=buyer, timezone="UTC", seller="Example Ltd")
        for tenant, shown, buyer in changes
    }
    assert len(paths) == len(changes)


def test_an_agent_that_is_called_like_a_path_stays_in_its_folder() -> None:
    """The id of an agent is somebody else's text."""
    documents = Documents("memory:///")
    path = invoice_pdf(
        documents, tenant="main:a/../../b", invoice=invoice(), buyer=BUYER, timezone="UTC", seller="Example Ltd"
    )
    assert path.startswith("main%3Aa%2F..%2F..%2Fb/invoices/inv_1-")
    assert documents.get(path) is not None
