"""Invoices over HTTP: the preview, drafts, the steps to paid and void, lists, and Orb's own client."""

from typing import Any

import httpx
import pytest
from orb import AsyncOrb, BadRequestError, NotFoundError
from orb.types.shared.price import TieredPrice

from tests.support.shop import JsonObject, Shop, open_shop, post, usage_event

pytestmark = pytest.mark.anyio

PAYMENT = {"payment_received_date": "2023-12-04", "external_id": "tr_1", "notes": "by wire"}


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> Shop:
    """Ada with the first third of the trace's tokens in November 2023."""
    shop = await open_shop(client)
    await shop.use(usage_event("a", 6_000_000), usage_event("b", 70_187))
    return shop


@pytest.fixture
def orb(client: httpx.AsyncClient) -> AsyncOrb:
    """Orb's own client, which here raises for any answer that is not of Orb's shape."""
    key = client.headers["authorization"].removeprefix("Bearer ")
    return AsyncOrb(
        api_key=key, base_url=str(client.base_url), http_client=client, _strict_response_validation=True, max_retries=0
    )


async def upcoming(shop: Shop, **query: bool) -> JsonObject:
    """Ada's upcoming invoice."""
    return await shop.get("/invoices/upcoming", subscription_id=shop.subscription_id, **query)


async def ids(shop: Shop, **query: str | list[str]) -> list[str]:
    """The ids of a list of invoices."""
    return [invoice["id"] for invoice in (await shop.get("/invoices", **query))["data"]]


async def test_the_preview_costs_the_trace_exactly(shop: Shop) -> None:
    """6,070,187 tokens cost 9.0701870 USD, shown exactly and rounded, tier by tier."""
    invoice = await upcoming(shop)
    (line,) = invoice["line_items"]
    assert (line["quantity"], line["exact_amount"], line["amount"]) == (6_070_187, "9.070187", "9.07")
    assert [(tier["quantity"], tier["amount"]) for tier in line["breakdown"]] == [
        (1_000_000, "2"),
        (4_000_000, "6"),
        (1_070_187, "1.070187"),
    ]
    assert (invoice["subtotal"], invoice["total"], invoice["amount_due"]) == ("9.07", "9.07", "9.07")


async def test_the_preview_says_what_it_is_of(shop: Shop) -> None:
    """The preview names its period, customer, subscription, position, and when it can be issued."""
    invoice = await upcoming(shop)
    assert {
        name: invoice[name]
        for name in ("status", "period_start", "period_end", "target_date", "eligible_to_issue_at", "invoice_number")
    } == {
        "status": "draft",
        "period_start": "2023-11-01T00:00:00Z",
        "period_end": "2023-12-01T00:00:00Z",
        "target_date": "2023-12-01T00:00:00Z",
        "eligible_to_issue_at": "2023-12-01T12:00:00Z",
        "invoice_number": "",
    }
    assert invoice["customer"] == {"id": shop.customer_id, "external_customer_id": "ada"}
    assert invoice["subscription"] == {"id": shop.subscription_id}
    assert invoice["billing_address"]["city"] == "London"


async def test_a_line_has_orbs_tiers(shop: Shop) -> None:
    """The parts of a line that fall into tiers are there in Orb's form as well."""
    (line,) = (await upcoming(shop))["line_items"]
    assert line["sub_line_items"][1] == {
        "type": "tier",
        "name": "Tier 2",
        "quantity": 4_000_000,
        "amount": "6",
        "tier_config": {"first_unit": 1_000_000, "last_unit": 5_000_000, "unit_amount": "0.0000015"},
        "grouping": None,
    }


async def test_a_rate_is_written_without_exponent(client: httpx.AsyncClient) -> None:
    """A fraction of a millionth of a dollar is a decimal string in positional notation."""
    shop = await open_shop(client)
    body = {
        "name": "Cached tokens",
        "currency": "USD",
        "cadence": "monthly",
        "item_id": shop.item_id,
        "billable_metric_id": shop.metric_id,
        "model_type": "unit",
        "unit_config": {"unit_amount": "0.00000015"},
    }
    assert (await shop.post("/prices", body))["unit_config"]["unit_amount"] == "0.00000015"


async def test_lines_without_usage_are_shown_unless_hidden(client: httpx.AsyncClient) -> None:
    """Every line is listed; asked to, lines without quantity are left out and counted."""
    shop = await open_shop(client)
    assert [line["amount"] for line in (await upcoming(shop))["line_items"]] == ["0.00"]
    hidden = await upcoming(shop, include_zero_quantity_line_items=False)
    assert (hidden["line_items"], hidden["hidden_line_item_count"], hidden["total"]) == ([], 1, "0.00")


async def test_a_fixed_fee_shows_its_share(client: httpx.AsyncClient) -> None:
    """A seat from the 16th on costs half the month, and the line says which part of which period that is."""
    shop = await open_shop(client)
    price = await shop.post(
        "/prices",
        {
            "name": "Seat",
            "currency": "USD",
            "cadence": "monthly",
            "item_id": shop.item_id,
            "model_type": "unit",
            "unit_config": {"unit_amount": "29.95"},
            "fixed_price_quantity": 1,
        },
    )
    subscription = await shop.post(
        "/subscriptions",
        {"external_customer_id": "ada", "add_prices": [{"price_id": price["id"]}], "start_date": "2023-11-16"},
    )
    invoice = await shop.get("/invoices/upcoming", subscription_id=subscription["id"])
    (line,) = invoice["line_items"]
    assert (line["quantity"], line["exact_amount"], line["amount"]) == (1, "14.975", "14.98")
    assert line["proration"] == {"numerator": 1_296_000, "denominator": 2_592_000}
    assert invoice["eligible_to_issue_at"] == "2023-12-01T00:00:00Z"


async def test_a_draft_is_found_again(shop: Shop) -> None:
    """Asking for a draft twice gives one draft, whose memo and metadata can be changed."""
    body = {"subscription_id": shop.subscription_id, "external_customer_id": "ada", "memo": "Thanks"}
    first = await shop.post("/invoices", body)
    again = await shop.post("/invoices", {"subscription_id": shop.subscription_id, "metadata": {"po": "7"}})
    assert first["id"] == again["id"]
    assert (again["memo"], again["metadata"], again["total"]) == ("Thanks", {"po": "7"}, "9.07")
    assert await shop.get(f"/invoices/{first['id']}") == again


async def test_an_invoice_goes_from_draft_to_paid(shop: Shop) -> None:
    """Issued it has a number and a date it is due; paid it says when that was received."""
    issued = await shop.issue()
    assert (issued["status"], issued["invoice_number"], issued["total"]) == ("issued", "INV-000001", "9.07")
    assert issued["eligible_to_issue_at"] is None
    assert issued["due_date"] > issued["issued_at"]
    paid = await shop.post(f"/invoices/{issued['id']}/mark_paid", PAYMENT)
    assert (paid["status"], paid["payment_received_at"]) == ("paid", "2023-12-04T00:00:00Z")
    assert paid["paid_at"] > "2023-12-04"
    assert await shop.get(f"/invoices/{issued['id']}") == paid


async def test_an_issued_invoice_does_not_change(shop: Shop) -> None:
    """Late events change neither its amounts nor its hash, and the next preview is of the next month."""
    before = await upcoming(shop)
    issued = await shop.issue()
    await shop.use(usage_event("late", 1_000_000))
    assert await shop.get(f"/invoices/{issued['id']}") == issued
    assert issued["input_hash"] == before["input_hash"]
    assert (await upcoming(shop))["period_start"] == "2023-12-01T00:00:00Z"


async def test_a_void_invoice_frees_its_period(shop: Shop) -> None:
    """After voiding, the month is upcoming again, with a new number when it is issued."""
    issued = await shop.issue()
    void = await shop.post(f"/invoices/{issued['id']}/void")
    assert (void["status"], void["total"], void["invoice_number"]) == ("void", "9.07", "INV-000001")
    assert void["voided_at"] is not None
    assert (await upcoming(shop))["period_start"] == "2023-11-01T00:00:00Z"
    assert (await shop.issue())["invoice_number"] == "INV-000002"


@pytest.mark.parametrize("step", ["issue", "mark_paid", "void"])
async def test_a_step_that_is_not_allowed_changes_nothing(shop: Shop, step: str) -> None:
    """A paid invoice is neither issued, paid nor voided again: 400, and it stays as it was."""
    issued = await shop.issue()
    paid = await shop.post(f"/invoices/{issued['id']}/mark_paid", PAYMENT)
    answer = await shop.client.post(f"/invoices/{issued['id']}/{step}", json=PAYMENT if step == "mark_paid" else {})
    assert (answer.status_code, answer.json()["code"]) == (400, "constraint_violation")
    assert await shop.get(f"/invoices/{issued['id']}") == paid


async def test_lists_show_issued_and_paid_unless_asked(shop: Shop) -> None:
    """Drafts and void invoices are listed when they are asked for; invoices come newest first."""
    voided = await shop.issue()
    await shop.post(f"/invoices/{voided['id']}/void")
    first, second = await shop.issue(), await shop.issue()
    draft = await shop.post("/invoices", {"subscription_id": shop.subscription_id})
    assert await ids(shop) == [second["id"], first["id"]]
    assert await ids(shop, **{"status[]": ["draft", "void"]}) == [draft["id"], voided["id"]]
    assert await ids(shop, status="void") == [voided["id"]]
    assert await ids(shop, status="synced") == []


async def test_lists_are_filtered_and_paged(shop: Shop) -> None:
    """A list can be of one customer or subscription, and goes on from a cursor."""
    first, second = await shop.issue(), await shop.issue()
    both = [second["id"], first["id"]]
    assert await ids(shop, customer_id=shop.customer_id) == both
    assert await ids(shop, external_customer_id="ada", subscription_id=shop.subscription_id) == both
    assert await ids(shop, subscription_id="sub_x") == []
    page = await shop.get("/invoices", limit=1)
    assert ([invoice["id"] for invoice in page["data"]], page["pagination_metadata"]["has_more"]) == (both[:1], True)
    rest = await shop.get("/invoices", limit=1, cursor=page["pagination_metadata"]["next_cursor"])
    assert ([invoice["id"] for invoice in rest["data"]], rest["pagination_metadata"]["has_more"]) == (both[1:], False)


@pytest.mark.parametrize(
    ("request_line", "body", "field"),
    [
        ("GET /invoices/upcoming", None, "subscription_id"),
        ("POST /invoices", {}, "subscription_id"),
        ("POST /invoices", {"subscription_id": "sub_x", "line_items": []}, "line_items"),
        ("POST /invoices/inv_x/mark_paid", {}, "payment_received_date"),
        ("POST /invoices/inv_x/mark_paid", {"payment_received_date": "soon"}, "payment_received_date"),
        ("GET /invoices?status=open", None, "status"),
        ("GET /invoices?customer_id=a&external_customer_id=ada", None, "customer_id"),
    ],
)
async def test_a_wrong_request_names_the_field(shop: Shop, request_line: str, body: Any, field: str) -> None:
    """What is missing, unknown or contradicts itself is answered with 400 and the field's name."""
    answer = await shop.client.request(*request_line.split(" "), json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


@pytest.mark.parametrize(
    ("request_line", "body"),
    [
        ("GET /invoices/upcoming?subscription_id=sub_x", None),
        ("GET /invoices/inv_x", None),
        ("POST /invoices", {"subscription_id": "sub_x"}),
        ("POST /invoices/inv_x/issue", {}),
        ("POST /invoices/inv_x/mark_paid", PAYMENT),
        ("POST /invoices/inv_x/void", None),
        ("GET /invoices?external_customer_id=bob", None),
    ],
)
async def test_what_is_not_there_is_not_found(shop: Shop, request_line: str, body: Any) -> None:
    """An unknown subscription, invoice or customer is 404."""
    answer = await shop.client.request(*request_line.split(" "), json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")


async def test_a_draft_needs_its_own_customer(shop: Shop) -> None:
    """Another customer of the account is not the subscription's."""
    other = await shop.post("/customers", {"name": "Bob", "email": "bob@example.com"})
    answer = await shop.client.post(
        "/invoices", json={"subscription_id": shop.subscription_id, "customer_id": other["id"]}
    )
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, "customer_id")


async def test_an_agent_sees_its_own_invoices(shop: Shop) -> None:
    """Another tenant's invoice and subscription are not there, and its list is empty."""
    issued = await shop.issue()
    agent = {"Orbdo-Agent": "agent-7"}
    for path in (f"/invoices/{issued['id']}", f"/invoices/upcoming?subscription_id={shop.subscription_id}"):
        assert (await shop.client.get(path, headers=agent)).status_code == 404
    assert (await shop.client.get("/invoices", headers=agent)).json()["data"] == []


async def test_issuing_again_with_the_same_key_is_answered_again(shop: Shop) -> None:
    """A repeated request with its Idempotency-Key gets the first answer, not an error."""
    draft = await shop.post("/invoices", {"subscription_id": shop.subscription_id})
    path, key = f"/invoices/{draft['id']}/issue", {"Idempotency-Key": "issue-1"}
    first = await shop.client.post(path, headers=key)
    again = await shop.client.post(path, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())


async def test_orbs_client_reads_every_answer(shop: Shop, orb: AsyncOrb) -> None:
    """Orb's own client, which validates strictly, previews, fetches, issues, pays, voids and lists."""
    preview = await orb.invoices.fetch_upcoming(subscription_id=shop.subscription_id)
    assert (preview.total, type(preview.line_items[0].price)) == ("9.07", TieredPrice)
    draft = await shop.post("/invoices", {"subscription_id": shop.subscription_id})
    assert (await orb.invoices.fetch(draft["id"])).status == "draft"
    issued = await orb.invoices.issue(draft["id"], synchronous=True)
    assert (issued.invoice_number, issued.line_items[0].quantity) == ("INV-000001", 6_070_187)
    assert (await orb.invoices.void(draft["id"])).status == "void"
    second = await shop.issue()
    assert (await orb.invoices.mark_paid(second["id"], payment_received_date="2023-12-04")).status == "paid"
    assert [invoice.id async for invoice in orb.invoices.list(status=["paid"])] == [second["id"]]


async def test_orbs_client_raises_its_own_errors(shop: Shop, orb: AsyncOrb) -> None:
    """A refused step and an unknown invoice are the errors that users of Orb's client catch."""
    issued = await shop.issue()
    with pytest.raises(BadRequestError):
        await orb.invoices.issue(issued["id"])
    with pytest.raises(NotFoundError):
        await orb.invoices.fetch("inv_x")


async def test_only_a_key_for_invoices_reads_them(shop: Shop) -> None:
    """A key that may send events can neither read nor change invoices."""
    key = await post(shop.client, "/api_keys", {"name": "ingest", "kind": "ingest"})
    header = {"Authorization": f"Bearer {key['secret']}"}
    assert (await shop.client.get("/invoices", headers=header)).status_code == 403
    assert (await shop.client.post("/invoices", json={"subscription_id": "x"}, headers=header)).status_code == 403
