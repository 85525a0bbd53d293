"""The client: one method a request, a queue of events, and a daemon found, started and found again.

    with Client.connect() as client:
        shot = client.open_shot("/shows/a/plate.####.exr")
        client.set_keyframe(shot.shot, 1001, path="/shows/a/mask.1001.png", object="hero")
        job = client.propagate(shot.shot, out="/shows/a/mattes")
        for event, buffers in client.follow(job.job):
            print(event)

Every method raises :class:`~matted_protocol.errors.DaemonError` with the daemon's code, message and hint, or
``no_answer``, ``refused``, ``closed``; and :class:`ValueError` for a value no daemon would take.
"""

import ntpath
import os
import posixpath
import queue
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, Union, cast

from matted_protocol import messages as m
from matted_protocol import wire
from matted_protocol.connection import Connection, connection_file, read_connection
from matted_protocol.errors import DaemonError
from matted_protocol.link import SLOWEST, Link
from matted_protocol.mattes import save_matte
from matted_protocol.start import answers, last_words, log_file, start, start_command
from matted_protocol.waiting import EventQueue, Received, Waiting, closed_error, no_answer

__all__ = ["Client", "EventQueue", "Received", "save_matte"]

PathLike = Union[str, "os.PathLike[str]"]

TRACING = 600.0
"""Seconds that shapes of a long shot may take."""

_GRACE = 15.0
"""Seconds for another daemon to answer after the one started here has ended: it may have been second of two."""


class Client:
    """A connection to a daemon. Any thread may use it; each call waits for its own answer.

    Attributes:
        events: what the daemon tells of the jobs watched with ``watch``; a host takes from it in its own time.
        timeout: seconds a call waits unless told otherwise; pixels get the time to leave on top.
        patience: seconds of these that the daemon may be out of reach; None: all of them.
    """

    def __init__(self, file: Path, *, name: str = "", timeout: float = 30.0) -> None:
        self.timeout = timeout
        self.patience: Optional[float] = None
        self._link = Link(file, name)
        self.events = self._link.events
        self._finalizer = weakref.finalize(self, self._link.close)  # at the latest when the interpreter exits

    @classmethod
    def connect(
        cls,
        file: Optional[PathLike] = None,
        *,
        name: str = "",
        start: bool = True,
        command: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> "Client":
        """Find the daemon, start it if it is this machine's and does not run, and wait until it answers.

        Args:
            file: the connection file; this user's own unless given.
            name: what this program is, ``nuke 16.0v9``.
            start: whether a daemon may be started.
            command: how to start it where the connection file does not say; ``matted`` on PATH unless given.
            timeout: seconds until the daemon must have answered.

        Raises:
            DaemonError: ``connection_missing``, ``connection_damaged``, ``key_readable``, ``daemon_failed``,
                ``refused``, ``no_answer`` or ``version_mismatch``.
        """
        path = connection_file() if file is None else Path(file)
        started = _start(path, command) if start else None
        if started is None:
            read_connection(path)
        client = cls(path, name=name)
        try:
            client._wait_for_daemon(started, path, name, time.monotonic() + timeout)
        except BaseException:
            client.close()
            raise
        return client

    def _wait_for_daemon(self, started: Any, path: Path, name: str, deadline: float) -> None:
        waiting = self._link.ask(m.Hello(name))
        give_up = deadline
        while not waiting.done.wait(0.05):
            if started is not None and started.poll() is not None:
                give_up = min(give_up, time.monotonic() + _GRACE)
                started = None
            if time.monotonic() > give_up:
                if give_up < deadline:
                    message = f"The daemon ended as soon as it was started: {last_words(path)}"
                    raise DaemonError("daemon_failed", message, f"See {log_file(path)}.", path=str(log_file(path)))
                self._link.forget(waiting)
        _outcome(waiting)

    def close(self) -> None:
        """Let go of the daemon; its jobs run on. More than once is fine."""
        self._finalizer()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    @property
    def welcome(self) -> Optional[m.Welcome]:
        """What the daemon said of itself when it was last reached."""
        return self._link.welcome

    @property
    def trouble(self) -> Optional[DaemonError]:
        """Why the daemon is out of reach; None while it answers. Asking does not wait."""
        return self._link.trouble

    def request(
        self,
        body: Any,
        buffers: Sequence[Any] = (),
        *,
        timeout: Optional[float] = None,
        events: Optional[EventQueue] = None,
    ) -> Received:
        """Send any request and wait for its reply. Buffers are sent as they lie in memory; contiguous ones only.

        Raises:
            DaemonError: what the daemon answered, or ``no_answer``, ``refused``, ``closed``, ``bad_buffer``,
                ``too_large``.
        """
        self._refuse_fork()
        try:
            waiting = self._link.ask(body, self._checked(body, buffers), events)
        except wire.WireError as error:
            raise DaemonError(error.code, f"This cannot be sent: {error}.", "Ask for less at a time.") from error
        try:
            self._wait(waiting, self.timeout + waiting.size / SLOWEST if timeout is None else timeout)
        finally:
            if not waiting.done.is_set():
                self._link.forget(waiting)
        return _outcome(waiting)

    def _wait(self, waiting: Waiting, timeout: float) -> None:
        """Wait for an answer, at most ``timeout`` seconds, and ``patience`` where the daemon is away."""
        if self.patience is None:
            waiting.done.wait(timeout)
            return
        began = time.monotonic()
        while (waited := time.monotonic() - began) < timeout and min(waited, self._link.away()) <= self.patience:
            if waiting.done.wait(min(0.25, timeout - waited)):
                return

    def follow(
        self,
        job: str,
        *,
        after: int = 0,
        mattes: str = "paths",
        credit: int = 64,
        timeout: float = 60.0,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Iterator[Received]:
        """The events of a job, from the first, or from the one after ``after``, to ``job_done`` or ``job_failed``.

        They come from here and no longer from :attr:`events`. A job may wait in its queue for as long as it takes;
        ``timeout`` is how many seconds the daemon may be out of reach. ``meanwhile`` is called, four times a second,
        while there is nothing to tell.

        Raises:
            DaemonError: ``job_missing``, ``no_answer``, ``refused``, ``closed``.
        """
        events = EventQueue(self._link.taken)
        options = m.WatchOptions(after=after, credit=credit, mattes=cast(Any, mattes))
        try:
            found: m.Job = self.request(m.Watch(job, options), events=events).body
            if found.state in ("done", "failed", "cancelled") and found.seq <= after:
                return
            while True:
                event = self._next(events, timeout, meanwhile)
                yield event
                if isinstance(event.body, (m.JobDone, m.JobFailed)):
                    return
        finally:
            if not self._link.closed:
                self._link.unwatch(events)

    def _next(self, events: EventQueue, timeout: float, meanwhile: Callable[[], None]) -> Received:
        while True:
            try:
                return events.get(timeout=0.25)
            except queue.Empty:
                meanwhile()
                if self._link.closed:
                    raise closed_error() from None
                if self._link.away() > timeout:
                    raise self._link.trouble or no_answer("The daemon does not answer.") from None

    def _checked(self, body: Any, buffers: Sequence[Any]) -> list[memoryview]:
        try:
            views = [memoryview(buffer).cast("B") for buffer in buffers]
            wire.check_buffers(body, views)
        except (wire.WireError, TypeError) as error:
            raise DaemonError("bad_buffer", f"The pixels do not fit: {error}.", _PIXELS_HINT) from error
        limit = self.welcome.max_buffer if self.welcome is not None else None
        if limit is not None and any(view.nbytes > limit for view in views):
            message = f"A buffer is larger than the {limit} bytes the daemon takes."
            raise DaemonError("too_large", message, "Send half or 8-bit pixels, or give the path of a file.")
        return views

    def _refuse_fork(self) -> None:
        if os.getpid() != self._link.pid:
            message = "This connection was made before the process forked; it stays with the process that made it."
            raise DaemonError("closed", message, "Connect again in the new process.")

    def ping(self, *, timeout: Optional[float] = None) -> m.Pong:
        """Ask whether the daemon is there."""
        return cast(m.Pong, self.request(m.Ping(), timeout=timeout).body)

    def status(self, *, timeout: Optional[float] = None) -> m.Status:
        """How the daemon is."""
        return cast(m.Status, self.request(m.GetStatus(), timeout=timeout).body)

    def open_shot(
        self, plate: Union[m.PlateSource, PathLike], *, timeout: Optional[float] = None, **fields: Any
    ) -> m.Shot:
        """Open a shot. ``plate`` may be just a path; ``fields`` are those of :class:`messages.OpenShot`."""
        source = plate if isinstance(plate, m.PlateSource) else m.PlateSource(path=os.fspath(plate))
        source = replace(source, path=_absolute(source.path), ocio=_absolute(source.ocio))
        return cast(m.Shot, self.request(m.OpenShot(source, **fields), timeout=timeout).body)

    def put_plate(
        self, shot: str, frame: int, pixels: m.Pixels, buffer: Any, *, timeout: Optional[float] = None
    ) -> m.Put:
        """Send the pixels of one plate frame."""
        return cast(m.Put, self.request(m.PutPlate(shot, frame, pixels), [buffer], timeout=timeout).body)

    def set_keyframe(
        self,
        shot: str,
        frame: int,
        *,
        object: Optional[str] = None,
        path: Optional[PathLike] = None,
        pixels: Optional[m.Pixels] = None,
        buffer: Any = None,
        layer: Optional[str] = None,
        pick: Optional[tuple[str, ...]] = None,
        timeout: Optional[float] = None,
    ) -> m.Keyframes:
        """Give the mask of a frame, by ``path`` or by ``pixels`` and ``buffer``."""
        body = m.SetKeyframe(shot, frame, object, _absolute(path), pixels, layer, pick)
        buffers = () if buffer is None else (buffer,)
        return cast(m.Keyframes, self.request(body, buffers, timeout=timeout).body)

    def remove_keyframe(
        self, shot: str, frame: int, *, object: Optional[str] = None, timeout: Optional[float] = None
    ) -> m.Keyframes:
        """Take back the masks of a frame, or of one object in it."""
        return cast(m.Keyframes, self.request(m.RemoveKeyframe(shot, frame, object), timeout=timeout).body)

    def list_keyframes(self, shot: str, *, timeout: Optional[float] = None) -> m.Keyframes:
        """Every keyframe of a shot."""
        return cast(m.Keyframes, self.request(m.ListKeyframes(shot), timeout=timeout).body)

    def propagate(
        self, shot: str, *, out: Optional[PathLike] = None, timeout: Optional[float] = None, **fields: Any
    ) -> m.Job:
        """Make the mattes of a shot; ``fields`` are those of :class:`messages.Propagate`."""
        body = m.Propagate(shot, _absolute(out), **fields)
        return cast(m.Job, self.request(_settled(body), timeout=timeout).body)

    def suggest(
        self, shot: str, *, mattes: Optional[PathLike] = None, timeout: Optional[float] = None, **fields: Any
    ) -> m.Job:
        """Name the frames worth masking next; ``fields`` are those of :class:`messages.Suggest`."""
        body = m.Suggest(shot, mattes=_absolute(mattes), **fields)
        return cast(m.Job, self.request(_settled(body), timeout=timeout).body)

    def get_matte(self, job: str, frame: int, *, timeout: Optional[float] = None) -> Received:
        """The matte files of a frame: :class:`messages.Matte` and a buffer a file, as :func:`save_matte` takes them."""
        return self.request(m.GetMatte(job, frame), timeout=timeout)

    def trace(
        self,
        job: str,
        *,
        object: Optional[str] = None,
        frames: Optional[m.Range] = None,
        tolerance: float = 1.0,
        timeout: Optional[float] = TRACING,
    ) -> Received:
        """Bezier shapes of the finished mattes of a job: :class:`messages.Traced` and a buffer of float32 a shape.

        ``buffer.cast("f", (len(shape.frames), shape.points, 6))`` makes numbers of one.
        """
        return self.request(m.Trace(job, object, frames, tolerance), timeout=timeout)

    def watch(
        self, job: str, *, after: int = 0, credit: int = 64, mattes: str = "paths", timeout: Optional[float] = None
    ) -> m.Job:
        """Have the events of a job put into :attr:`events`."""
        options = m.WatchOptions(after, credit, cast(Any, mattes))
        return cast(m.Job, self.request(m.Watch(job, options), timeout=timeout).body)

    def cancel(self, job: str, *, timeout: Optional[float] = None) -> m.Job:
        """Stop a job after the frame at hand."""
        return cast(m.Job, self.request(m.Cancel(job), timeout=timeout).body)

    def list_shots(self, *, timeout: Optional[float] = None) -> m.Shots:
        """This user's shots."""
        return cast(m.Shots, self.request(m.ListShots(), timeout=timeout).body)

    def list_jobs(
        self, *, shot: Optional[str] = None, unfinished: bool = False, timeout: Optional[float] = None
    ) -> m.Jobs:
        """This user's jobs."""
        return cast(m.Jobs, self.request(m.ListJobs(shot, unfinished), timeout=timeout).body)

    def close_shot(self, shot: str, *, timeout: Optional[float] = None) -> m.Done:
        """Let go of a shot's memory."""
        return cast(m.Done, self.request(m.CloseShot(shot), timeout=timeout).body)

    def delete_shot(self, shot: str, *, timeout: Optional[float] = None) -> m.Done:
        """Forget a shot."""
        return cast(m.Done, self.request(m.DeleteShot(shot), timeout=timeout).body)

    def shutdown(self, *, timeout: Optional[float] = None) -> m.Done:
        """Stop the daemon."""
        return cast(m.Done, self.request(m.Shutdown(), timeout=timeout).body)


_PIXELS_HINT = "Send rows from the top, channels interleaved, without padding, in one contiguous buffer."


def _start(path: Path, given: Sequence[str]) -> Any:
    """The daemon's process if one had to be started."""
    connection: Optional[Connection] = None
    try:
        connection = read_connection(path)
    except DaemonError as error:
        if error.code != "connection_missing" or not start_command(None, given):
            raise
    command = start_command(connection, given)
    if not command or (connection is not None and answers(connection)):
        return None
    return start(command, path)


def _outcome(waiting: Waiting) -> Received:
    if isinstance(waiting.outcome, Received):
        return waiting.outcome
    raise waiting.outcome or no_answer("The daemon does not answer.")


def _absolute(path: Optional[PathLike]) -> Optional[str]:
    """A path as the daemon can read it; one of another platform stays as it is, for the daemon's path map."""
    if path is None:
        return None
    text = os.fspath(path)
    if text.startswith("ocio://"):
        return text  # a configuration that OpenColorIO has built in
    return text if posixpath.isabs(text) or ntpath.isabs(text) else str(Path.cwd() / text)


def _settled(body: Any) -> Any:
    """A job whose weights, where they are a path, are an absolute one."""
    weights = body.settings.weights
    is_path = any(mark in weights for mark in "/\\") or weights.endswith(".pth")
    return replace(body, settings=replace(body.settings, weights=_absolute(weights))) if is_path else body
