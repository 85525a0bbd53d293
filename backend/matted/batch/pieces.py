"""The work on a shot in pieces, each of which any host can do: plain values that say what to make and where.

A piece can be done twice, half, or never: what is finished is kept, and the last piece, ``finish``, is the ordinary run
of the whole job, which makes whatever the others did not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from matted.batch.bench import Bench
from matted.batch.job import claim, run
from matted.batch.place import JobResult
from matted.batch.request import Request
from matted.batch.segments import Segment, split
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
    frames, keyframes = job.shot.wanted(), job.shot.keyframes.frames
    segments = split(frames, keyframes, job.session.direction)
    found = [] if len(segments) == 1 else [_of_segment(request, folder, each, frames) for each in segments]
    return (*found, Piece(request, folder, "finish", total=len(frames)))


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
        piece: what to do; its paths are this host's.
        bench: what is warm on the device.
        on_step: told of every step, on this thread.
        on_degraded: told what was given up for lack of memory.
        stopped: asked after every step; when true the piece stops and keeps what it has.
        weights_folder: where named weights are kept; the user's own when None.

    Returns:
        of ``finish`` how the whole job went; None of the others.

    Raises:
        Cancelled: ``stopped`` said so; the same piece goes on later.
        MattedError: bad plate, masks, weights, device or output, or something here is not what the batch was planned
            with; what is done stays.
    """
    job = piece.request.job(identify(piece.request.weights, folder=weights_folder))
    asked: dict[str, Any] = {"bench": bench, "key": str(piece.folder), "on_step": on_step, "stopped": stopped}
    made = run(job, segment=piece.segment, folder=piece.folder, on_degraded=on_degraded, **asked)
    return made if piece.kind == "finish" else None


def _of_segment(request: Request, folder: Path, segment: Segment, frames: tuple[int, ...]) -> Piece:
    return Piece(request, folder, "segment", segment, total=2 * sum(frame in segment for frame in frames))
