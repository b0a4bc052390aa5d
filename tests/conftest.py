"""What every test runs under: one event loop, repeatable properties, and no blocking call inside the loop.

Fixtures that only one folder needs live in that folder's own conftest.
"""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from blockbuster import BlockBuster

import orbdo_sdk
import orbdo_server
from tests.support.blocking import is_watched
from tests.support.source import ROOT

# "ci" tries the same examples each time; "long" searches: pytest --hypothesis-profile=long
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, database=None)
hypothesis.settings.register_profile("long", derandomize=False, deadline=None, max_examples=5_000, print_blob=True)
hypothesis.settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let .ci/run say that it means to test the built wheel."""
    parser.addoption("--installed", action="store_true", help="fail unless the packages come from site-packages")


def pytest_configure(config: pytest.Config) -> None:
    """Register our marker, and end a run that would test the checkout where the wheel is meant."""
    config.addinivalue_line("markers", "blocks(reason): may block the event loop, and says why")
    folders = [Path(package.__file__ or "").parent for package in (orbdo_sdk, orbdo_server)]
    strays = [str(folder) for folder in folders if folder.is_relative_to(ROOT / "src")]
    if config.getoption("--installed") and strays:
        raise pytest.UsageError(f"the installed wheel was to be tested, not {', '.join(strays)}")


def pytest_report_header() -> str:
    """Say which copy of the packages is tested."""
    return f"orbdo: {Path(orbdo_sdk.__file__ or '').parents[1]}"


@pytest.fixture(scope="session", autouse=True)
def a_home_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Clients with default options keep what they cannot send below HOME: not that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked ``anyio`` run on asyncio, once."""
    return "asyncio"


@pytest.fixture(scope="session")
def blocking_calls() -> BlockBuster:
    """The detector of blocking calls that have a frame of our packages below them."""
    detector = BlockBuster([orbdo_sdk, orbdo_server])
    # The measuring of coverage waits for other threads in whatever function is on top.
    detector.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", "lock_data")
    return detector


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest, blocking_calls: BlockBuster) -> Iterator[None]:
    """Fail a test of the client or the API in which our code blocks the event loop; ``blocks(reason)`` lets it."""
    if not is_watched(request.node.path, request.node.iter_markers("blocks")):
        yield
        return
    blocking_calls.activate()
    yield
    blocking_calls.deactivate()
