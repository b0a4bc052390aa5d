"""Gates in front of an ASGI application: no framework is imported, no request body read, no response wrapped.

``RequireFeature`` and ``CheckUsageLimit`` are classes for ``app.add_middleware``; ``require_feature`` and
``check_usage_limit`` make entries of ``middleware=[...]``. The remaining names find the customer of a request.
"""

from orbdo_sdk.middleware._customers import CustomerResolver, header, path_segment, user_attribute
from orbdo_sdk.middleware._factory import GateFactory
from orbdo_sdk.middleware._gate import EntitlementGate
from orbdo_sdk.middleware._orbs import EntitledOrb, EntitlementReader, set_default_orb
from orbdo_sdk.middleware.check_usage_limit import CheckUsageLimit, check_usage_limit
from orbdo_sdk.middleware.require_feature import RequireFeature, require_feature

__all__ = [
    "CheckUsageLimit",
    "CustomerResolver",
    "EntitledOrb",
    "EntitlementGate",
    "EntitlementReader",
    "GateFactory",
    "RequireFeature",
    "check_usage_limit",
    "header",
    "path_segment",
    "require_feature",
    "set_default_orb",
    "user_attribute",
]
