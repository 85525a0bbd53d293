"""What there is to matte: a plate, the artist's keyframes, a range; and how the engine gets at their pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matted.batch.keyframes import Keyframes
from matted.batch.stamp import Stamp
from matted.batch.writing import WriteBehind
from matted.engine.session import FrameDone, Pixels
from matted.errors import Cancelled, PlateError
from matted.media.plate import Plate
from matted.media.sequence import listed
from matted_protocol.frames import FrameRange


@dataclass(frozen=True)
class Shot:
    """What a job works on.

    Attributes:
        plate: the source images.
        keyframes: the artist's masks.
        frames: the frames to make mattes for; None takes the whole plate.
        missing: ``error`` refuses a plate with gaps in the range, ``skip`` leaves those frames out.
        pinned: the plate's files as they have to be; None takes them as they come.
    """

    plate: Plate
    keyframes: Keyframes
    frames: FrameRange | None = None
    missing: Literal["error", "skip"] = "error"
    pinned: Stamp | None = None

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
            present, absent = set(sequence.frames), set(sequence.missing)
            chosen = tuple(frame for frame in self.frames if frame in present)
            gaps = tuple(frame for frame in self.frames if frame in absent)
            if not chosen:
                gaps = gaps or tuple(self.frames)
        if gaps and (self.missing == "error" or not chosen):
            raise PlateError(
                "frame_missing",
                f"The plate {sequence.title} has no frame {listed(gaps)}.",
                hint="Bring the missing frames, or choose another range; the command line can --missing skip them.",
                frame=gaps[0],
            )
        return chosen

    def _check_inside(self, frames: FrameRange) -> None:
        first, last = self.plate.sequence.frames[0], self.plate.sequence.frames[-1]
        if frames.first < first or frames.last > last:
            raise PlateError(
                "frame_outside",
                f"The range {frames} leaves the plate {self.plate.sequence.title}, from {first} to {last}.",
                hint=f"Choose a --range inside {first}-{last}.",
                frame=frames.first if frames.first < first else frames.last,
            )

    def stamp(self) -> str:
        """Digest of the plate's file names, sizes and times, as pinned or as they are now.

        Raises:
            PlateError: plate_changed when a file went away since the plate was found.
        """
        return (self.pinned or Stamp.of(self.plate.sequence)).digest

    def pin(self) -> Shot:
        """This shot, which from now on refuses plate files other than those there are now; once pinned it stays so.

        Raises:
            PlateError: plate_changed.
        """
        return replace(self, pinned=self.pinned or Stamp.of(self.plate.sequence))

    def read_plate(self, frame: int) -> NDArray[np.float32]:
        """(H, W, 3) float32, display-referred sRGB, 0..1, from a file that is still the one it was.

        Raises:
            PlateError: plate_changed, or the frame cannot be read.
        """
        path = self.plate.sequence.path(frame)
        if self.pinned is not None:
            self.pinned.check(frame, path)
        pixels = self.plate.read(frame)
        if self.pinned is not None:
            self.pinned.check(frame, path)
        return pixels


def shot_pixels(shot: Shot, writing: WriteBehind | None = None) -> Pixels:
    """How a session gets at the pixels of ``shot``; without ``writing`` mattes go nowhere."""

    def read_plate(frame: int) -> Tensor:
        return torch.from_numpy(shot.read_plate(frame)).permute(2, 0, 1).contiguous()

    def read_masks(frame: int) -> Tensor:
        return torch.from_numpy(shot.keyframes.read(frame))

    if writing is None:
        return Pixels(read_plate, read_masks)
    write = writing.write
    return Pixels(read_plate, read_masks, lambda frame, mattes: write(frame, mattes.numpy()), writing.flush)


def until(steps: Iterator[FrameDone], stopped: Callable[[], bool]) -> Iterator[FrameDone]:
    """The steps, until ``stopped`` says so.

    Raises:
        Cancelled: it did.
    """
    for step in steps:
        yield step
        if stopped():
            message = f"Stopped after frame {step.frame}, step {step.done} of {step.total}."
            hint = "Run the same command again to go on from here."
            raise Cancelled("cancelled", message, hint=hint, frame=step.frame)
