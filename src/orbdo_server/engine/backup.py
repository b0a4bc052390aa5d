"""A backup of a server while it runs: both stores at one position of the log.

The control plane is copied first and the position is read after that, so that whatever the copy speaks of is in the
log up to it. What lies at or before a position never changes; events go on coming in meanwhile.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from orbdo_server import __version__
from orbdo_server.engine.stores import Stores
from orbdo_server.storage.backup_files import CONTROL_PLANE, BackupError, BackupWriter, Counts, Manifest
from orbdo_server.storage.event_log.exchange import ExportableLog, count_rows, export_parts
from orbdo_server.storage.event_log.journal import Mark

# Where the pieces lie until they are sent, in the data folder, which has room for them and is nobody else's.
UNFINISHED = "backup.unfinished"


class Backup:
    """A backup that was begun; ``chunks`` are its bytes, in order, and can be had once."""

    def __init__(self, stores: Stores, log: ExportableLog, mark: Mark, *, now: datetime) -> None:
        self.mark = mark
        self._log = log
        self._folder = stores.settings.data / UNFINISHED
        self._now = now

    def chunks(self) -> Iterator[bytes]:
        """All bytes of the file; in memory and on disk there is never more than a part of it.

        ``LogUnavailableError``, ``ReadTimeoutError``, ``OSError``.
        """
        writer = BackupWriter(created_at=self._now)
        control_plane = self._folder / CONTROL_PLANE
        yield from writer.member(CONTROL_PLANE, control_plane)
        control_plane.unlink()
        counts = {"events": 0, "actions": 0, "repeats": 0}
        for number, part in enumerate(export_parts(self._log, self._folder, mark=self.mark)):
            counts[part.relation] += part.rows
            yield from writer.member(f"{part.relation}-{number:06}.parquet", part.path, rows=part.rows)
            part.path.unlink()
        self._require_all(counts)
        yield from writer.end(self._manifest(writer, counts))

    def _require_all(self, counts: dict[str, int]) -> None:
        """Events that came again may have been noted since; all else is what it was."""
        found = count_rows(self._log, mark=self.mark)
        if any(counts[name] != found[name] for name in ("events", "actions")):
            message = f"The log has {found}, and {counts} went into the backup; make it again."
            raise BackupError(message)

    def _manifest(self, writer: BackupWriter, counts: dict[str, int]) -> Manifest:
        return Manifest(
            orbdo_version=__version__,
            created_at=self._now,
            log_id=self._log.identity(),
            position=self.mark.position,
            records=self.mark.records,
            digest=self.mark.digest.hex(),
            counts=Counts(**counts),
            members=writer.members,
        )


@contextmanager
def backing_up(stores: Stores, *, now: datetime) -> Iterator[Backup]:
    """A backup of the stores as they are at the beginning of the block. One at a time: it has one folder to work in.

    ``BackupError`` for a log that is not kept in files of this server; ``OSError``.
    """
    if not isinstance(stores.log, ExportableLog):
        message = "This event log is not kept in files of the server; back it up by its own means."
        raise BackupError(message)
    folder = stores.settings.data / UNFINISHED
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        stores.database.copy_to(folder / CONTROL_PLANE)
        yield Backup(stores, stores.log, stores.log.mark(), now=now)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
