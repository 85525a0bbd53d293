"""The demo's own files: the plate as a camera would have delivered it."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from matted.demo.scene import Pixels
from matted.errors import OutputError
from matted.media.image import Window
from matted.media.matte import NO_DATE
from matted.media.plate import PlateHeader

FRAME_RATE = 24

_ACESCG = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
"""x and y of the AP1 primaries and the ACES white (SMPTE ST 2065-1 and S-2014-004)."""


def frame_header(frame: int, width: int, height: int) -> PlateHeader:
    """Frame rate and a time code that runs with the frame number."""
    return PlateHeader(
        Window(0, 0, width, height), timecode=(_timecode(frame), 0), frame_rate=Fraction(FRAME_RATE)
    )


def save_plate(path: Path, frame: int, pixels: Pixels, header: PlateHeader) -> None:
    """Write one frame as half-float EXR, beside and then renamed; the same frame is the same file to the byte.

    Args:
        path: the file; its folder is made.
        frame: its number, for messages.
        pixels: (H, W, 3) scene-linear ACEScg.
        header: time code and frame rate.

    Raises:
        OutputError: it cannot be written.
    """
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 3, "half")
    spec.attribute("compression", "zips")
    spec.attribute("chromaticities", "float[8]", _ACESCG)
    spec.attribute("oiio:ColorSpace", "lin_ap1_scene")
    spec.attribute("framesPerSecond", "rational", (FRAME_RATE, 1))
    spec.attribute("smpte:TimeCode", "timecode", header.timecode)
    spec.attribute("DateTime", NO_DATE)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(beside, spec, pixels.astype(np.float16))
        os.replace(beside, path)
    except OSError as error:
        raise _refused(path, f"Frame {frame} of the demo plate,", error, frame) from error
    finally:
        beside.unlink(missing_ok=True)


def save_text(path: Path, text: str) -> None:
    """Write a small text file, beside and then renamed.

    Raises:
        OutputError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise _refused(path, "The demo's record,", error) from error


def _write(path: Path, spec: oiio.ImageSpec, pixels: np.ndarray) -> None:
    file = oiio.ImageOutput.create("exr")
    whole = file.open(str(path), spec) and file.write_image(np.ascontiguousarray(pixels))
    whole = file.close() and whole
    if not whole:
        raise OSError(None, file.geterror() or "it did not arrive whole")


def _timecode(frame: int) -> int:
    """Hours, minutes, seconds and frames as the packed decimal digits of SMPTE ST 12-1, frames in the lowest byte."""
    seconds, frames = divmod(frame, FRAME_RATE)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    packed = 0
    for value in (hours % 24, minutes, seconds, frames):
        packed = packed << 8 | value // 10 << 4 | value % 10
    return packed


def _refused(path: Path, what: str, error: OSError, frame: int | None = None) -> OutputError:
    message = f"{what} {path}, cannot be written: {error.strerror or error}."
    hint = f"Check that there is room on the disk and that you may write to {path.parent}, or choose another folder."
    return OutputError("output_unwritable", message, hint=hint, path=path, frame=frame)
