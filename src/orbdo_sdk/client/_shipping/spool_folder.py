"""Where spools lie, which of them belong to one account, and how those of dead processes are taken over.

A file is named after its account, so that the events of one tenant are never sent with the key of another. A file that
some process holds is never touched, and one that cannot be read is set aside, not deleted.
"""

import hashlib
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import uuid_utils

from orbdo_sdk.client._shipping import _sqlite
from orbdo_sdk.client._shipping.spool import SCHEMA, Spool, Stored

logger = logging.getLogger("orbdo")

SUFFIX = ".spool"
ADOPT_EVENTS = 1_000
FILES_ADOPTED_MAX = 1_000


def default_folder() -> Path:
    """The folder used when none is given: in the state folder of the user who runs the process."""
    return Path.home() / ".local" / "state" / "orbdo" / "spool"


def account_name(base_url: str, *, api_key: str, headers: Mapping[str, str], account: str | None) -> str:
    """The name of whose events these are, fit for a file name and telling nothing of the key.

    Made of the address and the key unless ``account`` is given: then the events outlive a change of the key.
    """
    whose = account if account is not None else "\0".join([api_key, *(f"{k}\0{v}" for k, v in sorted(headers.items()))])
    kind = "key" if account is None else "account"
    return hashlib.sha256(f"{base_url}\0{kind}\0{whose}".encode()).hexdigest()[:20]


class SpoolFolder:
    """The spools of one account in one folder; nothing is created before something is written."""

    def __init__(self, folder: Path, account: str) -> None:
        self._folder = folder
        self._account = account

    @property
    def dead_letters_path(self) -> Path:
        """The file of rejected events, which all processes of the account share."""
        return self._folder / f"{self._account}.dead-letters"

    def new_path(self) -> Path:
        """A name that no other process uses."""
        return self._folder / f"{self._account}.{os.getpid()}.{uuid_utils.uuid7()}{SUFFIX}"

    def has_spools(self) -> bool:
        """Whether there are spools of this account, living or dead."""
        return next(self._files(), None) is not None

    def adopt(self, spool: Spool) -> int:
        """Move the events of dead processes into ``spool``; how many they were.

        A file too large for the room that is left stays for later. A crash in the middle leaves an event in both, which
        the server's memory of idempotency keys makes harmless. Raises SpoolError when ``spool`` cannot be written.
        """
        adopted = 0
        for path in sorted(self._files())[:FILES_ADOPTED_MAX]:
            try:
                with _sqlite.LOCK:
                    adopted += _adopt_file(path, spool)
            except (sqlite3.OperationalError, OSError):
                continue  # held by a living process, or gone in the meantime
            except sqlite3.DatabaseError as error:
                _set_aside(path, error)
        return adopted

    def _files(self) -> Iterator[Path]:
        return self._folder.glob(f"{self._account}.*{SUFFIX}")


def _adopt_file(path: Path, spool: Spool) -> int:
    connection = _sqlite.connect(path, exclusive=True, create=False)
    try:
        connection.execute(SCHEMA)
        (stored_bytes,) = connection.execute("SELECT total(length(payload) + length(key)) FROM event").fetchone()
        if stored_bytes > spool.room_bytes:
            return 0
        adopted = 0
        for rows in _chunks(connection):
            spool.adopt(rows)
            adopted += len(rows)
        # Emptied before it is removed: another process may have opened it in the meantime and be waiting for it.
        connection.execute("DELETE FROM event")
    finally:
        connection.close()
    _sqlite.remove(path)
    return adopted


def _chunks(connection: sqlite3.Connection) -> Iterator[list[Stored]]:
    cursor = connection.execute("SELECT id, key, payload, accepted_at FROM event ORDER BY id")
    while rows := cursor.fetchmany(ADOPT_EVENTS):
        yield [Stored(*row) for row in rows]


def _set_aside(path: Path, error: sqlite3.DatabaseError) -> None:
    aside = path.with_name(path.name + ".damaged")
    logger.error("spool %s is damaged and was set aside as %s: %s", path.name, aside.name, error)
    path.rename(aside)
