"""A backup becomes the data folder of a server, which sends nothing until it is released.

Everything is made in a folder within the data folder, and moved out of it at the end. While that folder is there no
server starts, so that half a restore is never taken for a whole one; another attempt begins anew.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from orbdo_server.engine.audit import record_command
from orbdo_server.engine.keys import ACCOUNT, ensure_tenant
from orbdo_server.engine.log_watch import Noted, put_noted
from orbdo_server.engine.sends import Pause, pause_sends
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import StartError
from orbdo_server.identifiers import new_id
from orbdo_server.settings import Settings
from orbdo_server.storage.backup_files import (
    CONTROL_PLANE,
    BackupError,
    BackupFile,
    Counts,
    Manifest,
    relation_of,
)
from orbdo_server.storage.database import Database
from orbdo_server.storage.event_log import LogUnavailableError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from orbdo_server.storage.event_log.exchange import Part, PartError, build_log, count_rows
from orbdo_server.storage.event_log.journal import Mark

UNFINISHED = "restore.unfinished"


def restore(backup: BackupFile, data: Path, *, now: datetime, advanced: Callable[[int], None]) -> Manifest:
    """Make ``data``, which is new or empty, the data folder that the backup is of; what the backup says about itself.

    ``BackupError`` when the folder is not empty or the backup is not what it says; nothing is left behind then that a
    server would start on. ``OSError``.
    """
    require_room(data)
    data.mkdir(parents=True, exist_ok=True)
    with _sole_use(data):
        work = data / UNFINISHED
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        settings = Settings(data=work)
        try:
            found = _make_log(backup, settings, advanced)
            _make_control_plane(backup, settings, found, now=now, advanced=advanced)
        except (PartError, LogUnavailableError) as error:
            raise BackupError(str(error)) from error
        _move(work, data)
    return backup.manifest


def require_room(data: Path) -> None:
    """Raise ``BackupError`` for a folder that something is in, except for what an attempt left that came to no end."""
    if data.exists() and not data.is_dir():
        message = f"{data} is no folder."
        raise BackupError(message)
    there = {path.name for path in data.iterdir()} if data.exists() else set()
    if UNFINISHED in there:
        return
    if there:
        message = f"{data} is not empty: restore into a new folder, and put it in the place of the old one."
        raise BackupError(message)


def require_finished(data: Path) -> None:
    """Raise ``StartError`` for a folder that a restore into came to no end."""
    if (data / UNFINISHED).exists():
        message = f"A restore into {data} came to no end: run 'orbdo restore' again, which begins anew."
        raise StartError(message)


@contextmanager
def _sole_use(data: Path) -> Iterator[None]:
    """No second restore meanwhile, which would begin anew where this one is."""
    descriptor = os.open(data, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"Another restore into {data} is under way."
        raise BackupError(message) from error
    else:
        yield
    finally:
        os.close(descriptor)


def _make_log(backup: BackupFile, settings: Settings, advanced: Callable[[int], None]) -> Noted:
    manifest = backup.manifest
    mark = Mark(manifest.records, manifest.position, bytes.fromhex(manifest.digest))
    build_log(settings.log_path, _parts(backup, settings.data, advanced), mark=mark)
    # To open it is to read all of it; whether every position is there is looked at as well.
    with closing(DuckDBEventLog(settings.log_path)) as log:
        counts = Counts(**count_rows(log, mark=log.mark()))
        if (log.mark(), counts) != (mark, manifest.counts):
            message = f"The log has {counts} at {log.position()}, and should have {manifest.counts} at {mark.position}."
            raise BackupError(message)
        return Noted(log_id=log.identity(), position=log.position())


def _parts(backup: BackupFile, work: Path, advanced: Callable[[int], None]) -> Iterator[Part]:
    for member in backup.manifest.members:
        relation = relation_of(member.name)
        if relation is not None:
            path = work / member.name
            backup.extract(member, path, advanced=advanced)
            yield Part(relation, path, member.rows)
            path.unlink()


def _make_control_plane(
    backup: BackupFile, settings: Settings, found: Noted, *, now: datetime, advanced: Callable[[int], None]
) -> None:
    manifest = backup.manifest
    [member] = [member for member in manifest.members if member.name == CONTROL_PLANE]
    backup.extract(member, settings.data / CONTROL_PLANE, advanced=advanced)
    pause = Pause(since=now, backup_created_at=manifest.created_at, position=manifest.position)
    with closing(Database(settings.database)) as database:
        database.migrate()
        with database.write() as connection:
            ensure_tenant(connection, tenant=ACCOUNT, name="Main account", now=now)
            put_noted(connection, found)
            pause_sends(connection, pause)
            transaction = Transaction(connection=connection, tenant=ACCOUNT, now=now, new_id=new_id)
            record_command(transaction, action="orbdo restore", resource_id=found.log_id)


def _move(work: Path, data: Path) -> None:
    """Out of the folder that keeps a server from starting, and only then that folder goes."""
    for path in sorted(work.rglob("*")):
        if path.is_file():
            _sync(path)
    for path in sorted(work.iterdir()):
        target = data / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.rename(target)
    _sync(data)
    work.rmdir()
    _sync(data)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
