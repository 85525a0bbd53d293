"""The one connection of a host to the daemon, shared by all its shots."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from matted_protocol.client import Client
from matted_protocol.connection import connection_file, read_connection
from matted_protocol.errors import DaemonError
from matted_protocol.start import log_file

LAMPS = ("off", "connecting", "on", "lost")
"""What the connection lamp shows."""


class Daemon:
    """Connects when it is first needed, starts the daemon of this machine if it does not run, and comes back by itself.

    Attributes:
        file: the connection file; this user's own unless given.
        command: how to start the daemon when neither the connection file nor PATH says so.
        trouble: why the last attempt failed; None when it did not.
    """

    def __init__(self, program: str, *, file: Path | None = None, command: Sequence[str] = ()) -> None:
        self.program = program
        self.file = connection_file() if file is None else file
        self.command = tuple(command)
        self.trouble: DaemonError | None = None
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._connecting = False

    def client(self, *, start: bool = True) -> Client:
        """The connection, made if there is none. It may take as long as the daemon takes to start: never call it on the
        host's main thread.

        Raises:
            DaemonError: the daemon cannot be found, started or reached.
        """
        with self._lock:
            if self._client is None:
                self._connecting = True
                try:
                    self._client = Client.connect(self.file, name=self.program, start=start, command=self.command)
                    self.trouble = None
                except DaemonError as error:
                    self.trouble = error
                    raise
                finally:
                    self._connecting = False
            return self._client

    @property
    def connected(self) -> Client | None:
        """The connection if there is one; never waits."""
        return self._client

    @property
    def lamp(self) -> str:
        """One of :data:`LAMPS`; never waits."""
        if self._client is None:
            return "connecting" if self._connecting else "lost" if self.trouble is not None else "off"
        return "on" if self._client.trouble is None else "lost"

    @property
    def why(self) -> DaemonError | None:
        """Why the lamp says ``lost``."""
        return self.trouble if self._client is None else self._client.trouble

    @property
    def is_here(self) -> bool:
        """Whether the daemon runs on this machine and so sees the same files."""
        try:
            host = urlsplit(read_connection(self.file).endpoint).hostname or ""
        except DaemonError:
            return True  # none has run yet: the one that will be started is here
        return host in ("", "localhost", "::1") or host.startswith("127.")

    @property
    def endpoint(self) -> str:
        """Where the daemon answers, for people."""
        try:
            return read_connection(self.file).endpoint or "not running"
        except DaemonError as error:
            return error.message

    @property
    def log(self) -> Path:
        """Where the daemon of this machine prints to."""
        return log_file(self.file)

    def close(self) -> None:
        """Let go; jobs run on."""
        with self._lock:
            client, self._client, self.trouble = self._client, None, None
        if client is not None:
            client.close()
