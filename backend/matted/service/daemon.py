"""The daemon put together: locks, keys, store, devices and the server; from start to a clean end."""

from __future__ import annotations

import logging
import os
import platform
import re
import signal
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from uuid import uuid4

import torch
import zmq
from filelock import FileLock, Timeout

import matted
from matted import weights
from matted.service.crew import Crew, CrewSettings
from matted.service.envelope import MAX_BODY, MAX_BUFFER
from matted.service.footage import Footage
from matted.service.gate import Gate
from matted.service.handlers import Handlers
from matted.service.jobs import Jobs
from matted.service.masks import Masks
from matted.service.memory import disk_free, machine_memory, memory_used
from matted.service.paths import Paths
from matted.service.server import MAX_PIXELS_UNANSWERED, MAX_UNANSWERED, Server
from matted.service.store import Store
from matted.service.tracing import Tracing
from matted_protocol import messages
from matted_protocol.connection import read_connection, write_connection
from matted_protocol.errors import DaemonError

LOOPBACK = re.compile(r"tcp://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DaemonSettings:
    """How a daemon is run.

    Attributes:
        connection_file: where clients of this machine find it.
        state: its own folder; shots, keys and the log lie there.
        bind: the address to listen on; off this machine only with clients on the list.
        paths: which files clients may name.
        devices: names like ``cuda:1``; none takes every GPU there is, else the best device.
        weights: folder of named weights.
        memory_budget: bytes the daemon may hold, of the machine's memory and of each GPU's; above, it lets go of what
            it can compute again. None: half the machine's.
        spool_budget: bytes of sent pixels kept, and of mattes that nobody named a folder for.
        idle: seconds without work after which networks are unloaded.
        command: how a client starts this daemon again.
    """

    connection_file: Path
    state: Path
    weights: Path
    bind: str = "tcp://127.0.0.1:*"
    paths: Paths = field(default_factory=Paths)
    devices: tuple[str, ...] = ()
    memory_budget: int | None = None
    spool_budget: int = 100 * 2**30
    idle: float = 900.0
    command: tuple[str, ...] = ()


def default_state(connection_file: Path) -> Path:
    """The state folder that goes with a connection file."""
    return connection_file.with_suffix("")


class Daemon:
    """One daemon, from locks to socket.

    Raises:
        DaemonError: ``already_running``, ``key_readable``, ``no_clients``, ``address_taken``, ``state_unwritable``,
            ``state_damaged`` or ``state_version``.
        DeviceError: ``device_missing``.
    """

    def __init__(self, settings: DaemonSettings) -> None:
        self.settings = settings
        self._started = time.monotonic()
        self._instance = uuid4().hex
        self._open = ExitStack()
        try:
            self._begin(settings)
        except OSError as error:
            self._open.close()
            where = error.filename or settings.state
            message = f"The daemon cannot work in {where}: {error.strerror or error}."
            hint = "Check the folder and its disk, or choose another --state folder or --connection file."
            raise DaemonError("state_unwritable", message, hint, path=str(where)) from error
        except BaseException:
            self._open.close()
            raise

    def _begin(self, settings: DaemonSettings) -> None:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        for lock in (settings.state / "lock", Path(f"{settings.connection_file}.lock")):
            self._lock(lock)
        self.gate = Gate(settings.state)
        self._refuse_open_door()
        names = settings.devices or tuple(_every_device())
        devices = [weights.choose_device(name) for name in names]
        self.store = Store(settings.state)
        self._open.callback(self.store.close)
        self.footage = Footage(self.store, settings.paths, settings.spool_budget)
        budget = settings.memory_budget or machine_memory() // 2
        crew = CrewSettings(weights=settings.weights, memory_budget=budget, idle=settings.idle)
        self.crew = Crew(devices, store=self.store, footage=self.footage, publisher=self, settings=crew)
        jobs = Jobs(self.store, self.footage, self.crew, settings.weights)
        tracing = Tracing(jobs, lambda: self.server.stopping)
        handlers = Handlers(self.store, self.footage, Masks(self.store), jobs, tracing, self.status, self.stop)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        context.set(zmq.MAX_SOCKETS, 4096)
        self._open.callback(context.term)
        welcome = messages.Welcome(
            matted=matted.__version__,
            version=messages.VERSION,
            instance=self._instance,
            user="",
            operator=False,
            max_body=MAX_BODY,
            max_buffer=MAX_BUFFER,
            max_unanswered=MAX_UNANSWERED,
            max_pixels_unanswered=MAX_PIXELS_UNANSWERED,
        )
        try:
            self.server = Server(context, bind=settings.bind, gate=self.gate, handlers=handlers, welcome=welcome)
        except zmq.ZMQError as error:
            message = f"The address {settings.bind} cannot be used: {error.strerror}."
            raise DaemonError("address_taken", message, "Choose another --bind address or port.") from error

    def run(self) -> None:
        """Serve until somebody asks to stop, then end cleanly: unfinished jobs go on at the next start."""
        with self._open:
            self.crew.start()
            self._announce(self.server.endpoint, os.getpid())
            _log.info("serving on %s", self.server.endpoint)
            try:
                self.server.run()
            finally:
                self.crew.stop()
                self._announce("", 0)
                _log.info("stopped")

    def stop(self) -> None:
        """End :meth:`run`; from any thread or a signal."""
        self.server.stop()

    def stop_on_signals(self) -> None:
        """SIGTERM and Ctrl-C end the daemon cleanly. Call in the main thread."""

        def ask(number: int, frame: FrameType | None) -> None:
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask)

    def news(self, job: str) -> None:
        """The crew has news of a job."""
        self.server.news(job)

    def progress(self, event: messages.Progress) -> None:
        """A job went a step further."""
        self.server.progress(event)

    def status(self) -> messages.Status:
        """How the daemon is."""
        queued, running = self.crew.scheduler.counts()
        return messages.Status(
            matted=matted.__version__,
            instance=self._instance,
            pid=os.getpid(),
            uptime=time.monotonic() - self._started,
            endpoint=self.server.endpoint,
            state=str(self.settings.state),
            roots=tuple(map(str, self.settings.paths.roots)),
            memory_used=memory_used(),
            memory_budget=self.crew.settings.memory_budget,
            spool_used=self.footage.spool_used(),
            spool_budget=self.settings.spool_budget,
            disk_free=disk_free(self.settings.state),
            clients=self.server.clients,
            shots=len(self.store.shots()),
            queued=queued,
            running=running,
            devices=tuple(worker.status() for worker in self.crew.workers),
            weights=tuple(
                messages.WeightsStatus(
                    str(row["name"]),
                    "ready" if row["state"] == "here" else "missing",
                    str(row["licence"]),
                    str(row["note"]),
                )
                for row in weights.listing(self.settings.weights)
            ),
            versions={
                "matted": matted.__version__,
                "protocol": ".".join(map(str, messages.VERSION)),
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "openimageio": version("OpenImageIO"),
                "libzmq": zmq.zmq_version(),
            },
        )

    def _lock(self, path: Path) -> None:
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            whose = ""
            with suppress(DaemonError):
                whose = f", process {read_connection(self.settings.connection_file).pid}"
            message = f"A matted daemon already runs here{whose}."
            hint = "Use it, stop it with 'matted stop', or give this one its own --connection file."
            raise DaemonError("already_running", message, hint, path=str(path)) from error
        self._open.callback(lock.release)

    def _refuse_open_door(self) -> None:
        if not LOOPBACK.match(self.settings.bind) and not self.gate.clients():
            message = f"{self.settings.bind} can be reached from other machines, and no client is on the list yet."
            hint = (
                "Make a connection file for each workstation first: matted connect-file NAME --endpoint tcp://HOST:PORT"
            )
            raise DaemonError("no_clients", message, hint)

    def _announce(self, endpoint: str, pid: int) -> None:
        """Tell clients of this machine where we are, or that we are gone and how to start us again."""
        near = re.sub(r"^tcp://(0\.0\.0\.0|\[::\])", "tcp://127.0.0.1", endpoint)
        command = self.settings.command
        connection = self.gate.connection(near, pid=pid, command=command, matted=matted.__version__)
        write_connection(self.settings.connection_file, connection)


def _every_device() -> list[str]:
    if torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [str(weights.choose_device())]
