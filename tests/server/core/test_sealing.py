"""Seals: bytes that any version writes alike, hashes that show any change, and the first line that differs."""

import hashlib
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.invoices import (
    ComputedInvoice,
    InvoiceInputs,
    Line,
    Reading,
    compute_invoice,
    measurements,
    terms_for,
)
from orbdo_server.core.sealing import (
    BrokenSealError,
    Buyer,
    InvoiceContent,
    Issuance,
    Seal,
    canonical_json,
    content_hash,
    first_difference,
    open_seal,
    seal,
)
from tests.support.billing import (
    CUSTOMER,
    ITEM,
    METRIC,
    by_id,
    fixed_price,
    interval,
    month,
    timeline,
    usage_price,
    utc,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "seals" / "november.json"
GOLDEN_HASH = "221ab9f1c22099469e1362e88b1dc4d5b6a3b8ef9b84154bc80a462b9b551169"
GOLDEN_CONTENT_HASH = "faf24c60239e5cd75c9efd5e6b68822399e0fd5ca85b2916535f2dc605f5a344"

ISSUANCE = Issuance(
    invoice_id="inv_1",
    number="INV-000001",
    as_of=8_819,
    issued_at=utc(2023, 12, 2),
    due_at=utc(2024, 1, 1),
    memo=None,
)
BUYER = Buyer(name="Zoë", email="a@b", details={"b": [1, None], "a": {"city": "Århus"}})


def november(quantity: str = "6070187.000", events: int = 2_940) -> InvoiceContent:
    """Ada's invoice of November: usage for the month, and a seat for half of it."""
    terms = terms_for(
        customer=CUSTOMER.ref,
        timeline=timeline(interval(), interval("price_seats", utc(2023, 11, 16))),
        period=month(2023, 11),
        currency="USD",
        prices=by_id(usage_price(), fixed_price()),
        metric_sql={METRIC.id: METRIC.sql},
        item_names={ITEM.id: ITEM.name},
    )
    (asked,) = measurements(terms)
    inputs = InvoiceInputs(terms, {asked.line_id: Reading(Decimal(quantity), events, 1)})
    return InvoiceContent(inputs, compute_invoice(inputs))


def golden() -> Seal:
    """The seal as it was written once and must be readable for ever."""
    return Seal(document=GOLDEN.read_bytes(), hash=GOLDEN_HASH)


def test_the_golden_seal_is_written_byte_for_byte() -> None:
    """The same invoice is sealed into the same bytes and hash by every version."""
    assert seal(november(), issuance=ISSUANCE, buyer=BUYER) == golden()


def test_the_golden_seal_is_read_back() -> None:
    """A seal holds the invoice, what it was computed from, how it was issued and to whom."""
    sealed = open_seal(golden())
    assert (sealed.content, sealed.issuance, sealed.buyer) == (november(), ISSUANCE, BUYER)
    assert (sealed.format, sealed.content_hash) == (1, GOLDEN_CONTENT_HASH)


def test_the_hash_is_plain_sha_256_of_the_bytes() -> None:
    """Anyone can check a seal with the tools of any system."""
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == GOLDEN_HASH


def test_what_was_sealed_computes_to_the_same_invoice() -> None:
    """The inputs in a seal are enough to compute its invoice again."""
    content = open_seal(golden()).content
    assert compute_invoice(content.inputs) == content.invoice


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"b": 1, "a": 2}, '{"a":2,"b":1}', id="keys are sorted"),
        pytest.param(Decimal("1.50"), '"1.5"', id="trailing zeros go"),
        pytest.param(Decimal("1E+3"), '"1000"', id="no exponent"),
        pytest.param(Decimal("1.5E-7"), '"0.00000015"', id="no negative exponent"),
        pytest.param(Decimal("-0.00"), '"0"', id="zero has no sign"),
        pytest.param(utc(2023, 11, 1), '"2023-11-01T00:00:00Z"', id="an instant"),
        pytest.param(date(2023, 11, 1), '"2023-11-01"', id="a date"),
        pytest.param("Århus \u2028 <&>", '"Århus \u2028 <&>"', id="text is not escaped"),
        pytest.param((None, True, 1), "[null,true,1]", id="the rest is JSON"),
    ],
)
def test_canonical_json_is_one_way_to_write(value: object, expected: str) -> None:
    """Each kind of value has one form."""
    assert canonical_json(value).decode() == expected


@pytest.mark.parametrize(
    ("quantity", "events", "same"),
    [
        pytest.param("6070187", 2_940, True, id="the scale of a quantity does not matter"),
        pytest.param("6070188", 2_940, False, id="one more unit"),
        pytest.param("6070187", 2_941, False, id="one more event"),
    ],
)
def test_the_content_hash_covers_what_the_invoice_says(quantity: str, events: int, same: bool) -> None:
    """Equal invoices have equal hashes, and any other quantity another one."""
    assert (content_hash(november(quantity, events)) == GOLDEN_CONTENT_HASH) is same


def test_the_content_hash_does_not_depend_on_the_act_of_issuing() -> None:
    """The number, the position in the log and the buyer's address are sealed, but are not the content."""
    other = msgspec.structs.replace(ISSUANCE, number="INV-000002", as_of=9_000)
    one, two = (open_seal(seal(november(), issuance=act, buyer=BUYER)) for act in (ISSUANCE, other))
    assert one.content_hash == two.content_hash == GOLDEN_CONTENT_HASH
    assert one != two


@given(st.integers(0, len(GOLDEN.read_bytes()) - 1), st.integers(1, 255))
def test_no_byte_of_a_seal_can_change(position: int, change: int) -> None:
    """Whichever byte of the kept document is altered, the seal is broken."""
    document = bytearray(GOLDEN.read_bytes())
    document[position] ^= change
    with pytest.raises(BrokenSealError, match="hash they were sealed with"):
        open_seal(Seal(document=bytes(document), hash=GOLDEN_HASH))


def test_a_new_hash_for_altered_content_is_noticed() -> None:
    """Whoever edits an amount and recomputes the outer hash still leaves the inner one wrong."""
    document = GOLDEN.read_bytes().replace(b'"total":"14.07"', b'"total":"1.07"')
    forged = Seal(document=document, hash=hashlib.sha256(document).hexdigest())
    with pytest.raises(BrokenSealError, match="sealed content"):
        open_seal(forged)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(b'"format":1', b'"format":2', "format 2", id="of another format"),
        pytest.param(b'"format":1', b'"format":"x"', "cannot be read", id="of another shape"),
        pytest.param(b'"content"', b"content", "cannot be read", id="no JSON at all"),
    ],
)
def test_a_seal_that_is_not_understood_is_refused(old: bytes, new: bytes, message: str) -> None:
    """A seal of another format is not guessed at, even when its hash is right."""
    document = GOLDEN.read_bytes().replace(old, new)
    with pytest.raises(BrokenSealError, match=message):
        open_seal(Seal(document=document, hash=hashlib.sha256(document).hexdigest()))


def test_an_invoice_does_not_differ_from_itself() -> None:
    """Where nothing changed there is nothing to name."""
    assert first_difference(november().invoice, november("6070187").invoice) is None


def with_line(invoice: ComputedInvoice, position: int, line: Line) -> ComputedInvoice:
    """The invoice with another line in one place."""
    lines = tuple(line if index == position else old for index, old in enumerate(invoice.lines))
    return msgspec.structs.replace(invoice, lines=lines)


def test_the_first_line_that_differs_is_named() -> None:
    """A difference says which line, which field, and both values."""
    sealed = november().invoice
    changed = with_line(sealed, 1, msgspec.structs.replace(sealed.lines[1], amount=Decimal("5.010")))
    assert first_difference(sealed, changed) == (
        "line 2 (Seats, 2023-11-16T00:00:00+00:00 to 2023-12-01T00:00:00+00:00): "
        "amount was sealed as 5 and is computed as 5.01"
    )


def test_another_quantity_is_named_before_what_follows_from_it() -> None:
    """When the usage differs, the quantity is what the difference names."""
    assert first_difference(november().invoice, november("6070188").invoice) == (
        "line 1 (Tokens, 2023-11-01T00:00:00+00:00 to 2023-12-01T00:00:00+00:00): "
        "quantity was sealed as 6070187 and is computed as 6070188"
    )


def test_a_renamed_line_differs() -> None:
    """A field that is no number is shown as it is."""
    sealed = november().invoice
    changed = with_line(sealed, 0, msgspec.structs.replace(sealed.lines[0], name="Bytes"))
    assert str(first_difference(sealed, changed)).endswith("name was sealed as 'Tokens' and is computed as 'Bytes'")


def test_a_missing_and_an_added_line_differ() -> None:
    """A line that is on one of the two only is named."""
    sealed = november().invoice
    shorter = msgspec.structs.replace(sealed, lines=sealed.lines[:1])
    assert str(first_difference(sealed, shorter)).endswith("was sealed and is not computed now")
    assert str(first_difference(shorter, sealed)).endswith("is computed now and was not sealed")


@pytest.mark.parametrize("field", ["subtotal", "total"])
def test_a_sum_that_differs_is_named(field: str) -> None:
    """Equal lines with another sum are a difference too."""
    sealed = november().invoice
    changed = msgspec.structs.replace(sealed, **{field: Decimal("14.08")})
    assert first_difference(sealed, changed) == f"the {field}: was sealed as 14.07 and is computed as 14.08"
