"""The whole server in process, and clients of it over httpx's ASGI transport."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from orbdo_server.app import OrbdoApp, create_app
from orbdo_server.settings import Settings

ADMIN_KEY = "the-admin-key-of-the-tests"
API_URL = "http://test/v1"


@contextmanager
def serving(folder: Path, migrated: Path) -> Iterator[OrbdoApp]:
    """A server on ``folder`` that begins with a copy of a migrated control plane, closed at the end."""
    shutil.copy(migrated, folder / "control.sqlite3")
    app = create_app(Settings(data=folder, api_key=ADMIN_KEY))
    try:
        yield app
    finally:
        app.close()


def knock(
    app: OrbdoApp, *, key: str | None = ADMIN_KEY, agent: str | None = None, headers: httpx.Headers | None = None
) -> httpx.AsyncClient:
    """A client whose requests carry the key, or none, and concern the agent when one is named."""
    given = httpx.Headers(headers)
    if key is not None:
        given["Authorization"] = f"Bearer {key}"
    if agent is not None:
        given["Orbdo-Agent"] = agent
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=API_URL, headers=given)
