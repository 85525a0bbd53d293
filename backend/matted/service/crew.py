"""The devices and their queue: jobs come in, wait, run a turn at a time, and end once."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from matted.errors import Cancelled
from matted.service.envelope import error_body, plain
from matted.service.footage import Footage
from matted.service.job_store import JobRow
from matted.service.scheduler import Scheduler, Ticket
from matted.service.store import Store
from matted.service.worker import Worker
from matted_protocol import messages

_log = logging.getLogger(__name__)


class Publisher(Protocol):
    """Where the crew tells what happens; from its own threads."""

    def news(self, job: str) -> None:
        """The job has new events in the store."""

    def progress(self, event: messages.Progress) -> None:
        """The job went a step further."""


@dataclass(frozen=True)
class CrewSettings:
    """How the devices work."""

    weights: Path
    """Folder of named weights."""
    memory_budget: int = 8 * 2**30
    """Bytes of the daemon's own memory above which it lets go of what it can compute again."""
    idle: float = 900.0
    """Seconds without work after which networks are unloaded."""


class Crew:
    """Every device, behind one queue.

    Args:
        devices: one worker each.
        store: jobs and their events.
        footage: finds pixels.
        publisher: is told what happens.
        settings: see :class:`CrewSettings`.
    """

    def __init__(
        self,
        devices: list[torch.device],
        *,
        store: Store,
        footage: Footage,
        publisher: Publisher,
        settings: CrewSettings,
    ) -> None:
        self.store = store
        self.footage = footage
        self.publisher = publisher
        self.settings = settings
        self.scheduler = Scheduler()
        self.stopping = threading.Event()
        self._ended = threading.Condition()
        self._cancelled: dict[str, int] = {}
        """How often a job had been asked for when somebody cancelled it; asked for again, it goes on."""
        self._unnoted: dict[str, tuple[str, dict[str, Any], int | None]] = {}
        """Ends that the disk did not take yet."""
        self.workers = [Worker(self, device) for device in devices]

    def start(self) -> None:
        """Begin, with the jobs that an earlier daemon left unfinished."""
        for row in self.store.jobs("state IN ('queued', 'running')"):
            self.submit(row)
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        """Stop after the frames at hand; unfinished jobs stay as they are and go on at the next start."""
        self.stopping.set()
        self.scheduler.wake()
        for worker in self.workers:
            if worker.is_alive():
                worker.join()

    def submit(self, row: JobRow) -> None:
        """Queue a job; once is enough."""
        folder = (row.content["folder"], row.folder) if row.kind == "propagate" else row.id
        with self._ended:
            self._cancelled.pop(row.id, None)
            self._unnoted.pop(row.id, None)
            self._ended.notify_all()
            self.scheduler.add(Ticket(row.id, row.number, row.user, row.priority == "batch", folder))

    def cancel(self, job: str) -> None:
        """Stop a job: at once while it waits, after the frame at hand once a device has begun it."""
        with self._ended:
            self._cancelled[job] = self.store.asked(job)
            if self.scheduler.withdraw(job):
                self.end_cancelled(job)
            elif not self.scheduler.knows(job):  # it has just ended
                del self._cancelled[job]

    def cancelled(self, device: object) -> list[str]:
        """The jobs begun on a device that somebody asked to stop, and nobody asked for since."""
        with self._ended:
            if not self._cancelled:
                return []
            begun = self.scheduler.begun(device)
            return [job for job in begun if self._cancelled.get(job) == self.store.asked(job)]

    def wait_for(self, job: str, *, most: float = 60.0) -> None:
        """Return once a cancelled job has ended or was asked for again, or after ``most`` seconds."""
        until = time.monotonic() + most
        with self._ended:
            while job in self._cancelled and time.monotonic() < until and not self.stopping.is_set():
                self._ended.wait(0.5)

    def ahead(self, job: str) -> int:
        """How many jobs come before this one."""
        return self.scheduler.ahead(job)

    def close_shot(self, shot: str) -> None:
        """Let every device forget a shot."""
        for worker in self.workers:
            worker.forget(shot)

    def end_cancelled(self, job: str) -> None:
        """End a job that somebody asked to stop."""
        error = Cancelled("cancelled", "The job was cancelled.", hint="Ask for it again to go on from here.")
        with self._ended:
            self.end(job, "cancelled", {"error": plain(error_body(error))}, asked=self._cancelled.get(job))

    def end(self, job: str, state: str, body: dict[str, Any], *, asked: int | None = None) -> None:
        """Note and tell that a job has ended, unless it was asked for again since ``asked``: then it waits its turn.

        When the disk cannot take the note the job stops all the same; it is noted and told once there is room.
        """
        with self._ended:
            try:
                ended = self.store.end(job, state, body, asked=asked)
            except OSError:
                _log.exception("cannot note that a job ended", extra={"job": job})
                self._unnoted[job] = (state, body, asked)
                ended = True
            if ended:
                self.scheduler.remove(job)
            self._cancelled.pop(job, None)
            self._ended.notify_all()
        if ended and job not in self._unnoted:
            _log.info("job %s", state, extra={"job": job, "code": body.get("error", {}).get("code")})
            self.publisher.news(job)

    def note_ends(self) -> None:
        """Try again to note the ends that the disk did not take."""
        with self._ended:
            unnoted, self._unnoted = self._unnoted, {}
            for job, (state, body, asked) in unnoted.items():
                self.end(job, state, body, asked=asked)
