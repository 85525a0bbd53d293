"""A job's folder: which one it is, and what in it tells how far the job has come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matted
from matted.batch.ledger import Journal, add_line, digest, find_folder, read_lines, read_sidecar, write_sidecar
from matted.batch.lock import FolderLock
from matted.batch.recipe import Job, refuse_another
from matted.batch.review.measures import Review
from matted.batch.segments import Segment, split, walked
from matted.engine.scratch import Scratch
from matted.engine.suggest import Suggestion
from matted.media.matte import MatteWriter

HIDDEN = ".matted"
"""Where in its folder a job keeps what it needs to go on; gone when the job is done."""

SEGMENTS = "segments"
"""Where in there segments that are made alone keep the same, each in a folder of its own."""

JOURNAL = "journal.jsonl"
DEGRADED = "degraded.jsonl"


@dataclass(frozen=True)
class JobResult:
    """What a finished job leaves behind.

    Attributes:
        folder: the job's version folder.
        objects: object names, in the order of ``confidence``.
        confidence: for each frame one number 0..1 an object.
        suggestions: frames worth masking next, best first.
        computed: how many frames this run made; the others were there already.
        review: what was measured of the mattes, when it was asked for.
    """

    folder: Path
    objects: tuple[str, ...]
    confidence: dict[int, tuple[float, ...]]
    suggestions: tuple[Suggestion, ...]
    computed: int
    review: Review | None = None


@dataclass(frozen=True)
class Place:
    """Where a job, or a segment of it, is made, and what lies there.

    Attributes:
        recipe: the job's, as it was when it started.
        frames: the frames to make here, ascending.
        walked: the frames to ask a session for: also the keyframes beside a segment.
        folder: the job's version folder.
        writer: writes its mattes.
        lock: held by whoever makes these frames.
        journal: what this place has finished.
        scratch: what must outlive a frame.
        segments: the job's; each has a place of its own below the folder's hidden one.
        is_whole: whether this is the whole job's place.
    """

    recipe: dict[str, Any]
    frames: tuple[int, ...]
    walked: tuple[int, ...]
    folder: Path
    writer: MatteWriter
    lock: FolderLock
    journal: Journal
    scratch: Scratch
    segments: tuple[Segment, ...]
    is_whole: bool

    def finished(self, sidecar: dict[str, Any]) -> dict[int, tuple[float, ...]]:
        """The confidence of every frame of this place that is on disk, whoever made it."""
        noted = journaled(self.folder, sidecar)
        return {frame: noted[frame] for frame in self.frames if frame in noted and self.writer.complete(frame)}

    def tidy(self) -> None:
        """Take in what segments left, and take away what a kill left half-written; for the whole job's lock holder."""
        for left in self.folder.rglob(".*.part"):
            left.unlink(missing_ok=True)
        for kept in (self.folder / HIDDEN / SEGMENTS).glob("*/*/*.safetensors"):
            target = self.scratch.folder / kept.parent.name / kept.name
            target.parent.mkdir(parents=True, exist_ok=True)
            kept.replace(target)

    def note(self, gave_up: dict[str, Any]) -> None:
        """Keep what is done without for lack of memory."""
        add_line(self.scratch.folder / DEGRADED, gave_up)


def find_place(job: Job, *, segment: Segment | None = None, folder: Path | None = None) -> Place:
    """The place of a job; its folder is made when there is none.

    Args:
        job: what to make.
        segment: one of the job's, to be made alone; the whole job when None.
        folder: the version folder that was claimed for the job; the one that is its own, or the next, when None.

    Raises:
        PlateError: frame_missing, frame_outside, plate_changed.
        MattedError: the folder was claimed for another job: the plate, a mask, a setting or matted itself differs here.
        OutputError: output_unwritable, disk_full.
    """
    recipe, wanted = job.recipe(), job.shot.wanted()
    if folder is None:
        folder = find_folder(job.out, recipe)
    else:
        refuse_another(job, recipe, folder)
    segments = split(wanted, job.shot.keyframes.frames, job.session.direction)
    frames, walk, own = wanted, wanted, folder / HIDDEN
    held = [own, *(_of_segment(folder, each) for each in segments)]
    if segment is not None:
        assert segment in segments, segment
        own = _of_segment(folder, segment)
        frames = tuple(frame for frame in wanted if frame in segment)
        walk = walked(segment, wanted, job.shot.keyframes.frames)
        held = [own]
    return Place(
        recipe,
        frames,
        walk,
        folder,
        matte_writer(job, folder, recipe),
        FolderLock([each / "lock" for each in held]),
        Journal(own / JOURNAL),
        Scratch(own),
        segments,
        segment is None,
    )


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


def _of_segment(folder: Path, segment: Segment) -> Path:
    return folder / HIDDEN / SEGMENTS / str(segment)


def matte_writer(job: Job, folder: Path, recipe: dict[str, Any]) -> MatteWriter:
    """Writes the mattes of a job, with what made them in every file."""
    metadata = {
        "version": matted.__version__,
        "weights": f"{job.weights.name} {job.weights.sha256}",
        "keyframes": digest(recipe["keyframes"]),
        "settings": digest(recipe["settings"]),
    }
    return MatteWriter(
        folder,
        objects=list(job.shot.keyframes.objects),
        settings=job.mattes,
        info=job.shot.plate.info,
        metadata=metadata,
    )


def read_result(folder: Path, sidecar: dict[str, Any], *, computed: int) -> JobResult:
    """What the sidecar of a finished job tells; ``computed`` frames were made just now."""
    return JobResult(
        folder,
        tuple(sidecar["recipe"]["objects"]),
        read_confidence(sidecar),
        tuple(Suggestion(**suggestion) for suggestion in sidecar["suggestions"]),
        computed,
        Review.from_plain(sidecar["review"]) if "review" in sidecar else None,
    )


def degraded(folder: Path) -> list[dict[str, Any]]:
    """What was done without in a job's folder for lack of memory, in all of its segments."""
    found = [note for file in sorted((folder / HIDDEN).rglob(DEGRADED)) for note in read_lines(file)]
    return [*read_sidecar(folder).get("degraded", []), *found]


def journaled(folder: Path, sidecar: dict[str, Any]) -> dict[int, tuple[float, ...]]:
    """The confidence of every frame that was ever finished in a job's folder."""
    noted = read_confidence(sidecar)
    for journal in sorted((folder / HIDDEN).rglob(JOURNAL)):
        noted |= Journal(journal).read()
    return noted


def read_confidence(sidecar: dict[str, Any]) -> dict[int, tuple[float, ...]]:
    """Confidence by frame, as a sidecar keeps it."""
    return {int(frame): tuple(values) for frame, values in sidecar.get("confidence", {}).items()}
