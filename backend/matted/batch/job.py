"""One shot from files to files: plate and keyframes in, a versioned folder of mattes and a sidecar out.

A job's folder is ``<out>/v001``. Its sidecar ``matted.json`` tells what was made from what; ``.matted`` inside holds
what a stopped job needs to go on, and is gone when the job is done. The same job finds its folder again; any other job
gets the next version, so nothing is ever overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from types import TracebackType

import torch

from matted.batch.bench import Bench
from matted.batch.degrade import Ladder, Means, out_of_memory
from matted.batch.earlier import origins, take_over
from matted.batch.ledger import digest, read_sidecar, unwritable, write_sidecar
from matted.batch.place import HIDDEN, JobResult, Place, claim, degraded, find_place, read_confidence, read_result
from matted.batch.recipe import Job
from matted.batch.review import Review
from matted.batch.review.looking import review, review_steps
from matted.batch.segments import Segment
from matted.batch.shot import until
from matted.batch.writing import WriteBehind
from matted.engine.session import FrameDone, Session
from matted.engine.suggest import Suggestion
from matted.errors import DeviceError

__all__ = ["Job", "JobResult", "Run", "RunState", "claim", "run"]


class RunState(Enum):
    """What a run can be asked for."""

    WAITING = "waiting"
    """It holds nothing; ``start`` or ``steps`` begins it or goes on with it."""
    ACTIVE = "active"
    """It holds its folder's lock, and frames are left to make."""
    COMPLETE = "complete"
    """It holds its folder's lock; every frame is there, ``result`` is welcome."""
    DONE = "done"
    """The sidecar says so; nothing is held."""


class Run:
    """One job at work, a step at a time, on one thread at a time. Making one touches nothing.

    Args:
        job: what to make.
        segment: one of the job's, to be made alone; the whole job when None.
        folder: the version folder claimed for the job; the one that is its own, or the next, when None.
        bench: what is warm on the device; one of its own when None.
        key: names the shot among those that stay warm on the bench; None keeps nothing of it.
        on_written: told ``(frame, confidence, files)`` once for every frame whose files are whole on disk: in
            :meth:`start` of those found there, afterwards soon after they arrive. A frame told of is kept by a kill.
        on_degraded: told ``(frame, message)`` when the device had too little memory and the job goes on with less: a
            sentence for artists on what was given up.
    """

    state: RunState
    """What may be asked for next."""

    def __init__(
        self,
        job: Job,
        *,
        segment: Segment | None = None,
        folder: Path | None = None,
        bench: Bench | None = None,
        key: str | None = None,
        on_written: Callable[[int, tuple[float, ...], tuple[Path, ...]], None] = lambda frame, confidence, files: None,
        on_degraded: Callable[[int | None, str], None] = lambda frame, message: None,
    ) -> None:
        self.job = job
        self.state = RunState.WAITING
        self._segment = segment
        self._claimed = folder
        self._bench = bench or Bench()
        self._key = key
        self._on_written = on_written
        self._on_degraded = on_degraded
        self._ladder = Ladder(Means(job.session, job.weights.memory), self._bench, size=job.shot.plate.info.size)
        self._place: Place | None = None
        self._session: Session | None = None
        self._suggestions: list[Suggestion] | None = None
        self._review: Review | None = None
        self._confidence: dict[int, tuple[float, ...]] = {}
        self._whole: set[int] = set()
        self._told: set[int] = set()
        self._made: set[int] = set()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """The job's version folder; known from :meth:`start` on."""
        assert self._place is not None, "the run has not started"
        return self._place.folder

    def start(self) -> None:
        """Find or make the folder, take its lock, and tell of every frame that is finished.

        Raises:
            PlateError: frame_missing, frame_outside, plate_changed.
            OutputError: job_running, output_unwritable, disk_full.
            MattedError: the folder was claimed for another job, as :func:`matted.batch.recipe.refuse_another` says.
        """
        self._require(RunState.WAITING)
        if self._place is None:
            self.job = replace(self.job, shot=self.job.shot.pin())
            self._place = find_place(self.job, segment=self._segment, folder=self._claimed)
        place = self._place
        try:
            if not self._found_done(place):
                place.lock.take(place.folder)
                if not self._found_done(place):
                    self._go_on(place)
            for frame in sorted(self._whole - self._told):
                self._tell(frame)
        except OSError as error:
            self.close()
            raise unwritable(place.folder, error) from error
        except BaseException:
            self.close()
            raise
        if self.state is RunState.DONE:
            place.lock.release()

    def steps(self) -> Generator[FrameDone, None, None]:
        """Make what is left, a step at a time.

        Closing the iterator keeps what is done and lets go of the folder; called again, it goes on from there.

        Raises:
            DeviceError: out_of_memory when there is nothing left to give up.
            MattedError: as :meth:`start`, and whatever the plate, the keyframes, the device or the output raise.
        """
        if self.state is RunState.WAITING:
            self.start()
        if self.state is not RunState.ACTIVE:
            return
        try:
            yield from self._make()
            self.state = RunState.COMPLETE
        except OSError as error:
            raise unwritable(self.folder, error) from error
        finally:
            if self.state is RunState.ACTIVE:
                self.close()

    def result(self) -> JobResult:
        """Write the sidecar and let go of what only an unfinished job needs.

        Of a segment it says what is done; the whole job's own run does the rest.

        Raises:
            OutputError: output_unwritable, disk_full.
        """
        self._require(RunState.COMPLETE, RunState.DONE)
        place = self._place
        assert place is not None
        if not place.is_whole:
            self.close()
            self.state = RunState.DONE
            found = {frame: self._confidence[frame] for frame in place.frames}
            return JobResult(place.folder, tuple(place.recipe["objects"]), found, (), len(self._made))
        if self.state is RunState.COMPLETE:
            try:
                self._finish(place)
            except OSError as error:
                raise unwritable(place.folder, error) from error
            finally:
                self.close()
            self.state = RunState.DONE
        return read_result(place.folder, read_sidecar(place.folder), computed=len(self._made))

    def close(self) -> None:
        """Let go of the folder; what is done stays, and ``steps`` goes on from there."""
        if self._place is not None:
            self._place.lock.release()
        self._put_down()
        if self.state is not RunState.DONE:
            self.state = RunState.WAITING

    def _found_done(self, place: Place) -> bool:
        sidecar = read_sidecar(place.folder)
        whole = all(place.writer.complete(frame) for frame in place.frames)
        done = sidecar.get("state") == "done" and whole
        if done and (not place.is_whole or not self.job.review or "review" in sidecar):
            self._confidence = read_confidence(sidecar)
            self._whole = set(place.frames)
            self.state = RunState.DONE
            return True
        return False

    def _go_on(self, place: Place) -> None:
        """Read what an earlier run left; from here on the folder is ours, and what a kill left half-written goes."""
        sidecar = read_sidecar(place.folder)
        made_from = origins(self.job, place)
        if place.is_whole:
            place.tidy()
            plate = self.job.shot.plate.sequence.pattern
            begun = {"state": "running", "plate": plate, "recipe": place.recipe, "segments": made_from}
            write_sidecar(place.folder, {**sidecar, **begun})
        take_over(place, made_from, place.finished(sidecar))
        self._confidence = place.finished(sidecar)
        self._whole = set(self._confidence)
        self._suggestions = None if place.is_whole and self.job.suggestions else []
        if "suggestions" in sidecar:  # the job was done once: the same mattes give the same again
            self._suggestions = [Suggestion(**suggestion) for suggestion in sidecar["suggestions"]]
            self._review = Review.from_plain(sidecar["review"]) if "review" in sidecar else None
        self.state = RunState.ACTIVE

    def _make(self) -> Generator[FrameDone, None, None]:
        """Make what is left, suggest frames, and look the mattes over when that was asked for."""
        place = self._place
        assert place is not None
        looks_over = self.job.review and place.is_whole and self._review is None
        hidden = place.folder / HIDDEN
        extra = review_steps(self.job.shot, self.job.session.direction, hidden) if looks_over else 0
        walked = 0
        if self._whole < set(place.frames) or self._suggestions is None:
            with closing(self._with_less(self._walk)) as steps:
                for step in steps:
                    walked = step.total
                    yield replace(step, total=walked + extra)
        self._put_down()
        if looks_over:
            with closing(self._with_less(self._look_over)) as steps:
                for step in steps:
                    yield replace(step, done=walked + step.done, total=walked + extra)

    def _with_less(self, attempt: Callable[[], Generator[FrameDone, None, None]]) -> Generator[FrameDone, None, None]:
        """Take the steps of ``attempt``, again and with less and less where the device has too little memory."""
        while True:
            try:
                yield from attempt()
                return
            except DeviceError as error:
                lack = out_of_memory(error)
            # out here nothing holds on to the failed step's memory any more
            self._make_do(lack)

    def _walk(self) -> Generator[FrameDone, None, None]:
        place = self._place
        assert place is not None
        with WriteBehind(place.writer, self.job.shot.plate.header, self._written) as writing:
            session = self._session = self._bench.open(
                self.job.shot,
                weights=self.job.weights,
                settings=self._ladder.means.session,
                memory=self._ladder.means.memory,
                scratch=place.scratch,
                writing=writing,
                key=self._key,
            )
            finished = self._whole | (set(place.walked) - set(place.frames))
            with closing(session.propagate(place.walked, job=digest(place.recipe), finished=finished)) as steps:
                for step in steps:
                    if step.confidence is not None:  # of a keyframe beside a segment, too, which is not ours
                        self._confidence.setdefault(step.frame, step.confidence)
                    writing.settle()
                    yield step
        if self._suggestions is None:
            yield from self._see_the_rest(session, place)
            self._suggestions = session.suggest(self.job.suggestions)

    def _see_the_rest(self, session: Session, place: Place) -> Generator[FrameDone, None, None]:
        """Show the session the mattes that another version of the shot had already."""
        unseen = sorted(set(place.frames) - set(session.observed()))
        for done, frame in enumerate(unseen, 1):
            session.observe(frame, torch.from_numpy(place.writer.read(frame)))
            yield FrameDone(frame, None, done, len(unseen))

    def _look_over(self) -> Generator[FrameDone, None, None]:
        place, job = self._place, self.job
        assert place is not None
        self._review = yield from review(
            job.shot,
            place.writer,
            weights=job.weights,
            means=self._ladder.means,
            bench=self._bench,
            hidden=place.folder / HIDDEN,
            key=self._key,
        )

    def _make_do(self, lack: DeviceError) -> None:
        """Go on with less memory, and say and note what was given up.

        Raises:
            DeviceError: there is nothing left to give up.
        """
        assert self._place is not None
        if self._key is not None:
            self._bench.close(self._key)
        self._put_down()
        said = self._ladder.down(lack)
        self._confidence = {frame: self._confidence[frame] for frame in self._whole}
        self._place.note({"frame": lack.frame, "gave_up": self._ladder.means.gave_up})
        self._on_degraded(lack.frame, said)

    def _put_down(self) -> None:
        if self._session is not None:
            self._bench.keep(self._session)
            self._session = None

    def _written(self, frame: int) -> None:
        """The files of a frame have arrived: a line in the journal stands for whole files."""
        assert self._place is not None
        if frame not in self._confidence:
            return  # its step failed after the matte was queued; it is made again
        self._place.journal.add(frame, self._confidence[frame])
        self._whole.add(frame)
        self._made.add(frame)
        self._tell(frame)

    def _tell(self, frame: int) -> None:
        assert self._place is not None
        if frame not in self._told:
            self._told.add(frame)
            self._on_written(frame, self._confidence[frame], tuple(self._place.writer.paths(frame)))

    def _finish(self, place: Place) -> None:
        begun = read_sidecar(place.folder)
        sidecar = {
            **{name: begun[name] for name in ("plate", "recipe", "segments")},
            "state": "done",
            "confidence": {str(frame): list(self._confidence[frame]) for frame in place.frames},
            "suggestions": [asdict(suggestion) for suggestion in self._suggestions or ()],
        }
        gave_up = degraded(place.folder)
        if gave_up:
            sidecar["degraded"] = gave_up
        if self._review is not None:
            sidecar["review"] = self._review.plain()
        write_sidecar(place.folder, sidecar)
        place.scratch.clear()
        place.lock.release()
        place.scratch.clear()  # where the system keeps a locked file from being deleted

    def _require(self, *states: RunState) -> None:
        if self.state not in states:
            raise AssertionError(f"the run is {self.state.value}, not {' or '.join(s.value for s in states)}")


def run(
    job: Job,
    *,
    segment: Segment | None = None,
    folder: Path | None = None,
    bench: Bench | None = None,
    key: str | None = None,
    on_step: Callable[[FrameDone], None] = lambda step: None,
    on_degraded: Callable[[int | None, str], None] = lambda frame, message: None,
    stopped: Callable[[], bool] = lambda: False,
) -> JobResult:
    """Make the mattes of a job, or what is left of them.

    Args:
        job: what to make.
        segment, folder, bench, key: as :class:`Run` has them.
        on_step: told of every step, on this thread.
        on_degraded: told, as by :class:`Run`, what was given up for lack of memory.
        stopped: asked after every step; when true the job stops and keeps what it has.

    Raises:
        Cancelled: ``stopped`` said so; the same job goes on later.
        MattedError: bad plate, keyframes, device or output, or another matted is at it; finished mattes stay.
    """
    with Run(job, segment=segment, folder=folder, bench=bench, key=key, on_degraded=on_degraded) as making:
        with closing(making.steps()) as steps:
            for step in until(steps, stopped):
                on_step(step)
        return making.result()
