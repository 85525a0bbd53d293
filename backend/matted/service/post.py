"""What goes out: sent at once, or kept for a client that does not read, within limits. The server's thread alone."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zmq

from matted.service.envelope import Envelope
from matted.service.gate import User

if TYPE_CHECKING:
    from matted.service.watching import Watch

MAX_OUTBOX = 64 * 2**20
"""Bytes that wait for a client that does not read; beyond, it loses its watches."""
MAX_OUTBOX_MESSAGES = 2048
"""Messages that wait for it."""

_log = logging.getLogger(__name__)


@dataclass
class Peer:
    """One connection: what it has been asked and not answered yet."""

    user: User
    key: str
    heard: float = 0.0
    unanswered: int = 0
    pixels: int = 0
    waiting: deque[Envelope] = field(default_factory=deque)
    busy: bool = False
    outbox: deque[tuple[list[Any], Callable[[], None]]] = field(default_factory=deque)
    outbox_bytes: int = 0
    watches: dict[str, Watch] = field(default_factory=dict)


class Post:
    """The way to every client.

    Args:
        router: the server's socket.
        clients: the server's, by the name of their connection.
    """

    def __init__(self, router: zmq.Socket[bytes], clients: dict[bytes, Peer]) -> None:
        self._router = router
        self._clients = clients

    def send(self, name: bytes, frames: list[Any], *, then: Callable[[], None] = lambda: None) -> None:
        """Send, or keep for later when the client does not read; ``then`` runs once the message is off our hands."""
        client = self._clients.get(name)
        if client is not None and client.outbox:
            self._keep(name, client, frames, then)
            return
        if self._sent(name, frames) or client is None:
            then()
        else:
            self._keep(name, client, frames, then)

    def _sent(self, name: bytes, frames: list[Any]) -> bool:
        """Whether a message is off our hands: on its way, or for somebody who is gone."""
        try:
            self._router.send_multipart([name, *frames], zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.forget(name)
        return True

    def _keep(self, name: bytes, client: Peer, frames: list[Any], then: Callable[[], None]) -> None:
        size = sum(map(len, frames))
        if client.outbox_bytes + size > MAX_OUTBOX or len(client.outbox) >= MAX_OUTBOX_MESSAGES:
            _log.warning("forgot a client that does not read", extra={"user": client.user.name})
            self.forget(name)
            then()
            return
        client.outbox.append((frames, then))
        client.outbox_bytes += size

    def forget(self, name: bytes) -> None:
        """Let go of a client. What it asked for is still carried out; what waits for it is dropped."""
        client = self._clients.pop(name, None)
        if client is None:
            return
        client.watches.clear()
        outbox, client.outbox = client.outbox, deque()
        client.outbox_bytes = 0
        for _, then in outbox:
            then()

    def owing(self) -> bool:
        """Whether anything waits for anybody."""
        return any(client.outbox for client in self._clients.values())

    def drain(self, name: bytes, client: Peer) -> bool:
        """Send what waits for a client, as far as it reads; returns whether something waited and all of it is gone."""
        if not client.outbox:
            return False
        while client.outbox:
            frames, then = client.outbox[0]
            if not self._sent(name, frames) or self._clients.get(name) is not client:
                return False
            client.outbox.popleft()
            client.outbox_bytes -= sum(map(len, frames))
            then()
        return True
