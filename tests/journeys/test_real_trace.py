"""An hour of a real language model service becomes three invoices, to the seventh decimal, whatever the way in."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from orbdo_sdk import Event, Orb
from orbdo_server.commands.demonstration.catalog import create_catalog, subscribe
from orbdo_server.commands.demonstration.trace import CUSTOMERS, EVENT_TYPE, Request, Trace, load_trace
from orbdo_server.commands.importing.shipping import Numbered, Outcome, Shipment
from orbdo_server.commands.importing.source import survey

TRACE = Path(__file__).parents[2].parent / "shared" / "data" / "azure_llm_inference_code_2023.csv"
NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXACT = {
    "acorn-labs": Decimal("9.0701870"),
    "birch-cloud": Decimal("9.2091290"),
    "cedar-robotics": Decimal("9.0265540"),
}
ROUNDED = {"acorn-labs": Decimal("9.07"), "birch-cloud": Decimal("9.21"), "cedar-robotics": Decimal("9.03")}

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not TRACE.exists(), reason="the trace is published data that is not kept in this repository"),
]


@pytest.fixture(scope="module")
def trace() -> Trace:
    """The whole trace, read once."""
    return load_trace(TRACE)


@pytest.fixture
async def orb(tmp_path: Path) -> AsyncIterator[Orb]:
    """A client on an embedded server of its own."""
    async with Orb.embedded(tmp_path / "data") as orb:
        yield orb


def test_the_trace_is_the_one_whose_totals_are_known(trace: Trace) -> None:
    """It has 8,819 requests with 18,059,974 context and 245,896 generated tokens."""
    assert len(trace.requests) == 8_819
    assert sum(request.context_tokens for request in trace.requests) == 18_059_974
    assert sum(request.generated_tokens for request in trace.requests) == 245_896


async def test_the_file_imported_twice_gives_the_three_exact_amounts(orb: Orb, trace: Trace) -> None:
    """In file order, in large batches and a second time: the second time adds nothing."""
    subscriptions = await subscriptions_of_all(orb)
    entries = [numbered(trace, index) for index in range(len(trace.requests))]
    first, second = await shipped(orb, entries), await shipped(orb, entries)
    assert (first.ingested, first.duplicates, first.bad) == (8_819, 0, [])
    assert (second.ingested, second.duplicates, second.bad) == (0, 8_819, [])
    await assert_amounts(orb, subscriptions)


async def test_any_order_and_batching_gives_the_same_invoices(orb: Orb, trace: Trace) -> None:
    """Shuffled, and in batches of 1 to 2,500 events with repeats across them, the amounts are the same."""
    subscriptions = await subscriptions_of_all(orb)
    chance = random.Random(7)
    events = [numbered(trace, index).event for index in range(len(trace.requests))]
    events += chance.sample(events, 500)
    chance.shuffle(events)
    backfill = await orb.events.backfills.create(
        timeframe_start=NOVEMBER, timeframe_end=DECEMBER, replace_existing_events=False
    )
    position = 0
    for size in [1, 1, 2, 7, 100, 999, 2_500, 2_500, 2_500, 2_500]:
        # A key twice in one batch is one event as well; within a request the client says so itself.
        batch = list({event.idempotency_key: event for event in events[position : position + size]}.values())
        position += size
        if batch:
            await orb.events.backfills.ingest(backfill.id, batch)
    assert position >= len(events)
    preview = await orb.invoices.preview(subscriptions["acorn-labs"])
    assert preview.line_items[0].exact_amount == 0
    await orb.events.backfills.close(backfill.id)
    await assert_amounts(orb, subscriptions)


async def test_a_sealed_invoice_keeps_its_amounts_when_more_history_comes_in(orb: Orb, trace: Trace) -> None:
    """Issued over a part of the trace, the invoice stays as it was issued when the rest arrives."""
    subscriptions = await subscriptions_of_all(orb)
    entries = [numbered(trace, index) for index in range(3_000)]
    await shipped(orb, entries)
    draft = await orb.invoices.create(subscription_id=subscriptions["acorn-labs"])
    issued = await orb.invoices.finalize(draft.id)
    await shipped(orb, [numbered(trace, index) for index in range(3_000, 6_000)])
    again = await orb.invoices.get(issued.id)
    assert again.line_items[0].exact_amount == issued.line_items[0].exact_amount
    assert again.input_hash == issued.input_hash
    assert again.line_items[0].quantity == sum(request.tokens for request in trace.requests[0:3_000:3])


async def subscriptions_of_all(orb: Orb) -> dict[str, str]:
    """The three customers, on the plan since 1 November 2023; the ids of their subscriptions."""
    catalog = await create_catalog(orb, tokens_included=1_000_000)
    return {customer: await subscribe(orb, catalog, customer, since=NOVEMBER) for customer in CUSTOMERS}


def numbered(trace: Trace, index: int) -> Numbered:
    """Request ``index`` as an event of customer ``index mod 3``."""
    request: Request = trace.requests[index]
    event = Event(
        event_type=EVENT_TYPE,
        customer_id=trace.customer_of(index),
        idempotency_key=request.key,
        timestamp=request.at,
        properties={"context_tokens": request.context_tokens, "generated_tokens": request.generated_tokens},
    )
    return Numbered(index + 2, event)


async def shipped(orb: Orb, entries: Sequence[Numbered]) -> Outcome:
    """Send the entries as an import does."""
    outcome = Outcome()
    shipment = Shipment(orb, now=NOW, outcome=outcome, advanced=lambda _count: None)
    await shipment.run(entries, survey(entries, NOW).windows)
    return outcome


async def assert_amounts(orb: Orb, subscriptions: dict[str, str]) -> None:
    """November's preview and invoice of each customer are what they must be."""
    for customer, subscription_id in subscriptions.items():
        preview = await orb.invoices.preview(subscription_id)
        assert (preview.period_start, preview.period_end) == (NOVEMBER, DECEMBER)
        assert preview.line_items[0].exact_amount == EXACT[customer]
        draft = await orb.invoices.create(subscription_id=subscription_id)
        issued = await orb.invoices.finalize(draft.id)
        assert issued.line_items[0].exact_amount == EXACT[customer]
        assert issued.total == ROUNDED[customer]
