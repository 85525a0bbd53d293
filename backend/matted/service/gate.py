"""Who may connect: CURVE keys, and the list of those that are allowed."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import zmq

from matted_protocol.connection import Connection, refuse_readable, this_user, write_private
from matted_protocol.errors import DaemonError

_log = logging.getLogger(__name__)


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
        DaemonError: ``key_readable`` when others could read the secret keys, ``keys_damaged``.
    """

    def __init__(self, folder: Path) -> None:
        self._clients = folder / "clients.json"
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._users: dict[str, User] = {}
        keys = folder / "keys.json"
        if not keys.exists():
            made = {"server": _pair(), "operator": _pair()}
            write_private(keys, json.dumps(made))
        refuse_readable(keys)
        try:
            found = json.loads(keys.read_text("utf-8"))
            self.public_key, self.secret_key = _whole_pair(found["server"])
            self._operator = _whole_pair(found["operator"])
        except (OSError, ValueError, TypeError, KeyError, zmq.ZMQError) as error:
            message = f"The daemon's keys in {keys} cannot be used: {error!r}."
            hint = "Bring the file back from a backup, or remove it and make every connection file again."
            raise DaemonError("keys_damaged", message, hint, path=str(keys)) from error

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
        """Make a key pair for a client called ``name``, replacing its earlier one; returns its connection file.

        Raises:
            DaemonError: ``clients_damaged``.
        """
        public, secret = _pair()
        with self._lock:
            known = self._read()
            known[name] = public
            write_private(self._clients, json.dumps(known, indent=1, ensure_ascii=False))
        return Connection(endpoint, self.public_key, public, secret)

    def clients(self) -> list[str]:
        """Names on the list.

        Raises:
            DaemonError: ``clients_damaged``.
        """
        return sorted(self._read())

    def _refresh(self) -> None:
        """Read the list again when it changed: clients come and go without a restart."""
        try:
            stat = self._clients.stat()
        except OSError:
            self._users, self._seen = {}, None
            return
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._users = {key: User(name, False) for name, key in self._read().items()}
        except DaemonError as error:
            self._users = {}
            _log.error("%s Nobody on it is let in until it is mended.", error.message)

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._clients.read_text("utf-8"))
            return {str(name): str(key) for name, key in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            message = f"The list of clients {self._clients} cannot be read: {error}."
            hint = "Mend it, a map of names to public keys, or remove it and make the connection files again."
            raise DaemonError("clients_damaged", message, hint, path=str(self._clients)) from error


def _pair() -> list[str]:
    return [key.decode("ascii") for key in zmq.curve_keypair()]


def _whole_pair(found: list[str]) -> tuple[str, str]:
    """A public key and the secret one it belongs to."""
    public, secret = found
    if zmq.curve_public(secret.encode("ascii")).decode("ascii") != public:
        raise ValueError("a public key does not belong to its secret one")
    return public, secret
