"""Filling outlines with exact pixel coverage, for the stand-in Nuke's Roto. Coordinates are Nuke's: y up, (0, 0) the bottom-left corner of the image."""

from __future__ import annotations

import math

import numpy as np


def bezier_outline(points: np.ndarray, closed: bool, like: np.ndarray | None = None) -> np.ndarray:
    """Points (N, 3, 2): centre, left offset, right offset -> a polyline (M, 2) along the cubic Bezier through the centres.

    A side that is straight both here and in `like` is one piece; sampled the same way, an outline and its feather stay paired.
    """
    others = [points] if like is None else [points, like]
    sides = [(i, (i + 1) % len(points)) for i in range(len(points) if closed else len(points) - 1)]
    pieces = [_side(points[i], points[k], all(not (p[i, 2].any() or p[k, 1].any()) for p in others)) for i, k in sides]
    return np.concatenate(pieces)


def _side(start: np.ndarray, end: np.ndarray, straight: bool) -> np.ndarray:
    u = np.linspace(0, 1, 2 if straight else 33)[:, None]
    p0, p1, p2, p3 = start[0], start[0] + start[2], end[0] + end[1], end[0]
    return (1 - u) ** 3 * p0 + 3 * u * (1 - u) ** 2 * p1 + 3 * u * u * (1 - u) * p2 + u**3 * p3


def bspline_outline(centres: np.ndarray) -> np.ndarray:
    """A closed uniform cubic B-spline (weights 1-4-1, PyPI rotobot-nuke, Nuke 16): control points (N, 2) -> a polyline (M, 2) that does not pass through them."""
    u = np.linspace(0, 1, 17)[:-1, None]
    weights = ((1 - u) ** 3 / 6, (3 * u**3 - 6 * u**2 + 4) / 6, (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6, u**3 / 6)
    return np.concatenate(
        [sum(w * np.roll(centres, 1 - i - k, axis=0)[0] for k, w in enumerate(weights)) for i in range(len(centres))]
    )


def fill(outline: np.ndarray, width: int, height: int) -> np.ndarray:
    """A closed polyline (M, 2) -> coverage (height, width) float32 in 0..1, row 0 at the top; what winds twice is covered once."""
    area = np.zeros((height, width + 2), np.float64)
    points = np.stack([outline[:, 0], height - outline[:, 1]], axis=1).tolist()
    for start, end in zip(points, points[1:] + points[:1]):
        _edge(area, start, end)
    return np.minimum(np.abs(np.cumsum(area, axis=1)[:, :width]), 1).astype(np.float32)


def _edge(area: np.ndarray, start: list[float], end: list[float]) -> None:
    """Add what one edge changes in the coverage to its right, row by row."""
    height, width = area.shape[0], area.shape[1] - 2
    sign, ((x0, y0), (x1, y1)) = (1.0, (start, end)) if start[1] < end[1] else (-1.0, (end, start))
    if y0 == y1:
        return
    slope = (x1 - x0) / (y1 - y0)
    for row in range(max(0, math.floor(y0)), min(height, math.ceil(y1))):
        top, bottom = max(float(row), y0), min(row + 1.0, y1)
        if bottom <= top:
            continue
        xs = sorted(min(max(x0 + slope * (y - y0), 0.0), float(width)) for y in (top, bottom))
        _row(area[row], xs[0], xs[1], sign * (bottom - top))


def _row(cells: np.ndarray, left: float, right: float, amount: float) -> None:
    """Spread `amount` over the cells an edge crosses from `left` to `right`, so that a running sum gives the covered area."""
    first, last = int(left), int(right)
    if first == last:
        inside = 0.5 * (left + right) - first
        cells[first] += amount * (1 - inside)
        cells[first + 1] += amount * inside
        return
    density, before = amount / (right - left), 0.0
    for cell in range(first, last + 1):
        a, b = max(left, cell), min(right, cell + 1)
        covered = density * (b - a) * (cell + 1 - 0.5 * (a + b))
        cells[cell] += covered + before
        before = density * (b - a) - covered
    cells[last + 1] += before


def brush(path: np.ndarray, size: float, width: int, height: int) -> np.ndarray:
    """A stroke of `size` pixels along a polyline (M, 2) -> coverage (height, width) float32, row 0 at the top."""
    xs, ys = np.meshgrid(np.arange(width) + 0.5, height - 0.5 - np.arange(height))
    nearest = np.full((height, width), np.inf)
    for start, end in zip(path, path[1:] if len(path) > 1 else path):
        along = end - start
        length = float(along @ along)
        u = np.clip(((xs - start[0]) * along[0] + (ys - start[1]) * along[1]) / length, 0, 1) if length else 0.0
        nearest = np.minimum(nearest, np.hypot(xs - start[0] - u * along[0], ys - start[1] - u * along[1]))
    return np.clip(size / 2 + 0.5 - nearest, 0, 1).astype(np.float32)
