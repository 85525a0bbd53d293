"""The contact sheet: one picture of a job for a person to judge, mattes above and confidence below.

OpenCV draws text, lines and small pictures here; OpenImageIO writes the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from matted.errors import OutputError
from matted.media import ink
from matted.media.ink import Canvas
from matted.media.strip import draw_strip

Pixels = NDArray[np.float32]

WIDTH = 1600
"""Pixels: legible on every monitor, small enough for a message."""


@dataclass(frozen=True)
class Column:
    """One frame of the sheet.

    Attributes:
        frame: its number.
        plate: (H, W, 3) 0..1, display-referred sRGB.
        mattes: (O, H, W) 0..1, at the plate's size.
    """

    frame: int
    plate: Pixels
    mattes: Pixels


@dataclass(frozen=True)
class Sheet:
    """What the sheet says beside its pictures.

    Attributes:
        title: the shot's name.
        subtitle: how it was made: weights, size, frames.
        objects: object names, in the order of the mattes' rows.
        confidence: per frame one number 0..1 an object; frames may be missing.
        keyframes: frames the artist masked.
        suggestions: frames worth masking next, best first.
        pixel_aspect: width of a plate's pixel over its height.
        scores: per object what there is to say about it, e.g. ``J 0.93  F 0.97``.
    """

    title: str
    subtitle: str
    objects: Sequence[str]
    confidence: Mapping[int, Sequence[float]]
    keyframes: Sequence[int] = ()
    suggestions: Sequence[int] = ()
    pixel_aspect: float = 1.0
    scores: Mapping[str, str] = field(default_factory=dict)


def draw_sheet(sheet: Sheet, columns: Iterable[Column], *, width: int = WIDTH, count: int = 6) -> Canvas:
    """Draw the contact sheet.

    Args:
        sheet: the words and figures.
        columns: the frames to show, at most ``count``; read one at a time, so a generator keeps memory small.
        width: pixels; 900 and up is legible.
        count: how many columns there is room for.

    Returns:
        (height, width, 3) uint8, sRGB; as high as it needs to be.
    """
    parts = [
        _draw_header(sheet, width),
        draw_pictures(sheet, columns, width=width, count=count),
        draw_strip(
            width,
            objects=sheet.objects,
            confidence=sheet.confidence,
            keyframes=sheet.keyframes,
            suggestions=sheet.suggestions,
        ),
    ]
    return np.concatenate(parts)


def write_sheet(path: Path, picture: Canvas) -> None:
    """Write a drawn sheet as PNG: beside, then renamed.

    Args:
        path: the file; its folder is made.
        picture: (H, W, 3) uint8, sRGB.

    Raises:
        OutputError: it cannot be written (``output_unwritable``, ``disk_full``).
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        spec = oiio.ImageSpec(picture.shape[1], picture.shape[0], 3, "uint8")
        spec.attribute("oiio:ColorSpace", "sRGB")
        output: Any = oiio.ImageOutput.create("png")
        written = output.open(str(beside), spec) and output.write_image(np.ascontiguousarray(picture))
        if not (output.close() and written):
            raise OSError(output.geterror() or "the file did not arrive whole")
        beside.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if path.parent.is_dir():
            beside.unlink(missing_ok=True)


def _draw_header(sheet: Sheet, width: int) -> Canvas:
    rows = _legend_rows(sheet, width)
    canvas = ink.blank(112 + 30 * len(rows), width)
    room = width - 2 * ink.MARGIN
    ink.write(canvas, ink.fitted(sheet.title, 28, room, weight=600), ink.MARGIN, 54, 28, ink.BRIGHT, weight=600)
    ink.write(canvas, ink.fitted(sheet.subtitle, 16, room), ink.MARGIN, 82, 16, ink.QUIET)
    for index, row in enumerate(rows):
        y = 120 + 30 * index
        for x, object_row, name, score in row:
            cv2.circle(canvas, (x + 6, y - 6), 6, ink.object_color(object_row), -1, cv2.LINE_AA)
            after = ink.write(canvas, name, x + 22, y, 16, ink.BRIGHT, weight=600)
            ink.write(canvas, score, after + 12, y, 16, ink.TEXT)
    return canvas


def _legend_rows(sheet: Sheet, width: int) -> list[list[tuple[int, int, str, str]]]:
    """The objects with their scores, laid out left to right and wrapped: (x, row, name, score)."""
    rows: list[list[tuple[int, int, str, str]]] = [[]]
    x = ink.MARGIN
    for row, full_name in enumerate(sheet.objects):
        name, score = ink.fitted(full_name, 16, 260, weight=600), sheet.scores.get(full_name, "")
        taken = 22 + ink.measure(name, 16, 600) + (12 + ink.measure(score, 16) if score else 0)
        if rows[-1] and x + taken > width - ink.MARGIN:
            rows.append([])
            x = ink.MARGIN
        rows[-1].append((x, row, name, score))
        x += taken + 48
    return rows


def draw_pictures(sheet: Sheet, columns: Iterable[Column], *, width: int = WIDTH, count: int = 6) -> Canvas:
    """Draw the middle of a contact sheet alone: plate, overlay and mattes of every column; as :func:`draw_sheet`."""
    tile_width = (width - 2 * ink.MARGIN - ink.GUTTER - (count - 1) * ink.GAP) // count
    strips: list[Canvas] = []
    height = 0
    for column, _ in zip(columns, range(count), strict=False):
        height = height or max(
            24,
            min(round(tile_width * column.plate.shape[0] / column.plate.shape[1] / sheet.pixel_aspect), 3 * tile_width),
        )
        strips.append(_draw_column(sheet, column, tile_width, height))
    canvas = ink.blank(40 + 3 * (height + ink.GAP) + 20, width)
    for index, strip in enumerate(strips):
        left = ink.MARGIN + ink.GUTTER + index * (tile_width + ink.GAP)
        canvas[: len(strip), left : left + tile_width] = strip
    for index, name in enumerate(("Plate", "Overlay", "Matte") if strips else ()):
        ink.write(canvas, name, ink.MARGIN, 40 + index * (height + ink.GAP) + height // 2 + 6, 16, ink.QUIET)
    return canvas


def _draw_column(sheet: Sheet, column: Column, width: int, height: int) -> Canvas:
    strip = ink.blank(40 + 3 * (height + ink.GAP), width)
    is_keyframe = column.frame in sheet.keyframes
    after = ink.write(strip, str(column.frame), 0, 24, 17, ink.BRIGHT, weight=600)
    if is_keyframe:
        ink.diamond(strip, after + 16, 18, 6, ink.KEYFRAME)
        ink.write(strip, "keyframe", after + 28, 24, 15, ink.KEYFRAME)
    elif column.frame in sheet.suggestions:
        ink.triangle(strip, after + 16, 18, 6, ink.SUGGESTED)
        ink.write(strip, "suggested", after + 28, 24, 15, ink.TEXT)
    plate = _small(column.plate.clip(0, 1), width, height)
    mattes = np.stack([_small(matte, width, height) for matte in column.mattes]) if len(column.mattes) else None
    tiles = [_eight_bit(plate), _laid_over(plate, mattes), _eight_bit(_tinted(mattes, plate.shape))]
    for index, tile in enumerate(tiles):
        top = 40 + index * (height + ink.GAP)
        strip[top : top + height] = tile
    return strip


def draw_overlay(column: Column, *, width: int, pixel_aspect: float = 1.0) -> Canvas:
    """Draw one frame with its mattes over it, tinted and outlined as in a contact sheet.

    Args:
        column: the frame.
        width: pixels.
        pixel_aspect: width of a plate's pixel over its height.

    Returns:
        (height, width, 3) uint8, sRGB; as high as the plate makes it.
    """
    height = max(24, round(width * column.plate.shape[0] / column.plate.shape[1] / pixel_aspect))
    mattes = np.stack([_small(matte, width, height) for matte in column.mattes]) if len(column.mattes) else None
    return _laid_over(_small(column.plate.clip(0, 1), width, height), mattes)


def _laid_over(plate: Pixels, mattes: Pixels | None) -> Canvas:
    if mattes is None:
        return _eight_bit(plate)
    tile = np.ascontiguousarray(_eight_bit(_overlay(plate, mattes)))
    _outline(tile, mattes)
    return tile


def _overlay(plate: Pixels, mattes: Pixels) -> Pixels:
    """The plate, a little darker, with every object tinted in its colour."""
    picture = 0.75 * plate
    for row, matte in enumerate(mattes):
        color = np.array(ink.object_color(row), np.float32) / 255
        picture += 0.42 * matte[..., None] * (color - picture)
    return picture


def _outline(tile: Canvas, mattes: Pixels) -> None:
    """Draw every object's contour at 0.5, to a quarter of a pixel."""
    for row, matte in enumerate(mattes):
        large = cv2.resize(matte, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
        contours, _ = cv2.findContours((large >= 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        points = [np.round((contour - 1.5) * 4).astype(np.int32) for contour in contours]
        cv2.polylines(tile, points, True, ink.object_color(row), 1, cv2.LINE_AA, shift=4)


def _tinted(mattes: Pixels | None, shape: tuple[int, ...]) -> Pixels:
    """The mattes on black: white for one object, light tints of their colours for several."""
    picture = np.zeros(shape, np.float32)
    if mattes is None:
        return picture
    for row, matte in enumerate(mattes):
        tint = np.ones(3) if len(mattes) == 1 else 0.35 + 0.65 * np.array(ink.object_color(row)) / 255
        picture += matte[..., None] * tint.astype(np.float32)
    return picture


def _small(picture: Pixels, width: int, height: int) -> Pixels:
    shrinks = picture.shape[0] > height
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def _eight_bit(picture: Pixels) -> Canvas:
    return np.asarray(np.rint(np.nan_to_num(picture).clip(0, 1) * 255), np.uint8)


def _refused(path: Path, error: OSError) -> OutputError:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if shutil.disk_usage(folder).free < 1 << 20:
        message = f"The contact sheet {path} cannot be written: the disk is full."
        return OutputError("disk_full", message, hint="Free some space and run the same command again.", path=path)
    message = f"The contact sheet {path} cannot be written: {error.strerror or error}."
    return OutputError("output_unwritable", message, hint=f"Check that you may write to {path.parent}.", path=path)
