"""The thread that owns the socket. It decodes, passes on and sends; it never computes, and of disks it only asks
whether the list of clients has changed.

Requests of one client are carried out one after another, in the order they came; those of different clients side by
side. Only what must not wait is answered out of turn: ping, hello, watch, ack and cancel; and so is trace, which takes
so long that others must not wait for it.
"""

from __future__ import annotations

import logging
import queue
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from matted.errors import MattedError, RequestError
from matted.service.envelope import MAX_BUFFER, BadEnvelope, Envelope, error_body, pack, readable, unpack
from matted.service.gate import Gate
from matted.service.post import Peer, Post
from matted.service.watching import Handlers, Watching
from matted_protocol import messages

MAX_UNANSWERED = 64
"""Requests one client may have unanswered."""
MAX_PIXELS_UNANSWERED = 4
"""Of those, requests that bring pixels."""
MAX_PENDING = 2 * 2**30
"""Bytes of all unanswered requests together."""
SILENT = 60.0
"""Seconds after which a client that said nothing is forgotten, with its watches."""
THREADS = 8
"""Threads that carry out requests."""
TRACERS = 2
"""Threads that make shapes of mattes, which takes long: they hold up nobody's other requests."""
TICK = 0.1
"""Seconds between looks at clients that do not read."""

_log = logging.getLogger(__name__)


class Server:
    """One ROUTER.

    Args:
        context: ZeroMQ's.
        bind: addresses, ``tcp://127.0.0.1:*`` for any free port.
        gate: keys and who holds them.
        handlers: carries out requests.
        instance: told to clients, new at every start.
    """

    def __init__(
        self, context: zmq.Context[Any], *, bind: str, gate: Gate, handlers: Handlers, welcome: messages.Welcome
    ) -> None:
        self._gate = gate
        self._handlers = handlers
        self._welcome = welcome
        self._clients: dict[bytes, Peer] = {}
        self._pending = 0
        self.stopping = False
        """Whether :meth:`run` is about to end."""
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._tracers = ThreadPoolExecutor(TRACERS, thread_name_prefix="trace")
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(domain="*", credentials_provider=gate)
        self._router = _router(context, gate)
        self._post = Post(self._router, self._clients)
        self._watching = Watching(self._clients, handlers, pool=self._pool, call=self.call, send=self._post.send)
        try:
            self._router.bind(bind)
        except zmq.ZMQError:
            self._close()
            raise
        self.endpoint: str = self._router.getsockopt_string(zmq.LAST_ENDPOINT)

    @property
    def clients(self) -> int:
        """How many clients were heard of lately."""
        return len(self._clients)

    def call(self, task: Callable[[], None]) -> None:
        """Have the server's thread do something soon; from any thread."""
        self._calls.put(task)
        with suppress(BlockingIOError, OSError):  # it is awake, or gone
            self._wake_out.send(b"x")

    def news(self, job: str) -> None:
        """Tell watchers that a job has new events; from any thread."""
        self.call(lambda: self._watching.news(job))

    def progress(self, event: messages.Progress) -> None:
        """Tell watchers that are up to date how far a job is; from any thread."""
        self.call(lambda: self._watching.progress(event))

    def stop(self) -> None:
        """End :meth:`run` once what was answered is on its way; from any thread."""

        def now() -> None:
            self.stopping = True

        self.call(now)

    def run(self) -> None:
        """Serve until :meth:`stop`."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wake_in, zmq.POLLIN)
        looked = time.monotonic()
        try:
            while not self.stopping:
                ready = dict(poller.poll(int(TICK * 1000) if self._post.owing() else 1000))
                if self._wake_in.fileno() in ready:
                    self._run_calls()
                if self._router in ready:
                    self._receive_some()
                if time.monotonic() - looked > TICK:
                    looked = time.monotonic()
                    self._tidy(looked)
        finally:
            self._close()

    def _close(self) -> None:
        self.stopping = True
        for pool in (self._pool, self._tracers):
            pool.shutdown(wait=True, cancel_futures=True)
        self._run_calls()
        self._router.close(linger=500)  # the answer to `shutdown` still goes out
        self._authenticator.stop()
        self._wake_in.close()
        self._wake_out.close()

    def _run_calls(self) -> None:
        try:
            while self._wake_in.recv(4096):
                pass
        except (BlockingIOError, OSError):
            pass
        while True:
            try:
                task = self._calls.get_nowait()
            except queue.Empty:
                return
            try:
                task()
            except Exception:  # whatever it was, everybody else is still served
                _log.exception("failed in the server's own thread")

    # Receiving

    def _receive_some(self) -> None:
        """A bounded number, so that calls and other clients have their turn."""
        for _ in range(200):
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                self._receive(frames)
            except Exception:  # no message may end the daemon
                _log.exception("could not take a message")

    def _receive(self, frames: Sequence[zmq.Frame]) -> None:
        name, parts = frames[0].bytes, [memoryview(frame.buffer) for frame in frames[1:]]
        key = _key(frames) or ""
        user = self._gate.user(key)
        client = self._clients.get(name)
        if client is not None and (user is None or client.key != key):
            self._post.forget(name)  # its key was taken off the list, or somebody else took its name
            client = None
        if user is None:
            self._shut_out(name, parts)
            return
        if client is None:
            client = self._clients[name] = Peer(user, key)
        client.user, client.heard = user, time.monotonic()
        try:
            request = unpack(parts)
        except BadEnvelope as bad:
            _log.warning("refused a message", extra={"request": bad.parent, "user": user.name, "code": bad.error.code})
            self._post.send(name, pack(messages.ERROR, error_body(bad.error), parent=bad.parent))
            return
        if not self._answer_now(name, client, request):
            self._queue(name, client, request)

    def _shut_out(self, name: bytes, parts: Sequence[memoryview]) -> None:
        try:
            parent: str | None = unpack(parts).id
        except BadEnvelope as bad:
            parent = bad.parent
        message = "This client's key has been taken off the daemon's list."
        error = RequestError("not_allowed", message, hint="Ask for a new connection file.")
        self._post.send(name, pack(messages.ERROR, error_body(error), parent=parent))

    def _answer_now(self, name: bytes, client: Peer, request: Envelope) -> bool:
        body = request.body
        if isinstance(body, messages.Ping):
            self._post.send(name, pack(messages.REPLY, messages.Pong(self._welcome.instance), parent=request.id))
        elif isinstance(body, messages.Hello):
            _log.info("hello from %s", body.client, extra={"request": request.id, "user": client.user.name})
            welcome = {**asdict(self._welcome), "user": client.user.name, "operator": client.user.operator}
            self._post.send(name, pack(messages.REPLY, welcome, parent=request.id))
        elif isinstance(body, messages.Ack):
            watch = client.watches.get(body.job)
            if watch is not None:
                watch.ack(body.seq)
                self._watching.pump(name, watch)
        else:
            return False
        return True

    def _queue(self, name: bytes, client: Peer, request: Envelope) -> None:
        pixels = bool(request.buffers)
        if (
            client.unanswered >= MAX_UNANSWERED
            or (pixels and client.pixels >= MAX_PIXELS_UNANSWERED)
            or self._pending + request.size > MAX_PENDING
        ):
            message = "The daemon has too many requests to answer."
            error = RequestError("busy", message, hint="Wait for some answers, then ask again.")
            self._post.send(name, pack(messages.ERROR, error_body(error), parent=request.id))
            return
        client.unanswered += 1
        client.pixels += pixels
        self._pending += request.size
        if isinstance(request.body, messages.Cancel | messages.Watch):
            self._pool.submit(self._carry_out, name, client, request, in_turn=False)
            return
        if isinstance(request.body, messages.Trace):
            self._tracers.submit(self._carry_out, name, client, request, in_turn=False)
            return
        client.waiting.append(request)
        self._next(name, client)

    def _next(self, name: bytes, client: Peer) -> None:
        if client.waiting and not client.busy:
            client.busy = True
            self._pool.submit(self._carry_out, name, client, client.waiting.popleft(), in_turn=True)

    def _carry_out(self, name: bytes, client: Peer, request: Envelope, *, in_turn: bool) -> None:
        """In a thread of the pool: answer one request, whatever happens."""
        started = time.monotonic()
        extra = {"request": request.id, "type": request.type, "user": client.user.name}
        job: str | None = None
        try:
            body, buffers = self._handlers.handle(request, client.user)
            job = body.job if isinstance(body, messages.Job) else None
            frames = pack(messages.REPLY, body, parent=request.id, buffers=buffers)
            _log.debug("answered", extra={**extra, "seconds": round(time.monotonic() - started, 4)})
        except MattedError as error:
            _log.info("refused: %s", readable(error.message), extra={**extra, "code": error.code})
            frames = pack(messages.ERROR, error_body(error), parent=request.id)
        except Exception:
            _log.exception("failed", extra=extra)
            frames = pack(messages.ERROR, error_body(internal(request.id)), parent=request.id)

        def answer() -> None:
            if job is not None and isinstance(request.body, messages.Watch | messages.Propagate | messages.Suggest):
                self._watching.begin(name, request, job)
            self._post.send(name, frames, then=lambda: self._answered(name, client, request, in_turn))

        self.call(answer)

    def _answered(self, name: bytes, client: Peer, request: Envelope, in_turn: bool) -> None:
        client.unanswered -= 1
        client.pixels -= bool(request.buffers)
        self._pending -= request.size
        if in_turn:
            client.busy = False
            self._next(name, client)

    def _tidy(self, now: float) -> None:
        for name, client in list(self._clients.items()):
            if self._post.drain(name, client):
                self._watching.go_on(name, client)
            silent = now - client.heard > SILENT and not client.unanswered
            if silent or self._gate.user(client.key) is None:
                self._post.forget(name)


def internal(request: str) -> RequestError:
    """What a client hears of our own fault; the log has the rest."""
    message = f"The daemon failed to carry out request {request}."
    return RequestError("internal", message, hint="Look for this request in the daemon's log, and report it.")


def _router(context: zmq.Context[Any], gate: Gate) -> zmq.Socket[bytes]:
    router: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
    router.curve_server = True
    router.curve_publickey = gate.public_key.encode()
    router.curve_secretkey = gate.secret_key.encode()
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.MAXMSGSIZE, MAX_BUFFER)
    router.setsockopt(zmq.LINGER, 0)
    router.setsockopt(zmq.SNDHWM, 64)
    router.setsockopt(zmq.RCVHWM, 2 * MAX_PIXELS_UNANSWERED)
    router.setsockopt(zmq.BACKLOG, 512)
    router.setsockopt(zmq.HEARTBEAT_IVL, 5000)
    # it counts whole messages: a large plate on a slow line must not look like silence
    router.setsockopt(zmq.HEARTBEAT_TIMEOUT, 120000)
    router.setsockopt(zmq.HANDSHAKE_IVL, 10000)
    return router


def _key(frames: Sequence[zmq.Frame]) -> str | None:
    for frame in frames:
        try:
            key = frame.get("User-Id")
        except zmq.ZMQError:
            continue
        return str(key)
    return None
