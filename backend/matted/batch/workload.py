"""How much there is to do for a shot, counted without doing any of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from matted.batch.ledger import known_folder, read_sidecar
from matted.batch.place import HIDDEN, journaled, matte_writer
from matted.batch.recipe import Job
from matted.batch.review.left_out import frames_to_leave_out, read_left_out, steps_without
from matted.batch.segments import split
from matted.engine.plan import Role, Walk, plan
from matted.engine.working import working_shape
from matted.media.matte import MatteWriter

_SAMPLES = 5
"""Keyframes that are written to see how large mattes are."""

_UNSURE = 1.6
"""How many times as large mattes are as masks with edges of their width: some of their edges are wider."""


@dataclass(frozen=True)
class Work:
    """What is left to do for a shot.

    Attributes:
        weights: the network's name.
        objects: how many.
        frames: to make mattes for, in all.
        made: frames of which mattes are there already.
        keyframes: how many masks guide it, those outside the range too.
        segments: how many machines could make it side by side.
        steps: looks of the network at a frame, both ways over a gap.
        left_out: steps to predict every keyframe from the others.
        reviewed: frames to look over when they are done.
        gap: the most frames that wait for the walk back.
        plate: pixels of a frame.
        working: pixels at which the network sees a frame.
        matte: bytes of a frame's mattes, all objects.
    """

    weights: str
    objects: int
    frames: int
    made: int
    keyframes: int
    segments: int
    steps: int
    left_out: int
    reviewed: int
    gap: int
    plate: int
    working: int
    matte: int

    @property
    def left(self) -> int:
        """Frames to make mattes for now."""
        return self.frames - self.made


def work_of(job: Job, *, anew: bool = False) -> Work:
    """Count what is left of a job.

    Args:
        job: what to make.
        anew: count all of it, whatever is done.

    Raises:
        PlateError, MaskError: the plate or a mask cannot be read.
        OutputError: a matte cannot be written, not even for a try.
        OSError: the output folder cannot be looked at.
    """
    shot, direction = job.shot, job.session.direction
    wanted, keyframes = shot.wanted(), shot.keyframes.frames
    folder = None if anew else known_folder(job.out, job.recipe())
    made, is_reviewed = _done(job, folder, wanted)
    walks = plan(wanted, keyframes, direction)
    steps = sum(_rest(walk, made) for walk in walks)
    width, height = shot.plate.info.size
    rows, columns = working_shape(height, width, size=job.session.working_size)
    looks_over = job.review and not is_reviewed
    return Work(
        weights=job.weights.name,
        objects=len(shot.keyframes.objects),
        frames=len(wanted),
        made=len(made),
        keyframes=len(keyframes),
        segments=len(split(wanted, keyframes, direction)),
        steps=steps,
        left_out=_left_out_steps(job, folder) if looks_over else 0,
        reviewed=len(wanted) if looks_over else 0,
        gap=max((len(walk.frames) for walk in walks if walk.role is Role.HOLD), default=0),
        plate=width * height,
        working=rows * columns,
        matte=_matte_bytes(job, rows * columns, width * height),
    )


def _done(job: Job, folder: Path | None, wanted: Collection[int]) -> tuple[set[int], bool]:
    """The frames whose mattes are there, and whether they have been looked over."""
    if folder is None:
        return set(), False
    sidecar = read_sidecar(folder)
    writer = matte_writer(job, folder, sidecar["recipe"])
    noted = journaled(folder, sidecar)
    made = {frame for frame in wanted if frame in noted and writer.complete(frame)}
    return made, len(made) == len(wanted) and "review" in sidecar


def _rest(walk: Walk, made: Collection[int]) -> int:
    """How far a walk still has to go: to its last frame without a result."""
    return max((index for index, frame in enumerate(walk.frames, 1) if frame not in made), default=0)


def _left_out_steps(job: Job, folder: Path | None) -> int:
    frames = frames_to_leave_out(job.shot)
    if folder is not None:
        frames = tuple(frame for frame in frames if read_left_out(folder / HIDDEN, frame) is None)
    return sum(steps_without(job.shot, frame, job.session.direction) for frame in frames)


def _matte_bytes(job: Job, working: int, plate: int) -> int:
    """Bytes of a frame's mattes: masks as soft as mattes are, written as the job will, in a folder that goes again."""
    keyframes, wide = job.shot.keyframes, job.session.refine.radius
    radius = max(1, round(wide * (plate / working) ** 0.5))
    every = max(1, len(keyframes.frames) // _SAMPLES)
    sizes = []
    with TemporaryDirectory(prefix="matted-") as folder:
        writer = _elsewhere(job, Path(folder))
        for frame in keyframes.frames[::every]:
            files = writer.write(frame, _softened(keyframes.read(frame), radius), job.shot.plate.header(frame))
            sizes.append(sum(path.stat().st_size for path in files))
    return round(_UNSURE * sum(sizes) / len(sizes))


def _softened(masks: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Masks (O, H, W) with edges as wide as a matte's, and as uneven: what is smooth takes less room on disk."""
    blurred = F.avg_pool2d(torch.from_numpy(masks)[None], 2 * radius + 1, 1, radius, count_include_pad=False)[0].numpy()
    grain = 1 - 0.05 * np.random.default_rng(0).random(masks.shape, np.float32)
    edge = (blurred > 0) & (blurred < 1)
    return np.where(edge, blurred * grain, blurred)


def _elsewhere(job: Job, folder: Path) -> MatteWriter:
    return matte_writer(replace(job, out=folder), folder, job.recipe())
