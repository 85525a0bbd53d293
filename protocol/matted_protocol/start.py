"""Starts the daemon of this machine, detached from whoever asked: it outlives the host and its terminal."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from matted_protocol.connection import VARIABLE, Connection, running
from matted_protocol.errors import DaemonError


class _Detached(subprocess.Popen[bytes]):
    """A process that outlives us on purpose, of which Python would warn."""

    def __del__(self) -> None:
        pass


_STARTED: list[_Detached] = []


def start_command(connection: Optional[Connection], given: Sequence[str] = ()) -> tuple[str, ...]:
    """How to start the daemon here: as the connection file says, as ``given``, ``matted`` on PATH, or the module.

    Args:
        connection: what the connection file holds; None without one.
        given: what a host's plugin was installed with; () when it knows no command.

    Returns:
        The command; () when there is none, or when the daemon is elsewhere.
    """
    if connection is not None and (connection.command or connection.pid == 0):
        if given and connection.command and shutil.which(connection.command[0]) is None:
            return tuple(given)  # what the file names is gone, as after a move
        return connection.command  # without a command and a process the daemon is elsewhere: never one here instead
    if given and shutil.which(given[0]) is not None:
        return tuple(given)
    found = shutil.which("matted")
    if found is not None:
        return (found, "serve")
    is_python = Path(sys.executable or "").name.lower().startswith("python")  # inside a host it is the host
    module = importlib.util.find_spec("matted") if is_python else None
    if module is not None and module.origin:  # a folder that happens to be called matted has no origin
        return (sys.executable, "-m", "matted", "serve")
    return tuple(given)  # gone, and all there is: trying it says so


def answers(connection: Connection) -> bool:
    """Whether something listens where a daemon of this machine should: only then it is worth waiting for it."""
    if not connection.endpoint or running(connection.pid) is False:
        return False
    host, _, port = connection.endpoint.rpartition("/")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2.0):
            return True
    except (OSError, ValueError):
        return False


def start(command: Sequence[str], file: Path) -> "subprocess.Popen[bytes]":
    """Start the daemon for this connection file; what it prints goes to :func:`log_file`.

    Raises:
        DaemonError: ``daemon_failed``.
    """
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    log = log_file(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
            process = _Detached(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, VARIABLE: str(file)},
                **detached,
            )
            for earlier in _STARTED:
                earlier.poll()  # what has ended leaves the list of processes
            _STARTED.append(process)
            return process
    except OSError as error:
        message = f"The daemon could not be started with '{' '.join(command)}': {error}."
        hint = "Run 'matted serve' in a terminal and see what it says."
        raise DaemonError("daemon_failed", message, hint) from error


def log_file(file: Path) -> Path:
    """Where a daemon started for this connection file prints to."""
    return file.with_name(f"{file.stem}-start.log")


def last_words(file: Path) -> str:
    """The last line the daemon printed."""
    try:
        lines = log_file(file).read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it printed nothing"
    return lines[-1] if lines else "it printed nothing"
