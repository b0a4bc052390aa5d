"""Looking things up in the event log: events found, their volume, the trace of one, and the reconciliation of a time.

Search and volume are in Orb's shapes; traces and reconciliations are not in Orb.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from orbdo_sdk.wire._envelope import PaginationMetadata, Wire
from orbdo_sdk.wire.billing import InvoiceStatus
from orbdo_sdk.wire.customers import CustomerMinified

EventState = Literal["in_effect", "unmatched", "amended", "undone", "deprecated", "replaced", "pending", "reverted"]
"""What is the matter with a row of the log.

It is ``in_effect`` when it counts; ``unmatched`` when it would if its customer existed; ``amended`` when an amendment
stands in its place, ``undone`` when it is an amendment that was taken back, ``deprecated`` when its event was;
``replaced`` by a backfill; ``pending`` in a backfill that is not closed, ``reverted`` in one that was undone.
"""


class FoundEvent(Wire, frozen=True, kw_only=True):
    """An event as it stands; its id is the idempotency key that it came with."""

    id: str
    event_name: str
    timestamp: datetime
    properties: dict[str, Any]
    external_customer_id: str | None
    customer_id: str | None
    deprecated: bool


class FoundEvents(Wire, frozen=True, kw_only=True):
    """The events that were searched for and found, in the order they were asked for."""

    data: list[FoundEvent]


class EventVolume(Wire, frozen=True, kw_only=True):
    """How many events of the hour ``[timeframe_start, timeframe_end)`` are in effect."""

    count: int
    timeframe_start: datetime
    timeframe_end: datetime


class EventVolumes(Wire, frozen=True, kw_only=True):
    """Every hour of a timeframe, in order of time."""

    data: list[EventVolume]


class TracedRow(Wire, frozen=True, kw_only=True):
    """A row of the log that has the event's id, and what is the matter with it.

    ``amends`` is the position of the row that it is an amendment of.
    """

    position: int
    received_at: datetime
    state: EventState
    event_name: str
    timestamp: datetime
    properties: dict[str, Any]
    external_customer_id: str | None
    customer_id: str | None
    backfill_id: str | None
    amends: int | None


class TracedRepeat(Wire, frozen=True, kw_only=True):
    """The event came again and was not counted again; with ``conflict`` it said something else than the first time."""

    received_at: datetime
    conflict: bool


class TracedCorrection(Wire, frozen=True, kw_only=True):
    """What was done to the event, and when."""

    at: datetime
    action: Literal["amended", "deprecated", "undone"]


class TracedMetric(Wire, frozen=True, kw_only=True):
    """What a metric makes of the event by itself. When not ``counted``, it is meant but its value is no number."""

    id: str
    name: str
    quantity: Decimal
    counted: bool


class TracedLine(Wire, frozen=True, kw_only=True):
    """The line of an invoice that counts the event, counted it when it was issued, or would count it.

    ``counted_when_issued`` is None before the invoice is issued; until it is drafted it has no ``invoice_id`` either.
    ``quantity`` is what the event by itself comes to, when issued or else now.
    """

    invoice_id: str | None
    invoice_number: str | None
    status: InvoiceStatus | Literal["upcoming"]
    subscription_id: str
    period_start: datetime
    period_end: datetime
    line_id: str
    price_id: str
    price_name: str
    metric_id: str
    quantity: Decimal
    counted_when_issued: bool | None
    counts_now: bool


class EventTrace(Wire, frozen=True, kw_only=True):
    """Everything that became of one event, at a position of the log.

    ``rows``, ``repeats`` and ``corrections`` are oldest first. ``customer`` is None with the reason in ``unmatched``
    until somebody has the event's external id. ``metrics_complete`` and ``invoices_complete`` are false when there are
    too many to ask them all.
    """

    id: str
    as_of: int
    rows: list[TracedRow]
    repeats: list[TracedRepeat]
    corrections: list[TracedCorrection]
    customer: CustomerMinified | None
    unmatched: str | None
    metrics: list[TracedMetric]
    metrics_complete: bool
    invoices: list[TracedLine]
    invoices_complete: bool


class HourOfEvents(Wire, frozen=True, kw_only=True):
    """The stored rows of the hour ``[start, end)`` by what is the matter with them: the parts add up to ``stored``."""

    start: datetime
    end: datetime
    stored: int
    in_effect: int
    unmatched: int
    amended: int
    undone: int
    deprecated: int
    replaced: int
    pending: int
    reverted: int


class UnmatchedCustomer(Wire, frozen=True, kw_only=True):
    """A name that events have and no customer has; they count once one does."""

    external_customer_id: str | None
    customer_id: str | None
    events: int


class ReconciledInvoice(Wire, frozen=True, kw_only=True):
    """The events an issued invoice counted: by its seal, by the log at its position ``as_of``, and by the log now.

    The first two are one number, or the state is ``differs``. ``late_events`` is how many more there are now; it is
    negative when events went out of effect since. With a broken seal the numbers are 0 and ``as_of`` is None.
    """

    invoice_id: str
    invoice_number: str
    customer_id: str
    subscription_id: str
    period_start: datetime
    period_end: datetime
    as_of: int | None
    state: Literal["agrees", "late", "differs"]
    events_sealed: int
    events_as_of: int
    events_now: int
    late_events: int


class Difference(Wire, frozen=True, kw_only=True):
    """Two numbers that should be one, and where: in an hour, or in a line of an invoice.

    ``in_effect``: rows by their state, and rows that readings see. ``sealed_events`` and ``sealed_quantity``: by the
    seal, and by the log at the seal's position. ``late_events`` and ``late_quantity``: by the log at that position, and
    by the log now. ``broken_seal`` has no numbers.
    """

    kind: Literal["in_effect", "sealed_events", "sealed_quantity", "late_events", "late_quantity", "broken_seal"]
    hour: datetime | None
    invoice_id: str | None
    line_id: str | None
    expected: Decimal | None
    found: Decimal | None


class Reconciliation(Wire, frozen=True, kw_only=True):
    """What was stored with a time in ``[start, end)``, hour by hour, beside what the invoices of that time counted.

    ``differences`` is empty when all is well. ``unmatched`` has the names with the most events first, and
    ``unmatched_left_off`` says how many more there are. ``invoices`` is one page, with its own differences.
    """

    start: datetime
    end: datetime
    as_of: int
    hours: list[HourOfEvents]
    unmatched: list[UnmatchedCustomer]
    unmatched_left_off: int
    invoices: list[ReconciledInvoice]
    differences: list[Difference]
    pagination_metadata: PaginationMetadata
