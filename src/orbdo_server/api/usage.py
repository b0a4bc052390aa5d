"""Usage over HTTP: a metric for a customer and a period, as of now or of any earlier position in the log."""

from typing import Annotated

from pydantic import Field

from orbdo_sdk.wire import Amount, Usage, UsageRow, plain
from orbdo_server.api.endpoints import Call, Endpoint, NoBody, Query, UtcDatetime
from orbdo_server.api.fields import ExternalId, Id
from orbdo_server.core.periods import Period
from orbdo_server.engine.customers import require_customer_by_either
from orbdo_server.engine.items import require_metric
from orbdo_server.engine.metering import measure_groups

GROUP_BY_LENGTH_MAX = 2_000
POSITION_MAX = 2**63 - 1


class UsageQuery(Query):
    """What to measure: ``[start, end)``, half-open, by the properties named in ``group_by`` between commas."""

    metric_id: Id
    start: UtcDatetime
    end: UtcDatetime
    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None
    group_by: Annotated[str, Field(min_length=1, max_length=GROUP_BY_LENGTH_MAX)] | None = None
    as_of: Annotated[int, Field(ge=0, le=POSITION_MAX)] | None = None


def fetch_usage(call: Call[NoBody, UsageQuery]) -> Usage:
    """One row without ``group_by``; with it, a row for each combination of values that has events, sorted."""
    query = call.query
    customer = require_customer_by_either(
        call.transaction, customer_id=query.customer_id, external_customer_id=query.external_customer_id
    )
    names = [] if query.group_by is None else query.group_by.split(",")
    found = measure_groups(
        call.stores.log,
        require_metric(call.transaction, query.metric_id),
        customer=customer,
        period=Period(query.start, query.end),
        group_by=names,
        as_of=query.as_of,
    )
    rows = [
        UsageRow(
            external_customer_id=customer.external_customer_id,
            metric_id=query.metric_id,
            start=query.start,
            end=query.end,
            quantity=Amount(plain(row.reading.quantity)),
            group=dict(zip(names, row.group, strict=True)) if names else None,
            events_counted=row.reading.events_counted,
            events_skipped=row.reading.events_skipped,
        )
        for row in found.rows
    ]
    return Usage(data=rows, as_of=found.as_of)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/usage",
        fetch_usage,
        "usage:read",
        "Measure a customer's usage.",
        Usage,
        query=UsageQuery,
        tag="usage",
    ),
)
