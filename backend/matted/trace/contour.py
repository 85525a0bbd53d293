"""Where a matte is one half: closed outlines between pixels, and the pixels each of them encloses.

Marching squares (Lorensen and Cline, "Marching cubes", SIGGRAPH 1987, in the plane): along every edge between two
neighbouring pixels of which one is inside, the outline passes where the matte, interpolated, is 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(n, 2): x to the right and y down from the top left corner of the image, in pixels; a pixel's centre is at +0.5."""


@dataclass(frozen=True)
class Contour:
    """One closed outline.

    Attributes:
        points: (n, 2), clockwise on the screen around what is inside, counter-clockwise around a hole.
        hole: whether it encloses what is outside the matte.
        corner: (row, column) of ``region`` in the image.
        region: (h, w), the pixels it encloses, holes and islands in them included.
        pixels: how many those are.
    """

    points: Points
    hole: bool
    corner: tuple[int, int]
    region: NDArray[np.bool_]
    pixels: int

    def overlap(self, other: Contour) -> float:
        """Pixels in both over pixels in either, 0..1."""
        top, left = max(self.corner[0], other.corner[0]), max(self.corner[1], other.corner[1])
        bottom = min(self.corner[0] + self.region.shape[0], other.corner[0] + other.region.shape[0])
        right = min(self.corner[1] + self.region.shape[1], other.corner[1] + other.region.shape[1])
        if bottom <= top or right <= left:
            return 0.0
        ours, theirs = (
            one.region[top - one.corner[0] : bottom - one.corner[0], left - one.corner[1] : right - one.corner[1]]
            for one in (self, other)
        )
        both = int(np.count_nonzero(ours & theirs))
        return both / (self.pixels + other.pixels - both)


def find_contours(matte: NDArray[np.float32]) -> list[Contour]:
    """Every outline of a matte.

    Args:
        matte: (H, W), 0..1. Outside the image there is nothing, so what leaves it is closed along its border.

    Returns:
        the outlines, those of holes among them.
    """
    covered = np.nan_to_num(matte, nan=0.0) >= 0.5
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if rows.size == 0:
        return []
    top, left = int(rows[0]), int(columns[0])
    # one pixel around what is inside decides where the outline passes
    y0, x0 = max(top - 1, 0), max(left - 1, 0)
    part = np.nan_to_num(matte[y0 : int(rows[-1]) + 2, x0 : int(columns[-1]) + 2], nan=0.0).astype(np.float64)
    padded = np.pad(part, 1)
    width = padded.shape[1]
    numbers, following = _segments(padded)
    points = _crossings(padded, numbers) + np.array([x0 - 0.5, y0 - 0.5])
    found = []
    for cycle in _cycles(following):
        corner, region = _enclosed(numbers[cycle], padded.size, width)
        outline = points[cycle]
        before = np.roll(outline, 1, axis=0)
        signed = float((before[:, 0] * outline[:, 1] - outline[:, 0] * before[:, 1]).sum())
        place = (corner[0] + y0 - 1, corner[1] + x0 - 1)
        found.append(Contour(outline, signed < 0, place, region, int(np.count_nonzero(region))))
    return found


def _segments(padded: Points) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The edges the outline crosses, by number, ascending; and for each the position of the one it crosses next.

    Edges from a pixel to the one on its right are numbered as that pixel, those to the one below come after them.
    """
    inside = padded >= 0.5
    width = padded.shape[1]
    # corners of each cell, clockwise from the top left one
    corners = np.stack([inside[:-1, :-1], inside[:-1, 1:], inside[1:, 1:], inside[1:, :-1]])
    row, column = np.nonzero(corners.any(axis=0) & ~corners.all(axis=0))
    corners = corners[:, row, column]
    cell = row * width + column
    edges = np.stack([cell, padded.size + cell + 1, cell + width, padded.size + cell])
    after = np.roll(corners, -1, axis=0)
    leaving, entering = corners & ~after, ~corners & after  # clockwise around the cell
    saddle = leaving.sum(axis=0) == 2
    plain = ~saddle
    first = [edges[leaving.argmax(axis=0), np.arange(cell.size)][plain]]
    then = [edges[entering.argmax(axis=0), np.arange(cell.size)][plain]]
    middle = (padded[:-1, :-1] + padded[:-1, 1:] + padded[1:, 1:] + padded[1:, :-1])[row, column] / 4 >= 0.5
    for edge in range(4):
        chosen = saddle & leaving[edge]
        first.append(edges[edge, chosen])
        then.append(np.where(middle, edges[(edge + 1) % 4], edges[(edge - 1) % 4])[chosen])
    starts, ends = np.concatenate(first), np.concatenate(then)
    order = np.argsort(starts)
    numbers = starts[order]
    return numbers, np.searchsorted(numbers, ends[order])


def _crossings(padded: Points, numbers: NDArray[np.intp]) -> Points:
    """Where the outline crosses each edge: (n, 2), pixel (0, 0) of ``padded`` having its centre at (0, 0)."""
    flat, width = padded.ravel(), padded.shape[1]
    down = numbers >= padded.size
    pixel = np.where(down, numbers - padded.size, numbers)
    ours, theirs = flat[pixel], flat[pixel + np.where(down, width, 1)]
    along = np.clip((0.5 - ours) / (theirs - ours), 0.01, 0.99)  # around a pixel of exactly 0.5 there is still room
    return np.stack([pixel % width + np.where(down, 0, along), pixel // width + np.where(down, along, 0)], axis=1)


def _cycles(following: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The closed ways through ``following``, each as the positions it passes."""
    left, onwards = set(range(following.size)), following.tolist()
    found = []
    while left:
        start = position = left.pop()
        cycle = [start]
        while (position := onwards[position]) != start:
            cycle.append(position)
        left.difference_update(cycle)
        found.append(np.array(cycle, np.intp))
    return sorted(found, key=lambda cycle: int(cycle.min()))


def _enclosed(numbers: NDArray[np.intp], size: int, width: int) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """The pixels an outline encloses: along a row, every crossing is a way in or out."""
    sideways = numbers[numbers < size]
    row, column = sideways // width, sideways % width + 1
    top, left = int(row.min()), int(column.min())
    turns = np.zeros((int(row.max()) - top + 1, int(column.max()) - left + 1), np.bool_)
    turns[row - top, column - left] = True
    return (top, left), np.logical_xor.accumulate(turns, axis=1)[:, :-1]
