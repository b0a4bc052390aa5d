"""Events as users write them, one way or the other."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orbdo_sdk import Event, EventFields, InvalidEventError
from orbdo_sdk.client._events import new_event, new_events
from orbdo_sdk.client._shipping import NewEvent

AT = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMER_ID = "cus_01hzxw5s3k8n9q2r4t6v7w8xyz"


def test_an_event_may_be_a_value_or_a_dict() -> None:
    """Both say the same, and the customer's id finds its field."""
    tokens = {"tokens": 7}
    fields: EventFields = {
        "event_type": "llm",
        "customer_id": CUSTOMER_ID,
        "idempotency_key": "k1",
        "timestamp": AT,
        "properties": tokens,
    }
    event = Event(event_type="llm", customer_id=CUSTOMER_ID, idempotency_key="k1", timestamp=AT, properties=tokens)
    expected = NewEvent(
        event_type="llm", customer_id=CUSTOMER_ID, idempotency_key="k1", timestamp=AT, properties={"tokens": 7}
    )
    assert new_events([event, fields]) == [expected, expected]


def test_an_event_needs_only_type_and_customer() -> None:
    """Key and instant are left to be made, properties to none."""
    expected = NewEvent(event_type="llm", external_customer_id="acme")
    assert new_event(event_type="llm", customer_id="acme") == expected
    fields: EventFields = {"event_type": "llm", "customer_id": "acme"}
    assert new_events(iter([fields])) == [expected]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"event_type": "llm"}, r"events\[1\]\.customer_id: is missing"),
        ({"customer_id": "acme"}, r"events\[1\]\.event_type: is missing"),
        ({"event_type": "llm", "customer_id": "acme", "at": AT}, r"events\[1\]\.at: is no field of an event"),
    ],
)
def test_a_misspelt_event_is_refused(fields: Any, problem: str) -> None:
    """The event and its field are named."""
    with pytest.raises(InvalidEventError, match=problem):
        new_events([Event(event_type="llm", customer_id="acme"), fields])
