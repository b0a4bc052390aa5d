"""``orbdo recover``: what a log that does not start has and lacks, and the way on with what is left of it."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orbdo_server.commands.console import fail, output
from orbdo_server.engine.audit import record_command
from orbdo_server.engine.keys import ACCOUNT, ensure_tenant
from orbdo_server.engine.log_watch import Noted, difference, noted_in, put_noted, state_of
from orbdo_server.engine.restore import require_finished
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ServerError, StartError
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage.database import Database
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.examination import examine, is_in_use


def recover(
    *,
    data: Annotated[Path | None, Parameter(help="The data folder of a server that is not running.")] = None,
    accept_loss: Annotated[
        bool, Parameter(help="Go on with what is left; what is missing is given up.", negative="")
    ] = False,
) -> None:
    """Say what the event log has and what is missing. Nothing is changed without --accept-loss.

    Restore a backup rather than accept a loss when there is one that has more: 'orbdo restore'. Clients that still have
    their events may send them again under the same keys, whichever way is taken.
    """
    try:
        settings = Settings.load(data=data)
        require_finished(settings.data)
        if is_in_use(settings.log_path):
            fail(f"a server has {settings.data} open, so that its log is whole; stop it to look closer")
        if not settings.log_path.parent.is_dir():
            fail(f"there is no folder {settings.log_path.parent}")
        missing = _say(settings)
        if accept_loss:
            _go_on(settings, missing)
    except (StartError, ServerError) as error:
        fail(str(error))


def _say(settings: Settings) -> int:
    """What there is; how many positions are missing, as far as anybody knows."""
    found, known = examine(settings.log_path), noted_in(settings)
    problems = list(found.problems)
    if known is not None:
        there = Noted(log_id=found.log_id or known.log_id, position=found.reaches)
        problem = difference(known, there)
        problems += [] if problem is None else [problem]
    acknowledged = max(found.acknowledged, 0 if known is None else known.position)
    output.print(f"The tables have {found.tables} positions; with the journal there are {found.reaches}.")
    output.print(
        f"{acknowledged} were acknowledged, as far as the files know: {acknowledged - found.reaches} are missing."
    )
    for problem in problems:
        output.print(problem, markup=False, soft_wrap=True)
    if not problems:
        output.print("Nothing is wrong with it that can be seen without reading all of it, which a start does.")
    return acknowledged - found.reaches


def _go_on(settings: Settings, missing: int) -> None:
    """The log as it is, and the control plane told so."""
    now = utc_now()
    with closing(DuckDBEventLog(settings.log_path, accept_loss=True)) as log:
        left = state_of(log)
        with closing(Database(settings.database)) as database:
            database.migrate()
            with database.write() as connection:
                ensure_tenant(connection, tenant=ACCOUNT, name="Main account", now=now)
                put_noted(connection, left)
                transaction = Transaction(connection=connection, tenant=ACCOUNT, now=now, new_id=new_id)
                record_command(
                    transaction, action=f"orbdo recover --accept-loss at {left.position}", resource_id=left.log_id
                )
    output.print(f"The log goes on after position {left.position}. Given up: {missing} positions. Run 'orbdo serve'.")
