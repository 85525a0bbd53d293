"""How the script inside Resolve and the companion find each other, and the messages between them.

Both run on this machine for this user. The companion listens on a port of the loopback that the system picks, and
writes port and a secret into a contact file that only this user can read. Both sides prove that they know the secret
before anything else is read; then each message is one JSON object. Nothing is ever unpickled.

The proof is HMAC-SHA256 in both directions with a deadline. ``multiprocessing.connection`` has a challenge too, but
before Python 3.12 it is HMAC-MD5, which systems with approved digests only refuse, and it waits for ever.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import platform
import re
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Callable

from matted_protocol.connection import data_folder, refuse_readable, running, write_private
from matted_protocol.errors import DaemonError

VERSION = 1
"""Of what is said over the link; the two sides must agree."""

LARGEST = 32 << 20
"""Bytes of one message: the shapes of a long shot are the largest."""

DEADLINE = 5.0
"""Seconds in which whoever connects has to prove that they know the secret."""

_PATIENCE = 30.0
"""Seconds a message may take to leave; the other side has room for many before it has to read one."""

_GREETED = 16
"""Strangers that are listened to at once; the next are sent away."""

_MAGIC = b"matted link 1\n"
_HEAD = struct.Struct(">I")


class LinkError(Exception):
    """The other side is not there, went away, or says what nobody can read."""


@dataclass(frozen=True)
class Contact:
    """What the contact file holds.

    Attributes:
        port: where the companion listens on 127.0.0.1.
        secret: 32 bytes as hexadecimal digits.
        pid: the companion's process.
        version: of the plugin it belongs to.
    """

    port: int
    secret: str
    pid: int
    version: str


def folder() -> Path:
    """Where the plugin keeps what outlives it: the contact, its logs, what has to be put back."""
    return data_folder() / "plugins" / "resolve"


def contact_file() -> Path:
    """The contact file of this user on this machine: home folders are shared between machines, companions are not."""
    machine = re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()) or "machine"
    return folder() / f"companion-{machine}.json"


def installed() -> dict[str, Any]:
    """What the installer wrote beside the plugin: version, and how to start companion and daemon; {} without it."""
    package = Path(__file__).resolve().parent
    for place in (package.parent, package.parents[1]):
        with contextlib.suppress(OSError, ValueError):
            told = json.loads((place / "matted.json").read_text("utf-8"))
            return told if isinstance(told, dict) else {}
    return {}


def version() -> str:
    """The plugin's own, by which script and companion know each other; ``0`` where it was not installed."""
    return str(installed().get("version") or "0")


def write_contact(file: Path, contact: Contact) -> None:
    """Write the contact so that nobody else can read it."""
    write_private(file, json.dumps(asdict(contact)))


def read_contact(file: Path) -> Contact | None:
    """The contact of a companion that may be running; None when there is none, or the file is damaged.

    Raises:
        LinkError: others can read the secret.
    """
    try:
        refuse_readable(file)
        told = json.loads(file.read_text("utf-8"))
        contact = Contact(**{one.name: told[one.name] for one in fields(Contact)})
    except DaemonError as error:
        raise LinkError(f"{error.message} {error.hint}") from error
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = isinstance(contact.port, int) and isinstance(contact.pid, int) and isinstance(contact.secret, str)
    if not whole or not re.fullmatch("[0-9a-f]{64}", contact.secret) or running(contact.pid) is False:
        return None
    return contact


class Link:
    """One connection between script and companion. Any thread may send, one receives."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._come = bytearray()
        self._sending = threading.Lock()
        self._closed = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message.

        Raises:
            LinkError: the other side is gone, or the message is too large to be taken.
        """
        content = json.dumps(message, separators=(",", ":")).encode()
        if len(content) > LARGEST:
            raise LinkError(f"A message of {len(content)} bytes is too large.")
        try:
            with self._sending:
                self._socket.sendall(_HEAD.pack(len(content)) + content)
        except OSError as error:
            self.close()
            raise LinkError(f"The connection ended: {error}.") from error

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The next message; None when none came within ``timeout`` seconds.

        Raises:
            LinkError: the other side is gone, or what it sent is no message.
        """
        end = time.monotonic() + timeout
        while True:
            content = self._whole()
            if content is not None:
                return self._read(content)
            try:
                if self._closed or not _readable(self._socket, max(0.0, end - time.monotonic())):
                    if self._closed:
                        raise LinkError("The connection ended.")
                    return None
                come = self._socket.recv(1 << 16)
            except (OSError, ValueError) as error:  # ValueError: closed by another thread while it waited
                self.close()
                raise LinkError(f"The connection ended: {error}.") from error
            if not come:
                self.close()
                raise LinkError("The other side went away.")
            self._come += come

    def close(self) -> None:
        """End the connection; the other side and whoever waits here are told."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _whole(self) -> bytes | None:
        if len(self._come) < _HEAD.size:
            return None
        (length,) = _HEAD.unpack_from(self._come)
        if length > LARGEST:
            self.close()
            raise LinkError(f"A message of {length} bytes was announced.")
        end = _HEAD.size + length
        if len(self._come) < end:
            return None
        content = bytes(self._come[_HEAD.size : end])
        del self._come[:end]
        return content

    def _read(self, content: bytes) -> dict[str, Any]:
        try:
            message = json.loads(content)
        except (ValueError, RecursionError) as error:
            self.close()
            raise LinkError("What was sent is no message.") from error
        if not isinstance(message, dict):
            self.close()
            raise LinkError("What was sent is no message.")
        return message


def connect(contact: Contact, timeout: float = DEADLINE) -> Link:
    """Connect to the companion and make sure that it is the one that wrote the contact.

    Raises:
        LinkError: nobody is there, or somebody else.
    """
    end = time.monotonic() + timeout
    try:
        connection = socket.create_connection(("127.0.0.1", contact.port), timeout)
    except OSError as error:
        raise LinkError(f"The companion does not answer: {error}.") from error
    try:
        theirs = _exactly(connection, len(_MAGIC) + 32, end)
        if not theirs.startswith(_MAGIC):
            raise LinkError("Something else than the companion answers at its port.")
        asked, own = theirs[len(_MAGIC) :], os.urandom(32)
        connection.sendall(_MAGIC + own + _proof(contact.secret, b"script", asked, own))
        proof = _exactly(connection, 32, end)
        if not hmac.compare_digest(proof, _proof(contact.secret, b"companion", asked, own)):
            raise LinkError("Something that does not know the secret answers at the companion's port.")
    except (LinkError, OSError) as error:
        connection.close()
        raise error if isinstance(error, LinkError) else LinkError(f"The companion ended: {error}.") from error
    return Link(connection)


class Listener:
    """Waits for scripts; each stranger has a thread of its own, so that a silent one keeps nobody waiting.

    Args:
        secret: 32 bytes as hexadecimal digits.
        welcomed: called on that thread with the link of whoever knew the secret; it may stay there.
    """

    def __init__(self, secret: str, welcomed: Callable[[Link], None]) -> None:
        self._secret = secret
        self._welcomed = welcomed
        self._room = threading.BoundedSemaphore(_GREETED)
        self._socket = socket.socket()
        if sys.platform == "win32":  # else another program could listen at the same port
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(_GREETED)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, name="matted-listener", daemon=True).start()

    def close(self) -> None:
        """Take nobody any more; links that are open stay so."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._socket.fileno() < 0:
                    return
                time.sleep(0.05)  # out of file handles, or a stranger that left at once
                continue
            if not self._room.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._greet, args=(connection,), name="matted-link", daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        try:
            is_known = self._knows(connection)
        except (LinkError, OSError):
            is_known = False
        finally:
            self._room.release()
        if is_known:
            self._welcomed(Link(connection))
        else:
            connection.close()

    def _knows(self, connection: socket.socket) -> bool:
        end = time.monotonic() + DEADLINE
        own = os.urandom(32)
        connection.settimeout(DEADLINE)
        connection.sendall(_MAGIC + own)
        answer = _exactly(connection, len(_MAGIC) + 64, end)
        theirs, proof = answer[len(_MAGIC) : -32], answer[-32:]
        known = hmac.compare_digest(proof, _proof(self._secret, b"script", own, theirs))
        if not answer.startswith(_MAGIC) or not known:
            return False
        connection.sendall(_proof(self._secret, b"companion", own, theirs))
        return True


def _proof(secret: str, who: bytes, first: bytes, second: bytes) -> bytes:
    """What only whoever knows the secret can say; ``who`` keeps one side from saying what it heard from the other."""
    return hmac.new(bytes.fromhex(secret), who + b"\n" + first + second, "sha256").digest()


def _exactly(connection: socket.socket, count: int, end: float) -> bytes:
    come = b""
    while len(come) < count:
        connection.settimeout(max(0.001, end - time.monotonic()))
        more = connection.recv(count - len(come))
        if not more:
            raise LinkError("The other side went away.")
        come += more
    return come


def _readable(connection: socket.socket, timeout: float) -> bool:
    """Whether something can be read, or the end; with ``poll`` where there is one, for ``select`` takes few files."""
    if not hasattr(select, "poll"):
        return bool(select.select([connection], [], [], timeout)[0])
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    return bool(poller.poll(timeout * 1000))
