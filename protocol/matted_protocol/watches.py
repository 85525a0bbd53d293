"""The jobs a client watches: where each one's events go, and from which on to watch again."""

import time
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Optional

from matted_protocol.errors import DaemonError
from matted_protocol.messages import Error, Job, JobDone, JobFailed, Progress, Watch, WatchOptions
from matted_protocol.waiting import EventQueue, Received, Waiting

PROGRESS_KEPT = 1000
"""Untaken events above which ``progress`` is left out."""


@dataclass
class _Watched:
    """One watched job: events with another ``parent`` are of an earlier watch; ``heard`` is when the last one came."""

    options: WatchOptions
    parent: str
    events: EventQueue
    last: int
    heard: float


class Watches:
    """A cursor for each watched job. It belongs to the link's thread, but for :meth:`__len__`.

    Args:
        events: where events go unless a request says otherwise.
    """

    def __init__(self, events: EventQueue) -> None:
        self._events = events
        self._watched: dict[str, _Watched] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def __contains__(self, job: object) -> bool:
        return job in self._watched

    def begin(self, waiting: Waiting, job: str, reply: Optional[Job] = None) -> None:
        """Take note of what a request asked to watch, at its reply or at its first event, whichever comes first."""
        options = waiting.body.options if isinstance(waiting.body, Watch) else getattr(waiting.body, "watch", None)
        if options is None or waiting.watches:
            return
        waiting.watches = True
        if reply is not None and reply.state in ("done", "failed", "cancelled") and reply.seq <= options.after:
            return  # nothing is left to tell
        events = self._events if waiting.events is None else waiting.events
        before = self._watched.get(job)
        if before is not None and before.events not in (events, self._events):
            _tell_end(
                job,
                before,
                DaemonError("closed", "The job is followed elsewhere in this program now.", "Follow it once."),
            )
        self._watched[job] = _Watched(options, waiting.id, events, options.after, time.monotonic())

    def take(self, parent: str, event: Received) -> Optional[int]:
        """Hand an event on. Returns the number of one that had come before, to be acknowledged again."""
        watched = self._watched.get(event.body.job)
        if watched is None or watched.parent != parent:
            return None  # of a watch that is over
        watched.heard = time.monotonic()
        if isinstance(event.body, Progress):
            if watched.events.qsize() < PROGRESS_KEPT:
                watched.events.put(event)
            return None
        seq: int = event.body.seq
        if seq <= watched.last:
            return seq
        watched.last = seq
        watched.events.put(event)
        if isinstance(event.body, (JobDone, JobFailed)):
            del self._watched[event.body.job]
        return None

    def anew(self, waiting: Container[str], *, quiet_since: Optional[float] = None) -> list[Waiting]:
        """Requests that watch again, from the last event on: every job, or those of which none came for long.

        A job whose own request is still waiting for its reply is left out: that one goes out again by itself. So is
        one whose events nobody takes, when it is only quiet.
        """
        requests = []
        for job, watched in self._watched.items():
            quiet = quiet_since is None or (watched.heard < quiet_since and watched.events.empty())
            if quiet and watched.parent not in waiting:
                request = Waiting(Watch(job, replace(watched.options, after=watched.last)), (), watched.events)
                request.watches = request.again = True
                watched.parent, watched.heard = request.id, time.monotonic()
                requests.append(request)
        return requests

    def end(self, parent: str, error: DaemonError) -> None:
        """The watch of this request was refused: the events of its job end with that."""
        for job in [job for job, watched in self._watched.items() if watched.parent == parent]:
            _tell_end(job, self._watched.pop(job), error)

    def drop(self, events: EventQueue) -> None:
        """Watch no more what goes to this queue."""
        self._watched = {job: watched for job, watched in self._watched.items() if watched.events is not events}


def _tell_end(job: str, watched: _Watched, error: DaemonError) -> None:
    told = Error(error.code, error.message, error.hint, error.path, error.frame)
    watched.events.put(Received(JobFailed(job, watched.last + 1, told)))
