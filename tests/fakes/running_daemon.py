"""The real daemon under test: as a process of its own that may be killed, or within this process where it is watched."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from matted.service.daemon import Daemon, DaemonSettings
from matted_protocol import messages as m
from matted_protocol.client import Client
from matted_protocol.connection import write_connection

WAIT = 60.0
"""Seconds after which something that was to happen counts as never happening."""


class DaemonProcess:
    """``matted serve`` in a folder of its own; ``program`` is Python to run first, in the daemon's process."""

    def __init__(self, folder, *options, program=""):
        self.folder = folder
        self.file = folder / "daemon.json"
        self.state = folder / "state"
        self.lines = []
        self._options = [str(option) for option in options]
        self._program = f"{program}\nfrom matted.cli import main\nmain()" if program else ""
        self._process = None
        self._reader = None
        self._open = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()
        if self._process is not None:
            self.kill()

    def start(self):
        """Start it, and wait until it says that it serves."""
        self.launch()
        assert self._serving.wait(WAIT), "\n".join(self.lines)
        assert self._serves, "\n".join(self.lines)
        return self

    def launch(self):
        """Start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        how = ["-c", self._program] if self._program else ["-m", "matted"]
        where = ["--connection", str(self.file), "--state", str(self.state)]
        own = {"OMP_NUM_THREADS": "1", "XDG_DATA_HOME": str(self.folder / "data")}
        self._process = subprocess.Popen(
            [sys.executable, *how, "serve", *where, *self._options],
            env={**os.environ, **own}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._serving, self._serves = threading.Event(), False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self):
        return self._process.pid

    def client(self):
        """A client that is let go of at the end."""
        connected = Client.connect(self.file, start=False, timeout=WAIT)
        connected.timeout = WAIT
        self._open.callback(connected.close)
        return connected

    def kill(self):
        """kill -9."""
        return self.signal(signal.SIGKILL)

    def signal(self, number):
        """Send a signal and wait for the end; returns the exit status."""
        self._process.send_signal(number)
        return self.ended()

    def ended(self):
        """Wait for the end; returns the exit status."""
        status = self._process.wait(WAIT)
        self._reader.join(WAIT)
        return status

    def _read(self):
        with self._process.stderr as lines:
            for line in lines:
                self.lines.append(line.rstrip("\n"))
                if '"message": "serving on' in line:
                    self._serves = True
                    self._serving.set()
        self._serving.set()


class DaemonHere:
    """The same daemon in threads of this process; ``changes`` are fields of :class:`DaemonSettings`."""

    def __init__(self, folder, **changes):
        self.file = folder / "daemon.json"
        self.state = folder / "state"
        settings = DaemonSettings(self.file, self.state, folder / "weights", devices=("cpu",))
        self._settings = replace(settings, **changes)
        self._open = ExitStack()

    def __enter__(self):
        torch.set_num_threads(1)
        self.daemon = Daemon(self._settings)
        self._thread = threading.Thread(target=self.daemon.run, name="daemon")
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._open.close()
        self.daemon.stop()
        self._thread.join(WAIT)
        assert not self._thread.is_alive()

    def client(self, file=None):
        """A client that is let go of at the end."""
        connected = Client(file or self.file, timeout=WAIT)  # it looks for the file until it is there
        self._open.callback(connected.close)
        connected.ping()
        return connected

    def user(self, name):
        """A client of another user."""
        file = self.file.with_name(f"{name}.json")
        write_connection(file, self.daemon.gate.admit(name, self.daemon.server.endpoint))
        return self.client(file)


def told(client, job, *, after=0, mattes="paths"):
    """Every numbered event of a job to its end, in order; none comes twice and no number is 0."""
    events = [event.body for event in client.follow(job, after=after, mattes=mattes, timeout=WAIT)]
    numbered = [event for event in events if not isinstance(event, m.Progress)]
    numbers = [event.seq for event in numbered]
    assert numbers == sorted(set(numbers)), numbers
    return numbered


def frames_of(events):
    """The frames that were told done, in order."""
    return [event.frame for event in events if isinstance(event, m.FrameDone)]


def files_in(folder):
    """Every file below a folder, byte for byte."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }
