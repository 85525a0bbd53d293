"""The pictures of a shot's section, drawn from plate and mattes on disk, as ``data:`` addresses."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import OpenImageIO as oiio

from matted.batch.page.facts import Facts
from matted.batch.report import COLUMNS, choose_frames
from matted.errors import MattedError, OutputError
from matted.media.ink import Canvas
from matted.media.matte import MatteWriter
from matted.media.plate import Plate
from matted.media.sheet import Column, Sheet, draw_overlay, draw_pictures

SHEET_WIDTH, CARD_WIDTH = 1600, 400
"""Pixels; six frames beside each other, and one frame to look at."""

LOOKS = 3
"""Frames shown for what was found of a shot, besides the suggested ones."""

QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A picture within the page."""

    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Reason:
    """Why a frame is worth a look: a finding's ``warn`` or ``fail``, or ``suggested``."""

    kind: str
    words: str


@dataclass(frozen=True)
class Look:
    """One frame worth a look, and why; without a picture where there is no room for one, or it cannot be read."""

    frame: int
    reasons: tuple[Reason, ...]
    picture: Picture | None = None


@dataclass(frozen=True)
class Pictures:
    """What is shown of a shot; ``missing`` says why pictures are not there, empty when all are."""

    sheet: Picture | None
    looks: tuple[Look, ...]
    missing: str = ""


def looks_of(shot: Facts) -> tuple[Look, ...]:
    """The frames worth a look, without pictures: where the worst was found first, then those suggested."""
    frames: dict[int, list[Reason]] = {}
    for finding in shot.findings:
        if finding.worst in frames or len(frames) < LOOKS:
            frames.setdefault(finding.worst, []).append(Reason(finding.level, finding.words))
    for suggestion in shot.result.suggestions if shot.result else ():
        frames.setdefault(suggestion.frame, []).append(Reason("suggested", suggestion.reason))
    return tuple(Look(frame, tuple(reasons)) for frame, reasons in frames.items())


def draw(shot: Facts) -> Pictures:
    """Draw what is shown of a shot. Files that are gone or damaged are told of, never raised."""
    looks = looks_of(shot)
    if shot.result is None or not shot.frames:
        return Pictures(None, looks)
    try:
        pixels = _Pixels(shot)
        sheet = _sheet(shot, pixels, looks)
        return Pictures(sheet, tuple(_seen(look, pixels) for look in looks))
    except MattedError as error:
        return Pictures(None, looks, f"No pictures: {error.message}")
    except OSError as error:
        return Pictures(None, looks, f"No pictures: {error}.")


class _Pixels:
    """Plate and mattes of a shot's frames, as they are on disk now."""

    def __init__(self, shot: Facts) -> None:
        assert shot.result is not None
        self.shot = shot
        self.plate: Plate = shot.outcome.request.footage()
        self._mattes = MatteWriter(
            shot.result.folder,
            objects=shot.result.objects,
            settings=shot.outcome.request.mattes,
            info=self.plate.info,
        )

    def column(self, frame: int) -> Column:
        return Column(frame, self.plate.read(frame), self._mattes.read(frame))


def _sheet(shot: Facts, pixels: _Pixels, looks: tuple[Look, ...]) -> Picture:
    assert shot.result is not None
    wanted = [look.frame for look in looks if look.frame in shot.result.confidence]
    shown = choose_frames(shot.frames, shot.keyframes, wanted, count=COLUMNS)
    sheet = Sheet(
        title="",
        subtitle="",
        objects=shot.result.objects,
        confidence=shot.result.confidence,
        keyframes=shot.keyframes,
        suggestions=shot.suggested,
        pixel_aspect=pixels.plate.info.pixel_aspect,
    )
    columns: Iterator[Column] = (pixels.column(frame) for frame in shown)
    return packed(draw_pictures(sheet, columns, width=SHEET_WIDTH, count=max(len(shown), COLUMNS // 2)))


def _seen(look: Look, pixels: _Pixels) -> Look:
    if look.frame not in pixels.shot.frames:
        return look
    aspect = pixels.plate.info.pixel_aspect
    drawn = draw_overlay(pixels.column(look.frame), width=CARD_WIDTH, pixel_aspect=aspect)
    return Look(look.frame, look.reasons, packed(drawn))


def packed(canvas: Canvas) -> Picture:
    """A drawn picture, (H, W, 3) uint8 sRGB, as a JPEG within an address.

    Raises:
        OutputError: output_unwritable: there is no room for a temporary file.
    """
    height, width, _ = canvas.shape
    spec = oiio.ImageSpec(width, height, 3, "uint8")
    spec.attribute("compression", f"jpeg:{QUALITY}")
    with TemporaryDirectory(prefix="matted-page-") as folder:
        path = Path(folder) / "picture.jpg"
        output: Any = oiio.ImageOutput.create("jpeg")
        written = output.open(str(path), spec) and output.write_image(np.ascontiguousarray(canvas))
        if not (output.close() and written):
            message = f"A picture cannot be written to {folder}: {output.geterror()}."
            raise OutputError("output_unwritable", message, hint="Free some space there.", path=path)
        encoded = b64encode(path.read_bytes()).decode()
    return Picture(f"data:image/jpeg;base64,{encoded}", width, height)
