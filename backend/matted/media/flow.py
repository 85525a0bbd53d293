"""How a plate moves from one frame to the next, and what a matte looks like when it is carried along.

Dense inverse search of OpenCV: Kroeger et al., ECCV 2016. Everything here happens at most ``LINES`` lines high, where
half a pixel of motion is still seen and a frame takes hundredths of a second.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LINES = 480
"""Shorter side in pixels at which motion is looked for; smaller plates as they are."""

TOLERANCE = 0.08
"""How much luma, 0..1, may differ around a pixel whose motion is believed."""

Plane = NDArray[np.float32]


def small(picture: Plane) -> Plane:
    """A (H, W) or (H, W, C) picture brought to at most ``LINES`` lines; every pixel the mean of what it covers."""
    height, width = picture.shape[:2]
    share = LINES / min(height, width)
    if share >= 1:
        return picture
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def grey(picture: Plane) -> Plane:
    """The luma (H, W), 0..1, of a display-referred (H, W, 3) picture, 0..1."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2GRAY), np.float32)


def motion(previous: Plane, now: Plane) -> Plane:
    """Where each pixel of ``now`` was in ``previous``: (H, W, 2) float32, right and down in pixels.

    Args:
        previous, now: (H, W) luma, 0..1, of one size.
    """
    height, width = now.shape
    if min(height, width) < 16:  # patches of the coarsest search need some room
        return np.zeros((height, width, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there = search.calc(_bytes(now), _bytes(previous), np.zeros((height, width, 2), np.float32))
    return np.asarray(there, np.float32)


def carried(plane: Plane, moved: Plane) -> Plane:
    """A (H, W) plane of the previous frame as the plate's :func:`motion` brings it to this one."""
    height, width = plane.shape
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    where = (across + moved[..., 0], down + moved[..., 1])
    return np.asarray(cv2.remap(plane, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def followed(previous: Plane, now: Plane, moved: Plane) -> NDArray[np.bool_]:
    """Where the motion tells where ``now`` (H, W) comes from: elsewhere something was uncovered, or is a blur."""
    difference = np.abs(carried(previous, moved) - now)
    return np.asarray(cv2.blur(difference, (5, 5)) <= TOLERANCE, bool)


def _bytes(plane: Plane) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(plane, 0, 1) * 255), np.uint8)
