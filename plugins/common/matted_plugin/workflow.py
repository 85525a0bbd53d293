"""The buttons: what happens when an artist presses one. Touches a host only through :class:`Host`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matted_plugin import sending, state
from matted_plugin.daemon import Daemon
from matted_plugin.host import Asked, Gone, Host, HostError, Shape
from matted_plugin.report import Pace, Report, counted
from matted_plugin.results import mattes_of, new_version, unnumbered, unpack
from matted_plugin.saving import Saver
from matted_plugin.steps import Action, Steps, Stopped, on_worker
from matted_protocol import messages as m
from matted_protocol.client import Client, Received
from matted_protocol.errors import DaemonError

_PREPARATION = 600.0
"""Seconds that listing a plate on slow storage may take."""

_OFTEN = 1.0
"""Seconds between two times the host reads the mattes anew, or the state is kept, while frames arrive."""


class Workflow:
    """The buttons of one shot in the host. Everything here is called on the host's main thread.

    Attributes:
        host: the shot in the host.
        state: what is remembered of it.
        report: what to tell the artist.
    """

    def __init__(self, host: Host, daemon: Daemon) -> None:
        self.host = host
        stored = host.stored()
        self.state = state.load(stored, host.place)
        self.report = Report()
        self._is_news = state.parse(stored) != self.state
        self._daemon = daemon
        self._action: Action | None = None
        self._cancelling = ""
        self._own = ""
        self._saver = Saver()
        self._ending: m.JobDone | None = None
        self._pace = Pace()
        self._shown = 0.0
        self._kept = 0.0
        self._unkept = False

    # The buttons

    def propagate(self) -> None:
        """Send plate and keyframes, and have the mattes made."""
        self._start("Propagate", self._propagate())

    def suggest(self, count: int = 5) -> None:
        """Ask which frames are worth masking next, by the mattes there are."""
        self._start("Suggest", self._suggest(count))

    def make_shapes(self, object: str | None = None, tolerance: float = 1.0) -> None:
        """Turn the mattes of an object into editable splines in the host."""
        self._start("To Roto", self._make_shapes(object, tolerance))

    def attach(self) -> None:
        """Find the job again after the project or the host was closed."""
        if self.state.running:
            self._start("Attach", self._attach())
        elif self._is_news:  # the project was not saved since
            self._show(complete=self.state.job_state == "done")
            self._mark()

    def cancel(self) -> None:
        """Stop what is being done here and the job in the daemon; every finished matte stays."""
        job, running = self.state.job, self.state.running
        if self._action is not None:
            self._action.stop()
            self._action = None if self._action.done else self._action
        if running:
            self.state.job_state = "cancelled"
            self._keep()
            self._cancelling = job
        self._tell("Stopped. Press Propagate to go on." if self.state.folder else "Stopped.")

    def leave(self) -> None:
        """Stop what is being done here and remember the rest; the daemon goes on."""
        if self._action is not None:
            self._action.stop()
            self._action = None
        if self._unkept:
            self._keep()

    def keep(self) -> None:
        """Store the state now, as when the project is saved."""
        self._keep()

    def show(self) -> None:
        """Show the mattes again, as when another object was chosen."""
        self._show(complete=self.state.job_state == "done")

    def dismiss(self, frame: int) -> None:
        """Never show this suggested frame again."""
        self.state.dismissed = sorted({*self.state.dismissed, frame})
        self._mark()
        self._keep()

    # The clock

    @property
    def busy(self) -> bool:
        """Whether an action is on its way here; the daemon may be at work without one."""
        return bool(self._action or self._cancelling or self._saver.busy)

    @property
    def suggestions(self) -> list[tuple[int, str]]:
        """The frames worth masking next with the reason, the worst first, without those dismissed."""
        return [(frame, reason) for frame, reason in self.state.suggestions if frame not in self.state.dismissed]

    def tick(self) -> bool:
        """Do the next little thing; returns whether there was one."""
        moved = self._save()
        if self._action is None and self._cancelling:
            self._action = Action("Cancel", self._cancel(self._cancelling))
            self._cancelling = ""
        if self._action is not None:
            moved = self._action.step() or moved
            if self._action.done:
                self._finish()
        if self._unkept and time.monotonic() - self._kept > _OFTEN:
            self._keep()
        return moved

    def hear(self, event: Received) -> None:
        """Take an event of this shot's job."""
        body = event.body
        if isinstance(body, m.Progress):
            if self.state.running:
                self._progress(body.done, body.total)
            return
        if self.state.local and self.state.job_state == "failed":
            return
        self.state.seq = max(self.state.seq, body.seq)
        self._unkept = True
        if isinstance(body, m.FrameDone):
            self._frame_done(event)
        elif isinstance(body, m.Degraded):
            self.report.notes = (*self.report.notes, body.message)
        elif isinstance(body, m.JobDone):
            self._ending = body
            self._save()
        elif isinstance(body, m.JobFailed):
            self._job_failed(body.error)

    # The actions

    def _propagate(self) -> Steps:
        asked = self._read()
        if not asked.keyframes:
            raise HostError("There is no keyframe to start from.", self.host.how_to_key)
        yield None
        client: Client = yield self._daemon.client
        sender = sending.Sender(self.host, self.state, asked, self._progressing, here=self._daemon.is_here)
        shot: m.Shot = yield from sender.send(client)
        self._keep()
        submit = partial(
            client.propagate,
            shot.shot,
            frames=asked.frames,
            settings=asked.settings,
            mattes=asked.mattes,
            suggestions=asked.suggestions,
            timeout=_PREPARATION,
        )
        local = sender.pixels
        try:
            job: m.Job = yield from self._submitted(client, partial(submit, out=None if local else asked.out))
        except DaemonError as error:
            if error.code != "path_outside" or asked.transport == "paths":
                raise
            local = True  # the daemon cannot write there: it sends the mattes, and they are written here
            job = yield from self._submitted(client, submit)
        before = self.state.job if self.state.running and self.state.job == self._own else ""
        self._began(job, asked, local=local)
        yield partial(client.watch, job.job, mattes="bytes" if local else "paths")
        if before:
            yield partial(_take_back, client, before, job.job)  # nobody looks at its mattes any more

    def _submitted(self, client: Client, submit: Callable[[], m.Job]) -> Steps:
        """Submit a job; if stopped meanwhile, take it back, for nobody would hear of it."""
        known, answer = self.state.job, on_worker(submit)
        try:
            return (yield answer.result)
        except Stopped:
            on_worker(lambda: _take_back(client, answer.result().job, known))
            raise

    def _suggest(self, count: int) -> Steps:
        if not self.state.shot or not self.state.folder:
            raise HostError("There are no mattes to judge yet.", "Press Propagate first.")
        client: Client = yield self._daemon.client
        asked = self._read()
        mattes = None if self.state.local else self.state.folder
        shot = self.state.shot
        job: m.Job = yield lambda: client.suggest(
            shot, count=count, mattes=mattes, frames=asked.frames, settings=asked.settings, timeout=_PREPARATION
        )
        told: list[Any] = yield lambda: [one.body for one in client.follow(job.job)]
        for event in told:
            if isinstance(event, m.JobDone):
                self._suggested(event.suggestions)
                self._tell(f"{counted(len(event.suggestions), 'frame')} suggested.")
            elif isinstance(event, m.JobFailed):
                raise _as_error(event.error)
        self._keep()

    def _make_shapes(self, object: str | None, tolerance: float) -> Steps:
        if not self.state.job or not self.state.files:
            raise HostError("There are no mattes to turn into shapes yet.", "Press Propagate first.")
        client: Client = yield self._daemon.client
        self.report = Report("Tracing the mattes.", step="Tracing the mattes")
        job, name = self.state.job, object or self.state.objects[0]
        traced: Received = yield lambda: client.trace(job, object=name, tolerance=tolerance, timeout=_PREPARATION)
        shapes: list[Shape] = yield partial(unpack, traced)
        if not shapes:
            raise HostError(f"The mattes of {name} are empty: there is no outline.", "Choose another object.")
        made = self.host.make_shapes(shapes, name)
        keys = max(len(shape.frames) for shape in shapes)
        self._tell(f"{made} has {counted(len(shapes), 'shape')} with {counted(keys, 'key')} at most.")

    def _attach(self) -> Steps:
        if self.state.folder and self.state.files:
            self._show(complete=False)
        client: Client = yield self._daemon.client
        if self.state.local:  # one that had come may not have been written when the host went away
            self.state.seq = self.state.done = 0
        job, after, mattes = self.state.job, self.state.seq, "bytes" if self.state.local else "paths"
        try:
            found: m.Job = yield lambda: client.watch(job, after=after, mattes=mattes)
        except DaemonError as error:
            if error.code != "job_missing":
                raise
            self.state.job_state = "failed"
            self._keep()
            raise HostError(
                "The daemon no longer knows this shot's job; the mattes that were finished are still there.",
                "Press Propagate: it goes on from there.",
            ) from error
        if self.state.running:  # its last event may have come before this answer
            if found.seq <= self.state.seq:  # else its last event is still to come
                self.state.job_state = found.state
            self._progress(found.done, found.total)
        self._keep()

    def _cancel(self, job: str) -> Steps:
        client: Client = yield self._daemon.client
        yield lambda: client.cancel(job)

    # What the actions share

    def _start(self, name: str, steps: Steps) -> None:
        if self._action is not None:
            self._tell(f"{self._action.name} is still at work.", hint="Wait for it, or press Cancel.", error=True)
            return
        self.report = Report(f"{name}…", step=name)
        self._action = Action(name, steps)

    def _read(self) -> Asked:
        asked = self.host.read()
        self.report.notes = asked.notes
        return asked

    def _began(self, job: m.Job, asked: Asked, *, local: bool) -> None:
        known = self.state
        is_new = job.job != known.job
        known.shot, known.job, known.kind, known.job_state = job.shot, job.job, job.kind, "queued"
        known.total, known.done, known.seq = job.total, 0, 0
        known.frames = [asked.frames[0], asked.frames[1]]
        known.objects = [one.name for one in asked.objects]
        known.keyframes = list(asked.keyframes)
        known.local = local
        self._own, self._ending = job.job, None
        self._saver.forget()
        if is_new:
            known.files, known.suggestions, known.dismissed = [], [], []
            known.folder = "" if local else job.folder or ""
        if local and (not known.folder or Path(known.folder).parent != Path(asked.out)):
            known.folder = new_version(asked.out)
        self._pace = Pace()
        self._progress(job.done, job.total, ahead=job.ahead)
        self._mark()
        self._keep()

    def _frame_done(self, event: Received) -> None:
        body: m.FrameDone = event.body
        known = self.state
        if known.local:
            self._saver.take(event)
        elif body.folder:
            known.folder = body.folder
        first = not known.files
        if first:
            known.files = [unnumbered(name) for name in body.files]
        known.done = min(known.total, known.done + 1)
        if known.job_state == "queued":
            known.job_state = "running"
        if first or time.monotonic() - self._shown > _OFTEN:
            self._show(complete=False)

    def _job_done(self, body: m.JobDone) -> None:
        known = self.state
        known.job_state, known.done = "done", known.total
        if body.folder and not known.local:
            known.folder = body.folder
        self._suggested(body.suggestions)
        self._show(complete=True)
        self._keep()
        where = f" in {known.folder}" if known.folder else ""
        ready = "1 matte is ready" if known.total == 1 else f"{known.total} mattes are ready"
        self._tell(f"{ready}{where}.", notes=self.report.notes)

    def _job_failed(self, error: m.Error) -> None:
        self.state.job_state = "cancelled" if error.code == "cancelled" else "failed"
        self._keep()
        if error.code == "cancelled":
            self._tell(
                f"Stopped after {self.state.done} of {counted(self.state.total, 'frame')}. Press Propagate to go on."
            )
        else:
            self._fail(_as_error(error))

    def _suggested(self, suggestions: Sequence[m.Suggestion]) -> None:
        self.state.suggestions = [[one.frame, one.reason] for one in suggestions]
        self._mark()

    def _mark(self) -> None:
        try:
            self.host.show_marks(self.state.keyframes, self.suggestions)
        except Gone:
            raise
        except HostError as error:  # marks are a help, and no reason to fail
            self._note((error.message, error.hint))

    def _show(self, *, complete: bool) -> None:
        self._shown = time.monotonic()
        mattes = mattes_of(self.state, complete=complete)
        if mattes is None:
            return
        try:
            notes = tuple(self.host.show_mattes(mattes))
        except Gone:
            raise
        except HostError as error:  # they lie on disk all the same
            notes = (error.message, error.hint)
        self._note(notes)

    def _note(self, notes: Sequence[str]) -> None:
        known = self.report.notes
        self.report.notes = (*known, *(note for note in notes if note not in known))

    def _progressing(self, step: str, done: int, total: int) -> None:
        """Tell how far a step here is; :mod:`sending` calls it."""
        if self.report.step != step:
            self._pace = Pace()
        left = self._pace.left(done, total)
        self._say(Report(f"{step}: {done} of {total}.", "", False, step, done, total, left, self.report.notes))

    def _progress(self, done: int, total: int, ahead: int = 0) -> None:
        """Tell how far the daemon is."""
        if ahead:
            sentence = f"Waiting for {counted(ahead, 'other job')}."
        else:
            sentence = f"Making mattes: {done} of {total}."
        self._say(
            Report(sentence, "", False, "Making mattes", done, total, self._pace.left(done, total), self.report.notes)
        )

    def _tell(self, sentence: str, *, hint: str = "", error: bool = False, notes: tuple[str, ...] = ()) -> None:
        self._say(Report(sentence, hint, error, notes=notes))

    def _say(self, report: Report) -> None:
        self.report = report
        notes = () if report.step else report.notes  # at the end, for whoever looks at nothing but the node
        self.host.show_status(" ".join(filter(None, (report.sentence, report.hint, *notes))))

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, (HostError, DaemonError)):
            self._tell(error.message, hint=error.hint, error=True, notes=self.report.notes)
        else:
            self._tell(
                f"Something unexpected happened: {error}.",
                hint="Press Copy diagnostics and send them to whoever looks after matted.",
                error=True,
            )

    def _finish(self) -> None:
        action, self._action = self._action, None
        error = None if action is None else action.error
        if isinstance(error, Gone):
            raise error
        if isinstance(error, Stopped):
            self._tell("Stopped. Press Propagate to go on.")
        elif error is not None:
            self._fail(error)
        elif self.report.step and not self.state.running:
            self._tell("Done.")

    def _save(self) -> bool:
        """Go on writing mattes here; the job is done when the last is written."""
        try:
            moved = self._saver.step(self.state.folder)
        except DaemonError as error:  # the daemon keeps them for the next time
            self._saver.forget()
            self._ending, self.state.job_state = None, "failed"
            self._keep()
            self._fail(error)
            return True
        if self._ending is not None and not self._saver.busy:
            ending, self._ending = self._ending, None
            self._job_done(ending)
            return True
        return moved

    def _keep(self) -> None:
        """Store the state in its file and in the host."""
        self._unkept, self._kept = False, time.monotonic()
        self.state.place = self.host.place
        self.host.store(state.save(self.state))


def _take_back(client: Client, job: str, but: str) -> None:
    """Have a job cancelled that nobody waits for; ``but`` is one that somebody does."""
    if job != but:
        with contextlib.suppress(DaemonError):
            client.cancel(job)


def _as_error(error: m.Error) -> DaemonError:
    return DaemonError(error.code, error.message, error.hint, path=error.path, frame=error.frame)
