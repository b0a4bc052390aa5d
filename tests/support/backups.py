"""Backups in memory, and folders made of them."""

import io
from datetime import datetime
from pathlib import Path

from orbdo_server.engine.backup import backing_up
from orbdo_server.engine.restore import restore
from orbdo_server.engine.stores import Stores
from orbdo_server.storage.backup_files import BackupFile, Manifest, read_backup
from tests.support.billing import utc

MADE = utc(2026, 3, 15, 12)
RESTORED = utc(2026, 3, 16, 12)


def made(stores: Stores, *, now: datetime = MADE) -> bytes:
    """The bytes of a backup of the stores."""
    with backing_up(stores, now=now) as backup:
        return b"".join(backup.chunks())


def opened(content: bytes) -> BackupFile:
    """The backup that these bytes are."""
    return read_backup(io.BytesIO(content), advanced=lambda _: None)


def restored(content: bytes, data: Path) -> Manifest:
    """What a backup says of itself, once it was restored into a folder."""
    return restore(opened(content), data, now=RESTORED, advanced=lambda _: None)
