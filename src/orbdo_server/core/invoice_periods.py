"""When a subscription is invoiced and which parts of its timeline each invoice bills.

A price interval is billed in arrears, one *span* at a time: what it has in common with one full period of its own
cadence. An invoice takes the spans that end inside its period (after its start, up to and including its end), so that
every span is on exactly one invoice as long as the periods of invoices do not overlap. The rules for periods:

- The next one starts where invoiced time ends, or where the next span begins when nothing is billed before that.
- It ends with the first full period, of any cadence, that comes to its end: invoices follow the shortest cadence. A
  year beside a month is on the invoice of the month in which the year ends; a price that ends in the middle of a
  month, as at a plan change, shares an invoice with the price that follows it.
- It never reaches into time that is invoiced already, nor past the end of the subscription.

A one-time price is a single span in the month of the subscription in which it starts, hence on the first invoice after
that. Nothing here knows quantities or amounts.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache

import msgspec

from orbdo_server.core.periods import BillingCycle, Cadence, Period, cycle_for, period_at
from orbdo_server.core.plans import Price
from orbdo_server.core.subscriptions import PriceInterval, Subscription

# Most subscriptions begin their periods on the same few days, and every line asks for its own.
FULL_PERIODS_KEPT_MAX = 4_096


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What an invoice depends on of a subscription: its calendar and its price intervals, in their order."""

    subscription_id: str
    timezone: str
    anchor: date
    start: datetime
    end: datetime | None
    price_intervals: tuple[PriceInterval, ...]


class Span(msgspec.Struct, frozen=True):
    """One price interval's part ``service`` of the full period ``whole`` of its cadence."""

    interval: PriceInterval
    service: Period
    whole: Period


def timeline_of(subscription: Subscription) -> Timeline:
    """The subscription without what no invoice depends on."""
    return Timeline(
        subscription_id=subscription.id,
        timezone=subscription.timezone,
        anchor=subscription.anchor,
        start=subscription.start,
        end=subscription.end,
        price_intervals=subscription.price_intervals,
    )


def next_period(timeline: Timeline, prices: Mapping[str, Price], invoiced: Sequence[Period]) -> Period | None:
    """The earliest period that has something to bill and is not ``invoiced``; ``None`` when there is none left.

    ``invoiced`` are the periods of the invoices that count, in any order and without overlap.
    """
    at = timeline.start
    while spans := _spans_at(timeline, prices, at):
        at = max(at, min(span.service.start for span in spans))
        taken = next((period for period in invoiced if period.contains(at)), None)
        if taken is None:
            return Period(at, _end_of_period(timeline, spans, at=at, invoiced=invoiced))
        at = taken.end
    return None


def spans_of(timeline: Timeline, prices: Mapping[str, Price], period: Period) -> tuple[Span, ...]:
    """What an invoice for ``period`` bills: interval by interval, each interval's spans in order of time."""
    return tuple(
        span for interval in timeline.price_intervals for span in _spans_ending_in(timeline, prices, interval, period)
    )


def _spans_at(timeline: Timeline, prices: Mapping[str, Price], at: datetime) -> list[Span]:
    spans = (_span_at(timeline, prices, interval, at) for interval in timeline.price_intervals)
    return [span for span in spans if span is not None]


def _end_of_period(timeline: Timeline, spans: Sequence[Span], *, at: datetime, invoiced: Sequence[Period]) -> datetime:
    ends = [span.whole.end for span in spans]
    ends += [period.start for period in invoiced if period.start > at]
    ends += [timeline.end] if timeline.end is not None else []
    return min(ends)


def _spans_ending_in(
    timeline: Timeline, prices: Mapping[str, Price], interval: PriceInterval, period: Period
) -> Iterator[Span]:
    span = _span_at(timeline, prices, interval, period.start)
    while span is not None and span.service.end <= period.end:
        yield span
        span = _span_at(timeline, prices, interval, span.service.end)


def _span_at(timeline: Timeline, prices: Mapping[str, Price], interval: PriceInterval, at: datetime) -> Span | None:
    """The interval's span that holds ``at``, or else the next one; ``None`` when all of them end by then."""
    start = max(interval.start, timeline.start)
    end = min((end for end in (interval.end, timeline.end) if end is not None), default=None)
    if end is not None and end <= max(start, at):
        return None
    cadence = prices[interval.price_id].cadence
    inside = start if cadence == "one_time" else max(start, at)
    whole = _full_period(cadence, timeline.anchor, timeline.timezone, inside)
    service = Period(max(start, whole.start), whole.end if end is None else min(end, whole.end))
    return Span(interval, service, whole) if service.end > at else None


@lru_cache(maxsize=FULL_PERIODS_KEPT_MAX)
def _full_period(cadence: Cadence, anchor: date, zone: str, at: datetime) -> Period:
    cycle = cycle_for(cadence, anchor=anchor, zone=zone)
    return period_at(cycle or BillingCycle(months=1, anchor=anchor, zone=zone), at)
