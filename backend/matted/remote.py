"""Finding the daemon, and having it suggest frames; :mod:`matted.batch.engines.daemon` has it make mattes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from matted.batch.engines.daemon import PREPARATION, failure, open_shot, options, waiting_for
from matted.batch.pieces import Piece
from matted.batch.shot import Shot
from matted.console import say
from matted.engine.session import FrameDone, SessionSettings
from matted.engine.suggest import Suggestion, SuggestSettings
from matted_protocol import messages
from matted_protocol.client import Client
from matted_protocol.connection import connection_file, read_connection, running
from matted_protocol.errors import DaemonError

NAME = "matted command line"
"""What we tell the daemon we are."""

PATIENCE = 10.0
"""Seconds in which a daemon that runs must have answered."""

OnStep = Callable[[FrameDone], None]
Stopped = Callable[[], bool]


def find_daemon() -> Client | None:
    """A client of the daemon that runs; None when none does, or when it does not answer.

    Raises:
        DaemonError: the connection file is damaged, or others can read its keys.
    """
    try:
        return _running_daemon()
    except DaemonError as error:
        if error.code != "no_answer":
            raise
        say("The daemon does not answer; working here instead.")
        return None


def find_or_start() -> tuple[Client, bool]:
    """A client of the daemon that runs, or of one that is started now; and whether it was started.

    Raises:
        DaemonError: as :func:`find_daemon`; ``no_answer``; ``daemon_failed`` when it ends as soon as it is started.
    """
    client = _running_daemon()
    return (client, False) if client else (Client.connect(name=NAME, start=True), True)


def _running_daemon() -> Client | None:
    try:
        connection = read_connection(connection_file())
    except DaemonError as error:
        if error.code == "connection_missing":
            return None
        raise
    if not connection.endpoint or running(connection.pid) is False:
        return None
    return Client.connect(name=NAME, start=False, timeout=PATIENCE)


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
        open_shot(client, shot),
        mattes=mattes,
        count=count,
        method=settings.method,
        alpha=settings.alpha,
        settings=options(weights, session),
        timeout=PREPARATION,
    )
    return list(_suggestions(_follow(client, job, on_step=on_step, stopped=stopped)))


def do_piece(client: Client, piece: Piece, *, on_step: OnStep, stopped: Stopped) -> None:
    """Have the daemon do a piece; what :func:`matted.batch.pieces.do` does here.

    Raises:
        Cancelled: ``stopped`` said so; the same piece goes on later.
        DaemonError: what the daemon refused or met.
        MattedError: the plate or the masks cannot be found.
    """
    request, segment = piece.request, piece.segment
    job = client.propagate(
        open_shot(client, request.shot()),
        out=piece.folder.parent,
        settings=options(request.weights, request.session),
        mattes=messages.MatteOptions(**asdict(request.mattes)),
        suggestions=request.suggestions,
        review=request.review,
        piece=messages.Piece(piece.folder.name, (segment.first, segment.last) if segment else None, piece.frame),
        priority="batch",
        timeout=PREPARATION,
    )
    if job.state != "done":
        _follow(client, job, on_step=on_step, stopped=stopped)


def _follow(client: Client, job: messages.Job, *, on_step: OnStep, stopped: Stopped) -> messages.JobDone:
    """Watch a job to its end; a wish to stop cancels it."""
    asked = False
    if job.ahead:
        say(waiting_for(job.ahead))

    def cancel_if_stopped() -> None:
        nonlocal asked
        if stopped() and not asked:
            asked = True
            client.cancel(job.job)

    for received in client.follow(job.job, meanwhile=cancel_if_stopped):
        event = received.body
        if isinstance(event, messages.Progress):
            on_step(FrameDone(event.frame, None, event.done, event.total))
        elif isinstance(event, messages.Degraded):
            say(event.message)
        elif isinstance(event, messages.JobDone):
            return event
        elif isinstance(event, messages.JobFailed):
            raise failure(client, job, event.error)
        cancel_if_stopped()
    raise AssertionError("a job's events end with its end")


def _suggestions(done: messages.JobDone) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(**asdict(suggestion)) for suggestion in done.suggestions)
