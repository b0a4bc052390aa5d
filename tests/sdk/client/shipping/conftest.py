"""A server, a clock and a shipper for the tests of shipping; every shipper is closed and every file is temporary."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orbdo_sdk.client._options import RetryPolicy
from orbdo_sdk.client._shipping import Shipper
from tests.sdk.client.shipping.clock import Clock
from tests.sdk.client.shipping.ingest_server import IngestServer, ingest_server

# Fails fast and tries again at once, so that no test waits for a backoff.
QUICK = RetryPolicy(
    wait_initial_seconds=0.001, wait_seconds_max=0.02, refused_wait_initial_seconds=0.05, refused_wait_seconds_max=0.1
)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def server() -> Iterator[IngestServer]:
    """A listening server."""
    with ingest_server() as listening:
        yield listening


@pytest.fixture
def make_shipper(server: IngestServer, tmp_path: Path) -> Iterator[Callable[..., Shipper]]:
    """A maker of shippers that talk to the server, spool below the test's folder and are closed after the test."""
    made: list[Shipper] = []

    def make(**options: Any) -> Shipper:
        settings: dict[str, Any] = {"base_url": server.url, "api_key": "key", "retry": QUICK, "spool_path": tmp_path}
        shipper = Shipper(**(settings | options))
        made.append(shipper)
        return shipper

    yield make
    for shipper in made:
        shipper.close(timeout_seconds=0.0)
