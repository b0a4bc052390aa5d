"""``orbdo serve`` in a process of its own, for a benchmark: started, asked, looked at from outside, and stopped.

It reads what the system says of the process, which only Linux does in this form. The settings of whoever runs the
benchmark do not apply to the server.
"""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from benchmarks.load import HOST
from orbdo_server.settings import Settings

# A log of many millions of events is read at the start and written out at the end.
READY_SECONDS_MAX = 300.0
STOP_SECONDS_MAX = 300.0
POLL_SECONDS = 0.01
REQUEST_SECONDS_MAX = 60.0
QUIET_SECONDS_MAX = 60.0
QUIET_WINDOW_SECONDS = 0.5
QUIET_CPU_SHARE = 0.1
SAID_BYTES_MAX = 4_000
SERVE = "from orbdo_server.cli import main; main()"
SAID = "server.txt"


class ServerError(Exception):
    """The server did not start, did not stop, or gave an answer other than 200; the message holds what it said."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is ready; ``start_seconds`` is from the start of its process until it could accept events."""

    port: int
    api_key: str
    process_id: int
    start_seconds: float

    def cpu_seconds(self) -> float:
        """The processor time that it has taken, of all its threads."""
        # After the name in brackets, which may hold anything, the 12th and 13th words are the ticks of user and system.
        words = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def wait_until_quiet(self) -> None:
        """Wait until it does next to nothing: what it had taken is done. ``ServerError`` when that takes too long."""
        deadline = time.monotonic() + QUIET_SECONDS_MAX
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(QUIET_WINDOW_SECONDS)
            if self.cpu_seconds() - before <= QUIET_CPU_SHARE * QUIET_WINDOW_SECONDS:
                return
        message = f"the server was busy for {QUIET_SECONDS_MAX:.0f} s without a request"
        raise ServerError(message)

    def resident_bytes(self) -> int:
        """The memory that it has now."""
        return self._status_bytes("VmRSS")

    def resident_bytes_peak(self) -> int:
        """The most memory that it ever had."""
        return self._status_bytes("VmHWM")

    def _status_bytes(self, field: str) -> int:
        lines = Path(f"/proc/{self.process_id}/status").read_text().splitlines()
        (kibibytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
        return int(kibibytes) << 10


@contextmanager
def serving(data: Path) -> Iterator[Server]:
    """A server on the folder ``data``; it has written everything out when the block ends. Raises ``ServerError``."""
    port, api_key = _free_port(), f"bench-{secrets.token_urlsafe(16)}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORBDO_")}
    command = [sys.executable, "-c", SERVE, "serve", "--data", str(data), "--port", str(port)]
    data.mkdir(parents=True, exist_ok=True)
    said = data / SAID
    began = time.perf_counter()
    # Into a file, for a pipe that nobody reads would hold the server up once it is full.
    with (
        said.open("wb") as output,
        subprocess.Popen(
            command, env={**inherited, "ORBDO_API_KEY": api_key}, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_until_ready(port, process, said)
            yield Server(port=port, api_key=api_key, process_id=process.pid, start_seconds=time.perf_counter() - began)
            _stop(process, said)
        finally:
            process.kill()


def log_bytes(data: Path) -> int:
    """What the event log takes in the folder of a server: its database and all that lies beside it.

    The control plane, the documents and what the server said are not events.
    """
    documents = data / "documents"
    return sum(
        path.stat().st_size
        for path in data.rglob("*")
        if path.is_file()
        and path.name != SAID
        and not path.name.startswith("control.sqlite3")
        and documents not in path.parents
    )


def log_path(data: Path) -> Path:
    """Where a server on the folder ``data`` keeps its event log."""
    return Settings.load({}, data=data).log_path


class Client:
    """One connection that is kept, closed at the end of a ``with``; any answer but 200 is a ``ServerError``."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=REQUEST_SECONDS_MAX)
        self._headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def post(self, path: str, body: object) -> bytes:
        """The body of the answer to a POST."""
        return self._ask("POST", path, msgspec.json.encode(body))

    def get(self, path: str) -> bytes:
        """The body of the answer to a GET."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise ServerError(f"{method} {path}: {answer.status} {content[:SAID_BYTES_MAX].decode(errors='replace')}")
        return content


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(port):
            return
        time.sleep(POLL_SECONDS)
    message = f"the server was not ready in {READY_SECONDS_MAX:.0f} s or ended: {_end_of(said)}"
    raise ServerError(message)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=REQUEST_SECONDS_MAX)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes], said: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        message = f"the server did not stop in {STOP_SECONDS_MAX:.0f} s: {_end_of(said)}"
        raise ServerError(message) from error
    if status not in (0, -signal.SIGTERM):
        message = f"the server ended with status {status}: {_end_of(said)}"
        raise ServerError(message)


def _end_of(said: Path) -> str:
    return said.read_bytes()[-SAID_BYTES_MAX:].decode(errors="replace").strip() or "it said nothing"
