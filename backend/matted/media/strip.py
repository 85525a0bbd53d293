"""The confidence strip of a contact sheet: one lane an object over all frames, keyframes and suggestions marked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from matted.media import ink
from matted.media.ink import Canvas


def draw_strip(
    width: int,
    *,
    objects: Sequence[str],
    confidence: Mapping[int, Sequence[float]],
    keyframes: Sequence[int],
    suggestions: Sequence[int],
) -> Canvas:
    """Draw the strip, ``width`` pixels wide and as high as its lanes need; arguments as in ``Sheet``."""
    lane = 64 if len(objects) <= 3 else 40
    top, lanes = 62, (lane + ink.GAP) * max(1, len(objects))
    canvas = ink.blank(top + lanes + 62, width)
    _draw_title(canvas, width, keyframes, suggestions)
    numbers = [*confidence, *keyframes, *suggestions]
    if not numbers:
        return canvas
    axis = _Axis(min(numbers), max(numbers), ink.MARGIN + ink.GUTTER, width - ink.MARGIN)
    for row, name in enumerate(objects):
        _draw_lane(canvas, axis, top + row * (lane + ink.GAP), lane, row, name, confidence)
    bottom = top + lanes - ink.GAP
    for frame in keyframes:
        x = axis.middle(frame)
        cv2.line(canvas, (x, top - 4), (x, bottom), ink.KEYFRAME, 1, cv2.LINE_AA)
        ink.diamond(canvas, x, top - 10, 6, ink.KEYFRAME)
    for frame in suggestions:
        x = axis.middle(frame)
        for y in range(top, bottom, 8):
            cv2.line(canvas, (x, y), (x, min(y + 3, bottom)), ink.SUGGESTED, 1)
        ink.triangle(canvas, x, bottom + 9, 6, ink.SUGGESTED)
    _draw_frame_numbers(canvas, axis, bottom + 36, keyframes, suggestions)
    return canvas


def _draw_title(canvas: Canvas, width: int, keyframes: Sequence[int], suggestions: Sequence[int]) -> None:
    ink.write(canvas, "Confidence", ink.MARGIN, 26, 17, ink.BRIGHT, weight=600)
    right = width - ink.MARGIN
    for word, mark, color, used in (
        ("suggested", ink.triangle, ink.SUGGESTED, suggestions),
        ("keyframe", ink.diamond, ink.KEYFRAME, keyframes),
    ):
        if used:
            right -= ink.measure(word, 15)
            ink.write(canvas, word, right, 26, 15, ink.TEXT)
            mark(canvas, right - 14, 20, 6, color)
            right -= 48


@dataclass(frozen=True)
class _Axis:
    """Frame numbers on a line from pixel ``left`` to ``right``; every number has a cell of its own."""

    first: int
    last: int
    left: int
    right: int

    def edge(self, frame: int) -> int:
        """Left edge of the frame's cell."""
        return self.left + (self.right - self.left) * (frame - self.first) // (self.last - self.first + 1)

    def middle(self, frame: int) -> int:
        """Middle of the frame's cell."""
        return (self.edge(frame) + self.edge(frame + 1)) // 2


def _draw_lane(
    canvas: Canvas, axis: _Axis, top: int, height: int, row: int, name: str, confidence: Mapping[int, Sequence[float]]
) -> None:
    color = ink.object_color(row)
    canvas[top : top + height, axis.left : axis.right] = ink.PANEL
    frames = sorted(confidence)
    step = min((later - frame for frame, later in itertools.pairwise(frames)), default=1)
    for frame in frames:
        value = float(np.clip(np.nan_to_num(confidence[frame][row]), 0, 1))
        left, right = axis.edge(frame), max(axis.edge(min(frame + step, axis.last + 1)), axis.edge(frame) + 1)
        level = top + height - 1 - round(value * (height - 1))
        canvas[level : top + height, left:right] = tuple(
            int(ink.PANEL[i] + 0.45 * (color[i] - ink.PANEL[i])) for i in range(3)
        )
        canvas[level : min(level + 2, top + height), left:right] = color
    ink.write(canvas, ink.fitted(name, 15, ink.GUTTER - 34), ink.MARGIN, top + height // 2 + 5, 15, ink.TEXT)
    for digit, y in (("1", top + 11), ("0", top + height - 1)):
        ink.write(canvas, digit, axis.left - 16, y, 12, ink.QUIET)


def _draw_frame_numbers(
    canvas: Canvas, axis: _Axis, y: int, keyframes: Sequence[int], suggestions: Sequence[int]
) -> None:
    """Number keyframes and suggestions first, then round numbers where there is room."""
    taken: list[tuple[int, int]] = []
    span = axis.last - axis.first + 1
    step = next(step * 10**power for power in range(9) for step in (1, 2, 5, 10) if span / (step * 10**power) <= 12)
    ticks = [frame for frame in range(axis.first, axis.last + 1) if frame % step == 0]
    wanted = [(frame, ink.KEYFRAME) for frame in keyframes] + [(frame, ink.SUGGESTED) for frame in suggestions]
    for frame, color in [*wanted, *((frame, ink.QUIET) for frame in [axis.first, axis.last, *ticks])]:
        length = ink.measure(str(frame), 14)
        left = min(max(axis.middle(frame) - length // 2, axis.left), axis.right - length)
        if all(left + length + 8 < start or left > end + 8 for start, end in taken):
            ink.write(canvas, str(frame), left, y, 14, color)
            taken.append((left, left + length))
