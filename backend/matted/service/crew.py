"""The devices and their queue: one worker thread a device owns torch there, and steps jobs a frame at a time."""

from __future__ import annotations

import logging
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from matted.batch.bench import Bench
from matted.engine.session import FrameDone
from matted.errors import Cancelled, MattedError
from matted.service.footage import Footage
from matted.service.memory import machine_memory, memory_used
from matted.service.scheduler import Scheduler, Ticket
from matted.service.store import JobRow, Store
from matted.service.task import Task, begin
from matted_protocol import messages

SLICE = 1.0
"""Seconds a job has the device before others are looked at; a frame is never cut."""
OPEN_TASKS = 4
"""Jobs that lie open on a device at once; one more puts the longest untouched back to its checkpoint."""

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
    feature_budget: int = 2 * 2**30
    """Bytes of image features kept on each device, for all shots together."""
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
        self._cancelled: set[str] = set()
        self.workers = [_Worker(self, device) for device in devices]

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
        with self._ended:
            self._cancelled.discard(row.id)
        folder = (row.content["folder"], row.folder) if row.kind == "propagate" else row.id
        self.scheduler.add(Ticket(row.id, row.number, row.user, row.priority == "batch", folder))

    def cancel(self, job: str) -> None:
        """Stop a job: at once while it waits, after the frame at hand while it runs."""
        with self._ended:
            self._cancelled.add(job)
        if self.scheduler.withdraw(job):
            self.end(job, "cancelled", {"error": _cancelled(None)})

    def cancelled(self, job: str) -> bool:
        """Whether somebody asked to stop this job."""
        with self._ended:
            return job in self._cancelled

    def wait_for(self, job: str, *, most: float = 60.0) -> None:
        """Return once a job has ended, or after ``most`` seconds."""
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

    def end(self, job: str, state: str, body: dict[str, Any]) -> None:
        """Note and tell that a job has ended."""
        self.store.end(job, state, body)
        self.scheduler.remove(job)
        with self._ended:
            self._cancelled.discard(job)
            self._ended.notify_all()
        _log.info("job %s", state, extra={"job": job, "code": body.get("error", {}).get("code")})
        self.publisher.news(job)


class _Worker(threading.Thread):
    """Owns one device."""

    def __init__(self, crew: Crew, device: torch.device) -> None:
        super().__init__(name=f"worker-{device}", daemon=True)
        self.device = device
        self.current: str | None = None
        self.bench = Bench(device)
        self._crew = crew
        self._tasks: dict[str, Task] = {}
        self._forgotten: list[str] = []
        self._worked = time.monotonic()

    def forget(self, shot: str) -> None:
        """Drop what is warm of a shot, between two turns; from any thread."""
        self._forgotten.append(shot)

    def status(self) -> messages.DeviceStatus:
        """How the device is; from any thread."""
        if self.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.device)
            used, model = total - free, torch.cuda.get_device_name(self.device)
        else:
            used, total, model = memory_used(), machine_memory(), platform.processor() or platform.machine()
        return messages.DeviceStatus(str(self.device), model, used, total, self.current, (), 0)

    def run(self) -> None:
        """Take turns until the crew stops."""
        while not self._crew.stopping.is_set():
            while self._forgotten:
                self._forgotten.pop()
            ticket = self._crew.scheduler.take(self, wait=1.0)
            if ticket is not None:
                self._turn(ticket)
                self._worked = time.monotonic()
            elif time.monotonic() - self._worked > self._crew.settings.idle:
                pass
        for task in self._tasks.values():
            task.close()

    def _turn(self, ticket: Ticket) -> None:
        """Step one job for a while; whatever goes wrong ends this job alone."""
        self.current = ticket.job
        started = time.monotonic()
        try:
            self._step(ticket.job, started + SLICE)
        except MattedError as error:
            state = "cancelled" if isinstance(error, Cancelled) else "failed"
            self._end(ticket.job, state, {"error": told(error)})
        except Exception:
            _log.exception("failed", extra={"job": ticket.job, "device": str(self.device)})
            self._end(ticket.job, "failed", {"error": _internal(ticket.job)})
        finally:
            self._crew.scheduler.charge(ticket, time.monotonic() - started)
            self.current = None

    def _step(self, job: str, until: float) -> None:
        task = self._tasks.pop(job, None) or self._begin(job)
        self._tasks[job] = task  # last: the most recently used
        while True:
            if self._crew.cancelled(job):
                raise Cancelled("cancelled", "The job was cancelled.", hint="Propagate again to go on from here.")
            if self._crew.stopping.is_set():
                return
            step = next(task.steps, None)
            if step is None:
                self._end(job, "done", task.finish())
                return
            self._tell(job, step)
            if time.monotonic() > until:
                return

    def _begin(self, job: str) -> Task:
        while len(self._tasks) >= OPEN_TASKS:
            self._tasks.pop(next(iter(self._tasks))).close()
        row = self._crew.store.job(job)
        assert row is not None, job
        self._crew.store.set_state(job, "running")
        return begin(row, crew=self._crew, bench=self.bench)

    def _tell(self, job: str, step: FrameDone) -> None:
        self._crew.publisher.progress(messages.Progress(job, step.frame, step.done, step.total))

    def _end(self, job: str, state: str, body: dict[str, Any]) -> None:
        task = self._tasks.pop(job, None)
        if task is not None:
            task.close()
        self._crew.end(job, state, body)


def told(error: MattedError) -> dict[str, Any]:
    """An error as it is kept and told."""
    path = None if error.path is None else str(error.path)
    return {"code": error.code, "message": error.message, "hint": error.hint, "path": path, "frame": error.frame}


def _cancelled(frame: int | None) -> dict[str, Any]:
    return told(Cancelled("cancelled", "The job was cancelled.", hint="Propagate again to go on.", frame=frame))


def _internal(job: str) -> dict[str, Any]:
    hint = "Look for this job in the daemon's log, and report it."
    return {
        "code": "internal",
        "message": f"The daemon failed in job {job}.",
        "hint": hint,
        "path": None,
        "frame": None,
    }
