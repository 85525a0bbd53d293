"""Fills outlines: closed curves as Fusion keeps them become the anti-aliased coverage of each pixel, without numpy.

Control points are as in Fusion: x in widths and y in heights of the picture from its middle, y up; handles count from
their point. Coverage is a byte a pixel, 255 for all of it, rows from the top.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

Place = tuple[float, float]
"""x and y in pixels from the top left corner, y down."""

_SAMPLES = 16
"""Lines a pixel's row is looked at along; within a line the coverage is exact."""
_DEVIATION = 0.02
"""Pixels that a straight piece may be off its curve."""
_MOST_PIECES = 500
"""Of one curve: enough for one a hundred thousand pixels long."""


def bezier(points: Sequence[Sequence[float]], size: tuple[int, int]) -> list[Place]:
    """A closed outline of cubic Beziers as a polygon.

    Args:
        points: for each, x, y, and the left and the right handle's x and y.
        size: of the picture, pixels.
    """
    width, height = size
    found: list[Place] = []
    for one, after in zip(points, [*points[1:], *points[:1]]):
        x, y, _, _, right_x, right_y = one
        next_x, next_y, left_x, left_y, _, _ = after
        corners = ((x, y), (x + right_x, y + right_y), (next_x + left_x, next_y + left_y), (next_x, next_y))
        found += _pieces([((0.5 + across) * width, (0.5 - up) * height) for across, up in corners])
    return found


def bspline(points: Sequence[Sequence[float]], size: tuple[int, int]) -> list[Place]:
    """A closed outline of a uniform cubic B-spline as a polygon: it comes near its points, and touches none."""
    whole = []
    for before, point, after in zip([*points[-1:], *points], points, [*points[1:], *points]):
        at = [(one + 4 * two + three) / 6 for one, two, three in zip(before, point, after)]
        left = [(one + 2 * two) / 3 - here for one, two, here in zip(before, point, at)]
        right = [(2 * two + three) / 3 - here for two, three, here in zip(point, after, at)]
        whole.append((*at, *left, *right))
    return bezier(whole, size)


def _pieces(corners: Sequence[Place]) -> Iterator[Place]:
    """Points along a cubic Bezier so close that straight lines between them do; the last is left out."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    bend = max(math.hypot(x0 - 2 * x1 + x2, y0 - 2 * y1 + y2), math.hypot(x1 - 2 * x2 + x3, y1 - 2 * y2 + y3))
    count = min(_MOST_PIECES, max(1, math.ceil(math.sqrt(0.75 * bend / _DEVIATION))))
    for index in range(count):
        t = index / count
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        yield a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3


def coverage(polygon: Sequence[Place], size: tuple[int, int], *, winding: bool = False) -> bytes:
    """How much of each pixel a polygon covers.

    Args:
        polygon: its corners in order, closed by itself; it may cross itself and leave the picture.
        size: of the picture, pixels.
        winding: whether what it goes around twice is inside; without, it is outside again.
    """
    width, height = size
    edges = sorted(_edges(polygon, height * _SAMPLES))
    rows = [bytes(width)] * height
    active: list[tuple[int, int, float, float, int]] = []
    begun = 0
    for row in range(height):
        first = row * _SAMPLES
        while begun < len(edges) and edges[begun][0] < first + _SAMPLES:
            active.append(edges[begun])
            begun += 1
        active = [edge for edge in active if edge[1] >= first]
        if active:
            rows[row] = _row(active, first, width, winding)
    return b"".join(rows)


def _edges(polygon: Sequence[Place], lines: int) -> Iterator[tuple[int, int, float, float, int]]:
    """Of each side that crosses a sample line: the first and the last it crosses, x at the first, the step to the next,
    and 1 when it goes down, else -1."""
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], *polygon[:1]]):
        down = 1
        if y0 > y1:
            x0, y0, x1, y1, down = x1, y1, x0, y0, -1
        first = max(0, math.ceil(y0 * _SAMPLES - 0.5))
        last = min(lines, math.ceil(y1 * _SAMPLES - 0.5)) - 1
        if first <= last:
            slope = (x1 - x0) / (y1 - y0)
            yield first, last, x0 + ((first + 0.5) / _SAMPLES - y0) * slope, slope / _SAMPLES, down


def _row(edges: Iterable[tuple[int, int, float, float, int]], first: int, width: int, winding: bool) -> bytes:
    """One row of pixels, from the sides that cross it."""
    lines: list[list[tuple[float, int]]] = [[] for _ in range(_SAMPLES)]
    for begins, ends, x, step, down in edges:
        for sample in range(max(begins, first), min(ends, first + _SAMPLES - 1) + 1):
            lines[sample - first].append((min(max(x + step * (sample - begins), 0.0), float(width)), down))
    changes = [0.0] * (width + 2)  # from each pixel to the next
    changes[0] = 0.5  # so that cutting off rounds
    for line in lines:
        line.sort()
        around = 0
        for x, down in line:
            inside = around != 0
            around = around + down if winding else 1 - around
            if inside != (around != 0):
                change = 255 / _SAMPLES if around else -255 / _SAMPLES
                place = int(x)
                changes[place] += change * (1 - (x - place))
                changes[place + 1] += change * (x - place)
    return bytes(map(int, accumulate(changes[:width])))


def halves(covered: bytes, *, level: float = 1.0, inverted: bool = False) -> bytes:
    """Coverage as half-float values, little-endian: all of a pixel is ``level``, or 0 where it is inverted."""
    table = [struct.pack("<e", level * ((255 - value) if inverted else value) / 255) for value in range(256)]
    out = bytearray(2 * len(covered))
    out[::2] = covered.translate(bytes(value[0] for value in table))
    out[1::2] = covered.translate(bytes(value[1] for value in table))
    return bytes(out)
