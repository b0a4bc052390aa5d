"""The gate that asks whether a customer's limit has room for one more; it counts nothing itself."""

from decimal import Decimal
from typing import ClassVar, Unpack

from orbdo_sdk.entitlement import Decision, Reason, check_wanted, decide
from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware._asgi import ASGIApp
from orbdo_sdk.middleware._factory import GateFactory
from orbdo_sdk.middleware._gate import EntitlementGate, GateOptions, Policy
from orbdo_sdk.middleware._orbs import BoundReader, EntitledOrb
from orbdo_sdk.wire import EntitlementSnapshot


class CheckUsageLimit(EntitlementGate):
    """Lets a request through when ``wanted`` more units fit into the customer's limit, up to and including its bound.

    Otherwise it answers 429 with ``RateLimit`` fields and, when the limit resets, ``Retry-After``; 403 when the plan
    does not include ``feature`` at all. Open while nothing is known of the customer, unless ``on_unknown="closed"``.
    The usage is what the snapshot knows of. The other options are those of every gate.
    """

    _status_default: ClassVar[int] = 429
    _on_unknown_default: ClassVar[Policy] = "open"
    _denials_with_status: ClassVar[frozenset[Reason]] = frozenset({Reason.LIMIT_REACHED})

    def __init__(
        self,
        app: ASGIApp,
        feature: str,
        orb: EntitledOrb | None = None,
        *,
        wanted: Decimal | int = 1,
        **options: Unpack[GateOptions],
    ) -> None:
        super().__init__(app, feature, orb, **options)
        self._wanted = _check_positive(wanted)

    def _decide(self, snapshot: EntitlementSnapshot, customer_id: str, bound: BoundReader) -> Decision:
        return decide(snapshot, self.feature, self._wanted, bound.now(), source=bound.source(customer_id))


def check_usage_limit(
    feature: str, *, orb: EntitledOrb | None = None, wanted: Decimal | int = 1, **options: Unpack[GateOptions]
) -> GateFactory:
    """A ``CheckUsageLimit`` for the ``middleware=[...]`` of an application; its options are checked at once."""
    return GateFactory(CheckUsageLimit, feature=feature, orb=orb, wanted=wanted, **options)


def _check_positive(wanted: Decimal | int) -> Decimal | int:
    try:
        check_wanted(wanted)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(str(error)) from error
    if wanted == 0:
        # It would let a customer at the bound through, which is what the gate is there to stop.
        raise ConfigurationError("wanted must be positive, got 0")
    return wanted
