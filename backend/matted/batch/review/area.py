"""Area jumps: where a matte grows or shrinks at once, against how it grows and shrinks around there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

AROUND = 6
"""Frames on either side that tell what is usual."""
FEWEST = 3
"""Changes that must be there to tell what is usual."""
STEADY = 0.02
"""Share of an object's area that any matte may change by from one frame to the next."""
PICTURE = 480 * 854
"""Pixels a picture is counted to have, for objects so small that single pixels show."""
TINY = 64 / PICTURE
"""Share of the picture below which an object's area is counted as this."""

Numbers = npt.NDArray[np.float64]


def jumps(areas: Sequence[float]) -> list[float | None]:
    """How many times faster than around it the area changes into each frame.

    A change is a share of the object's area around the frame. From each the median change around it is taken away, so
    that steady growth counts nothing; what the next frame takes back counts twice, so that a single bad frame stands
    out over its neighbours. The rest is divided by the median of the same for the changes around, or by what pixels on
    the edge make of it where nothing moves.

    Args:
        areas: shares of the picture, 0..1, of frames that follow one another.

    Returns:
        as many numbers from 0 on; None for the first frame and where too few frames are around.
    """
    values = np.asarray(areas, np.float64)
    return [_jump(values, index) if index else None for index in range(len(values))]


def _jump(areas: Numbers, index: int) -> float | None:
    first, last = max(0, index - AROUND - 1), min(len(areas), index + AROUND + 1)
    here, near = index - 1 - first, areas[first:last]
    scale = max(float(np.median(near)), TINY)
    changes = np.diff(near) / scale
    around = np.delete(changes, slice(here, here + 2))
    if len(around) < FEWEST:
        return None
    usual = float(np.median(around))
    there = changes[here] - usual
    back = changes[here + 1] - usual if here + 1 < len(changes) else 0.0
    returns = min(abs(there), abs(back)) if there * back < 0 else 0.0
    spread = float(np.median(np.abs(around - usual)))
    return float((abs(there) + returns) / (spread + STEADY + (scale * PICTURE) ** -0.5))
