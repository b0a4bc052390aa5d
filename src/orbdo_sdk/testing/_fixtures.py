"""The fixtures of ``pytest_plugins = ["orbdo_sdk.testing"]``; there are none where pytest does not run."""

import sys
from typing import TYPE_CHECKING

from orbdo_sdk.testing._orb import InMemoryOrb

if TYPE_CHECKING or "pytest" in sys.modules:
    import pytest

    @pytest.fixture
    def in_memory_orb() -> InMemoryOrb:
        """An Orb without a server, made anew for each test; it grants nothing until the test says so."""
        return InMemoryOrb()
