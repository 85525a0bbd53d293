"""A job's folder: which one it is, and what in it tells how far the job has come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matted
from matted.batch.ledger import Journal, digest, find_folder, read_sidecar, write_sidecar
from matted.batch.lock import FolderLock
from matted.batch.recipe import Job
from matted.engine.scratch import Scratch
from matted.engine.suggest import Suggestion
from matted.media.matte import MatteWriter

HIDDEN = ".matted"
"""Where in its folder a job keeps what it needs to go on; gone when the job is done."""


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


@dataclass(frozen=True)
class Place:
    """Where a job is made: its recipe and frames as they were when it started, and what lies in its folder."""

    recipe: dict[str, Any]
    frames: tuple[int, ...]
    folder: Path
    writer: MatteWriter
    lock: FolderLock
    journal: Journal
    scratch: Scratch


def find_place(job: Job) -> Place:
    """The place of a job; its folder is made when there is none.

    Raises:
        PlateError: frame_missing, frame_outside, plate_changed.
        OutputError: output_unwritable, disk_full.
    """
    recipe, frames = job.recipe(), job.shot.wanted()
    folder = find_folder(job.out, recipe)
    hidden = folder / HIDDEN
    writer = matte_writer(job, folder, recipe)
    journal = Journal(hidden / "journal.jsonl")
    return Place(recipe, frames, folder, writer, FolderLock(hidden / "lock"), journal, Scratch(hidden))


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


def matte_writer(job: Job, folder: Path, recipe: dict[str, Any]) -> MatteWriter:
    """Writes the mattes of a job, with what made them in every file."""
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


def read_result(folder: Path, sidecar: dict[str, Any], *, computed: int) -> JobResult:
    """What the sidecar of a finished job tells; ``computed`` frames were made just now."""
    return JobResult(
        folder,
        tuple(sidecar["recipe"]["objects"]),
        read_confidence(sidecar),
        tuple(Suggestion(**suggestion) for suggestion in sidecar["suggestions"]),
        computed,
    )


def read_confidence(sidecar: dict[str, Any]) -> dict[int, tuple[float, ...]]:
    """Confidence by frame, as a sidecar keeps it."""
    return {int(frame): tuple(values) for frame, values in sidecar.get("confidence", {}).items()}
