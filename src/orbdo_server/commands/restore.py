"""``orbdo restore``: a backup becomes a data folder, whose server sends nothing until it is released."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import Progress

from orbdo_server.commands.console import errors, fail, output
from orbdo_server.engine.audit import record_command
from orbdo_server.engine.keys import ACCOUNT, agent_tenant
from orbdo_server.engine.restore import require_finished, require_room
from orbdo_server.engine.restore import restore as restore_backup
from orbdo_server.engine.sends import INVOICE_NUMBER_MAX, release_sends
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ServerError, StartError
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage.backup_files import BackupError, Manifest, read_backup
from orbdo_server.storage.database import Database

NUMBER_DIGITS_MAX = len(str(INVOICE_NUMBER_MAX))


def restore(
    file: Annotated[Path | None, Parameter(help="The backup.")] = None,
    *,
    data: Annotated[Path | None, Parameter(help="The data folder; new or empty, unless it is released.")] = None,
    release: Annotated[bool, Parameter(help="Let a restored server send again.", negative="")] = False,
    next_invoice_number: Annotated[
        list[str] | None,
        Parameter(
            help="With --release: where numbers go on, as 120, or as AGENT=14 for those of an agent.", negative=""
        ),
    ] = None,
) -> None:
    """Make a data folder of a backup; nothing is written before all of the file was found whole.

    The restored server takes events and answers, and it issues no invoice until it is released: the numbers that were
    given out after the backup was made are lost from it. Clients may send again what they sent since then, under the
    same keys; what the backup has already counts once.
    """
    if (file is None) is not release:
        fail("give a backup to restore, or --release")
    if next_invoice_number and not release:
        fail("--next-invoice-number goes with --release")
    try:
        settings = Settings.load(data=data)
        if file is not None:
            _restore(file, settings)
        else:
            _release(settings, next_invoice_number or [])
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror or error}")
    except (StartError, ServerError) as error:
        fail(str(error))


def _restore(file: Path, settings: Settings) -> None:
    if settings.events_url is not None or settings.database_url is not None:
        fail("a restore makes both stores in the data folder: unset ORBDO_EVENTS_URL and ORBDO_DATABASE_URL")
    require_room(settings.data)
    size = file.stat().st_size
    with file.open("rb") as opened, Progress(console=errors, transient=True) as progress:
        verifying = progress.add_task("verifying", total=size)
        try:
            backup = read_backup(opened, advanced=lambda done: progress.advance(verifying, done))
        except BackupError as error:
            message = f"{file.name} is not a whole backup. {error}"
            raise BackupError(message) from error
        restoring = progress.add_task("restoring", total=size)
        manifest = restore_backup(
            backup, settings.data, now=utc_now(), advanced=lambda done: progress.advance(restoring, done)
        )
    _report(manifest, settings.data)


def _report(manifest: Manifest, data: Path) -> None:
    output.print(
        f"{data} is as of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC: position {manifest.position}, "
        f"{manifest.counts.events} events. Sends are paused: no invoice is issued until "
        f"'orbdo restore --release --data {data}'.",
        markup=False,
        soft_wrap=True,
    )


def _release(settings: Settings, numbers: list[str]) -> None:
    wanted = dict(_number(text) for text in numbers)
    require_finished(settings.data)
    with closing(Database(settings.database)) as database:
        database.migrate()
        with database.write() as connection:
            transaction = Transaction(connection=connection, tenant=ACCOUNT, now=utc_now(), new_id=new_id)
            release_sends(transaction, next_invoice_numbers=wanted)
            record_command(transaction, action="orbdo restore --release", resource_id=None)
    output.print("Sends are released.")


def _number(text: str) -> tuple[str, int]:
    agent, is_of_agent, number = text.rpartition("=")
    if not (number.isascii() and number.isdigit() and len(number) <= NUMBER_DIGITS_MAX and int(number) > 0):
        fail(f"{text} is no invoice number; write 120, or AGENT=14")
    return agent_tenant(ACCOUNT, agent) if is_of_agent else ACCOUNT, int(number)
