"""Who may connect: CURVE keys, and the list of those that are allowed."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

import zmq

from matted_protocol.connection import Connection, read_connection, refuse_readable, this_user, write_private


@dataclass(frozen=True)
class User:
    """Whoever holds a key. The operator started the daemon, sees everybody's shots and may stop it."""

    name: str
    operator: bool


class Gate:
    """The daemon's keys and the clients it knows.

    Args:
        folder: the state folder; ``keys.json`` (secret) and ``clients.json`` (name to public key) are there.

    Raises:
        DaemonError: ``key_readable`` when others could read the secret keys.
    """

    def __init__(self, folder: Path) -> None:
        self._clients = folder / "clients.json"
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._users: dict[str, User] = {}
        keys = folder / "keys.json"
        if not keys.exists():
            made = {"server": _pair(), "operator": _pair()}
            write_private(keys, json.dumps(made))
        refuse_readable(keys)
        found = json.loads(keys.read_text("utf-8"))
        self.public_key, self.secret_key = found["server"]
        self._operator: tuple[str, str] = tuple(found["operator"])

    def user(self, key: str | None) -> User | None:
        """Who holds this public key (Z85), or None when nobody we know does."""
        if key is None:
            return None
        if key == self._operator[0]:
            return User(this_user(), True)
        with self._lock:
            self._refresh()
            return self._users.get(key)

    def callback(self, domain: str, key: bytes) -> bool:
        """What pyzmq's authenticator asks for each new connection: ``key`` is 40 characters of Z85."""
        return self.user(key.decode("ascii", "replace")) is not None

    def connection(self, endpoint: str, *, pid: int, command: tuple[str, ...], matted: str) -> Connection:
        """The operator's connection file."""
        public, secret = self._operator
        return Connection(endpoint, self.public_key, public, secret, pid, command, matted)

    def admit(self, name: str, endpoint: str) -> Connection:
        """Make a key pair for a client called ``name``, replacing its earlier one; returns its connection file."""
        public, secret = _pair()
        with self._lock:
            known = self._read()
            known[name] = public
            write_private(self._clients, json.dumps(known, indent=1, ensure_ascii=False))
        return Connection(endpoint, self.public_key, public, secret)

    def clients(self) -> list[str]:
        """Names on the list."""
        return sorted(self._read())

    def _refresh(self) -> None:
        """Read the list again when it changed: clients come and go without a restart."""
        try:
            stat = self._clients.stat()
        except OSError:
            self._users, self._seen = {}, None
            return
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            self._users = {key: User(name, False) for name, key in self._read().items()}
            self._seen = seen

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._clients.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return {str(name): str(key) for name, key in found.items()}


def _pair() -> list[str]:
    return [key.decode("ascii") for key in zmq.curve_keypair()]


def endpoint_of(path: Path) -> str:
    """The endpoint in a connection file."""
    return read_connection(path).endpoint
