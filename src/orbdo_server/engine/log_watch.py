"""That the control plane and the event log belong together, and to the same time.

The control plane notes which log it goes with and how far that has come: always after the log itself, so that a log
behind the note has lost something. The log's own files cannot tell when all of them are older, or another log's.
"""

from pathlib import Path

import msgspec
from sqlalchemy import Connection

from orbdo_server.engine.stores import Stores
from orbdo_server.settings import Settings
from orbdo_server.storage import tenants
from orbdo_server.storage.database import SCHEME, Database, look_up_state
from orbdo_server.storage.event_log import EventLog, LogDamagedError
from orbdo_server.storage.event_log.exchange import ExportableLog
from orbdo_server.storage.event_log.recovery import HOW_TO_GO_ON

NOTED = "log_position"


class Noted(msgspec.Struct, frozen=True):
    """Which log it is and the position it had reached."""

    log_id: str
    position: int


def noted(connection: Connection) -> Noted | None:
    """What the control plane last noted, None when it never did."""
    value = tenants.read_state(connection, name=NOTED)
    return None if value is None else msgspec.json.decode(value, type=Noted)


def noted_in(settings: Settings) -> Noted | None:
    """The same of a control plane that another process may have open; ``DamagedDatabaseError``."""
    value = look_up_state(Path(settings.database.removeprefix(SCHEME)), NOTED)
    return None if value is None else msgspec.json.decode(value, type=Noted)


def put_noted(connection: Connection, note: Noted) -> None:
    """Note it, whatever was noted before."""
    tenants.put_state(connection, name=NOTED, value=msgspec.json.encode(note).decode())


def note(stores: Stores) -> bool:
    """Note how far the log has come; whether that was further than before. ``UnavailableError``.

    Cheap when it was not, so that it may be called every second.
    """
    reached = state_of(stores.log)
    with stores.database.read() as connection:
        if noted(connection) == reached:
            return False
    with stores.database.write() as connection:
        put_noted(connection, reached)
    return True


def require_log(settings: Settings) -> None:
    """Raise ``LogDamagedError`` when the control plane goes with a log and there is none, before one is made anew."""
    if settings.log_path.exists():
        return
    known = noted_in(settings)
    if known is not None:
        message = (
            f"There is no event log {settings.log_path.name}, and the control plane has seen position "
            f"{known.position} of one. {HOW_TO_GO_ON}"
        )
        raise LogDamagedError(message)


def require_same_time(database: Database, log: EventLog) -> None:
    """Raise ``LogDamagedError`` for another log than the one that was noted, or one that is behind the note."""
    with database.read() as connection:
        known = noted(connection)
    problem = None if known is None else difference(known, state_of(log))
    if problem is not None:
        message = f"{problem} {HOW_TO_GO_ON}"
        raise LogDamagedError(message)


def difference(known: Noted, found: Noted) -> str | None:
    """Why a log is not the one that was noted, in a sentence; None when it is."""
    if found.log_id != known.log_id:
        return (
            f"The event log is another one than the control plane goes with, which had reached position "
            f"{known.position}; this one has {found.position}."
        )
    if found.position < known.position:
        return (
            f"The event log ends at position {found.position}, and the control plane has seen {known.position}: "
            f"{known.position - found.position} positions, those from {found.position + 1} on, are missing."
        )
    return None


def state_of(log: EventLog) -> Noted:
    """What there is to note of a log."""
    return Noted(log_id=log.identity() if isinstance(log, ExportableLog) else "", position=log.position())
