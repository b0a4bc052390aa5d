"""Gates before they know their application."""

import subprocess
import sys

import pytest

from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware import CheckUsageLimit, RequireFeature, check_usage_limit, require_feature
from orbdo_sdk.testing import InMemoryOrb
from tests.support.asgi import Receive, Scope, Send


async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An application that does nothing."""


def test_a_factory_unpacks_as_frameworks_expect() -> None:
    """It is an iterable of class, positional and keyword arguments, and has them by name for instrumentation."""
    orb = InMemoryOrb()
    factory = require_feature("sso", orb=orb, paths="/api/*")
    cls, args, kwargs = factory
    assert (cls, args, kwargs) == (RequireFeature, (), {"feature": "sso", "orb": orb, "paths": "/api/*"})
    assert (factory.cls, factory.args, factory.kwargs) == (cls, args, kwargs)


def test_a_factory_can_be_used_more_than_once() -> None:
    """Each application gets a gate of its own."""
    factory = check_usage_limit("calls", orb=InMemoryOrb())
    first, second = factory(nothing), factory(nothing)
    assert isinstance(first, CheckUsageLimit)
    assert first is not second


def test_options_are_checked_at_once() -> None:
    """A factory refuses what its gate would refuse, long before there is an application."""
    with pytest.raises(ConfigurationError, match="feature must be the key of a feature"):
        require_feature("")


def test_an_option_that_does_not_exist_is_refused() -> None:
    """A misspelt option is a TypeError, as in any call."""
    with pytest.raises(TypeError, match="path"):
        require_feature("sso", path="/api/*")  # type: ignore[call-arg]  # what is being tested


def test_a_factory_shows_what_it_makes() -> None:
    """Its representation is the call that makes the gate, without the secrets of an Orb."""
    assert repr(check_usage_limit("calls", wanted=2)) == "CheckUsageLimit(feature='calls', orb=None, wanted=2)"


def test_no_framework_is_imported() -> None:
    """The middleware can be imported, and gates made, where neither Starlette nor FastAPI is installed."""
    program = (
        "import sys; sys.modules['starlette'] = sys.modules['fastapi'] = None\n"
        "from orbdo_sdk.middleware import require_feature\n"
        "require_feature('sso')"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=15)
