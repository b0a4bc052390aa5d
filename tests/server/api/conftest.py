"""The whole server in process: an app on a folder of its own, and clients that knock at its door."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from orbdo_server.app import OrbdoApp
from tests.support.knocking import knock, serving


@pytest.fixture
def app(tmp_path: Path, migrated: Path) -> Iterator[OrbdoApp]:
    """A server with a data folder of its own and one admin key."""
    with serving(tmp_path, migrated) as app:
        yield app


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[OrbdoApp]:
    """The same for all tests of a file that do not get in each other's way."""
    with serving(tmp_path_factory.mktemp("shared"), migrated) as app:
        yield app


@pytest.fixture
async def client(app: OrbdoApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the admin key of the account."""
    async with knock(app) as client:
        yield client
