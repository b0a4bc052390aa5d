"""Measuring usage: over half-open periods, as of a position, by groups, for one customer of one tenant."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbdo_server.core.invoices import Reading
from orbdo_server.core.metrics import InvalidGroupError
from orbdo_server.core.periods import Period
from orbdo_server.core.plans import MetricDefinition
from orbdo_server.engine.metering import GroupReading, UsageReading, measure, measure_groups
from orbdo_server.errors import InvalidRequestError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.billing import CUSTOMER, METRIC, month, utc
from tests.support.metered import event, open_log, send

NOVEMBER = month(2023, 11)
COUNT = msgspec.structs.replace(METRIC, id="met_count", sql="SELECT count(*) FROM events")


def measured(log: DuckDBEventLog, metric: MetricDefinition = METRIC, period: Period = NOVEMBER) -> Reading:
    """The metric for Ada as of now."""
    return measure(log, metric, customer=CUSTOMER, period=period, as_of=log.position())


def test_usage_is_the_metric_over_the_customers_events(log: DuckDBEventLog) -> None:
    """Tokens of all events of the customer are added up, decimal strings exactly."""
    send(log, event("a", 3), event("b", "0.000000000001"), event("c", 100, customer="bob"))
    assert measured(log) == Reading(Decimal("3.000000000001"), events_counted=2)


def test_no_events_are_no_usage(log: DuckDBEventLog) -> None:
    """Without events the quantity is 0, for a sum and for a count alike."""
    assert measured(log) == Reading(Decimal(0))
    assert measured(log, COUNT) == Reading(Decimal(0))


def test_an_average_of_nothing_is_no_usage(log: DuckDBEventLog) -> None:
    """A ratio without a denominator counts as 0, so that a line can be made of it."""
    ratio = msgspec.structs.replace(METRIC, sql="SELECT sum(tokens) / count(*) FROM events")
    assert measured(log, ratio) == Reading(Decimal(0))


def test_an_event_that_cannot_be_counted_is_reported(log: DuckDBEventLog) -> None:
    """An event whose property is no number is skipped, and the reading says that there is one."""
    send(log, event("a", 3), event("b", "many"))
    assert measured(log) == Reading(Decimal(3), events_counted=1, events_skipped=1)


def test_a_period_is_half_open(log: DuckDBEventLog) -> None:
    """An event at the start of a month is in it, one at its end is in the next."""
    send(log, event("a", 1, utc(2023, 11, 1)), event("b", 10, utc(2023, 12, 1)))
    assert measured(log).quantity == 1
    assert measured(log, period=month(2023, 12)).quantity == 10


def test_an_event_by_our_id_counts_too(log: DuckDBEventLog) -> None:
    """An event that names the customer by orbdo's id is the customer's as well."""
    named = msgspec.structs.replace(event("a", 5), customer_id=CUSTOMER.id, external_customer_id=None)
    send(log, named)
    assert measured(log).quantity == 5


def test_a_tenant_measures_its_own_events(log: DuckDBEventLog) -> None:
    """The same external id at another tenant is another customer."""
    send(log, event("a", 5), tenant="other")
    assert measured(log).quantity == 0


def test_a_position_has_the_same_answer_for_ever(log: DuckDBEventLog) -> None:
    """What was measured at a position is measured again there, whatever came in since."""
    position = send(log, event("a", 5))
    send(log, event("b", 7))
    assert measure(log, METRIC, customer=CUSTOMER, period=NOVEMBER, as_of=position).quantity == 5
    assert measured(log).quantity == 12


def test_groups_are_sorted_and_missing_values_come_first(log: DuckDBEventLog) -> None:
    """There is a row for each combination of values that has events, in order of the values."""
    send(
        log,
        event("a", 1, region="us", model="m"),
        event("b", 2, region="eu", model="n"),
        event("c", 4, region="eu", model="m"),
        event("d", 8),
    )
    found = measure_groups(log, METRIC, customer=CUSTOMER, period=NOVEMBER, group_by=["region", "model"])
    assert [(row.group, row.reading.quantity) for row in found.rows] == [
        ((None, None), Decimal(8)),
        (("eu", "m"), Decimal(4)),
        (("eu", "n"), Decimal(2)),
        (("us", "m"), Decimal(1)),
    ]


def test_without_groups_there_is_one_row(log: DuckDBEventLog) -> None:
    """The plain question has one answer, even when there are no events."""
    found = measure_groups(log, METRIC, customer=CUSTOMER, period=NOVEMBER)
    assert found == UsageReading(rows=(GroupReading((), Reading(Decimal(0))),), as_of=0)


def test_groups_without_events_have_no_rows(log: DuckDBEventLog) -> None:
    """Grouped usage of a period without events is empty."""
    assert measure_groups(log, METRIC, customer=CUSTOMER, period=NOVEMBER, group_by=["region"]).rows == ()


def test_usage_can_be_asked_as_of_any_position_so_far(log: DuckDBEventLog) -> None:
    """The answer carries the position it is of; the present one is the last that can be asked for."""
    first = send(log, event("a", 5))
    last = send(log, event("b", 7))

    def at(position: int | None) -> tuple[int, int]:
        found = measure_groups(log, METRIC, customer=CUSTOMER, period=NOVEMBER, as_of=position)
        return int(found.rows[0].reading.quantity), found.as_of

    assert (at(0), at(first), at(last), at(None)) == ((0, 0), (5, first), (12, last), (12, last))


def test_a_position_ahead_of_the_log_is_refused(log: DuckDBEventLog) -> None:
    """One past the present position has no answer yet."""
    position = send(log, event("a", 5))
    with pytest.raises(InvalidRequestError, match="as_of: is ahead of the log, which is at position 1"):
        measure_groups(log, METRIC, customer=CUSTOMER, period=NOVEMBER, as_of=position + 1)


def test_groups_are_named_by_properties(log: DuckDBEventLog) -> None:
    """What cannot be the name of a property is refused, not looked for."""
    with pytest.raises(InvalidGroupError):
        measure_groups(log, METRIC, customer=CUSTOMER, period=NOVEMBER, group_by=["region", ""])


hours = st.integers(0, 30 * 24 - 1).map(lambda hour: NOVEMBER.start + timedelta(hours=hour))
usage = st.lists(st.tuples(st.decimals(min_value=-999, max_value=999, places=3), hours), max_size=12)


@settings(max_examples=12)
@given(usage, st.lists(hours, max_size=4, unique=True).map(sorted))
def test_a_partition_of_a_period_sums_to_the_whole(drawn: list[tuple[Decimal, datetime]], cuts: list[datetime]) -> None:
    """However a month is cut, even at the instants of events, the parts' usage adds up to the month's."""
    with TemporaryDirectory() as folder, open_log(Path(folder)) as log:
        send(log, *(event(f"k{number}", str(tokens), at) for number, (tokens, at) in enumerate(drawn)))
        bounds = [NOVEMBER.start, *(cut for cut in cuts if cut != NOVEMBER.start), NOVEMBER.end]
        parts = [measured(log, period=Period(start, end)).quantity for start, end in pairwise(bounds)]
        assert sum(parts) == measured(log).quantity == sum(tokens for tokens, _ in drawn)
