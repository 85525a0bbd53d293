"""Edge flicker: what changes along a matte's edge from frame to frame and does not move with the plate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matted.batch.score import edge_of, grown
from matted.media import flow

BAND = 4
"""Pixels on either side of an edge that are looked at, in a picture of ``flow.LINES`` lines."""
SEEN = 0.1
"""Share of the band whose motion must be known for a number to mean something."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """What is kept of a frame until the next: its luma (H, W) and mattes (O, H, W), float 0..1, ``flow.small``."""

    luma: Plane
    mattes: Plane


def look(picture: Plane, mattes: Plane) -> Look:
    """What is needed of a frame.

    Args:
        picture: (H, W, 3), display-referred, 0..1.
        mattes: (O, H, W), 0..1, of the same size.
    """
    return Look(flow.small(flow.grey(picture)), np.stack([flow.small(matte) for matte in mattes]))


def edge_flicker(previous: Look, now: Look) -> tuple[float | None, ...]:
    """How much each object's edge changes beyond the plate's motion, 0..1.

    The mean absolute difference between the matte and the previous one carried along by the plate's optical flow, near
    the edges of both and where the plate itself can be followed. An edge that moves by one pixel all around makes
    about ``1 / (2 * BAND)``.

    Returns:
        one number an object; None where there is no edge, or too little of it can be followed.
    """
    moved = flow.motion(previous.luma, now.luma)
    known = flow.followed(previous.luma, now.luma, moved)
    return tuple(
        _flicker(flow.carried(before, moved), matte, known)
        for before, matte in zip(previous.mattes, now.mattes, strict=True)
    )


def _flicker(expected: Plane, matte: Plane, known: npt.NDArray[np.bool_]) -> float | None:
    edge = edge_of(expected) | edge_of(matte)
    if not edge.any():
        return None
    band = grown(edge, BAND)
    seen = band & known
    if np.count_nonzero(seen) < SEEN * np.count_nonzero(band):
        return None
    return float(np.abs(matte - expected)[seen].mean(dtype=np.float64))
