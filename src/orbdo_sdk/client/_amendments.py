"""What an event is to be instead, as the wire has it. Pure; it refuses what an event could not be sent with either."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from orbdo_sdk.client._events import new_event
from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping.encoding import encode_event
from orbdo_sdk.client._vocabulary import Body

EVENT_BYTES_MAX = BufferLimits().event_bytes_max


def amendment(*, event_type: str, customer_id: str, timestamp: datetime, properties: Mapping[str, object]) -> Body:
    """The body of an amendment; raises InvalidEventError naming the argument at fault."""
    new = new_event(event_type=event_type, customer_id=customer_id, timestamp=timestamp, properties=properties)
    _, payload = encode_event(
        event_type=new.event_type,
        external_customer_id=new.external_customer_id,
        customer_id=new.customer_id,
        properties=new.properties,
        timestamp=timestamp,
        # The event keeps the one that it has; this stands in for it in the check.
        idempotency_key="-",
        now=lambda: timestamp,
        event_bytes_max=EVENT_BYTES_MAX,
    )
    body: Body = msgspec.json.decode(payload)
    del body["idempotency_key"]
    return body
