"""What the client's tests share: a door to a server that says what the test wrote."""

import pytest

from tests.support.door import Door


@pytest.fixture
def door() -> Door:
    """A server that was told nothing yet."""
    return Door()
