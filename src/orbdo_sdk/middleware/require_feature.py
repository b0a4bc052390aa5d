"""The gate that asks whether a customer has a feature; how much of it is used is no concern of it."""

from typing import ClassVar, Unpack

from orbdo_sdk.entitlement import Decision, Reason, decide_granted
from orbdo_sdk.middleware._factory import GateFactory
from orbdo_sdk.middleware._gate import EntitlementGate, GateOptions, Policy
from orbdo_sdk.middleware._orbs import BoundReader, EntitledOrb
from orbdo_sdk.wire import EntitlementSnapshot


class RequireFeature(EntitlementGate):
    """Lets a request through when the plan of its customer includes ``feature``, and answers 403 when it does not.

    Closed while nothing is known of the customer, unless ``on_unknown="open"``. The options are those of every gate.
    """

    _status_default: ClassVar[int] = 403
    _on_unknown_default: ClassVar[Policy] = "closed"
    _denials_with_status: ClassVar[frozenset[Reason]] = frozenset({Reason.NOT_GRANTED, Reason.UNKNOWN_CUSTOMER})

    def _decide(self, snapshot: EntitlementSnapshot, customer_id: str, bound: BoundReader) -> Decision:
        return decide_granted(snapshot, self.feature, source=bound.source(customer_id))


def require_feature(feature: str, *, orb: EntitledOrb | None = None, **options: Unpack[GateOptions]) -> GateFactory:
    """A ``RequireFeature`` for the ``middleware=[...]`` of an application; its options are checked at once."""
    return GateFactory(RequireFeature, feature=feature, orb=orb, **options)
