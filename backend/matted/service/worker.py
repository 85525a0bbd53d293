"""One device: a thread that owns torch there, steps jobs a frame at a time, and lets no job's trouble be another's."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from matted.batch.bench import Bench
from matted.batch.ledger import unwritable
from matted.errors import MattedError, RequestError
from matted.service.envelope import error_body, plain
from matted.service.memory import machine_memory, memory_used
from matted.service.scheduler import Ticket
from matted.service.task import Task, begin
from matted_protocol import messages

if TYPE_CHECKING:
    from matted.service.crew import Crew

SLICE = 1.0
"""Seconds a job has the device before others are looked at; a frame is never cut."""
OPEN_TASKS = 4
"""Jobs that lie open on a device at once; one more puts the longest untouched back to its checkpoint."""

_log = logging.getLogger(__name__)


class Worker(threading.Thread):
    """Owns one device.

    Attributes:
        device: what it owns.
        current: the job that has its turn, if any.
        bench: what is warm there.
    """

    def __init__(self, crew: Crew, device: torch.device) -> None:
        super().__init__(name=f"worker-{device}", daemon=True)
        self.device = device
        self.current: str | None = None
        self.bench = Bench(device, feature_budget=_hold_to(device, crew.settings.memory_budget) // 4)
        self._crew = crew
        self._tasks: dict[str, Task] = {}
        self._forgotten: list[str] = []

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
        names, features = self.bench.loaded_names, self.bench.feature_bytes
        return messages.DeviceStatus(str(self.device), model, used, total, self.current, names, features)

    def run(self) -> None:
        """Take turns until the crew stops."""
        while not self._crew.stopping.is_set():
            self._carefully(self._tidy)
            ticket = self._crew.scheduler.take(self, wait=1.0)
            if ticket is not None:
                self._turn(ticket)
        for job in list(self._tasks):
            self._put_down(job)

    def _tidy(self) -> None:
        """What is due between two turns."""
        self._crew.note_ends()
        self._end_cancelled()
        while self._forgotten:
            self.bench.close(self._forgotten.pop())
        if memory_used() > self._crew.settings.memory_budget and (self.bench.feature_bytes or self.bench.warm_keys):
            _log.info("above the memory budget: let go of %s", self.bench.let_go(), extra={"device": str(self.device)})
        unloaded = self.bench.unload_idle(self._crew.settings.idle)
        if unloaded:
            _log.info("idle: %s unloaded", ", ".join(unloaded), extra={"device": str(self.device)})

    def _turn(self, ticket: Ticket) -> None:
        """Step one job for a while; whatever goes wrong ends this job alone."""
        self.current = ticket.job
        started = time.monotonic()
        asked = self._crew.store.asked(ticket.job)
        try:
            self._step(ticket.job, started + SLICE)
        except Exception as error:
            self._fail(ticket.job, error, asked)
        finally:
            self._crew.scheduler.charge(ticket, time.monotonic() - started)
            self.current = None

    def _step(self, job: str, until: float) -> None:
        task = self._tasks.pop(job, None) or self._begin(job)
        self._tasks[job] = task  # last: the most recently used
        while not self._crew.stopping.is_set():
            self._end_cancelled()
            if job not in self._tasks:
                return
            step = next(task.steps, None)
            if step is None:
                self._end(job, "done", task.finish())
                return
            self._crew.publisher.progress(messages.Progress(job, step.frame, step.done, step.total))
            if time.monotonic() > until:
                return

    def _begin(self, job: str) -> Task:
        while len(self._tasks) >= OPEN_TASKS:
            self._put_down(next(iter(self._tasks)))
        row = self._crew.store.job(job)
        if row is None:
            raise RequestError("job_missing", f"There is no job {job} any more.", hint="Propagate again.")
        self._crew.store.set_state(job, "running")
        return begin(row, crew=self._crew, bench=self.bench)

    def _end_cancelled(self) -> None:
        """Also jobs between two turns end at once."""
        for job in self._crew.cancelled(self):
            self._put_down(job)
            self._crew.end_cancelled(job)

    def _fail(self, job: str, error: Exception, asked: int) -> None:
        if isinstance(error, OSError):
            error = unwritable(self._crew.store.folder, error)
        if not isinstance(error, MattedError):
            _log.error("failed", exc_info=error, extra={"job": job, "device": str(self.device)})
            hint = "Look for this job in the daemon's log, and report it."
            error = RequestError("internal", f"The daemon failed in job {job}.", hint=hint)
        self._end(job, "failed", {"error": plain(error_body(error))}, asked=asked)

    def _end(self, job: str, state: str, body: dict[str, Any], *, asked: int | None = None) -> None:
        self._put_down(job)
        self._crew.end(job, state, body, asked=asked)

    def _put_down(self, job: str) -> None:
        """Close a task that may be taken up again. What it could not write it will have to make again."""
        task = self._tasks.pop(job, None)
        if task is not None:
            self._carefully(task.close)

    def _carefully(self, call: Callable[[], None]) -> None:
        """Whatever goes wrong here is no reason for the device to stand still."""
        try:
            call()
        except Exception:
            _log.exception("went on after", extra={"device": str(self.device)})


def _hold_to(device: torch.device, budget: int) -> int:
    """Bytes of the budget this device can have; a GPU is held to them, so that hosts beside the daemon keep theirs."""
    if device.type != "cuda":
        return budget
    total = torch.cuda.get_device_properties(device).total_memory
    if budget < total:
        torch.cuda.set_per_process_memory_fraction(budget / total, device)
    return min(budget, total)
