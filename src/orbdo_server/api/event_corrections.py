"""Corrections of single events over HTTP. The id of an event is its idempotency key, which no correction changes."""

from typing import Any

import msgspec

from orbdo_sdk import wire
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery, UtcDatetime
from orbdo_server.api.fields import ExternalId, Id
from orbdo_server.engine import corrections as engine
from orbdo_server.engine.acceptance import Acceptance
from orbdo_server.engine.corrections import Amendment, Bounds

# The numbers of a body are decimals, of which no digit gets lost on the way to the log.
_properties = msgspec.json.Encoder(decimal_format="number")


class AmendmentBody(Body):
    """What an event is to be instead; its time and its customer stay, and are said once more."""

    event_name: str
    timestamp: UtcDatetime
    # The core says what properties are, in the same words as for those that are sent first.
    properties: dict[str, Any]
    customer_id: Id | None = None
    external_customer_id: ExternalId | None = None


def amend_event(call: Call[AmendmentBody, NoQuery]) -> wire.AmendedEvent:
    """The id of the event, in whose place the amendment stands."""
    event_id, body = call.path["event_id"], call.body
    amendment = Amendment(
        event_name=body.event_name,
        timestamp=body.timestamp,
        properties=msgspec.Raw(_properties.encode(body.properties)),
        customer_id=body.customer_id,
        external_customer_id=body.external_customer_id,
    )
    engine.amend_event(call.transaction, call.stores.log, event_id, amendment, bounds=_bounds(call))
    return wire.AmendedEvent(amended=event_id)


def deprecate_event(call: Call[NoBody, NoQuery]) -> wire.DeprecatedEvent:
    """The id of the event, which is out of effect."""
    event_id = call.path["event_id"]
    engine.deprecate_event(call.transaction, call.stores.log, event_id, bounds=_bounds(call))
    return wire.DeprecatedEvent(deprecated=event_id)


def undo_correction(call: Call[NoBody, NoQuery]) -> wire.UndoneCorrection:
    """The id of the event, which is as it was before its last correction."""
    event_id = call.path["event_id"]
    engine.undo_correction(call.transaction, call.stores.log, event_id, age_max=_bounds(call).age_max)
    return wire.UndoneCorrection(undone=event_id)


def _bounds(call: Call[Any, NoQuery]) -> Bounds:
    settings = call.stores.settings
    # What ingest remembers for a while is read anew here: a correction is rare, and a subscription may be new.
    acceptance = Acceptance(call.stores.database, grace=settings.grace)
    return Bounds(age_max=acceptance.age_max(call.tenant, call.now), corrections_max=settings.corrections_max)


WRITE = "corrections:write"
ONE = "/events/{event_id}"
ENDPOINTS = (
    Endpoint("PUT", ONE, amend_event, WRITE, "Amend an event.", wire.AmendedEvent, body=AmendmentBody, tag="events"),
    Endpoint(
        "PUT", f"{ONE}/deprecate", deprecate_event, WRITE, "Deprecate an event.", wire.DeprecatedEvent, tag="events"
    ),
    Endpoint(
        "POST",
        f"{ONE}/undo",
        undo_correction,
        WRITE,
        "Take back the last correction of an event.",
        wire.UndoneCorrection,
        tag="events",
    ),
)
