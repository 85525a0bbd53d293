"""What the contact sheet is drawn with: colours, text and marks on (H, W, 3) uint8 sRGB canvases."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
Color = tuple[int, int, int]

GROUND, PANEL = (28, 28, 29), (37, 37, 39)
BRIGHT, TEXT, QUIET = (236, 236, 236), (190, 190, 192), (132, 132, 136)
KEYFRAME, SUGGESTED = (250, 196, 72), (255, 255, 255)
OBJECT_COLORS: tuple[Color, ...] = (
    (255, 112, 88),
    (84, 168, 255),
    (112, 214, 126),
    (190, 134, 255),
    (255, 128, 196),
    (72, 208, 204),
    (206, 214, 84),
    (168, 140, 112),
)
MARGIN, GUTTER, GAP = 36, 92, 8
"""Pixels around the sheet, for row names on the left, and between pictures."""


def object_color(row: int) -> Color:
    """The display colour of an object's row, 8-bit sRGB; after eight objects the colours come round again."""
    return OBJECT_COLORS[row % len(OBJECT_COLORS)]


def blank(height: int, width: int) -> Canvas:
    """An empty piece of the sheet, in pixels."""
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = GROUND
    return canvas


def write(canvas: Canvas, text: str, x: int, y: int, size: int, color: Color, *, weight: int = 400) -> int:
    """Write with the baseline at ``y``; returns where the text ends."""
    cv2.putText(canvas, text, (x, y), color, cv2.FontFace("sans"), size, weight)
    return x + measure(text, size, weight)


def measure(text: str, size: int, weight: int = 400) -> int:
    """Pixels the text takes from left to right."""
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), size, weight)
    return int(width)


def fitted(text: str, size: int, room: int, *, weight: int = 400) -> str:
    """The text, its end cut off where it would leave the room."""
    if measure(text, size, weight) <= room:
        return text
    while text and measure(f"{text}…", size, weight) > room:
        text = text[:-1]
    return f"{text}…"


def diamond(canvas: Canvas, x: int, y: int, radius: int, color: Color) -> None:
    """The mark of a keyframe."""
    corners = np.array([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], np.int32)
    cv2.fillConvexPoly(canvas, corners, color, cv2.LINE_AA)


def triangle(canvas: Canvas, x: int, y: int, radius: int, color: Color) -> None:
    """The mark of a suggestion."""
    corners = np.array([(x, y - radius), (x + radius, y + radius - 1), (x - radius, y + radius - 1)], np.int32)
    cv2.fillConvexPoly(canvas, corners, color, cv2.LINE_AA)
