"""One shot from files to files: plate and keyframes in, a versioned folder of mattes and a sidecar out.

A job's folder is ``<out>/v001``. Its sidecar ``matted.json`` tells what was made from what; ``.matted`` inside holds
what a stopped job needs to go on, and is gone when the job is done. The same job finds its folder again; any other job
gets the next version, so nothing is ever overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import matted
from matted.batch.ledger import Journal, digest, find_folder, read_sidecar, unwritable, write_sidecar
from matted.batch.shot import Shot, open_session, until
from matted.batch.writing import WriteBehind
from matted.engine.scratch import Scratch
from matted.engine.session import FrameDone, SessionSettings
from matted.engine.suggest import Suggestion
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.sequence import listed
from matted.weights import Loaded

HIDDEN = ".matted"
"""Where in its folder a job keeps what it needs to go on; gone when the job is done."""


@dataclass(frozen=True)
class Job:
    """A shot, and everything else that decides its mattes."""

    shot: Shot
    out: Path
    weights: Loaded
    session: SessionSettings = field(default_factory=SessionSettings)
    mattes: MatteSettings = field(default_factory=MatteSettings)
    suggestions: int = 3
    """How many frames to suggest when the mattes are done."""

    def recipe(self) -> dict[str, Any]:
        """All that decides the pixels, as plain values; two jobs with one recipe are one job."""
        plate = self.shot.plate
        return {
            "matted": matted.__version__,
            "plate": {"pattern": plate.sequence.pattern, "files": self.shot.stamp(), "color": asdict(plate.color)},
            "frames": listed(self.shot.wanted()),
            "objects": list(self.shot.keyframes.objects),
            "keyframes": self.shot.keyframes.hashes,
            "weights": {"name": self.weights.name, "sha256": self.weights.sha256},
            "settings": {**asdict(self.session), "memory": asdict(self.weights.memory)},
            "mattes": asdict(self.mattes),
        }


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
        MattedError: bad plate, keyframes, device or output; finished mattes stay.
    """
    recipe = json.loads(json.dumps(job.recipe(), default=str))
    folder = find_folder(job.out, recipe)
    sidecar = read_sidecar(folder)
    writer = _writer(job, folder, recipe)
    frames = job.shot.wanted()
    if sidecar.get("state") == "done" and all(writer.complete(frame) for frame in frames):
        return _result(folder, sidecar, computed=0)
    write_sidecar(folder, {**sidecar, "state": "running", "recipe": recipe})
    scratch = Scratch(folder / HIDDEN)
    journal = Journal(folder / HIDDEN / "journal.jsonl")
    confidence = _confidence(sidecar) | journal.read()
    finished = {frame for frame in frames if frame in confidence and writer.complete(frame)}
    try:
        with WriteBehind(writer, job.shot.plate.header) as writing:
            session = open_session(
                job.shot, weights=job.weights, settings=job.session, scratch=scratch, writing=writing
            )
            with closing(session.propagate(frames, job=digest(recipe), finished=finished)) as steps:
                for step in until(steps, stopped):
                    if step.confidence is not None:
                        confidence[step.frame] = step.confidence
                        journal.add(step.frame, step.confidence)
                    on_step(step)
        suggestions = session.suggest(job.suggestions) if job.suggestions else []
    except OSError as error:
        raise unwritable(folder, error) from error
    sidecar = {
        "state": "done",
        "recipe": recipe,
        "confidence": {str(frame): list(confidence[frame]) for frame in frames},
        "suggestions": [asdict(suggestion) for suggestion in suggestions],
    }
    write_sidecar(folder, sidecar)
    scratch.clear()
    return _result(folder, sidecar, computed=len(frames) - len(finished))


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
