"""The daemon that belongs to one session of a farm on one host: started, found again and stopped by the session alone.

Its connection file, its state and its log lie in the session's own folder, so it is nobody else's and goes with it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from matted_protocol.client import Client
from matted_protocol.connection import Connection, read_connection, running
from matted_protocol.errors import DaemonError
from matted_protocol.start import answers, log_file

NAME = "matted farm"
STARTING = 300.0
"""Seconds in which a daemon must have answered: a first import from slow storage takes long."""
STOPPING = 120.0
"""Seconds that the frame at hand may take when the daemon is to stop."""
DEATHS = 3
"""Times a daemon is started again for one command."""
LEAVING = 5.0
"""Seconds a daemon that has stopped may take to end its process."""
PATIENCE = 10.0
"""Seconds in which a daemon that works answers."""


def session_file(folder: Path) -> Path:
    """The connection file of the session that works in ``folder``."""
    return folder.absolute() / "matted" / "daemon.json"


def start(folder: Path) -> Path:
    """Start the session's daemon on a free loopback port and wait until it answers; one that runs is kept.

    Returns:
        Its connection file.

    Raises:
        DaemonError: daemon_failed, no_answer.
    """
    file = session_file(folder)
    connect(file).close()
    return file


def connect(file: Path) -> Client:
    """A client of the session's daemon, which is started when it does not run.

    Raises:
        DaemonError: daemon_failed, no_answer.
    """
    return Client.connect(file, name=NAME, command=(sys.executable, "-m", "matted", "serve"), timeout=STARTING)


def has_died(file: Path) -> bool:
    """Whether a daemon was started for this connection file and ended without being asked to."""
    try:
        connection = read_connection(file)
    except DaemonError:
        return False
    return bool(connection.endpoint) and not answers(connection)


class Keeper:
    """Starts the session's daemon again when it dies while pieces are done; it then goes on with them by itself.

    Args:
        file: its connection file.
        tell: told that it was started again.
    """

    def __init__(self, file: Path, tell: Callable[[str], None]) -> None:
        self._file = file
        self._tell = tell
        self._deaths = 0

    def look(self) -> None:
        """See that the daemon runs.

        Raises:
            DaemonError: daemon_failed when it died too often, as where the system ends what takes too much memory.
        """
        if not has_died(self._file):
            return
        self._deaths += 1
        if self._deaths > DEATHS:
            message = f"The daemon of this session has died {self._deaths} times; it is not started again."
            log = log_file(self._file)
            hint = f"See {log}, and whether the system ended it for want of memory; then have the piece done again."
            raise DaemonError("daemon_failed", message, hint, path=str(log))
        self._tell("The daemon of this session has died; it is started again and goes on.")
        connect(self._file).close()


def stop(folder: Path) -> bool:
    """Stop the session's daemon after the frame at hand, and no other one; whether there was one to stop.

    One that does not end is killed: a session leaves nothing behind.
    """
    file = session_file(folder)
    try:
        connection = read_connection(file)
    except DaemonError:
        return False
    if not connection.endpoint or not answers(connection):
        return False
    try:
        with Client.connect(file, name=NAME, start=False, timeout=PATIENCE) as client:
            client.shutdown(timeout=PATIENCE)
        ended = _ends(file, connection)
    except DaemonError:
        ended = False
    if not ended and connection.pid and answers(connection):  # and so the process is still that daemon
        os.kill(connection.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    return True


def _ends(file: Path, connection: Connection) -> bool:
    """Wait for the end: the daemon then says in its file that nothing answers, and soon afterwards its process goes."""
    stopped = _waits(lambda: not read_connection(file).endpoint, STOPPING)
    if stopped:  # where nobody clears ended processes away, as in some containers, they stay in the list
        _waits(lambda: not running(connection.pid), LEAVING)
    return stopped


def _waits(happened: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < until:
        time.sleep(0.1)
    return found
