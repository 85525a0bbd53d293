"""One shot from files to files: plate and keyframes in, a versioned folder of mattes and a sidecar out.

A job's folder is ``<out>/v001``. Its sidecar ``matted.json`` tells what was made from what; ``.matted`` inside holds
what a stopped job needs to go on, and is gone when the job is done. The same job finds its folder again; any other job
gets the next version, so nothing is ever overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

import matted
from matted.batch.bench import Bench
from matted.batch.ledger import Journal, digest, find_folder, read_sidecar, unwritable, write_sidecar
from matted.batch.lock import FolderLock
from matted.batch.shot import Shot, until
from matted.batch.writing import WriteBehind
from matted.engine.scratch import Scratch
from matted.engine.session import FrameDone, Session, SessionSettings
from matted.engine.suggest import Suggestion
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.sequence import listed
from matted.weights import Identity, Loaded

HIDDEN = ".matted"
"""Where in its folder a job keeps what it needs to go on; gone when the job is done."""


@dataclass(frozen=True)
class Job:
    """A shot, and everything else that decides its mattes. The network itself is not needed to describe a job."""

    shot: Shot
    out: Path
    weights: Identity | Loaded
    session: SessionSettings = field(default_factory=SessionSettings)
    mattes: MatteSettings = field(default_factory=MatteSettings)
    suggestions: int = 3
    """How many frames to suggest when the mattes are done."""

    def recipe(self) -> dict[str, Any]:
        """All that decides the pixels, as plain values; two jobs with one recipe are one job."""
        plate = self.shot.plate
        recipe = {
            "matted": matted.__version__,
            "plate": {
                "pattern": plate.sequence.pattern,
                "files": self.shot.stamp(),
                "color": asdict(plate.color),
            },
            "frames": listed(self.shot.wanted()),
            "objects": list(self.shot.keyframes.objects),
            "keyframes": self.shot.keyframes.hashes,
            "weights": {"name": self.weights.name, "sha256": self.weights.sha256},
            "settings": {**asdict(self.session), "memory": asdict(self.weights.memory)},
            "mattes": asdict(self.mattes),
        }
        plain: dict[str, Any] = json.loads(json.dumps(recipe, default=str))
        return plain

    def _plate(self) -> dict[str, Any]:
        plate = self.shot.plate
        chosen = {"part": plate.part, "layer": plate.layer}
        named = {name: value for name, value in chosen.items() if value is not None}
        return {
            "pattern": plate.sequence.pattern,
            "files": self.shot.stamp(),
            "color": asdict(plate.color),
            **named,
        }

    def identity(self) -> str:
        """sha256 of the recipe: what tells this job from every other one, wherever its mattes go."""
        return digest(self.recipe())


@dataclass(frozen=True)
class JobResult:
    """What a finished job leaves behind.

    Attributes:
        folder: the job's version folder.
        objects: object names, in the order of ``confidence``.
        confidence: for each frame one number 0..1 an object.
        suggestions: frames worth masking next, best first.
        computed: how many frames this run made; the others were there already.
    """

    folder: Path
    objects: tuple[str, ...]
    confidence: dict[int, tuple[float, ...]]
    suggestions: tuple[Suggestion, ...]
    computed: int


def claim(job: Job) -> Path:
    """The folder a job will be made in, noted as queued, so that every later run of the job finds it.

    Raises:
        PlateError: frame_missing, frame_outside.
        OutputError: output_unwritable, disk_full.
    """
    recipe = job.recipe()
    folder = find_folder(job.out, recipe)
    if read_sidecar(folder).get("recipe") != recipe:
        write_sidecar(folder, {"state": "queued", "recipe": recipe})
    return folder


def run(
    job: Job,
    *,
    on_step: Callable[[FrameDone], None] = lambda step: None,
    stopped: Callable[[], bool] = lambda: False,
) -> JobResult:
    """Make the mattes of a job, or what is left of them.

    Args:
        job: what to make.
        on_step: told of every step, on this thread.
        stopped: asked after every step; when true the job stops and keeps what it has.

    Raises:
        Cancelled: ``stopped`` said so; the same job goes on later.
        MattedError: bad plate, keyframes, device or output, or another matted is at it; finished mattes stay.
    """
    with Run(job) as making:
        with closing(making.steps()) as steps:
            for step in until(steps, stopped):
                on_step(step)
        return making.result()


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
        bench: what is warm on the device; one of its own when None.
        key: names the shot among those that stay warm on the bench; None keeps nothing of it.
        on_written: told ``(frame, confidence, files)`` once for every frame whose files are whole on disk: in
            :meth:`start` of those found there, afterwards soon after they arrive. A frame told of is kept by a kill.
    """

    state: RunState
    """What may be asked for next."""

    def __init__(
        self,
        job: Job,
        *,
        bench: Bench | None = None,
        key: str | None = None,
        on_written: Callable[[int, tuple[float, ...], tuple[Path, ...]], None] = lambda frame, confidence, files: None,
    ) -> None:
        self.job = job
        self.state = RunState.WAITING
        self._bench = bench or Bench()
        self._key = key
        self._on_written = on_written
        self._place: _Place | None = None
        self._session: Session | None = None
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
        """
        self._require(RunState.WAITING)
        if self._place is None:
            self.job = replace(self.job, shot=self.job.shot.pin())
            self._place = _find_place(self.job)
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
        """Suggest frames, write the sidecar and let go of what only an unfinished job needs.

        Raises:
            OutputError: output_unwritable, disk_full.
        """
        self._require(RunState.COMPLETE, RunState.DONE)
        place = self._place
        assert place is not None
        if self.state is RunState.COMPLETE:
            try:
                self._finish(place)
            except OSError as error:
                raise unwritable(place.folder, error) from error
            finally:
                self.close()
            self.state = RunState.DONE
        return _result(place.folder, read_sidecar(place.folder), computed=len(self._made))

    def close(self) -> None:
        """Let go of the folder; what is done stays, and ``steps`` goes on from there."""
        if self._place is not None:
            self._place.lock.release()
        if self._session is not None:
            self._bench.keep(self._session)
            self._session = None
        if self.state is not RunState.DONE:
            self.state = RunState.WAITING

    def _found_done(self, place: _Place) -> bool:
        sidecar = read_sidecar(place.folder)
        done = sidecar.get("state") == "done" and all(place.writer.complete(frame) for frame in place.frames)
        if done:
            self._confidence = _confidence(sidecar)
            self._whole = set(place.frames)
            self.state = RunState.DONE
        return done

    def _go_on(self, place: _Place) -> None:
        """Read what an earlier run left; from here on the folder is ours."""
        sidecar = read_sidecar(place.folder)
        write_sidecar(place.folder, {**sidecar, "state": "running", "recipe": place.recipe})
        noted = _confidence(sidecar) | place.journal.read()
        self._confidence = {
            frame: noted[frame] for frame in place.frames if frame in noted and place.writer.complete(frame)
        }
        self._whole = set(self._confidence)
        self.state = RunState.ACTIVE

    def _make(self) -> Generator[FrameDone, None, None]:
        place = self._place
        assert place is not None
        with WriteBehind(place.writer, self.job.shot.plate.header, self._written) as writing:
            session = self._session = self._bench.open(
                self.job.shot,
                weights=self.job.weights,
                settings=self.job.session,
                scratch=place.scratch,
                writing=writing,
                key=self._key,
            )
            finished = frozenset(self._whole)
            with closing(session.propagate(place.frames, job=digest(place.recipe), finished=finished)) as steps:
                for step in steps:
                    if step.confidence is not None:
                        self._confidence.setdefault(step.frame, step.confidence)
                    writing.settle()
                    yield step

    def _written(self, frame: int) -> None:
        """The files of a frame have arrived: a line in the journal stands for whole files."""
        assert self._place is not None
        self._place.journal.add(frame, self._confidence[frame])
        self._whole.add(frame)
        self._made.add(frame)
        self._tell(frame)

    def _tell(self, frame: int) -> None:
        assert self._place is not None
        if frame not in self._told:
            self._told.add(frame)
            self._on_written(frame, self._confidence[frame], tuple(self._place.writer.paths(frame)))

    def _finish(self, place: _Place) -> None:
        assert self._session is not None
        wanted = self.job.suggestions
        suggestions = self._session.suggest(wanted) if wanted else []
        sidecar = {
            "state": "done",
            "recipe": place.recipe,
            "confidence": {str(frame): list(self._confidence[frame]) for frame in place.frames},
            "suggestions": [asdict(suggestion) for suggestion in suggestions],
        }
        write_sidecar(place.folder, sidecar)
        place.scratch.clear()
        place.lock.release()
        place.scratch.clear()  # where the system keeps a locked file from being deleted

    def _require(self, *states: RunState) -> None:
        if self.state not in states:
            raise AssertionError(f"the run is {self.state.value}, not {' or '.join(s.value for s in states)}")


@dataclass(frozen=True)
class _Place:
    """Where a job is made: its recipe and frames as they were when it started, and what lies in its folder."""

    recipe: dict[str, Any]
    frames: tuple[int, ...]
    folder: Path
    writer: MatteWriter
    lock: FolderLock
    journal: Journal
    scratch: Scratch


def _find_place(job: Job) -> _Place:
    recipe, frames = job.recipe(), job.shot.wanted()
    folder = find_folder(job.out, recipe)
    hidden = folder / HIDDEN
    writer = _writer(job, folder, recipe)
    journal = Journal(hidden / "journal.jsonl")
    return _Place(recipe, frames, folder, writer, FolderLock(hidden / "lock"), journal, Scratch(hidden))


def _writer(job: Job, folder: Path, recipe: dict[str, Any]) -> MatteWriter:
    metadata = {
        "version": matted.__version__,
        "weights": f"{job.weights.name} {job.weights.sha256}",
        "keyframes": digest(recipe["keyframes"]),
        "settings": digest(recipe["settings"]),
        "job": digest(recipe),
    }
    return MatteWriter(
        folder,
        objects=list(job.shot.keyframes.objects),
        settings=job.mattes,
        info=job.shot.plate.info,
        metadata=metadata,
    )


def _result(folder: Path, sidecar: dict[str, Any], *, computed: int) -> JobResult:
    return JobResult(
        folder,
        tuple(sidecar["recipe"]["objects"]),
        _confidence(sidecar),
        tuple(Suggestion(**suggestion) for suggestion in sidecar["suggestions"]),
        computed,
    )


def _confidence(sidecar: dict[str, Any]) -> dict[int, tuple[float, ...]]:
    return {int(frame): tuple(values) for frame, values in sidecar.get("confidence", {}).items()}
