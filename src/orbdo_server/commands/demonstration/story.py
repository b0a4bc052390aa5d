"""The demo from its first event to its last word; every claim on the screen is checked against the trace."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import anyio
import httpx
import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from orbdo_sdk import Event, Orb
from orbdo_sdk.wire import Invoice, UpcomingInvoice
from orbdo_server.commands.demonstration.catalog import TOKENS, create_catalog, subscribe
from orbdo_server.commands.demonstration.gate import ask, protected_app
from orbdo_server.commands.demonstration.trace import CUSTOMERS, EVENT_TYPE, Request, Trace, expected_cost
from orbdo_server.commands.importing.shipping import Numbered, Outcome, Shipment
from orbdo_server.commands.importing.source import survey
from orbdo_server.identifiers import utc_now

SINCE = datetime(2023, 11, 1, tzinfo=UTC)
LIVE_CUSTOMER = "dogwood-live"
STRANGER = "nobody"
LIVE_REQUESTS = 600
LIVE_STEPS = 30
STEP_SECONDS = 0.1
# The limit is crossed in the middle of the live part.
LIMIT_SHARE = Decimal("0.6")


class WrongResultError(Exception):
    """Something on the screen is not what the trace says it must be."""


class Demonstration:
    """Tells the story on a console. Raises ``WrongResultError`` at the first figure that is wrong."""

    def __init__(self, orb: Orb, trace: Trace, *, console: Console, pdf_folder: Path) -> None:
        self._orb = orb
        self._trace = trace
        self._console = console
        self._pdf_folder = pdf_folder
        self._live = trace.requests[-LIVE_REQUESTS:]
        self._limit = int(sum(request.tokens for request in self._live) * LIMIT_SHARE)

    async def tell(self) -> None:
        """All of it, in order."""
        catalog = await create_catalog(self._orb, tokens_included=self._limit)
        subscriptions = [await subscribe(self._orb, catalog, customer, since=SINCE) for customer in CUSTOMERS]
        live = await subscribe(self._orb, catalog, LIVE_CUSTOMER, since=None)
        await self._import_history()
        await self._stream(live)
        await self._pass_the_gate()
        await self._bill(subscriptions)

    async def _import_history(self) -> None:
        self._say(f"1. Importing {len(self._trace.requests):,} requests from {self._trace.source}, twice")
        first, second = await self._import_once(), await self._import_once()
        self._check("events new to the first import", first.ingested, len(self._trace.requests))
        self._check("events known to the second import", second.duplicates, len(self._trace.requests))
        self._console.print(f"   {first.ingested:,} events are in; the second import added {second.ingested}.")

    async def _import_once(self) -> Outcome:
        outcome, now = Outcome(), utc_now()
        columns = (TextColumn("   "), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("", total=len(self._trace.requests))
            shipment = Shipment(
                self._orb, now=now, outcome=outcome, advanced=lambda count: progress.advance(task, count)
            )
            await shipment.run(self._history(), survey(self._history(), now).windows)
        return outcome

    def _history(self) -> Iterator[Numbered]:
        for index, request in enumerate(self._trace.requests):
            yield Numbered(index + 1, _event(request, self._trace.customer_of(index), at=request.at, key=request.key))

    async def _stream(self, subscription_id: str) -> None:
        self._say(f"2. Streaming {len(self._live)} requests live, with a limit of {self._limit:,} tokens")
        step = max(1, len(self._live) // LIVE_STEPS)
        flipped_at: int | None = None
        tokens = 0
        with Live(console=self._console, refresh_per_second=10) as live:
            for start in range(0, len(self._live), step):
                tokens += self._track(start, step)
                await self._orb.meter.flush()
                preview = await self._orb.invoices.preview(subscription_id)
                await self._orb.entitlements.fetch(LIVE_CUSTOMER)
                usage = await self._orb.entitlements.check_usage(LIVE_CUSTOMER, TOKENS)
                live.update(_preview_table(preview, exceeded=usage.exceeded))
                self._check("the live invoice", preview.line_items[0].exact_amount, expected_cost(tokens))
                self._check("tokens counted live", usage.current, Decimal(tokens))
                self._check("whether the limit is reached", usage.exceeded, tokens >= self._limit)
                flipped_at = flipped_at or (tokens if usage.exceeded else None)
                await anyio.sleep(STEP_SECONDS)
        self._console.print(f"\n   The entitlement flipped at {flipped_at:,} tokens.")

    def _track(self, start: int, step: int) -> int:
        """Hand some requests to the client, which ships them in the background; their tokens."""
        requests = self._live[start : start + step]
        for offset, request in enumerate(requests, start=start):
            event = _event(request, LIVE_CUSTOMER, at=None, key=f"live-{offset}")
            self._orb.meter.track(**msgspec.structs.asdict(event))
        return sum(request.tokens for request in requests)

    async def _pass_the_gate(self) -> None:
        self._say("3. An app behind RequireFeature and CheckUsageLimit")
        app = protected_app(self._orb)
        expected = {CUSTOMERS[0]: 200, STRANGER: 403, LIVE_CUSTOMER: 429}
        for customer, status in expected.items():
            answer = await ask(app, customer)
            self._check(f"the answer to {customer}", answer.status_code, status)
            self._console.print(f"   {customer:<16} {answer.status_code}  {_meaning(answer)}")

    async def _bill(self, subscriptions: list[str]) -> None:
        self._say("4. Finalizing November 2023")
        table = Table("invoice", "customer", "tokens", "exact", "total", box=None, padding=(0, 2, 0, 3))
        invoices = []
        for customer, subscription_id in zip(CUSTOMERS, subscriptions, strict=True):
            draft = await self._orb.invoices.create(customer_id=customer, subscription_id=subscription_id)
            invoice = await self._orb.invoices.finalize(draft.id)
            tokens, line = self._trace.tokens_of(customer), invoice.line_items[0]
            self._check(f"tokens of {customer}", line.quantity, Decimal(tokens))
            self._check(f"the exact amount of {customer}", line.exact_amount, expected_cost(tokens))
            table.add_row(
                invoice.invoice_number, customer, f"{tokens:,}", f"${line.exact_amount:f}", f"${invoice.total}"
            )
            invoices.append(invoice)
        self._console.print(table)
        await self._write_pdf(invoices[0])

    async def _write_pdf(self, invoice: Invoice) -> None:
        url = await self._orb.invoices.get_pdf_url(invoice.id)
        async with httpx.AsyncClient() as client:
            answer = await client.get(url)
        self._check("the PDF's link", answer.status_code, 200)
        self._check("the PDF's first bytes", answer.content[:5], b"%PDF-")
        path = self._pdf_folder / f"{invoice.invoice_number}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answer.content)
        self._console.print(f"   The first of them as a PDF: {path}", soft_wrap=True)

    def _check(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            message = f"{what} is {found!r}, and must be {expected!r}"
            raise WrongResultError(message)

    def _say(self, heading: str) -> None:
        self._console.print(f"\n[bold]{heading}[/bold]")


def _event(request: Request, customer: str, *, at: datetime | None, key: str) -> Event:
    return Event(
        event_type=EVENT_TYPE,
        customer_id=customer,
        idempotency_key=key,
        timestamp=at,
        properties={"context_tokens": request.context_tokens, "generated_tokens": request.generated_tokens},
    )


def _preview_table(preview: UpcomingInvoice, *, exceeded: bool) -> Table:
    table = Table("live preview", "tokens", "exact", "total", f"{TOKENS} left?", box=None, padding=(0, 2, 0, 3))
    line = preview.line_items[0]
    left = "[red]no[/red]" if exceeded else "[green]yes[/green]"
    table.add_row(LIVE_CUSTOMER, f"{line.quantity:,}", f"${line.exact_amount:f}", f"${preview.total}", left)
    return table


def _meaning(answer: httpx.Response) -> str:
    if answer.is_success:
        return answer.text
    return str(answer.json()["title"])
