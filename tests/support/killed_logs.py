"""The files of a log as they would lie there if its process were killed now."""

import shutil
from pathlib import Path

from orbdo_server.storage.event_log.duckdb import DuckDBEventLog


def killed_copy(log: DuckDBEventLog, folder: Path, copy: Path) -> Path:
    """Copy the folder of an open log while nothing writes its tables: all files are of one moment."""
    with log._tables._writing:
        shutil.copytree(folder, copy, copy_function=_copy_if_there, dirs_exist_ok=True)
    return copy


def _copy_if_there(source: str, target: str) -> None:
    try:
        shutil.copy(source, target)
    except FileNotFoundError:
        # A spare segment has just got its name.
        return
