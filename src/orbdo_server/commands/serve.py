"""``orbdo serve``: the server on its data folder, until it is told to stop."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orbdo_server.app import OrbdoApp, create_app, first_key
from orbdo_server.commands.console import errors, fail, output
from orbdo_server.commands.http_server import HttpServer
from orbdo_server.commands.interpreter import serving
from orbdo_server.engine.sends import sends_paused
from orbdo_server.errors import StartError
from orbdo_server.settings import Settings
from orbdo_server.storage.event_log import LogUnavailableError


def serve(
    *,
    data: Annotated[Path | None, Parameter(help="The data folder; made when it is missing.")] = None,
    host: Annotated[str | None, Parameter(help="The address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="The port to listen on.")] = None,
) -> None:
    """Run the server. Without ORBDO_API_KEY the first start makes an admin key and prints it once."""
    try:
        settings = Settings.load(data=data, host=host, port=port)
        app = create_app(settings)
    except (StartError, LogUnavailableError) as error:
        fail(str(error))
    try:
        _greet(app)
        with serving():
            HttpServer(app, settings).run()
    finally:
        app.close()


def _greet(app: OrbdoApp) -> None:
    settings = app.stores.settings
    secret = first_key(app)
    where = f"http://{settings.host}:{settings.port}, data in {settings.data}"
    output.print(f"orbdo is listening on {where}", markup=False, soft_wrap=True)
    if secret is not None:
        output.print(f"The first admin key, shown this once:\n\n    {secret}\n", soft_wrap=True)
    _say_what_is_paused(app)
    if settings.host not in {"127.0.0.1", "localhost", "::1"}:
        errors.print("Listening beyond this machine: put TLS in front of it.")


def _say_what_is_paused(app: OrbdoApp) -> None:
    with app.stores.database.read() as connection:
        pause = sends_paused(connection)
    if pause is not None:
        errors.print(
            f"Sends are paused since {pause.since:%Y-%m-%d %H:%M} UTC: restored from a backup of "
            f"{pause.backup_created_at:%Y-%m-%d %H:%M} UTC, it issues no invoice until 'orbdo restore --release "
            f"--data {app.stores.settings.data}'.",
            markup=False,
            soft_wrap=True,
        )
