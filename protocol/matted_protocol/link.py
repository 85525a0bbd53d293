"""The thread that owns the socket: it sends what other threads hand it, connects again, asks again, watches again.

Whatever a request says is safe to say twice, so after a lost connection every unanswered one goes out again under its
old id, and every watched job is watched again from the last event that came. Only ``shutdown`` is never repeated.
"""

import logging
import os
import queue
import random
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional, Union
from uuid import uuid4

import zmq

from matted_protocol import wire
from matted_protocol.connection import read_connection
from matted_protocol.dealer import DOUBTFUL, LOST, REFUSED, Dealer
from matted_protocol.errors import DaemonError
from matted_protocol.messages import (
    ERROR,
    EVENTS,
    REPLY,
    REQUESTS,
    Ack,
    Error,
    Header,
    Hello,
    Job,
    Ping,
    Pong,
    Shutdown,
    Welcome,
)
from matted_protocol.waiting import (
    TYPES,
    EventQueue,
    Received,
    Waiting,
    closed_error,
    no_answer,
    refused_error,
)
from matted_protocol.watches import Watches

PING_EVERY = 2.0
"""Seconds without traffic after which the daemon is asked whether it is there."""

SILENCE = 6.0
"""Seconds without an answer after which a connection is given up."""

SLOWEST = 2e6
"""Bytes a second of the slowest network that pixels are sent over: silence is longer while they leave."""

WATCH_AGAIN = 30.0
"""Seconds without an event of a job after which it is watched anew: a daemon forgets clients that were asleep."""

_UPDATE = "Install the same version of matted on both ends."
_LOG = logging.getLogger("matted_protocol")


class Link:
    """The connection of one client. Every public method may be called from any thread.

    Args:
        file: the connection file, read again at every attempt.
        name: what this program tells the daemon it is.
    """

    def __init__(self, file: Path, name: str) -> None:
        self.welcome: Optional[Welcome] = None
        self.trouble: Optional[DaemonError] = None
        self.events = EventQueue(self.taken)
        self.pid = os.getpid()
        self._file = file
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._bell, self._ears = socket.socketpair()
        self._ears.setblocking(False)
        self._stopping = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._dealer: Optional[Dealer] = None
        self._hello: Optional[str] = None
        self._ready = False
        self._failures = 0
        self._next_attempt = 0.0
        self._quiet_since: Optional[float] = None
        self._away_since: Optional[float] = None
        self._traffic = 0.0
        self._waiting: dict[str, Waiting] = {}
        self._watches = Watches(self.events)
        self._thread = threading.Thread(target=self._run, name="matted-link", daemon=True)
        self._thread.start()

    def ask(self, body: Any, buffers: Sequence[Any] = (), events: Optional[EventQueue] = None) -> Waiting:
        """Send a request. ``events`` is where the events go that it asks for, :attr:`events` unless told otherwise.

        Raises:
            WireError: ``too_large``.
        """
        waiting = Waiting(body, buffers, events)
        self._call(partial(self._submit, waiting))
        return waiting

    def forget(self, waiting: Waiting) -> None:
        """Give up waiting; afterwards its buffers may change."""
        self._call(partial(self._give_up, waiting))
        waiting.done.wait(2.0)
        if waiting.tracker is not None:
            try:
                waiting.tracker.wait(2.0)
            except zmq.NotDone:
                _LOG.warning("the pixels of request %s are still being sent", waiting.id)

    def unwatch(self, events: EventQueue) -> None:
        """Stop filling this queue."""
        self._call(partial(self._watches.drop, events))

    def away(self) -> float:
        """Seconds since the daemon was last known to be there; 0 while it answers."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def closed(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._stopping.is_set()

    def close(self) -> None:
        """End the thread. Whoever waits is told ``closed``. Never longer than two seconds, whatever the daemon does."""
        if os.getpid() != self.pid:
            return  # after a fork the thread is the parent's
        self._stopping.set()
        self._ring()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _call(self, call: Callable[[], None]) -> None:
        if self._stopping.is_set():
            raise closed_error()
        self._calls.put(call)
        self._ring()

    def _ring(self) -> None:
        with suppress(OSError):  # the thread has ended
            self._bell.send(b"!")

    def taken(self, event: Received) -> None:
        """Tell the daemon that an event was taken from its queue."""
        seq = getattr(event.body, "seq", None)
        if seq is not None and not self._stopping.is_set():
            self._calls.put(partial(self._acknowledge, event.body.job, seq))
            self._ring()

    # From here on: the link's own thread.

    def _run(self) -> None:
        try:
            self._poller.register(self._ears, zmq.POLLIN)
            while not self._stopping.is_set():
                self._poller.poll(100 if self._needed() else 5000)
                try:
                    self._do_calls()
                    self._receive()
                    self._look_after(time.monotonic())
                except zmq.Again:  # a send found that the connection has ended since the last look at it
                    ended = None if self._dealer is None else self._dealer.trouble()
                    self._lose(ended or LOST, "the connection ended")
        except Exception:
            _LOG.exception("the connection to the daemon failed")
        finally:
            self._end()

    def _end(self) -> None:
        self._stopping.set()
        if self._dealer is not None:
            self._dealer.close()
        self._context.term()
        self._do_calls()
        for waiting in self._waiting.values():
            waiting.finish(closed_error())
        self._bell.close()
        self._ears.close()

    def _do_calls(self) -> None:
        with suppress(OSError):  # until all are heard
            while self._ears.recv(4096):
                pass
        while not self._calls.empty():
            self._calls.get()()

    def _needed(self) -> bool:
        return bool(self._waiting or len(self._watches))

    def _submit(self, waiting: Waiting) -> None:
        self._waiting[waiting.id] = waiting

    def _give_up(self, waiting: Waiting) -> None:
        if self._waiting.pop(waiting.id, None) is None:
            return  # answered meanwhile
        if not waiting.released():
            self._lose(LOST, "a request was given up while its pixels were being sent")
        waiting.finish(self.trouble or no_answer("The daemon does not answer."))

    def _acknowledge(self, job: str, seq: int) -> None:
        if self._ready and job in self._watches:
            self._send(Ack(job, seq))

    def _send(self, body: Any) -> str:
        assert self._dealer is not None
        header = Header(uuid4().hex, TYPES[type(body)])
        self._dealer.send(wire.pack(header, body))
        self._note_sent(awaited=not isinstance(body, Ack))
        return header.id

    def _note_sent(self, *, awaited: bool) -> None:
        self._traffic = time.monotonic()
        if awaited and self._quiet_since is None:
            self._quiet_since = self._traffic

    def _look_after(self, now: float) -> None:
        if self._dealer is None:
            if self._needed() and now >= self._next_attempt:
                self._connect()
            return
        trouble = self._dealer.trouble()
        if trouble is not None:
            self._receive()  # what came before the end
            self._lose(trouble, "the connection ended")
            return
        if self._is_silent(now):
            self._lose(LOST, "the daemon is silent")
        elif self._ready:
            self._flush(now)
            if self._needed() and now - self._traffic > PING_EVERY:
                self._send(Ping())
            for waiting in self._watches.anew(self._waiting, quiet_since=now - WATCH_AGAIN):
                self._submit(waiting)

    def _is_silent(self, now: float) -> bool:
        if self._quiet_since is None:
            return False
        # What asks for an answer waits behind pixels that are still leaving.
        leaving = sum(waiting.size for waiting in self._waiting.values() if waiting.sent) / SLOWEST
        if now - self._quiet_since > PING_EVERY + leaving and self._away_since is None:
            self._away_since = self._quiet_since
        return now - self._quiet_since > SILENCE + leaving

    def _connect(self) -> None:
        self._failures += 1
        backoff = min(5.0, 0.05 * 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
        self._next_attempt = time.monotonic() + backoff
        try:
            connection = read_connection(self._file)
            if not connection.endpoint:
                raise no_answer(f"No daemon runs for {self._file}.")
            self._dealer = Dealer(self._context, connection)
        except DaemonError as error:
            self._set_away(error)
            self._failures = min(self._failures, 2)  # looking for the file again costs nothing
            return
        self._dealer.register(self._poller)
        self._quiet_since = None
        self._hello = self._send(Hello(self._name))

    def _lose(self, trouble: str, says: str) -> None:
        if self._dealer is None:
            return
        where = self._dealer.connection.endpoint
        self._dealer.close()
        self._dealer, self._ready, self._quiet_since = None, False, None
        self._poller = zmq.Poller()
        self._poller.register(self._ears, zmq.POLLIN)
        refused = trouble == REFUSED or (trouble == DOUBTFUL and self._failures > 1)
        self._set_away(refused_error(where, trouble, self._file) if refused else no_answer(f"{where}: {says}."))
        for waiting in list(self._waiting.values()):
            if refused:
                self._finish(waiting, self.trouble or closed_error())
            elif waiting.sent and isinstance(waiting.body, Shutdown):
                self._finish(waiting, no_answer("The connection ended before the daemon answered."))
            waiting.sent, waiting.tracker = False, None

    def _set_away(self, trouble: DaemonError) -> None:
        self.trouble = trouble
        if self._away_since is None:
            self._away_since = time.monotonic()

    def _finish(self, waiting: Waiting, outcome: Union[Received, DaemonError]) -> None:
        self._waiting.pop(waiting.id, None)
        waiting.finish(outcome)

    def _flush(self, now: float) -> None:
        """Send what may be sent: the daemon says how many requests, and how many with pixels, it takes at a time."""
        assert self._dealer is not None and self.welcome is not None
        sent = [waiting for waiting in self._waiting.values() if waiting.sent]
        room = self.welcome.max_unanswered - len(sent)
        pixels_room = self.welcome.max_pixels_unanswered - sum(1 for waiting in sent if waiting.buffers)
        for waiting in self._waiting.values():
            if waiting.sent or waiting.not_before > now or (waiting.buffers and pixels_room <= 0):
                continue
            if room <= 0:
                break
            waiting.tracker = self._dealer.send(waiting.parts, waiting.buffers)
            waiting.sent = True
            room -= 1
            pixels_room -= 1 if waiting.buffers else 0
            self._note_sent(awaited=True)

    def _receive(self) -> None:
        while self._dealer is not None and not self._stopping.is_set():
            parts = self._dealer.receive()
            if parts is None:
                return
            self._quiet_since, self._away_since, self._traffic = None, None, time.monotonic()
            try:
                self._take(wire.unpack(parts, max_body=wire.MAX_ANSWER))
            except wire.WireError as error:
                _LOG.warning("a message of the daemon cannot be read: %s", error)
                parent = error.header.parent if error.header is not None else None
                self._fail(parent, DaemonError(error.code, f"The daemon's answer cannot be read: {error}.", _UPDATE))

    def _take(self, message: wire.Message) -> None:
        parent = message.header.parent or ""
        if message.header.type == REPLY:
            self._take_reply(parent, message)
        elif message.header.type == ERROR:
            self._take_error(parent, _built(Error, message))
        elif message.header.type in EVENTS:
            self._take_event(parent, Received(_built(EVENTS[message.header.type], message), message.buffers))

    def _take_reply(self, parent: str, message: wire.Message) -> None:
        if parent == self._hello:
            self._be_ready(_built(Welcome, message))
            return
        waiting = self._waiting.get(parent)
        if waiting is None:
            if "instance" in message.body and self.welcome is not None:
                self._check_instance(wire.from_body(Pong, message.body))
            return
        reply = Received(_built(REQUESTS[waiting.type][1], message), message.buffers)
        if isinstance(reply.body, Job):
            self._watches.begin(waiting, reply.body.job, reply.body)
        self._finish(waiting, reply)

    def _be_ready(self, welcome: Welcome) -> None:
        self.welcome, self.trouble = welcome, None
        self._hello, self._ready, self._failures = None, True, 0
        for waiting in self._watches.anew(self._waiting):
            self._submit(waiting)

    def _check_instance(self, pong: Pong) -> None:
        assert self.welcome is not None
        if pong.instance != self.welcome.instance:
            self._lose(LOST, "another daemon answers")

    def _take_error(self, parent: str, error: Error) -> None:
        waiting = self._waiting.get(parent)
        if waiting is not None and (error.code == "busy" or (waiting.again and error.code == "closing")):
            waiting.refusals += 1
            pause = min(2.0, 0.02 * 2.0 ** min(waiting.refusals, 10)) * random.uniform(0.5, 1.0)
            waiting.sent, waiting.tracker, waiting.not_before = False, None, time.monotonic() + pause
            return
        self._fail(parent, DaemonError(error.code, error.message, error.hint, path=error.path, frame=error.frame))

    def _fail(self, parent: Optional[str], error: DaemonError) -> None:
        if parent is not None and parent == self._hello:
            self._lose(LOST, error.message)
            if error.code in ("busy", "closing"):
                return  # the next attempt may find another one
            self.trouble = error
            for each in list(self._waiting.values()):
                self._finish(each, error)
            return
        waiting = self._waiting.get(parent or "")
        if waiting is None:
            return
        self._finish(waiting, error)
        self._watches.end(waiting.id, error)

    def _take_event(self, parent: str, event: Received) -> None:
        waiting = self._waiting.get(parent)
        if waiting is not None:
            self._watches.begin(waiting, event.body.job)
        repeated = self._watches.take(parent, event)
        if repeated is not None:
            self._acknowledge(event.body.job, repeated)


def _built(kind: Any, message: wire.Message) -> Any:
    """The body of an answer; a fault in it is the daemon's."""
    try:
        return wire.from_body(kind, message.body)
    except wire.WireError as error:
        raise wire.WireError("bad_message", str(error), message.header) from error
