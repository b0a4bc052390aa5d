"""Traces: the rows of an event, whose it is, and which metrics and invoices count it."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from orbdo_server.core.invoices import Reading
from orbdo_server.core.periods import Period
from orbdo_server.engine import event_trace as module
from orbdo_server.engine.event_trace import EventTrace, trace_event
from orbdo_server.engine.invoicing import create_draft
from orbdo_server.engine.issuing import issue_invoice, void_invoice
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import NotFoundError
from orbdo_server.storage import metrics
from orbdo_server.storage.event_log import EventDeprecated, Repeated
from tests.support.billing import CUSTOMER, METRIC, interval, month, subscription, usage_price, utc
from tests.support.enrolment import enroll
from tests.support.metered import event
from tests.support.told_log import RECEIVED, ToldLog

NOVEMBER, DECEMBER = month(2023, 11), month(2023, 12)
NOTHING = Reading(Decimal(0))


@pytest.fixture
def told() -> ToldLog:
    """A log that says what it is told."""
    return ToldLog()


def issue(ledger: Transaction, log: ToldLog) -> str:
    """Issue the earliest month that is not invoiced."""
    draft = create_draft(ledger, log, subscription_id="sub_ada")
    return issue_invoice(ledger, log, invoice_id=draft.invoice.id).invoice.id


def states(trace: EventTrace) -> list[tuple[int, str]]:
    """The positions of the rows, and what they are."""
    return [(row.stored.position, row.state) for row in trace.rows]


def lines(trace: EventTrace) -> list[tuple[str | None, Period, Reading | None, Reading]]:
    """The invoices of the lines, their periods, and what they make of the event."""
    return [
        (None if line.invoice is None else line.invoice.id, line.period, line.sealed, line.now) for line in trace.lines
    ]


def counted(tokens: int) -> Reading:
    """The reading of one event."""
    return Reading(Decimal(tokens), events_counted=1)


def test_an_event_that_never_came_has_no_trace(ledger: Transaction, told: ToldLog) -> None:
    """The id is named."""
    with pytest.raises(NotFoundError, match="Event with identifier: nothing"):
        trace_event(ledger, told, "nothing")


def test_a_trace_says_what_counts_the_event(ledger: Transaction, told: ToldLog) -> None:
    """Its customer, the metric with the quantity of this event alone, and the invoice that will have it."""
    told.put(event("a", 5), event("b", 7))
    trace = trace_event(ledger, told, "a")
    assert (trace.as_of, states(trace), trace.customer) == (2, [(1, "in_effect")], CUSTOMER)
    assert [(count.metric.id, count.reading) for count in trace.metrics] == [("met_tokens", counted(5))]
    assert lines(trace) == [(None, NOVEMBER, None, counted(5))]
    (line,) = trace.lines
    assert (line.subscription_id, line.price.id, line.service) == ("sub_ada", "price_tokens", NOVEMBER)


def test_an_event_of_nobody_is_unmatched(ledger: Transaction, told: ToldLog) -> None:
    """It is in effect and metrics count it, but it is on nobody's invoice."""
    told.put(event("a", 5, customer="bob"))
    trace = trace_event(ledger, told, "a")
    assert (states(trace), trace.customer, trace.lines) == ([(1, "unmatched")], None, [])
    assert [count.metric.id for count in trace.metrics] == ["met_tokens"]


def test_an_event_of_nobody_that_does_not_count_stays_what_it_is(ledger: Transaction, told: ToldLog) -> None:
    """That it is deprecated says more than that nobody has it."""
    told.put(event("a", 5, customer="bob"), state="deprecated")
    assert states(trace_event(ledger, told, "a")) == [(1, "deprecated")]


def test_an_event_by_our_id_is_the_customers(ledger: Transaction, told: ToldLog) -> None:
    """The customer is found by either name."""
    told.put(msgspec.structs.replace(event("a", 5), external_customer_id=None, customer_id="cus_ada"))
    trace = trace_event(ledger, told, "a")
    assert (trace.customer, lines(trace)) == (CUSTOMER, [(None, NOVEMBER, None, counted(5))])


def test_another_tenants_metrics_and_customers_are_not_asked(rival: Transaction, told: ToldLog) -> None:
    """The same event at a tenant that has nothing is nobody's and is counted by nothing."""
    told.put(event("a", 5))
    trace = trace_event(rival, told, "a")
    assert (states(trace), trace.customer, trace.metrics, trace.lines) == ([(1, "unmatched")], None, [], [])


def test_metrics_that_do_not_mean_the_event_are_left_out(ledger: Transaction, told: ToldLog) -> None:
    """One that means it and finds no number says so; one of other events is not listed."""
    others = msgspec.structs.replace(METRIC, id="met_other", sql="SELECT count(*) FROM events WHERE event_name = 'x'")
    metrics.insert(ledger.connection, others)
    told.put(event("a", "many"))
    (count,) = trace_event(ledger, told, "a").metrics
    assert (count.metric.id, count.reading) == ("met_tokens", Reading(Decimal(0), events_skipped=1))


def test_so_many_metrics_are_asked(ledger: Transaction, told: ToldLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound all of them are, past it the newest, and the trace says that there are more."""
    assert module.METRICS_TRACED_MAX == 200
    monkeypatch.setattr(module, "METRICS_TRACED_MAX", 2)
    told.put(event("a", 5))
    for number, more in ((1, False), (2, True)):
        newer = msgspec.structs.replace(METRIC, id=f"met_{number}", created_at=utc(2024, 1, number))
        metrics.insert(ledger.connection, newer)
        trace = trace_event(ledger, told, "a")
        assert (len(trace.metrics), trace.more_metrics) == (2, more)
    assert [count.metric.id for count in trace.metrics] == ["met_2", "met_1"]


def test_so_many_invoices_are_asked(ledger: Transaction, told: ToldLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound all of them are, past it the newest, and the trace says that there are more."""
    assert module.INVOICES_TRACED_MAX == 200
    monkeypatch.setattr(module, "INVOICES_TRACED_MAX", 1)
    told.put(event("a", 5))
    first = issue(ledger, told)
    trace = trace_event(ledger, told, "a")
    assert ([line[0] for line in lines(trace)], trace.more_invoices) == ([first], False)
    void_invoice(ledger, invoice_id=first)
    second = issue(replace(ledger, now=ledger.now + timedelta(days=1)), told)
    trace = trace_event(ledger, told, "a")
    assert ([line[0] for line in lines(trace)], trace.more_invoices) == ([second], True)


def test_so_many_periods_ahead_are_looked_through(
    ledger: Transaction, told: ToldLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of the last of them is found on its invoice, one of the next period is not."""
    assert module.PERIODS_AHEAD_MAX == 120
    monkeypatch.setattr(module, "PERIODS_AHEAD_MAX", 2)
    told.put(event("second", 5, utc(2023, 12, 1)), event("third", 5, utc(2024, 1, 1)))
    assert lines(trace_event(ledger, told, "second")) == [(None, DECEMBER, None, counted(5))]
    assert lines(trace_event(ledger, told, "third")) == []


def test_a_line_of_other_events_is_left_out(ledger: Transaction, told: ToldLog) -> None:
    """Its time has the event, its metric does not; neither issued nor to come is it named."""
    told.put(msgspec.structs.replace(event("a", 5), event_name="another"))
    assert lines(trace_event(ledger, told, "a")) == []
    issue(ledger, told)
    assert lines(trace_event(ledger, told, "a")) == []


def test_an_issued_invoice_is_named(ledger: Transaction, told: ToldLog) -> None:
    """With what it made of the event when it was sealed; the next invoice has nothing of it."""
    told.put(event("a", 5))
    invoice_id = issue(ledger, told)
    trace = trace_event(ledger, told, "a")
    assert lines(trace) == [(invoice_id, NOVEMBER, counted(5), counted(5))]


def test_a_late_event_is_not_on_the_invoice_that_was_issued(ledger: Transaction, told: ToldLog) -> None:
    """The line says that it did not have it and would count it now."""
    invoice_id = issue(ledger, told)
    told.put(event("late", 5))
    assert lines(trace_event(ledger, told, "late")) == [(invoice_id, NOVEMBER, NOTHING, counted(5))]


def test_an_event_deprecated_after_the_invoice_stays_on_it(ledger: Transaction, told: ToldLog) -> None:
    """The line counted it then and does not now; no metric does."""
    told.put(event("a", 5))
    invoice_id = issue(ledger, told)
    told.turn("a", "deprecated")
    trace = trace_event(ledger, told, "a")
    assert lines(trace) == [(invoice_id, NOVEMBER, counted(5), NOTHING)]
    assert (states(trace), trace.metrics) == ([(1, "deprecated")], [])


def test_a_void_invoice_and_the_next_for_the_same_month_are_both_named(ledger: Transaction, told: ToldLog) -> None:
    """Voiding gives the month back: an upcoming invoice has the event, then its draft."""
    told.put(event("a", 5))
    void = issue(ledger, told)
    void_invoice(ledger, invoice_id=void)
    assert lines(trace_event(ledger, told, "a")) == [
        (void, NOVEMBER, counted(5), counted(5)),
        (None, NOVEMBER, None, counted(5)),
    ]
    draft = create_draft(ledger, told, subscription_id="sub_ada").invoice
    assert lines(trace_event(ledger, told, "a"))[1] == (draft.id, NOVEMBER, None, counted(5))


def test_an_event_some_periods_ahead_is_on_a_later_invoice(ledger: Transaction, told: ToldLog) -> None:
    """The periods before it are not invoiced yet either."""
    told.put(event("a", 5, utc(2024, 3, 1)))
    assert lines(trace_event(ledger, told, "a")) == [(None, month(2024, 3), None, counted(5))]


def test_an_event_after_the_subscription_is_on_no_invoice(transaction: Transaction, told: ToldLog) -> None:
    """Nothing covers it; the metric counts it all the same."""
    enroll(transaction, subscription(interval(), end=DECEMBER.start), usage_price())
    told.put(event("a", 5, DECEMBER.start))
    trace = trace_event(transaction, told, "a")
    assert (trace.lines, len(trace.metrics)) == ([], 1)


def test_an_event_before_the_subscription_is_on_no_invoice(ledger: Transaction, told: ToldLog) -> None:
    """Neither the first period nor any after it has its time."""
    told.put(event("a", 5, utc(2023, 10, 31)))
    assert trace_event(ledger, told, "a").lines == []


def test_a_yearly_line_is_found_on_the_invoice_of_its_last_month(transaction: Transaction, told: ToldLog) -> None:
    """The price of a year is on an invoice that begins long after the event."""
    yearly = usage_price("price_year", cadence="annual")
    enroll(transaction, subscription(interval("price_year"), interval()), yearly, usage_price())
    told.put(event("a", 5))
    last = [issue(transaction, told) for _ in range(12)][-1]
    year = [line for line in trace_event(transaction, told, "a").lines if line.price.id == "price_year"]
    assert [(line.invoice and line.invoice.id, line.sealed, line.service) for line in year] == [
        (last, counted(5), Period(NOVEMBER.start, utc(2024, 11, 1)))
    ]


def test_an_id_that_came_twice_is_traced_at_both_of_its_times(ledger: Transaction, told: ToldLog) -> None:
    """A backfill may bring an id again with another time; the invoice of the first still names it."""
    told.put(event("a", 5))
    first = issue(ledger, told)
    told.turn("a", "replaced")
    told.put(event("a", 7, utc(2023, 12, 24)), backfill_id="bf_1")
    trace = trace_event(ledger, told, "a")
    assert states(trace) == [(1, "replaced"), (3, "in_effect")]
    assert lines(trace) == [(first, NOVEMBER, counted(5), NOTHING), (None, DECEMBER, None, counted(7))]


def test_repeats_and_corrections_are_those_of_the_event(ledger: Transaction, told: ToldLog) -> None:
    """Corrections of another event are left out."""
    first = told.put(event("a", 5), state="deprecated")
    repeat = Repeated(idempotency_key="a", received_at=RECEIVED, conflict=True)
    told.told_repeats["a"] = [repeat]
    mine, other = deprecated("a", first, at=RECEIVED), deprecated("b", 99, at=RECEIVED)
    told.told_corrections = [(1, other), (1, mine)]
    trace = trace_event(ledger, told, "a")
    assert (trace.repeats, trace.corrections, trace.standing.position) == ([repeat], [mine], 1)


def deprecated(key: str, target: int, *, at: datetime) -> EventDeprecated:
    """The deprecation of an event."""
    return EventDeprecated(idempotency_key=key, target=target, at=at)
