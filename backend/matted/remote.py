"""What the command line does when a daemon runs: the same shot, the same words, the same files, made over there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matted.batch.job import Job, JobResult
from matted.batch.ledger import digest
from matted.batch.shot import Shot
from matted.console import say
from matted.engine.session import FrameDone, SessionSettings
from matted.engine.suggest import Suggestion, SuggestSettings
from matted.errors import Cancelled
from matted_protocol import messages
from matted_protocol.client import Client
from matted_protocol.connection import connection_file, read_connection, running
from matted_protocol.errors import DaemonError

PATIENCE = 10.0
"""Seconds in which a daemon that runs must have answered."""

PREPARATION = 600.0
"""Seconds that listing a plate on slow storage may take."""

OnStep = Callable[[FrameDone], None]
Stopped = Callable[[], bool]


def find_daemon() -> Client | None:
    """A client of the daemon that runs; None when none does, or when it does not answer.

    Raises:
        DaemonError: the connection file is damaged, or others can read its keys.
    """
    try:
        connection = read_connection(connection_file())
    except DaemonError as error:
        if error.code == "connection_missing":
            return None
        raise
    if not connection.endpoint or running(connection.pid) is False:
        return None
    try:
        return Client.connect(name="matted command line", start=False, timeout=PATIENCE)
    except DaemonError as error:
        if error.code != "no_answer":
            raise
        say("The daemon does not answer; working here instead.")
        return None


def propagate(client: Client, job: Job, *, weights: str, on_step: OnStep, stopped: Stopped) -> JobResult:
    """Have the daemon make the mattes of a job; what :func:`matted.batch.job.run` does here.

    Raises:
        Cancelled: ``stopped`` said so; the same command goes on later.
        DaemonError: what the daemon refused or met.
    """
    accepted = client.propagate(
        _open(client, job.shot),
        out=job.out,
        settings=_settings(weights, job.session),
        mattes=messages.MatteOptions(**asdict(job.mattes)),
        suggestions=job.suggestions,
        timeout=PREPARATION,
    )
    confidence: dict[int, tuple[float, ...]] = {}
    objects = job.shot.keyframes.objects

    def note(event: Any) -> None:
        if isinstance(event, messages.FrameDone):
            confidence[event.frame] = tuple(event.confidence[name] for name in objects)

    done = _follow(client, accepted, on_step=on_step, stopped=stopped, note=note)
    return JobResult(
        Path(str(done.folder)), objects, dict(sorted(confidence.items())), _suggestions(done), done.computed
    )


def suggest(
    client: Client,
    shot: Shot,
    *,
    weights: str,
    session: SessionSettings,
    mattes: Path | None,
    count: int,
    settings: SuggestSettings,
    on_step: OnStep,
    stopped: Stopped,
) -> list[Suggestion]:
    """Have the daemon name frames; what :func:`matted.batch.shot.suggest` does here.

    Raises:
        Cancelled: ``stopped`` said so.
        DaemonError: what the daemon refused or met.
    """
    job = client.suggest(
        _open(client, shot),
        mattes=mattes,
        count=count,
        method=settings.method,
        alpha=settings.alpha,
        settings=_settings(weights, session),
        timeout=PREPARATION,
    )
    return list(_suggestions(_follow(client, job, on_step=on_step, stopped=stopped)))


def _open(client: Client, shot: Shot) -> str:
    """The daemon's shot with these very keyframes: named after them, so that no other shot of the plate is touched."""
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


def _follow(
    client: Client,
    job: messages.Job,
    *,
    on_step: OnStep,
    stopped: Stopped,
    note: Callable[[Any], None] = lambda event: None,
) -> messages.JobDone:
    """Watch a job to its end; a wish to stop cancels it."""
    asked = False
    if job.ahead:
        say(f"Waiting for {job.ahead} other job{'s' if job.ahead > 1 else ''}; 'matted jobs' lists them.")

    def cancel_if_stopped() -> None:
        nonlocal asked
        if stopped() and not asked:
            asked = True
            client.cancel(job.job)

    for received in client.follow(job.job, meanwhile=cancel_if_stopped):
        event = received.body
        note(event)
        if isinstance(event, messages.Progress):
            on_step(FrameDone(event.frame, None, event.done, event.total))
        elif isinstance(event, messages.Degraded):
            say(event.message)
        elif isinstance(event, messages.JobDone):
            return event
        elif isinstance(event, messages.JobFailed):
            error = event.error
            if error.code == "cancelled":
                message = f"Stopped after {_frames_done(client, job)} of {job.total} frames."
                raise Cancelled("cancelled", message, hint="Run the same command again to go on from here.")
            raise DaemonError(error.code, error.message, error.hint, path=error.path, frame=error.frame)
        cancel_if_stopped()
    raise AssertionError("a job's events end with its end")


def _frames_done(client: Client, job: messages.Job) -> int:
    """How many frames of a job are done."""
    return next((known.done for known in client.list_jobs(shot=job.shot).jobs if known.job == job.job), job.done)


def _settings(weights: str, session: SessionSettings) -> messages.Settings:
    return messages.Settings(weights, session.direction.value, session.working_size)


def _suggestions(done: messages.JobDone) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(**asdict(suggestion)) for suggestion in done.suggestions)
