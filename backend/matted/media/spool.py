"""Pixels that came as raw buffers, kept as image files that every other reader of this room understands."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from matted.errors import OutputError, RequestError
from matted.media.matte import NO_DATE

DTYPES = {"uint8": np.uint8, "uint16": np.uint16, "half": np.float16, "float": np.float32}
"""Pixel types of the wire, little-endian there."""

SUFFIX = {"uint8": ".tif", "uint16": ".tif", "half": ".exr", "float": ".exr"}
"""Files that keep each pixel type as it is: integers are display-referred, half and float scene-linear."""


def write_pixels(
    path: Path,
    buffer: memoryview,
    *,
    size: tuple[int, int],
    channels: Sequence[str],
    dtype: str,
    pixel_aspect: float = 1.0,
    frame_rate: Fraction | None = None,
    compression: str = "none",
) -> None:
    """Write a raw buffer as TIFF or EXR, beside, then renamed.

    Args:
        path: with the suffix of ``SUFFIX[dtype]``; replaced when it is there.
        buffer: rows from the top, channels interleaved, little-endian, no padding.
        size: (width, height) in pixels.
        channels: names, in the order of the buffer: R, G, B, perhaps A, or one channel; others are left out.
        dtype: a key of ``DTYPES``.
        pixel_aspect: width of a pixel over its height.
        frame_rate: frames a second.
        compression: ``none``, which takes a tenth of the time, or ``zip``.

    Raises:
        OutputError: ``disk_full``.
        RequestError: ``bad_request`` for channels that are no picture.
    """
    width, height = size
    order, names = _order(channels)
    little = np.dtype(DTYPES[dtype]).newbyteorder("<")
    pixels = np.frombuffer(buffer, little).reshape(height, width, len(channels))
    # A dtype that spells out its byte order, be it this machine's, is none that OpenImageIO takes.
    pixels = np.ascontiguousarray(pixels[..., order].astype(little.newbyteorder("=")))
    spec = oiio.ImageSpec(width, height, len(order), dtype)
    spec.channelnames = names
    if "A" in names:
        spec.alpha_channel = names.index("A")
    spec["compression"] = compression
    spec["PixelAspectRatio"] = pixel_aspect
    spec["oiio:UnassociatedAlpha"] = 1  # raw in, raw out
    spec.attribute("DateTime", NO_DATE)  # the same pixels are the same file: masks go by their sha256
    if frame_rate is not None:
        spec.attribute("framesPerSecond", oiio.TypeDesc("rational"), (frame_rate.numerator, frame_rate.denominator))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        beside = Path(folder) / path.name
        output = oiio.ImageOutput.create(str(beside))
        assert output is not None, path
        done = output.open(str(beside), spec) and output.write_image(pixels)
        closed = output.close()
        if not (done and closed) or not _whole(beside):
            reason = output.geterror() or "the disk may be full"
            message = f"The pixels of {path.name} cannot be kept: {reason}."
            raise OutputError("disk_full", message, hint="Free some space where the daemon keeps its files.", path=path)
        beside.replace(path)


def _order(channels: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """Where red, green, blue and alpha are, or the only channel, which is then called Y.

    Raises:
        RequestError: ``bad_request``: the channels are neither.
    """
    if len(channels) == 1:
        return [0], ("Y",)
    names = tuple(name for name in "RGBA" if name in channels)
    if names[:3] != ("R", "G", "B"):
        message = f"Pixels need channels R, G and B, or a single one, not {', '.join(channels)}."
        raise RequestError(
            "bad_request", message, hint="Name the channels of the buffer in its order, like B, G, R, A."
        )
    return [channels.index(name) for name in names], names


def _whole(path: Path) -> bool:
    """OpenImageIO reports success for a small file that a full disk swallowed."""
    image = oiio.ImageInput.open(str(path))
    if image is None:
        return False
    whole = image.read_scanlines(0, 0, image.spec().height - 1, image.spec().height, 0, 0, 1, "uint8") is not None
    image.close()
    return whole
