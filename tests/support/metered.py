"""Events of Ada's as an application sends them, and a log that has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import Append
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.billing import CUSTOMER, TENANT, utc


@contextmanager
def open_log(folder: Path) -> Iterator[DuckDBEventLog]:
    """A log on disk in ``folder``, closed at the end."""
    log = DuckDBEventLog(folder / "events.duckdb", threads=1)
    try:
        yield log
    finally:
        log.close()


def event(
    key: str,
    tokens: object = 1,
    at: datetime = utc(2023, 11, 16),  # noqa: B008 - a constant, an instant cannot change
    *,
    customer: str | None = CUSTOMER.external_customer_id,
    **properties: object,
) -> Event:
    """An ``llm_request`` of so many tokens in the middle of November 2023, unless told."""
    return Event(
        event_name="llm_request",
        idempotency_key=key,
        timestamp=at,
        properties=msgspec.Raw(msgspec.json.encode({"tokens": tokens, **properties})),
        external_customer_id=customer,
    )


def send(log: DuckDBEventLog, *events: Event, tenant: str = TENANT) -> int:
    """Append the events as one batch; the position after it."""
    (answer,) = log.append([Append(tenant=tenant, events=events, received_at=utc(2023, 12, 31))])
    return answer.position
