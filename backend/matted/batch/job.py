"""One shot from files to files: plate and keyframes in, a versioned folder of mattes and a sidecar out.

A job's folder is ``<out>/v001``. Its sidecar ``matted.json`` tells what was made from what; ``.matted`` inside holds what
a stopped job needs to go on, and is gone when the job is done. The same job finds its folder again; any other job gets
the next version, so nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import matted
from matted.batch.keyframes import Keyframes
from matted.batch.writing import WriteBehind
from matted.engine.scratch import Scratch
from matted.engine.session import FrameDone, Pixels, Session, SessionSettings
from matted.engine.suggest import Suggestion
from matted.errors import Cancelled, OutputError, PlateError
from matted.media.matte import MatteSettings, MatteWriter, next_version
from matted.media.plate import Plate
from matted.weights import Loaded
from matted_protocol.frames import FrameRange

SIDECAR = "matted.json"


@dataclass(frozen=True)
class Shot:
    """What a job works on.

    Attributes:
        plate: the source images.
        keyframes: the artist's masks.
        frames: the frames to make mattes for; None takes the whole plate.
        missing: ``error`` refuses a plate with gaps in the range, ``skip`` leaves those frames out.
    """

    plate: Plate
    keyframes: Keyframes
    frames: FrameRange | None = None
    missing: Literal["error", "skip"] = "error"

    def wanted(self) -> tuple[int, ...]:
        """The frames to make mattes for, ascending.

        Raises:
            PlateError: frame_outside when the range leaves the plate, frame_missing when it has gaps.
        """
        sequence = self.plate.sequence
        if self.frames is None:
            gaps, chosen = sequence.missing, sequence.frames
        else:
            self._check_inside(self.frames)
            present = set(sequence.frames)
            chosen = tuple(frame for frame in self.frames if frame in present)
            gaps = tuple(frame for frame in self.frames if frame not in present and frame in set(sequence.missing))
            if not chosen:
                gaps = gaps or tuple(self.frames)
        if gaps and (self.missing == "error" or not chosen):
            raise PlateError(
                "frame_missing",
                f"the plate {sequence.pattern} has no frame {_listed(gaps)}",
                hint="bring the missing frames, choose another --range, or leave them out with --missing skip",
                frame=gaps[0],
            )
        return chosen

    def _check_inside(self, frames: FrameRange) -> None:
        first, last = self.plate.sequence.frames[0], self.plate.sequence.frames[-1]
        if frames.first < first or frames.last > last:
            raise PlateError(
                "frame_outside",
                f"the range {frames} leaves the plate {self.plate.sequence.pattern}, which has frames {first} to {last}",
                hint=f"choose a --range inside {first}-{last}",
                frame=frames.first if frames.first < first else frames.last,
            )


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
            "plate": {"pattern": plate.sequence.pattern, "files": _stamp(plate), "color": asdict(plate.color)},
            "frames": _listed(self.shot.wanted()),
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
    folder = _folder(job.out, recipe)
    sidecar = _read_sidecar(folder) or {}
    writer = _writer(job, folder, recipe)
    frames = job.shot.wanted()
    if sidecar.get("state") == "done" and all(writer.complete(frame) for frame in frames):
        return _result(folder, sidecar, computed=0)
    _write_sidecar(folder, {**sidecar, "state": "running", "recipe": recipe})
    journal = _Journal(folder / ".matted" / "journal.jsonl")
    confidence = journal.read()
    finished = {frame for frame in frames if frame in confidence and writer.complete(frame)}
    with WriteBehind(writer, job.shot.plate.header) as writing:
        session = _session(job, folder, writing)
        with closing(session.propagate(frames, job=_digest(recipe), finished=finished)) as steps:
            for step in _until(steps, stopped):
                if step.confidence is not None:
                    confidence[step.frame] = step.confidence
                    journal.add(step.frame, step.confidence)
                on_step(step)
    suggestions = session.suggest(job.suggestions)
    sidecar = {
        "state": "done",
        "recipe": recipe,
        "confidence": {str(frame): list(confidence[frame]) for frame in frames},
        "suggestions": [asdict(suggestion) for suggestion in suggestions],
    }
    _write_sidecar(folder, sidecar)
    Scratch(folder / ".matted").clear()
    return _result(folder, sidecar, computed=len(frames) - len(finished))


def pixels(shot: Shot) -> Pixels:
    """A shot's pixels as the engine wants them, written nowhere."""
    return Pixels(
        read_plate=lambda frame: torch.from_numpy(shot.plate.read(frame)).permute(2, 0, 1).contiguous(),
        read_masks=lambda frame: torch.from_numpy(shot.keyframes.read(frame)),
    )


def open_session(
    shot: Shot, *, weights: Loaded, settings: SessionSettings, scratch: Scratch, pixels: Pixels
) -> Session:
    """A session that holds every keyframe of ``shot``, also those outside its range."""
    session = Session(
        weights.network,
        objects=len(shot.keyframes.objects),
        pixels=pixels,
        scratch=scratch,
        memory=weights.memory,
        settings=settings,
        device=weights.device,
    )
    for frame in shot.keyframes.frames:
        session.set_keyframe(frame)
    return session


def _session(job: Job, folder: Path, writing: WriteBehind) -> Session:
    silent = pixels(job.shot)
    told = Pixels(silent.read_plate, silent.read_masks, _as_numpy(writing), writing.flush)
    return open_session(
        job.shot, weights=job.weights, settings=job.session, scratch=Scratch(folder / ".matted"), pixels=told
    )


def _as_numpy(writing: WriteBehind) -> Callable[[int, Tensor], None]:
    return lambda frame, mattes: writing.write(frame, mattes.numpy())


def _until(steps: Iterator[FrameDone], stopped: Callable[[], bool]) -> Iterator[FrameDone]:
    for step in steps:
        yield step
        if stopped():
            raise Cancelled(
                "cancelled",
                f"stopped after frame {step.frame}, {step.done} of {step.total} steps",
                hint="run the same command again to go on from here",
                frame=step.frame,
            )


def _folder(out: Path, recipe: dict[str, Any]) -> Path:
    """The folder this very job had before, or the next version."""
    try:
        for folder in sorted(out.glob("v[0-9]*"), reverse=True):
            sidecar = _read_sidecar(folder)
            if sidecar is not None and sidecar.get("recipe") == recipe:
                return folder
        return next_version(out)
    except OSError as error:
        raise _unwritable(out, error) from error


def _read_sidecar(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / SIDECAR).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write_sidecar(folder: Path, content: dict[str, Any]) -> None:
    beside = folder / f"{SIDECAR}.part"
    try:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
        os.replace(beside, folder / SIDECAR)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    code = "disk_full" if error.errno == 28 else "output_unwritable"
    hint = "free some space and run the same command again" if error.errno == 28 else "choose another --out folder"
    return OutputError(code, f"cannot write to {path}: {error.strerror or error}", hint=hint, path=path)


def _writer(job: Job, folder: Path, recipe: dict[str, Any]) -> MatteWriter:
    metadata = {
        "matted:version": matted.__version__,
        "matted:weights": f"{job.weights.name} {job.weights.sha256}",
        "matted:keyframes": _digest(recipe["keyframes"]),
        "matted:settings": _digest(recipe["settings"]),
        "matted:job": _digest(recipe),
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
        {int(frame): tuple(values) for frame, values in sidecar["confidence"].items()},
        tuple(Suggestion(**suggestion) for suggestion in sidecar["suggestions"]),
        computed,
    )


class _Journal:
    """The confidence of every finished frame, a line each, so that a killed job still knows it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[int, tuple[float, ...]]:
        entries = {}
        for line in self._path.read_text().splitlines() if self._path.exists() else ():
            try:
                frame, values = json.loads(line)
            except ValueError:
                continue  # the line the kill interrupted
            entries[int(frame)] = tuple(values)
        return entries

    def add(self, frame: int, confidence: tuple[float, ...]) -> None:
        with self._path.open("a") as journal:
            journal.write(json.dumps([frame, confidence]) + "\n")


def _stamp(plate: Plate) -> str:
    """Digest of the plate's file names, sizes and times: a changed plate is another job."""
    files = {path: path.stat() for path in dict.fromkeys(plate.sequence.path(frame) for frame in plate.sequence.frames)}
    return _digest([[path.name, found.st_size, found.st_mtime_ns] for path, found in files.items()])


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _listed(frames: tuple[int, ...]) -> str:
    """Frame numbers for people: ``1003, 1007-1012``."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][-1] + 1:
            runs[-1][1:] = [frame]
        else:
            runs.append([frame])
    return ", ".join("-".join(str(frame) for frame in run) for run in runs)
