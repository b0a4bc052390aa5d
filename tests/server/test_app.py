"""The server as an ASGI app: opened, given its keys, and closed again."""

from pathlib import Path

import httpx
import pytest

from orbdo_server.app import EmbeddedApp, OrbdoApp, create_app, create_embedded_app, first_key, open_stores
from orbdo_server.engine.stores import Stores
from orbdo_server.errors import DamagedDatabaseError
from orbdo_server.settings import Settings, SettingsError
from orbdo_server.storage.event_log import LogUnavailableError


async def status(app: OrbdoApp, key: str) -> int:
    """How the app answers the holder of a key."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, headers={"Authorization": f"Bearer {key}"}) as client:
        return (await client.get("http://test/v1/items")).status_code


def test_folders_are_made(tmp_path: Path) -> None:
    """Those of the data and those of its stores."""
    stores = open_stores(Settings(data=tmp_path / "new" / "data"))
    stores.close()
    made = {path.name for path in (tmp_path / "new" / "data").iterdir()}
    assert {"control.sqlite3", "events.duckdb", "documents"} <= made


def test_links_outlive_the_process(tmp_path: Path) -> None:
    """The secret that signs them is made once a folder, and is another in another folder."""
    opened = [open_stores(Settings(data=folder)) for folder in (tmp_path / "a", tmp_path / "b")]
    for stores in opened:
        stores.close()
    again = open_stores(Settings(data=tmp_path / "a"))
    again.close()
    first, other = (stores.signing_secret for stores in opened)
    assert (len(first), again.signing_secret) == (32, first)
    assert first != other


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"documents_url": "gopher://x"}, SettingsError),
        ({"events_url": "clickhouse://x"}, SettingsError),
        ({"database_url": "postgresql://x"}, SettingsError),
    ],
)
def test_what_cannot_be_opened_leaves_nothing_open(
    tmp_path: Path, settings: dict[str, str], error: type[Exception]
) -> None:
    """The next start finds the folder free."""
    with pytest.raises(error):
        open_stores(Settings(data=tmp_path, **settings))  # type: ignore[arg-type]  # one setting at a time
    stores: Stores = open_stores(Settings(data=tmp_path))
    stores.close()


def test_damage_refuses_to_start(tmp_path: Path) -> None:
    """Of the database or of the log."""
    (tmp_path / "control.sqlite3").write_bytes(b"something else" * 100)
    with pytest.raises(DamagedDatabaseError):
        open_stores(Settings(data=tmp_path))
    (tmp_path / "control.sqlite3").unlink()
    (tmp_path / "events.duckdb").write_bytes(b"something else" * 1000)
    with pytest.raises(LogUnavailableError):
        open_stores(Settings(data=tmp_path))


def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    """And never where the operator has a key of their own."""
    app = create_app(Settings(data=tmp_path, api_key="own"))
    assert first_key(app) is None
    app.close()
    app = create_app(Settings(data=tmp_path))
    secret = first_key(app)
    assert secret is not None
    assert secret.startswith("orbdo_live_admin_")
    assert first_key(app) is None
    app.close()


@pytest.mark.anyio
async def test_the_keys_of_an_app_open_it(tmp_path: Path) -> None:
    """The operator's own; the first one; and that of an embedded app, which nobody else has."""
    app = create_app(Settings(data=tmp_path / "a", api_key="own"))
    assert [await status(app, key) for key in ("own", "other")] == [200, 401]
    app.close()
    app = create_app(Settings(data=tmp_path / "b"))
    secret = first_key(app)
    assert secret is not None
    assert [await status(app, key) for key in (secret, "own", "")] == [200, 401, 401]
    app.close()
    embedded = create_embedded_app(tmp_path / "c")
    assert isinstance(embedded, EmbeddedApp)
    assert [await status(embedded, key) for key in (embedded.api_key, secret)] == [200, 401]
    embedded.close()


def test_an_embedded_app_reads_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to the caller's process, whose variables are about a server elsewhere."""
    monkeypatch.setenv("ORBDO_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("ORBDO_NONSENSE", "1")
    app = create_embedded_app(str(tmp_path / "here"))
    assert app.stores.settings.data == tmp_path / "here"
    app.close()


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    """Whoever ends the app, its lifespan or its owner."""
    app = create_app(Settings(data=tmp_path))
    app.close()
    app.close()
    create_app(Settings(data=tmp_path)).close()


@pytest.mark.anyio
async def test_a_lifespan_closes_the_app(tmp_path: Path) -> None:
    """As an ASGI server ends it."""
    app = create_app(Settings(data=tmp_path))
    said: list[str] = []
    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(told)

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        said.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    create_app(Settings(data=tmp_path)).close()


@pytest.mark.anyio
async def test_the_head_of_an_answer_can_be_asked_for_alone(tmp_path: Path) -> None:
    """Of whatever can be got; of nothing else."""
    app = create_app(Settings(data=tmp_path, api_key="own"))
    headers = {"Authorization": "Bearer own"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), headers=headers) as client:
        head = await client.head("http://test/v1/items")
        assert (head.status_code, head.headers["content-type"]) == (200, "application/json")
        assert (await client.head("http://test/v1/prices/x/calculate")).status_code == 405
    app.close()
