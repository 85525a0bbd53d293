"""Who watches which job: cursors over the events in the store, each sent on as far as its client's credit goes.

All of this belongs to the server's thread; only events and matte files are read in the pool.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Protocol

from matted.service.envelope import Envelope, pack
from matted.service.gate import User
from matted.service.post import Peer
from matted_protocol import messages

MAX_FLYING = 64 * 2**20
"""Bytes of matte files on their way in one watch without an ``ack``; beyond, one event at a time."""
BYTES_AT_ONCE = 4
"""Frames whose matte files are read for one watch at a time."""
LAST_SEQ = 2**62
"""No job has as many events."""

_log = logging.getLogger(__name__)

Call = Callable[[Callable[[], None]], None]
Send = Callable[[bytes, list[Any]], None]


class Handlers(Protocol):
    """What carries out requests, in threads other than the server's."""

    def handle(self, request: Envelope, user: User) -> tuple[Any, Sequence[Any]]:
        """The body and buffers that answer a request."""

    def events(self, job: str, *, after: int, most: int, with_files: bool) -> list[tuple[str, Any, Sequence[Any]]]:
        """The next events: type, body, buffers."""


@dataclass
class Watch:
    """A cursor over the events of a job."""

    job: str
    parent: str
    options: messages.WatchOptions
    sent: int
    acked: int
    news: bool = True
    busy: bool = False
    flying: deque[tuple[int, int]] = field(default_factory=deque)

    def flying_bytes(self) -> int:
        """Bytes of matte files sent and not acknowledged yet."""
        return sum(size for _, size in self.flying)

    def ack(self, seq: int) -> None:
        """The client has dealt with the events up to this one."""
        self.acked = max(self.acked, min(seq, self.sent))
        while self.flying and self.flying[0][0] <= self.acked:
            self.flying.popleft()


class Watching:
    """The watches of every client.

    Args:
        clients: the server's, by the name of their connection.
        handlers: reads events.
        pool: where they are read.
        call: has the server's thread do something.
        send: sends to a client, or keeps for it.
    """

    def __init__(
        self, clients: dict[bytes, Peer], handlers: Handlers, *, pool: Executor, call: Call, send: Send
    ) -> None:
        self._clients = clients
        self._handlers = handlers
        self._pool = pool
        self._call = call
        self._send = send

    def begin(self, name: bytes, request: Envelope, job: str) -> None:
        """A client asked to be told of a job, by ``watch`` or along with what it asked for."""
        options = request.body.options if isinstance(request.body, messages.Watch) else request.body.watch
        client = self._clients.get(name)
        if options is None or client is None:
            return
        after = min(options.after, LAST_SEQ)
        watch = Watch(job, request.id, options, after, after)
        client.watches[job] = watch
        self._call(lambda: self.pump(name, watch))  # after the reply

    def news(self, job: str) -> None:
        """A job has new events."""
        for name, client in list(self._clients.items()):
            watch = client.watches.get(job)
            if watch is not None:
                watch.news = True
                self.pump(name, watch)

    def progress(self, event: messages.Progress) -> None:
        """A job went a step further; told to those who are up to date."""
        for name, client in list(self._clients.items()):
            watch = client.watches.get(event.job)
            if watch is not None and not (watch.news or watch.busy or client.outbox):
                self._send(name, pack("progress", event, parent=watch.parent))

    def go_on(self, name: bytes, client: Peer) -> None:
        """A client reads again."""
        for watch in list(client.watches.values()):
            self.pump(name, watch)

    def pump(self, name: bytes, watch: Watch) -> None:
        """Fetch the next events of a watch, as many as it has credit for, once the client reads."""
        room = watch.acked + watch.options.credit - watch.sent
        client = self._clients.get(name)
        if client is None or client.outbox or client.watches.get(watch.job) is not watch:
            return
        if watch.busy or not watch.news or room <= 0 or watch.flying_bytes() >= MAX_FLYING:
            return
        watch.busy, watch.news = True, False
        with_files = watch.options.mattes == "bytes"
        most = min(room, BYTES_AT_ONCE) if with_files else room
        self._pool.submit(self._fetch, name, watch, most, with_files)

    def _fetch(self, name: bytes, watch: Watch, most: int, with_files: bool) -> None:
        """In a thread of the pool."""
        try:
            events = self._handlers.events(watch.job, after=watch.sent, most=most, with_files=with_files)
        except Exception:
            _log.exception("could not read events", extra={"job": watch.job})
            events = []
        self._call(lambda: self._deliver(name, watch, events, full=len(events) == most))

    def _deliver(self, name: bytes, watch: Watch, events: list[tuple[str, Any, Sequence[Any]]], *, full: bool) -> None:
        client = self._clients.get(name)
        watch.busy = False
        if client is None or client.watches.get(watch.job) is not watch:
            return
        for kind, body, buffers in events:
            watch.sent = body["seq"]
            if buffers:
                watch.flying.append((watch.sent, sum(map(len, buffers))))
            self._send(name, pack(kind, body, parent=watch.parent, buffers=buffers))
        watch.news = watch.news or full
        self.pump(name, watch)
