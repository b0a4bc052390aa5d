"""For the tests of applications: an Orb without a server, a clock that stands still, fixtures for pytest.

Nothing here is meant for production, and pytest is used only where it runs (PYTEST_DONT_REWRITE).
"""

from orbdo_sdk.testing import _fixtures
from orbdo_sdk.testing._clock import ManualClock
from orbdo_sdk.testing._event_record import RecordedEvent
from orbdo_sdk.testing._orb import InMemoryOrb

__all__ = ["InMemoryOrb", "ManualClock", "RecordedEvent"]

if hasattr(_fixtures, "in_memory_orb"):
    in_memory_orb = _fixtures.in_memory_orb
