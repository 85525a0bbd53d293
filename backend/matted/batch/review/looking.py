"""A finished job looked over: every frame measured, every keyframe left out once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from matted.batch.bench import Bench
from matted.batch.degrade import Means
from matted.batch.review.area import jumps
from matted.batch.review.flicker import Look, edge_flicker, look
from matted.batch.review.left_out import frames_to_leave_out, leave_out, read_left_out, steps_without
from matted.batch.review.measures import FrameReview, Review
from matted.batch.shot import Shot
from matted.engine.plan import Direction
from matted.engine.session import FrameDone
from matted.media.matte import MatteWriter
from matted.weights import Identity, Loaded

Values = tuple[float | None, ...]
Found = TypeVar("Found")


def review(
    shot: Shot,
    writer: MatteWriter,
    *,
    weights: Identity | Loaded,
    means: Means,
    bench: Bench,
    hidden: Path,
    key: str | None = None,
) -> Generator[FrameDone, None, Review]:
    """Look over mattes that are all there; nothing but small files in ``hidden`` is written.

    Plate and mattes are read a frame at a time. Closing the iterator keeps what was found of keyframes left out.

    Args:
        shot: as the job has it, pinned.
        writer: the job's: it knows where the mattes are.
        weights: the network to leave keyframes out with.
        means: what the job works with now.
        bench: what is warm on the device. No session of ``key`` may be lent when this starts.
        hidden: the job's hidden folder.
        key: names the shot among those that stay warm on the bench.

    Raises:
        MaskError: a matte is absent or damaged.
        MattedError: as :func:`~matted.batch.review.left_out.leave_out`.
    """
    direction, done, found = means.session.direction, 0, []
    total = review_steps(shot, direction, hidden)
    for frame in frames_to_leave_out(shot):
        steps = _steps_left(shot, frame, direction, hidden)
        leaving = leave_out(shot, frame, weights=weights, means=means, bench=bench, hidden=hidden, key=key)
        found.append((yield from _counted(leaving, done, total)))
        done += steps
    frames = yield from _counted(measure(shot, writer), done, total)
    wanted = set(shot.wanted())
    keyframes = tuple(frame for frame in shot.keyframes.frames if frame in wanted)
    return Review(shot.keyframes.objects, frames, tuple(found), keyframes)


def review_steps(shot: Shot, direction: Direction, hidden: Path) -> int:
    """How many steps :func:`review` takes: one a frame to measure, and those of keyframes not left out yet."""
    left_out = sum(_steps_left(shot, frame, direction, hidden) for frame in frames_to_leave_out(shot))
    return len(shot.wanted()) + left_out


def measure(shot: Shot, writer: MatteWriter) -> Generator[FrameDone, None, tuple[FrameReview, ...]]:
    """Measure every frame, ascending.

    Raises:
        PlateError: a frame cannot be read.
        MaskError: a matte is absent or damaged.
    """
    wanted, step = shot.wanted(), shot.plate.sequence.step
    areas: list[tuple[float, ...]] = []
    flickers: list[Values] = []
    before: tuple[int, Look] | None = None
    for done, frame in enumerate(wanted, 1):
        mattes = writer.read(frame)
        seen = look(shot.read_plate(frame), mattes)
        areas.append(tuple(float(matte.mean(dtype="float64")) for matte in mattes))
        follows = before is not None and before[0] + step == frame
        flickers.append(edge_flicker(before[1], seen) if before and follows else (None,) * len(mattes))
        before = (frame, seen)
        yield FrameDone(frame, None, done, len(wanted))
    jumped = _all_jumps(wanted, areas, step)
    return tuple(map(FrameReview, wanted, areas, jumped, flickers))


def _steps_left(shot: Shot, frame: int, direction: Direction, hidden: Path) -> int:
    return 0 if read_left_out(hidden, frame) else steps_without(shot, frame, direction)


def _all_jumps(frames: Sequence[int], areas: Sequence[tuple[float, ...]], step: int) -> list[Values]:
    """Area jumps of every object, each run of frames for itself."""
    breaks = [index for index, (before, frame) in enumerate(pairwise(frames), 1) if frame - before != step]
    found: list[Values] = []
    for first, last in pairwise([0, *breaks, len(frames)]):
        found += zip(*(jumps(column) for column in zip(*areas[first:last], strict=True)), strict=True)
    return found


def _counted(steps: Generator[FrameDone, None, Found], done: int, total: int) -> Generator[FrameDone, None, Found]:
    """The steps of a part of the work, counted as those of the whole, ``done`` of which came before."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: Found = end.value
                return result
            yield replace(step, done=done + step.done, total=total)
