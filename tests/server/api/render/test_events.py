"""What of a trace the API's own tests cannot bring about."""

from datetime import UTC, datetime

import msgspec

from orbdo_sdk.wire import TracedCorrection
from orbdo_server.api.render.events import render_found, render_trace
from orbdo_server.core.events import Event
from orbdo_server.engine.event_trace import EventTrace, TracedRow
from orbdo_server.storage.event_log import CorrectionUndone, EventAmended, EventDeprecated, StoredEvent

AT = datetime(2026, 3, 1, tzinfo=UTC)
EVENT = Event(
    event_name="llm",
    idempotency_key="a",
    timestamp=AT,
    properties=msgspec.Raw(b'{"tokens":0.10,"model":"m","cached":true,"none":null}'),
    customer_id="cus_gone",
)
STORED = StoredEvent(position=7, event=EVENT, received_at=AT, backfill_id=None, amends=3, state="deprecated")


def test_a_deprecated_event_says_so() -> None:
    """Properties keep their kinds, and a number with a point is no float."""
    shown = render_found(STORED)
    assert (shown.deprecated, shown.customer_id) == (True, "cus_gone")
    assert [str(value) for value in shown.properties.values()] == ["0.10", "m", "True", "None"]
    assert not any(isinstance(value, float) for value in shown.properties.values())


def test_corrections_are_named() -> None:
    """By what was done, in the order it was done; a customer of ours that is gone is named by its id."""
    trace = EventTrace(
        event_id="a",
        as_of=9,
        rows=[TracedRow(stored=STORED, state="deprecated")],
        standing=STORED,
        repeats=[],
        corrections=[
            EventAmended(event=EVENT, target=3, backfill_id=None, at=AT),
            CorrectionUndone(idempotency_key="a", target=3, at=AT),
            EventDeprecated(idempotency_key="a", target=3, at=AT),
        ],
        customer=None,
        metrics=[],
        more_metrics=True,
        lines=[],
        more_invoices=False,
    )
    shown = render_trace(trace)
    assert shown.corrections == [
        TracedCorrection(at=AT, action="amended"),
        TracedCorrection(at=AT, action="undone"),
        TracedCorrection(at=AT, action="deprecated"),
    ]
    assert shown.unmatched == "No customer has the id cus_gone."
    assert (shown.metrics_complete, shown.invoices_complete) == (False, True)
    assert (shown.rows[0].position, shown.rows[0].amends) == (7, 3)
