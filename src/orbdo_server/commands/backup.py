"""``orbdo backup``: one file from which the server can be made again, taken while it runs."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import httpx
import msgspec
from cyclopts import Parameter
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from orbdo_sdk import ConfigurationError
from orbdo_sdk.client._options import check_api_key, normalise_base_url
from orbdo_sdk.client._settings import api_key_or_default, base_url_or_default
from orbdo_sdk.wire import Problem
from orbdo_server.app import open_stores
from orbdo_server.commands.console import errors, fail, output
from orbdo_server.engine.backup import backing_up
from orbdo_server.engine.log_watch import noted_in
from orbdo_server.errors import ServerError, StartError
from orbdo_server.identifiers import utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage.backup_files import BackupError, Manifest, read_backup
from orbdo_server.storage.event_log.examination import is_in_use

CONNECT_SECONDS_MAX = 10.0
# A server writes a part of the file before it sends it.
READ_SECONDS_MAX = 120.0
PROBLEM_BYTES_MAX = 1 << 20


def backup(
    file: Annotated[Path, Parameter(help="The file to make; it must not be there.")],
    *,
    data: Annotated[Path | None, Parameter(help="The data folder, of a running server or of none.")] = None,
    url: Annotated[str | None, Parameter(help="The server, else ORBDO_BASE_URL; it takes events meanwhile.")] = None,
    api_key: Annotated[str | None, Parameter(help="A key that may do everything, else ORBDO_API_KEY.")] = None,
) -> None:
    """Make a backup of both stores at one position. The file has its name only when it was read again and found whole.

    A running server is asked for it: the one at --url, or the one that has the data folder open. The file holds
    everything that the server knows, the hashes of its keys too: keep it as well as you keep the data folder.
    """
    began = time.monotonic()
    partial = file.with_name(f"{file.name}.partial")
    with _one_sentence_a_failure(file):
        if file.exists():
            fail(f"{file} is there already; a backup takes the place of no other")
        settings = Settings.load(data=data)
        try:
            manifest, size = _make(partial, settings, url, api_key)
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
    seconds = time.monotonic() - began
    output.print(
        f"{file}: position {manifest.position}, {manifest.counts.events} events, {size} bytes, {seconds:.1f} seconds",
        markup=False,
        soft_wrap=True,
    )


@contextmanager
def _one_sentence_a_failure(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    except httpx.HTTPError as error:
        fail(f"the server did not give a whole backup: {error or type(error).__name__}")
    except (ConfigurationError, StartError, ServerError) as error:
        fail(str(error))


def _make(partial: Path, settings: Settings, url: str | None, api_key: str | None) -> tuple[Manifest, int]:
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w+b") as target:
        if url is not None:
            _ask(target, url, api_key)
            return _verified(target)
        if not is_in_use(settings.log_path):
            _open_and_copy(target, settings)
            return _verified(target)
        address = base_url_or_default(None)
        try:
            _ask(target, address, api_key)
        except httpx.ConnectError:
            fail(f"{settings.data} is in use, and no server answers at {address}: name it with --url")
        manifest, size = _verified(target)
    _require_same_log(manifest, settings)
    return manifest, size


def _ask(target: BinaryIO, url: str, api_key: str | None) -> None:
    """From a running server."""
    key = api_key_or_default(api_key)
    check_api_key(key)
    headers = {"Authorization": f"Bearer {key}"}
    timeout = httpx.Timeout(READ_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
    with httpx.stream("POST", f"{normalise_base_url(url)}/v1/backup", headers=headers, timeout=timeout) as answer:
        if not answer.is_success:
            fail(_refusal(answer))
        _write(target, answer.iter_bytes())


def _refusal(answer: httpx.Response) -> str:
    said = b""
    for chunk in answer.iter_bytes():
        said += chunk
        if len(said) > PROBLEM_BYTES_MAX:
            break
    try:
        return f"the server answers: {msgspec.json.decode(said, type=Problem).detail}"
    except msgspec.DecodeError:
        return f"the server answers with status {answer.status_code}"


def _open_and_copy(target: BinaryIO, settings: Settings) -> None:
    """From a folder that no server has open; it is opened as a server does, and not when that would refuse to start."""
    if not settings.log_path.exists():
        fail(f"there is no event log {settings.log_path}")
    with closing(open_stores(settings)) as stores, backing_up(stores, now=utc_now()) as begun:
        _write(target, begun.chunks())


def _write(target: BinaryIO, chunks: Iterable[bytes]) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeElapsedColumn(), console=errors, transient=True) as progress:
        task = progress.add_task("backing up", total=None)
        for chunk in chunks:
            target.write(chunk)
            progress.advance(task, len(chunk))
    target.flush()
    os.fsync(target.fileno())


def _verified(target: BinaryIO) -> tuple[Manifest, int]:
    size = target.tell()
    target.seek(0)
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("verifying", total=size)
        return read_backup(target, advanced=lambda done: progress.advance(task, done)).manifest, size


def _require_same_log(manifest: Manifest, settings: Settings) -> None:
    """The server that was asked has to be the one of the folder."""
    known = noted_in(settings)
    if known is not None and known.log_id != manifest.log_id:
        message = f"The server that answered is not the one that has {settings.data} open; name that one with --url."
        raise BackupError(message)
