"""A server of the demo's own: ``orbdo serve`` in a process, on a free port and a folder that goes away."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

READY_SECONDS_MAX = 20
STOP_SECONDS_MAX = 15
POLL_SECONDS = 0.05
SELLER_NAME = "Example Models, Inc."
SERVE = "from orbdo_server.cli import main; main()"


class RunningServer(msgspec.Struct, frozen=True):
    """Where it listens and the key that opens it."""

    url: str
    api_key: str


class ServerDidNotStartError(Exception):
    """The server ended, or was not ready in time; the message holds what it said."""


@contextmanager
def running_server(data: Path, *, seller_name: str = SELLER_NAME) -> Iterator[RunningServer]:
    """A server on ``data`` that is ready; it is told to stop when the block ends.

    The settings of whoever runs it do not apply to it: it must never open their stores.
    """
    port, api_key = _free_port(), f"demo-{secrets.token_urlsafe(16)}"
    arguments = [sys.executable, "-c", SERVE, "serve", "--data", str(data), "--port", str(port)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORBDO_")}
    environment = {**inherited, "ORBDO_API_KEY": api_key, "ORBDO_SELLER_NAME": seller_name}
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:  # noqa: S603 - our own interpreter and module
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process)
            yield RunningServer(url, api_key)
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=1).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_SECONDS)
    process.kill()
    said = process.stdout.read().decode(errors="replace") if process.stdout else ""
    message = f"the server did not start: {said.strip() or 'it said nothing'}"
    raise ServerDidNotStartError(message)
