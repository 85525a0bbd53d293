"""A scene-linear plate drawn with numpy alone, for Pythons without torch: a bright disc crosses a textured ground."""

import math

import numpy as np
import OpenImageIO as oiio

FIRST, LAST = 1001, 1012
WIDTH, HEIGHT, RADIUS = 96, 64, 13.0


def centre(frame):
    """Middle of the disc: x from the left, y from the top."""
    return 24.0 + 4.0 * (frame - FIRST), 28.0 + 0.8 * (frame - FIRST)


def matte(frame):
    """Coverage (64, 96), 0..1, with soft edges."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    cx, cy = centre(frame)
    return np.clip(RADIUS + 0.5 - np.hypot(x - cx, y - cy), 0, 1).astype(np.float32)


def picture(frame):
    """The plate (64, 96, 3), scene-linear; the disc's highlight is above 1."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ground = 0.12 + 0.05 * np.sin(x / 5.0) * np.cos(y / 7.0)
    alpha = matte(frame)[..., None]
    disc = np.stack([1.6 - 0.01 * y, 0.25 + 0.002 * x, np.full_like(ground, 0.1)], -1)
    return (alpha * disc + (1 - alpha) * np.stack([ground, ground * 1.1, ground * 1.2], -1)).astype(np.float32)


def circle(frame, corners=32):
    """The disc's outline as a polygon of (x, y), y up as in Nuke."""
    cx, cy = centre(frame)
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    return [(cx + RADIUS * math.cos(turn), HEIGHT - cy + RADIUS * math.sin(turn)) for turn in turns]


def write(folder, offset=0):
    """Write half EXRs, numbered ``frame + offset``; returns the pattern in Nuke's words."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(FIRST, LAST + 1):
        file = oiio.ImageOutput.create(str(folder / "plate.0001.exr"))
        path = folder / f"plate.{frame + offset:04d}.exr"
        assert file.open(str(path), oiio.ImageSpec(WIDTH, HEIGHT, 3, "half")), file.geterror()
        assert file.write_image(np.ascontiguousarray(picture(frame))), file.geterror()
        file.close()
    return (folder / "plate.%04d.exr").as_posix()
