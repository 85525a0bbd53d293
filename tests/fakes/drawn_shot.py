"""A shot drawn in code: two discs cross a 96x64 plate, frames 1001 to 1016, with known mattes."""

import os

import numpy as np
import OpenImageIO as oiio
import torch

FIRST, LAST = 1001, 1016
OBJECTS = ("red", "blue")


def known(frame):
    """The mattes (2, 64, 96), 0..1, with soft edges."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    moved = frame - FIRST
    centres = [(20 + 3 * moved, 20), (70 - 2 * moved, 46)]
    return torch.stack([(11.5 - ((x - cx) ** 2 + (y - cy) ** 2).sqrt()).clamp(0, 1) for cx, cy in centres])


def plate(frame):
    """The image (3, 64, 96), 0..1, display-referred."""
    red, blue = known(frame)
    ground = torch.linspace(0.2, 0.5, 96).expand(64, 96) * (1 - red) * (1 - blue)
    return torch.stack([ground + 0.9 * red, ground + 0.1 * red + 0.2 * blue, ground + 0.95 * blue]).clamp(0, 1)


def write_plate(folder, frames=range(FIRST, LAST + 1)):
    """Write the plate as 8-bit PNGs; returns its pattern."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        save(folder / f"plate.{frame}.png", (plate(frame).permute(1, 2, 0) * 255).round().byte().numpy())
    return folder / "plate.####.png"


def write_masks(folder, frames, row=0):
    """Write one object's masks as half-float EXR, channel A; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        save(folder / f"mask.{frame}.exr", known(frame)[row, :, :, None].numpy().astype(np.float16), channels=("A",))
    return folder


def save(path, pixels, channels=None, attributes=None):
    """Write (H, W, C) pixels in their own type; the file's time is always the same, so drawing anew changes nothing.

    Attributes are header fields by OpenImageIO's names; a pair of (type, value) where the type is not plain.
    """
    height, width, count = pixels.shape
    kind = {"float16": "half", "float32": "float"}.get(str(pixels.dtype), str(pixels.dtype))
    spec = oiio.ImageSpec(width, height, count, kind)
    if channels:
        spec.channelnames = channels
    spec.attribute("DateTime", "1970:01:01 00:00:00")
    for name, value in (attributes or {}).items():
        spec.attribute(name, *value) if isinstance(value, tuple) else spec.attribute(name, value)
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec), file.geterror()
    assert file.write_image(np.ascontiguousarray(pixels)), file.geterror()
    file.close()
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path
