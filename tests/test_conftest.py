"""What conftest promises: blocking calls of ours are caught in the event loop, and properties are repeatable."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import hypothesis
import pytest
from blockbuster import BlockBuster, BlockingError

import orbdo_sdk
from tests.support.blocking import is_watched
from tests.support.source import ROOT


@pytest.fixture
def detector(blocking_calls: BlockBuster) -> Iterator[None]:
    """The detector of the client's and the API's tests, switched on here."""
    blocking_calls.activate()
    yield
    blocking_calls.deactivate()


def sleeper(folder: Path) -> Callable[[], Coroutine[None, None, None]]:
    """A coroutine function that blocks, as if it stood in a file of this folder."""
    namespace: dict[str, object] = {"time": time}
    text = "async def sleep():\n    time.sleep(0.001)\n"
    exec(compile(text, str(folder / "sleeper.py"), "exec"), namespace)
    return namespace["sleep"]  # type: ignore[return-value]  # exec gives no types


@pytest.mark.usefixtures("detector")
def test_our_own_blocking_call_in_the_loop_is_caught() -> None:
    """Code of the packages that sleeps in the event loop raises."""
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        asyncio.run(sleeper(Path(orbdo_sdk.__file__).parent)())


@pytest.mark.usefixtures("detector")
def test_a_blocking_call_of_a_test_is_its_own_affair(tmp_path: Path) -> None:
    """Code that is not ours may block: a test that waits for a file harms nobody."""
    asyncio.run(sleeper(tmp_path)())


@pytest.mark.usefixtures("detector")
def test_blocking_outside_the_loop_is_fine() -> None:
    """The synchronous twin of the client blocks by design."""
    namespace: dict[str, object] = {}
    path = str(Path(orbdo_sdk.__file__).parent / "sleeper.py")
    exec(compile("import time\ntime.sleep(0.001)\nslept = True", path, "exec"), namespace)
    assert namespace["slept"] is True


@pytest.mark.parametrize(
    ("path", "watched"),
    [
        ("tests/sdk/client/test_orb.py", True),
        ("tests/server/api/test_ingest.py", True),
        ("tests/journeys/test_trace.py", True),
        ("tests/server/storage/test_invoices.py", False),
        ("tests/server/core/test_money.py", False),
    ],
)
def test_the_tests_of_what_users_run_are_watched(path: str, watched: bool) -> None:
    """The client's, the API's and the journeys' tests are watched, those of a store or the core are not."""
    assert is_watched(ROOT / path, []) is watched


def test_a_reason_lets_a_test_block() -> None:
    """The mark ``blocks`` exempts a test when it says why, and fails it when it does not."""
    path = ROOT / "tests/sdk/client/test_spool.py"
    assert is_watched(path, [pytest.mark.blocks("the spool is opened once").mark]) is False
    with pytest.raises(pytest.fail.Exception, match="is given the reason"):
        is_watched(path, [pytest.mark.blocks("because").mark])


@pytest.mark.anyio
async def test_async_tests_run_on_asyncio(anyio_backend_name: str) -> None:
    """A test marked ``anyio`` runs once, on asyncio."""
    assert anyio_backend_name == "asyncio"
    assert asyncio.get_running_loop().is_running()


def test_properties_are_repeatable() -> None:
    """Unless another profile is asked for, the same examples are tried each time and none is timed."""
    profile = hypothesis.settings.get_profile("ci")
    assert (profile.derandomize, profile.deadline, profile.database) == (True, None, None)
    assert hypothesis.settings.get_profile("long").derandomize is False
