"""Leave one out: what the other keyframes would have made of a keyframe, against what the artist drew there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from matted.batch.bench import Bench
from matted.batch.degrade import Means
from matted.batch.ledger import unwritable
from matted.batch.review.measures import LeftOut
from matted.batch.score import boundary_measure, davis_tolerance, edge_mad, region_similarity
from matted.batch.shot import Shot, shot_pixels
from matted.engine.plan import Direction, plan
from matted.engine.scratch import Scratch
from matted.engine.session import FrameDone, Session
from matted.weights import Identity, Loaded

FOLDER = "left_out"
"""Where in a job's hidden folder the results lie until the job is done."""


def frames_to_leave_out(shot: Shot) -> tuple[int, ...]:
    """The keyframes inside the shot's range that have another one anywhere beside them, ascending.

    Raises:
        PlateError: frame_missing, frame_outside.
    """
    keyframes = set(shot.keyframes.frames)
    return tuple(frame for frame in shot.wanted() if frame in keyframes) if len(keyframes) > 1 else ()


def steps_without(shot: Shot, frame: int, direction: Direction) -> int:
    """How many steps :func:`leave_out` takes."""
    walks = plan(_around(shot, frame, direction), _others(shot, frame).keyframes.frames, direction)
    return sum(walk.frames.index(frame) + 1 for walk in walks if frame in walk.frames)


def left_out_file(hidden: Path, frame: int) -> Path:
    """Where the result for a keyframe is kept in the hidden folder of a job."""
    return hidden / FOLDER / f"{frame}.json"


def read_left_out(hidden: Path, frame: int) -> LeftOut | None:
    """What was found earlier; None when nothing was, or its file is damaged."""
    try:
        return msgspec.json.decode(left_out_file(hidden, frame).read_bytes(), type=LeftOut)
    except (OSError, msgspec.MsgspecError):
        return None


def leave_out(
    shot: Shot,
    frame: int,
    *,
    weights: Identity | Loaded,
    means: Means,
    bench: Bench,
    hidden: Path,
    key: str | None = None,
) -> Generator[FrameDone, None, LeftOut]:
    """Make one keyframe's mattes without it, compare them with the artist's masks, and keep what was found.

    Only the walks that lead to the frame are made, and no matte is written. What was found earlier comes at once,
    without a step. Several may be at it: each has a folder of its own, and they find the same.

    Args:
        shot: as the job has it, pinned.
        frame: one of :func:`frames_to_leave_out`.
        weights: the network to work with.
        means: what the job works with now.
        bench: what is warm on the device. No session of ``key`` may be lent when this starts.
        hidden: the job's hidden folder.
        key: names the shot among those that stay warm on the bench.

    Raises:
        DeviceError: out_of_memory.
        OutputError: disk_full, output_unwritable.
        MattedError: whatever the plate and the keyframes raise.
    """
    found = read_left_out(hidden, frame)
    if found is None:
        try:
            path = left_out_file(hidden, frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=f"{frame}-", dir=path.parent, ignore_cleanup_errors=True) as room:
                mattes = yield from _predict(shot, frame, weights, means, bench, Scratch(Path(room, "walk")), key)
                found = _compare(shot, frame, mattes)
                beside = Path(room, path.name)
                beside.write_bytes(msgspec.json.encode(found))
                beside.replace(path)
        except OSError as error:
            raise unwritable(hidden, error) from error
    return found


def _predict(
    shot: Shot, frame: int, weights: Identity | Loaded, means: Means, bench: Bench, scratch: Scratch, key: str | None
) -> Generator[FrameDone, None, NDArray[np.float32]]:
    """The mattes (O, H, W), 0..1, that the other keyframes make of ``frame``."""
    without = _others(shot, frame)
    session = bench.open(
        without, weights=weights, settings=means.session, memory=means.memory, scratch=scratch, key=key
    )
    try:
        return (yield from _walk(session, without, frame, means.session.direction, scratch))
    finally:
        bench.keep(session)


def _walk(
    session: Session, without: Shot, frame: int, direction: Direction, scratch: Scratch
) -> Generator[FrameDone, None, NDArray[np.float32]]:
    caught: dict[int, NDArray[np.float32]] = {}

    def catch(made: int, mattes: Tensor) -> None:
        caught[made] = mattes.numpy()

    session.attach(replace(shot_pixels(without), write_mattes=catch), scratch)
    around = _around(without, frame, direction)
    others = frozenset(around) - {frame}  # taken as finished: then every walk ends at the frame
    with closing(session.propagate(around, job=f"without {frame}", finished=others)) as steps:
        yield from steps
    return caught[frame]


def _others(shot: Shot, frame: int) -> Shot:
    """The shot as if the keyframe had not been drawn; its objects stay the same."""
    files = {other: found for other, found in shot.keyframes.files.items() if other != frame}
    return replace(shot, keyframes=replace(shot.keyframes, files=files))


def _around(shot: Shot, frame: int, direction: Direction) -> tuple[int, ...]:
    """The frames the walks to ``frame`` come by: from the keyframe before it and from the one after it."""
    wanted = shot.wanted()
    before = max((other for other in shot.keyframes.frames if other < frame), default=None)
    after = min((other for other in shot.keyframes.frames if other > frame), default=None)
    first = wanted[0] if before is None else before
    last = wanted[-1] if after is None else after
    if direction is Direction.FORWARD or (direction is Direction.BOTH and after is None):
        last = frame
    if direction is Direction.BACKWARD or (direction is Direction.BOTH and before is None):
        first = frame
    return tuple(other for other in wanted if first <= other <= last)


def _compare(shot: Shot, frame: int, mattes: NDArray[np.float32]) -> LeftOut:
    masks, shown = shot.keyframes.read(frame), _shown(_others(shot, frame))
    pairs = [
        (matte, mask) if row in shown else None for row, (matte, mask) in enumerate(zip(mattes, masks, strict=True))
    ]
    tolerance = davis_tolerance(*masks.shape[-2:])
    return LeftOut(
        frame,
        tuple(pair and region_similarity(*pair) for pair in pairs),
        tuple(pair and boundary_measure(*pair, tolerance=tolerance) for pair in pairs),
        tuple(pair and edge_mad(*pair) for pair in pairs),
    )


def _shown(shot: Shot) -> frozenset[int]:
    """The rows of the objects that any keyframe shows: nobody can know the others."""
    shown: set[int] = set()
    for frame in shot.keyframes.frames:
        if len(shown) == len(shot.keyframes.objects):
            break
        shown |= {row for row, mask in enumerate(shot.keyframes.read(frame)) if mask.max() >= 0.5}
    return frozenset(shown)
