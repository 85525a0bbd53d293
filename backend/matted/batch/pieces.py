"""The work on a shot in pieces, each of which any host can do: plain values that say what to make and where.

A piece can be done twice, half, or never: what is finished is kept, and the last piece, ``finish``, is the ordinary run
of the whole job, which makes whatever the others did not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from matted.batch.bench import Bench
from matted.batch.job import Run, claim
from matted.batch.leaving import LeavingOut
from matted.batch.place import JobResult
from matted.batch.request import Request
from matted.batch.review.left_out import frames_to_leave_out, steps_without
from matted.batch.segments import Segment, split
from matted.batch.shot import until
from matted.engine.session import FrameDone
from matted.weights import Identity, identify


@dataclass(frozen=True)
class Piece:
    """A piece of work on one shot.

    Attributes:
        request: what was asked for.
        folder: the version folder that was claimed for it; the only one it may be made in.
        kind: ``segment`` makes its frames, ``left_out`` predicts a keyframe from the others, ``finish`` does the rest.
        segment: the frames of a ``segment``.
        frame: the keyframe of a ``left_out``.
        total: about how many steps of the network it takes, to compare pieces by.
    """

    request: Request
    folder: Path
    kind: Literal["segment", "left_out", "finish"]
    segment: Segment | None = None
    frame: int | None = None
    total: int = 0

    def __str__(self) -> str:
        what = {
            "segment": f"frames {self.segment}",
            "left_out": f"keyframe {self.frame} left out",
            "finish": "the finish",
        }
        return f"{self.request.name}: {what[self.kind]}"

    def plain(self) -> dict[str, Any]:
        """JSON values; :meth:`from_plain` makes the piece of them again."""
        values: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return values

    @classmethod
    def from_plain(cls, values: Any) -> Piece:
        """What :meth:`plain` wrote down.

        Raises:
            msgspec.ValidationError: these are other values.
        """
        return msgspec.convert(values, cls, dec_hook=lambda kind, value: kind(value))


def pieces(request: Request, *, weights: Identity) -> tuple[Piece, ...]:
    """Claim the folder of a job and cut the work on it up. The last piece needs all the others, which need nothing.

    Raises:
        MattedError: the plate, a mask, a setting or the folder is not as it should be.
    """
    job = request.job(weights)
    folder = claim(job)
    frames, direction = job.shot.wanted(), job.session.direction
    segments = split(frames, job.shot.keyframes.frames, direction)
    found = [] if len(segments) == 1 else [_of_segment(request, folder, each, frames) for each in segments]
    if request.review:
        for frame in frames_to_leave_out(job.shot):
            total = steps_without(job.shot, frame, direction)
            found.append(Piece(request, folder, "left_out", frame=frame, total=total))
    return (*found, Piece(request, folder, "finish", total=len(frames)))


class Work(Protocol):
    """A piece on a device, taken a step at a time, on one thread at a time."""

    def start(self) -> None:
        """See that what the piece needs is there, and that nobody else is at it."""

    def steps(self) -> Generator[FrameDone, None, None]:
        """What is left of it; closing the iterator keeps what is done, and called again it goes on."""

    def result(self) -> JobResult | None:
        """How the whole job went, or a segment alone; None of a keyframe left out."""

    def close(self) -> None:
        """Let go; what is done stays."""


def begin(
    piece: Piece,
    *,
    bench: Bench,
    weights_folder: Path | None = None,
    on_degraded: Callable[[int | None, str], None] = lambda frame, message: None,
) -> Work:
    """A piece, ready to be started.

    Args:
        piece: what to do; its paths are this host's.
        bench: what is warm on the device.
        weights_folder: where named weights are kept; the user's own when None.
        on_degraded: told what was given up for lack of memory.

    Raises:
        MattedError: the plate, a mask, a setting or the weights are not as they should be.
    """
    job = piece.request.job(identify(piece.request.weights, folder=weights_folder))
    warm: dict[str, Any] = {"bench": bench, "key": str(piece.folder), "on_degraded": on_degraded}
    if piece.frame is not None:
        return LeavingOut(job, piece.folder, piece.frame, **warm)
    return Run(job, segment=piece.segment, folder=piece.folder, **warm)


def do(
    piece: Piece,
    *,
    bench: Bench,
    on_step: Callable[[FrameDone], None] = lambda step: None,
    on_degraded: Callable[[int | None, str], None] = lambda frame, message: None,
    stopped: Callable[[], bool] = lambda: False,
    weights_folder: Path | None = None,
) -> JobResult | None:
    """Do a piece, or what is left of it.

    Args:
        piece, bench, weights_folder, on_degraded: as :func:`begin` has them.
        on_step: told of every step, on this thread.
        stopped: asked after every step; when true the piece stops and keeps what it has.

    Returns:
        how the whole job went, or a segment alone; None of a keyframe left out.

    Raises:
        Cancelled: ``stopped`` said so; the same piece goes on later.
        MattedError: bad plate, masks, weights, device or output, or something here is not what the batch was planned
            with; what is done stays.
    """
    work = begin(piece, bench=bench, weights_folder=weights_folder, on_degraded=on_degraded)
    with closing(work), closing(work.steps()) as steps:
        for step in until(steps, stopped):
            on_step(step)
        return work.result()


def _of_segment(request: Request, folder: Path, segment: Segment, frames: tuple[int, ...]) -> Piece:
    return Piece(request, folder, "segment", segment, total=2 * sum(frame in segment for frame in frames))
