"""The engine that hands shots to the daemon, which makes them on all of its devices."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import Any, Literal

from matted.batch.engines import Failed, Made, News, Said, Step
from matted.batch.engines.here import mistake, not_begun
from matted.batch.ledger import digest, read_sidecar
from matted.batch.place import read_result
from matted.batch.request import Request
from matted.batch.shot import Shot
from matted.engine.session import SessionSettings
from matted.errors import Cancelled, MattedError
from matted_protocol import messages
from matted_protocol.client import Client
from matted_protocol.errors import DaemonError

LOG = logging.getLogger(__name__)

PREPARATION = 600.0
"""Seconds that listing a plate on slow storage may take."""

PATIENCE = 60.0
"""Seconds the daemon may be out of reach, as while it restarts."""

PARTING = 5.0
"""Seconds the daemon has to answer when the engine is left."""

HINT = "Run the same command again to go on from here."


class Daemon:
    """Has shots made by the daemon; see :class:`matted.batch.engines.Engine`.

    The connection finds a daemon again that restarts, and the daemon goes on with its jobs by itself.

    Args:
        client: a connection to the daemon; closed when the engine is left.
        priority: the place in the daemon's queue.
        started: whether the daemon was started for this; then it is stopped afterwards, unless others use it by then.
    """

    def __init__(
        self, client: Client, *, priority: Literal["interactive", "batch"] = "batch", started: bool = False
    ) -> None:
        self._client = client
        self._priority = priority
        self._started = started
        self._waiting: list[Request] = []
        self._jobs: dict[str, tuple[Request, messages.Job]] = {}
        self._told: list[News] = []
        self._uncancelled: list[str] = []
        self._stopping = False
        self._away: float | None = None

    def __enter__(self) -> Daemon:
        self._client.patience = PATIENCE
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._client, suppress(DaemonError):
            for job in self._jobs:
                self._client.cancel(job, timeout=PARTING)
            if self._started:
                self._stop_daemon()

    def submit(self, request: Request) -> None:
        """Take a shot on."""
        self._waiting.append(request)

    def stop(self) -> None:
        """Cancel what was submitted here; other jobs of the daemon go on."""
        if self._stopping:
            return
        self._stopping = True
        self._told += [Failed(request.name, not_begun(request)) for request in self._waiting]
        self._waiting.clear()
        self._uncancelled = list(self._jobs)
        self._cancel()

    def news(self, timeout: float) -> list[News]:
        """Hand over the next shot, if one waits; else what the daemon tells of those it has."""
        if self._waiting:
            request = max(self._waiting, key=lambda waiting: waiting.priority)  # the first of those
            self._waiting.remove(request)
            self._told += self._hand_over(request)
            timeout = 0
        with suppress(Empty):
            self._hear(self._client.events.get(timeout=0 if self._told else timeout).body)
            while True:
                self._hear(self._client.events.get_nowait().body)
        self._look_after()
        told, self._told = self._told, []
        return told

    def _hand_over(self, request: Request) -> list[News]:
        try:
            return self._submit(request)
        except MattedError as error:
            return [Failed(request.name, error)]
        except DaemonError as error:
            return [Failed(name, error) for name in (request.name, *self._lost())]
        except Exception as error:
            LOG.exception("shot %s", request.name)
            return [Failed(request.name, mistake(error))]

    def _lost(self) -> list[str]:
        """The shots that wait for a daemon that is gone: each in its turn would be waited for as long."""
        if self._client.trouble is None:
            return []
        lost = [request.name for request in self._waiting]
        self._waiting.clear()
        return lost

    def _submit(self, request: Request) -> list[News]:
        if self._stopping:
            raise not_begun(request)
        job = self._client.propagate(
            open_shot(self._client, request.shot()),
            out=request.out,
            settings=options(request.weights, request.session),
            mattes=messages.MatteOptions(**asdict(request.mattes)),
            suggestions=request.suggestions,
            review=request.review,
            priority=self._priority,
            timeout=PREPARATION,
        )
        if job.state == "done":
            return [self._made(request, job.folder, computed=0)]
        waits = job.ahead and not self._jobs
        self._client.watch(job.job, after=job.seq, timeout=PREPARATION)
        self._jobs[job.job] = request, job
        told: list[News] = [Step(request.name, None, job.done, job.total)]
        return [Said(request.name, waiting_for(job.ahead)), *told] if waits else told

    def _hear(self, event: Any) -> None:
        request, job = self._jobs.get(event.job, (None, None))
        if request is None or job is None:
            return
        if isinstance(event, messages.Progress):
            self._told.append(Step(request.name, event.frame, event.done, event.total))
        elif isinstance(event, messages.Degraded):
            self._told.append(Said(request.name, event.message))
        elif isinstance(event, messages.JobDone):
            del self._jobs[event.job]
            self._told.append(self._made(request, event.folder, computed=event.computed))
        elif isinstance(event, messages.JobFailed):
            del self._jobs[event.job]
            self._told.append(Failed(request.name, failure(self._client, job, event.error)))

    def _made(self, request: Request, folder: str | None, *, computed: int) -> Made | Failed:
        """What the sidecar says; it lies where the client's own spelling of the folder leads."""
        sidecar = read_sidecar(Path(str(folder)))
        if sidecar.get("state") != "done":
            message = f"The daemon has made the mattes in {folder}, which this machine cannot read."
            hint = "See that both have the same storage under this path."
            return Failed(request.name, DaemonError("matte_missing", message, hint, path=folder))
        return Made(request.name, read_result(Path(str(folder)), sidecar, computed=computed))

    def _cancel(self) -> None:
        """Cancel what was to be stopped; a daemon that restarts and does not hear it now hears it later."""
        with suppress(DaemonError):
            while self._uncancelled:
                self._client.cancel(self._uncancelled[-1], timeout=PARTING)
                self._uncancelled.pop()

    def _look_after(self) -> None:
        """Give up when the daemon stays away."""
        self._cancel()
        trouble = self._client.trouble
        if trouble is None:
            self._away = None
        elif self._away is None:
            self._away = time.monotonic()
        elif time.monotonic() - self._away > PATIENCE:
            self._told += [Failed(request.name, trouble) for request, _ in self._jobs.values()]
            self._jobs.clear()

    def _stop_daemon(self) -> None:
        status = self._client.status(timeout=PARTING)
        alone = status.clients <= 1 and all(job.job in self._jobs for job in self._unfinished())
        if alone:
            self._client.shutdown(timeout=PARTING)

    def _unfinished(self) -> tuple[messages.Job, ...]:
        return self._client.list_jobs(unfinished=True, timeout=PARTING).jobs


def open_shot(client: Client, shot: Shot) -> str:
    """The daemon's shot with these very keyframes: named after them, so that no other shot of the plate is touched.

    Raises:
        DaemonError: what the daemon refused or met.
    """
    color = shot.plate.color
    source = messages.PlateSource(
        path=shot.plate.sequence.pattern,
        colorspace=color.colorspace,
        exposure=None if color.exposure == "auto" else float(color.exposure),
        part=None if shot.plate.part is None else str(shot.plate.part),
        layer=shot.plate.layer,
        ocio=color.config,
        offset=shot.plate.sequence.offset,
    )
    frames = shot.frames
    opened = client.open_shot(
        source,
        frames=None if frames is None else (frames.first, frames.last, frames.step),
        name=f"command line {digest(shot.keyframes.hashes)[:16]}",
        missing=shot.missing,
        timeout=PREPARATION,
    )
    for frame in shot.keyframes.frames:
        for mask, path in shot.keyframes.files[frame]:
            client.set_keyframe(
                opened.shot, frame, object=mask.object, path=path, layer=mask.layer, pick=mask.pick, timeout=PREPARATION
            )
    return opened.shot


def options(weights: str, session: SessionSettings) -> messages.Settings:
    """What the daemon is told of how to work."""
    return messages.Settings(weights, session.direction.value, session.working_size)


def failure(client: Client, job: messages.Job, error: messages.Error) -> Cancelled | DaemonError:
    """Why a job of the daemon's ended without mattes."""
    if error.code != "cancelled":
        return DaemonError(error.code, error.message, error.hint, path=error.path, frame=error.frame)
    done = job.done
    with suppress(DaemonError):
        done = next((known.done for known in client.list_jobs(shot=job.shot).jobs if known.job == job.job), done)
    message = f"Stopped after {done} of {job.total} frames."
    return Cancelled("cancelled", message, hint=HINT)


def waiting_for(ahead: int) -> str:
    """What is said of other jobs in the daemon's queue."""
    return f"Waiting for {ahead} other job{'s' if ahead > 1 else ''}; 'matted jobs' lists them."
