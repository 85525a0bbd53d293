"""Area jumps: where a matte grows or shrinks at once, against how it grows and shrinks around there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

AROUND = 6
"""Frames on either side that tell what is usual."""
FEWEST = 2
"""Changes there must be on one side to tell what is usual."""
STEADY = 0.02
"""Share of an object's area that any matte may change by from one frame to the next."""
PICTURE = 480 * 854
"""Pixels a picture is counted to have, for objects so small that single pixels show."""
TINY = 64 / PICTURE
"""Share of the picture below which an object's area is counted as this."""

Numbers = npt.NDArray[np.float64]


def jumps(areas: Sequence[float]) -> list[float | None]:
    """How many times faster than around it the area changes into each frame.

    A change is a share of the object's area around the frame. Only what goes beyond the median change before it and
    the median change after it counts, so that steady growth, or the beginning of one, counts nothing; what the next
    frame takes back counts twice, so that a single bad frame stands out over its neighbours. This is divided by how
    much the changes around differ among each other, or by what pixels on the edge make of them where nothing moves.

    Args:
        areas: shares of the picture, 0..1, of frames that follow one another.

    Returns:
        as many numbers from 0 on; None for the first frame and where too few frames are around.
    """
    values = np.asarray(areas, np.float64)
    return [_jump(values, index) if index else None for index in range(len(values))]


def _jump(areas: Numbers, index: int) -> float | None:
    sides = [areas[max(0, index - AROUND - 1) : index], areas[index + 1 : index + AROUND + 2]]
    sides = [side for side in sides if len(side) > FEWEST]
    if not sides:
        return None
    scale = max(TINY, *(float(np.median(side)) for side in sides))
    changes = [np.diff(side) / scale for side in sides]
    usual = [float(np.median(side)) for side in changes]
    spread = max(float(np.median(np.abs(side - middle))) for side, middle in zip(changes, usual, strict=True))
    there, *back = (_beyond(change, usual) for change in np.diff(areas[index - 1 : index + 2]) / scale)
    returns = min(abs(there), abs(back[0])) if back and there * back[0] < 0 else 0.0
    return float((abs(there) + returns) / (spread + STEADY + (scale * PICTURE) ** -0.5))


def _beyond(change: float, usual: Sequence[float]) -> float:
    """How far a change lies outside the usual ones."""
    return change - min(max(change, min(usual)), max(usual))
