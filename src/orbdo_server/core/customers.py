"""A customer: who is billed, in which currency and in whose calendar."""

from datetime import datetime
from typing import Any

import msgspec


class CustomerRef(msgspec.Struct, frozen=True):
    """How events name a customer: by our id, or by the id in the caller's own system, whichever they carry."""

    id: str
    external_customer_id: str | None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is billed. ``details`` holds what no rule looks at: addresses, tax id, further e-mail addresses."""

    id: str
    tenant: str
    external_customer_id: str | None
    name: str
    email: str
    currency: str | None
    timezone: str
    created_at: datetime
    auto_issuance: bool | None = None
    metadata: dict[str, str] = {}
    details: dict[str, Any] = {}

    @property
    def ref(self) -> CustomerRef:
        """Both names of the customer, as a reading of the log takes them."""
        return CustomerRef(id=self.id, external_customer_id=self.external_customer_id)
