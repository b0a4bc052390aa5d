"""An invoice as a PDF: the words and figures are chosen here, the look is the template's."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
import typst
from babel.dates import format_date
from babel.numbers import get_currency_symbol

from orbdo_sdk.wire import Invoice, LineItem, TierCharge, plain
from orbdo_server.core.money import minor_digits
from orbdo_server.core.sealing import Buyer
from orbdo_server.storage.documents import Documents

TEMPLATE = Path(__file__).parent / "templates" / "invoice.typ"
LOCALE = "en_US"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
NEXT_TO_NOTHING = timedelta(microseconds=1)
EN_DASH = "\N{EN DASH}"

_compiling = Lock()


def invoice_pdf(
    documents: Documents, *, tenant: str, invoice: Invoice, buyer: Buyer, timezone: str, seller: str
) -> str:
    """The path of the invoice's PDF, rendered when it is asked for the first time.

    The path contains a hash of all that is shown, so that a PDF is never out of date.
    """
    content = msgspec.json.encode(describe(invoice, buyer=buyer, timezone=timezone, seller=seller))
    # The id of an agent may be a path, or look like one.
    folder = quote(tenant, safe="")
    path = f"{folder}/invoices/{invoice.id}-{hashlib.sha256(content).hexdigest()[:16]}.pdf"
    if documents.get(path) is None:
        documents.put(path, render_pdf(content, created_at=invoice.issued_at or invoice.created_at))
    return path


def render_pdf(content: bytes, *, created_at: datetime) -> bytes:
    """The PDF of what ``describe`` says, as JSON: the same bytes each time, for its fonts come with typst."""
    with _compiling:
        pdf = _compiler().compile(
            TEMPLATE,
            format="pdf",
            sys_inputs={"invoice": content.decode()},
            timestamp=int(created_at.timestamp()),
        )
    assert isinstance(pdf, bytes), "one document is one file"
    return pdf


def describe(invoice: Invoice, *, buyer: Buyer, timezone: str, seller: str) -> dict[str, Any]:
    """What the template shows, all of it text."""
    zone = ZoneInfo(timezone)
    number = invoice.invoice_number or "Draft"
    return {
        "title": f"Invoice {number}",
        "seller": seller,
        "status": invoice.status,
        "buyer": _buyer(buyer, invoice),
        "facts": _facts(invoice, number, zone),
        "groups": _groups(invoice, zone),
        "totals": [
            {"name": "Subtotal", "value": _money(invoice.subtotal, invoice.currency), "strong": False},
            {"name": "Total", "value": _money(invoice.total, invoice.currency), "strong": False},
            {"name": "Amount due", "value": _money(invoice.amount_due, invoice.currency), "strong": True},
        ],
        "memo": invoice.memo or "",
        "footer": f"{seller} · Invoice {number}",
        "explanation": (
            f"Each line is rounded once, to the minor unit of {invoice.currency}; tiers show exact amounts. "
            f"Computed from events up to position {invoice.as_of} of the log, inputs {invoice.input_hash[:16]}."
        ),
    }


def _buyer(buyer: Buyer, invoice: Invoice) -> list[str]:
    address = invoice.billing_address
    lines = [buyer.name, buyer.email]
    if address is not None:
        town = " ".join(part for part in (address.postal_code, address.city, address.state) if part)
        lines += [part for part in (address.line1, address.line2, town, address.country) if part]
    tax_id = buyer.details.get("tax_id")
    return [*lines, f"Tax id {tax_id['value']}"] if tax_id else lines


def _facts(invoice: Invoice, number: str, zone: ZoneInfo) -> list[dict[str, str]]:
    facts = [
        ("Number", number),
        ("Issued", _day(invoice.issued_at, zone) if invoice.issued_at else "not yet"),
        ("Period", _period(invoice.period_start, invoice.period_end, zone)),
    ]
    if invoice.due_date is not None:
        facts.append(("Due", _day(invoice.due_date, zone)))
    if invoice.paid_at is not None:
        facts.append(("Paid", _day(invoice.paid_at, zone)))
    return [{"name": name, "value": value} for name, value in facts]


def _groups(invoice: Invoice, zone: ZoneInfo) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in invoice.line_items:
        groups.setdefault(line.price.item.name, []).append(_line(line, invoice.currency, zone))
    return [{"name": name, "lines": lines} for name, lines in groups.items()]


def _line(line: LineItem, currency: str, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "name": line.name,
        "period": _period(line.start_date, line.end_date, zone),
        "quantity": _quantity(line.quantity),
        "rate": _money(line.breakdown[0].unit_amount, currency) if len(line.breakdown) == 1 else "",
        "amount": _money(line.amount, currency),
        "tiers": _tiers(line.breakdown, currency) if len(line.breakdown) > 1 else [],
    }


def _tiers(breakdown: Sequence[TierCharge], currency: str) -> list[dict[str, str]]:
    return [
        {
            "name": _tier_name(tier),
            "quantity": _quantity(tier.quantity),
            "rate": _tier_rate(tier, currency),
            "amount": _money(tier.amount, currency),
        }
        for tier in breakdown
    ]


def _tier_rate(tier: TierCharge, currency: str) -> str:
    rate = _money(tier.unit_amount, currency)
    return f"{rate} + {_money(tier.flat_amount, currency)}" if tier.flat_amount else rate


def _tier_name(tier: TierCharge) -> str:
    start = _quantity(tier.first_unit)
    return f"above {start}" if tier.last_unit is None else f"above {start} to {_quantity(tier.last_unit)}"


def _money(amount: Decimal, currency: str) -> str:
    """The amount with as many digits as it has, and no fewer than the currency's.

    They are those of ISO 4217: Babel's are of daily use, where a dinar of Iraq has no fils any more.
    """
    digits = max(minor_digits(currency), len(plain(amount).partition(".")[2]))
    symbol = get_currency_symbol(currency, locale=LOCALE)
    sign = "-" if amount < 0 else ""
    # $12.00 and R$12.00, but CHF 12.00 and Cg. 12.00
    space = NO_BREAK_SPACE if symbol[-1].isalpha() or symbol[-1] == "." else ""
    return f"{sign}{symbol}{space}{amount.copy_abs():,.{digits}f}"


def _quantity(quantity: Decimal) -> str:
    return f"{Decimal(plain(quantity)):,f}"


def _period(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """The days of a half-open period as people write them, the last one included."""
    return f"{_day(start, zone)} {EN_DASH} {_day(end - NEXT_TO_NOTHING, zone)}"


def _day(instant: datetime, zone: ZoneInfo) -> str:
    return format_date(instant.astimezone(zone).date(), format="d MMM y", locale=LOCALE)


@cache
def _compiler() -> typst.Compiler:
    return typst.Compiler(TEMPLATE, root=TEMPLATE.parent, font_paths=[], ignore_system_fonts=True)
